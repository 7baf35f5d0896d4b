"""Moves an open frame on: the next question, the read-back, the tenant's system, the answer, and what comes after."""

from collections.abc import Mapping
from hashlib import sha256
from typing import Any

from app.dialogue.draft import (
    AWAIT_CHANGE,
    CONFIRM,
    CONFIRM_FRAME,
    CONFIRM_MORE,
    CONFIRM_NEXT,
    CONFIRM_RESUME,
    Draft,
)
from app.dialogue.escalation import Trigger
from app.dialogue.flow import ANY_ANSWER, FrameFlow
from app.dialogue.frame import FrameDesk
from app.dialogue.identity import IdentityDesk
from app.dialogue.person import PersonDesk
from app.dialogue.turn import ActionKind, ToolResult, Tools
from app.dialogue.values import spoken
from app.dialogue.verification import awaited_factor
from app.errors import PackError
from app.language.render import topic_of

_KEPT_ANSWERS = 6


class ProgressDesk:
    """Runs any frame from where it stands."""

    def __init__(self, frames: FrameDesk, person: PersonDesk, identity: IdentityDesk) -> None:
        self._frames = frames
        self._person = person
        self._identity = identity

    async def advance(self, draft: Draft, flow: FrameFlow, tools: Tools, *, confirmed: bool = False) -> None:
        """Does the next thing that the frame needs.

        Args:
            draft: The turn.
            flow: The open frame's flow.
            tools: The tenant's systems.
            confirmed: Whether the caller just said yes to what was read back.

        Raises:
            CommitNeeded: The next thing is a write, and the turn is not certain yet.
        """
        if (misfit := self._frames.misfit(draft, flow)) is not None:
            self._frames.wrong(draft, flow, misfit)
            return
        doubtful = next((s for s in flow.slots if f"{s.name}.doubt" in draft.state.slots), None)
        if doubtful is not None and flow.confirm is None:
            self._frames.confirm_number(draft, doubtful)
        elif (slot := self._frames.next_slot(draft, flow)) is not None:
            self._frames.ask(draft, flow, slot)
        elif flow.confirm is not None and not confirmed:
            self._frames.confirm(draft, flow)
        elif flow.tool is None:
            self._finish(draft, flow)
        elif self._identity.due(draft, flow):
            self._identity.ask(draft)
        else:
            await self._call(draft, flow, tools)

    def ask_again(self, draft: Draft, flow: FrameFlow) -> None:
        """Asks what the open frame waits for once more."""
        awaiting = draft.state.awaiting or ""
        slot = flow.slot(awaiting.removeprefix(CONFIRM))
        if awaited_factor(awaiting) is not None:
            self._identity.ask(draft)
        elif slot is None:
            self._frames.confirm(draft, flow)
        elif awaiting.startswith(CONFIRM):
            self._frames.confirm_number(draft, slot)
        else:
            self._frames.ask(draft, flow, slot)

    def refused(self, draft: Draft, flow: FrameFlow) -> None:
        """The caller said no to what was read back: asks what to change, the second time lets it be."""
        changeable = any(slot.ask for slot in flow.slots)
        if draft.state.awaiting == CONFIRM_FRAME and changeable and draft.say("ask_what_to_change"):
            draft.change(awaiting=AWAIT_CHANGE)
        else:
            self.abandon(draft)

    def abandon(self, draft: Draft) -> None:
        """Leaves the open frame undone and goes on with what waits."""
        draft.change(misses=0)
        draft.say("left_undone", "acknowledge")
        self.go_on(draft)

    def go_on(self, draft: Draft, *, at_once: bool = False) -> None:
        """After a matter is closed: takes up the one put aside, then the one named beside it, else asks for more.

        Args:
            draft: The turn.
            at_once: Whether a matter put aside goes on without asking: after a mere question in between.
        """
        draft.change(flow=None, awaiting=None)
        if draft.state.suspended:
            frame = draft.state.suspended[-1]
            if at_once and (flow := self._frames.resume(draft)) is not None:
                self.ask_again(draft, flow)
                return
            if self._ask_to_go_on(draft, "resume_ask", str(frame["intent"]), CONFIRM_RESUME):
                return
        elif draft.state.pending and self._ask_to_go_on(
            draft, "next_matter_ask", str(draft.state.pending[0]["flow"]), CONFIRM_NEXT
        ):
            return
        draft.change(suspended=(), pending=())
        if draft.say("anything_else", "greeting_ask"):
            draft.change(awaiting=CONFIRM_MORE)

    async def resumed(self, draft: Draft, tools: Tools) -> None:
        """The caller wants to go on with what was put aside, or with what was named beside."""
        taking_up = draft.state.awaiting == CONFIRM_RESUME
        draft.change(misses=0)
        flow = self._frames.resume(draft) if taking_up else self._frames.begin_next(draft)
        if flow is None:
            self.go_on(draft)
        elif taking_up:
            self.ask_again(draft, flow)
        elif self.offers(draft, flow, tools):
            await self.advance(draft, flow, tools)

    def dropped(self, draft: Draft) -> None:
        """The caller does not want to go on with what was put aside, or with what was named beside."""
        state = draft.state
        if state.awaiting == CONFIRM_RESUME:
            draft.change(suspended=state.suspended[:-1], misses=0)
        else:
            draft.change(pending=state.pending[1:], misses=0)
        draft.say("acknowledge")
        self.go_on(draft)

    def offers(self, draft: Draft, flow: FrameFlow, tools: Tools, intent: str | None = None) -> bool:
        """Returns whether the agent can serve a frame; if not, the caller hears what is done instead."""
        if flow.tool is None or flow.without_tool == "record" or tools.offers(flow.tool):
            return True
        intent = intent or flow.intents[0]
        draft.change(intent=intent)
        if flow.without_tool == "hand_over":
            self._person.hand_over(draft, intent)
        else:
            draft.change(misses=0, flow=None)
            self._person.offer(draft, f"unsupported:{intent}", "unsupported_request")
        return False

    # the tenant's system and its answer

    async def _call(self, draft: Draft, flow: FrameFlow, tools: Tools) -> None:
        arguments = {slot.name: value for slot in flow.slots if (value := draft.state.slots.get(slot.name)) is not None}
        if flow.tool is None or not tools.offers(flow.tool):
            self._record(draft, flow, arguments)
            return
        key = self._key(draft, flow, arguments) if flow.write else None
        result = await tools.call(flow.tool, arguments, key=key)
        draft.change(
            fetched=(
                *draft.state.fetched,
                {"tool": flow.tool, "ok": result.ok, "found": result.found, "data": dict(result.data)},
            )[-_KEPT_ANSWERS:]
        )
        if result.needs_verification and draft.profile.verification is not None:
            self._identity.ask(draft)
        elif result.awaiting_approval:
            self._restricted(draft, flow)
        elif result.unsettled:
            draft.result()
            draft.say(flow.unsettled)
            self.go_on(draft)
        elif not result.ok:
            self._failed(draft, flow, result)
        elif not result.found:
            self._not_found(draft, flow)
        else:
            await self._answer(draft, flow, result.data, tools)

    def _key(self, draft: Draft, flow: FrameFlow, arguments: Mapping[str, str]) -> str:
        """Names the write: the same yes to the same values in the same conversation is one write."""
        values = "\n".join(f"{name}={value}" for name, value in sorted(arguments.items()))
        return f"{draft.state.thread}:{draft.state.frame}:{flow.name}:{sha256(values.encode()).hexdigest()[:16]}"

    def _record(self, draft: Draft, flow: FrameFlow, arguments: Mapping[str, str]) -> None:
        """Notes for a person what no system takes."""
        draft.act(ActionKind.CALLBACK, flow.name, {**self._person.handoff_data(draft, flow.name), "slots": arguments})
        self._finish(draft, flow)

    async def _answer(self, draft: Draft, flow: FrameFlow, data: Mapping[str, Any], tools: Tools) -> None:
        value = _value(data.get(flow.by))
        key = flow.answers.get(value) or flow.answers.get(ANY_ANSWER)
        said = {name: words for name, kind in flow.facts.items() if (words := self._fact(draft, kind, data.get(name)))}
        try:
            times = draft.state.used.get(key or "", 0)
            text = None if key is None else draft.words(key, {**self._frames.spoken(draft, flow), **said}, times)
        except PackError:
            text = None
        if key is None or text is None:
            self._failed(draft, flow, ToolResult(ok=False, error=f"no sentence for {flow.by} {value}"))
            return
        if self._person.too_high(draft, flow.name, data):
            return
        if value in flow.retry:
            draft.say_text(text)
            await self._again(draft, flow, data, tools)
            return
        draft.result()
        draft.say_text(text)
        draft.change(not_found=0, used={**draft.state.used, key: draft.state.used.get(key, 0) + 1})
        self._finish(draft, flow)

    async def _again(self, draft: Draft, flow: FrameFlow, data: Mapping[str, Any], tools: Tools) -> None:
        """Asks anew for what could not be had; what the answer offers instead is read back."""
        value = _value(data.get(flow.by))
        for name in flow.retry[value]:
            slot = flow.slot(name)
            offered = data.get(name)
            words = spoken(draft.pack, slot.type, offered, draft.today) if slot is not None else None
            draft.put_slot(name, str(offered) if words is not None else None)
        await self.advance(draft, flow, tools)

    def _fact(self, draft: Draft, kind: str, value: Any) -> str | None:
        return spoken(draft.pack, kind, value, draft.today)

    def _finish(self, draft: Draft, flow: FrameFlow) -> None:
        draft.result()
        draft.change(awaiting=None)
        if flow.done == "person":
            self._person.hand_over(draft, draft.state.intent or flow.name, before=flow.farewell)
        elif flow.done == "end" and not draft.state.suspended:
            draft.say(flow.farewell or "goodbye")
            draft.act(ActionKind.END, draft.state.intent or flow.name, draft.public_slots())
        else:
            self.go_on(draft, at_once=not flow.write)

    def _failed(self, draft: Draft, flow: FrameFlow, result: ToolResult) -> None:
        draft.say(flow.failed, "system_not_answering")
        draft.change(misses=0, flow=None)
        self._person.system_down(draft, flow.tool or flow.name, result.error or "no answer")

    def _restricted(self, draft: Draft, flow: FrameFlow) -> None:
        draft.result()
        draft.say(flow.approval)
        if draft.profile.escalation.policy_edge:
            draft.change(flow=None)
            self._person.escalate(draft, Trigger.POLICY_EDGE, f"restricted:{flow.tool}", {"tool": flow.tool})
        else:
            self.go_on(draft)

    def _not_found(self, draft: Draft, flow: FrameFlow) -> None:
        draft.change(not_found=draft.state.not_found + 1)
        words = self._frames.spoken(draft, flow)
        if flow.not_found is None or not draft.say(flow.not_found, **words):
            draft.change(not_found=flow.not_found_limit)
        number = flow.number or next((slot for slot in flow.slots if slot.ask), None)
        if draft.state.not_found >= flow.not_found_limit or number is None:
            draft.change(flow=None)
            self._person.offer(draft, "not_found")
            return
        draft.put_slot(number.name, None)
        self._frames.ask(draft, flow, number)

    def _ask_to_go_on(self, draft: Draft, key: str, intent: str, awaiting: str) -> bool:
        if not draft.say(key, topic=topic_of(draft.pack, intent)):
            return False
        draft.change(awaiting=awaiting)
        return True


def _value(found: Any) -> str:
    """Returns a field of an answer as flows write it."""
    return str(found).lower() if isinstance(found, bool) else str(found)
