"""One turn in the making: collects sentences and actions, and guards against saying the same thing a third time."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from app.dialogue.flow import DigitsSlot, Flows
from app.dialogue.turn import Action, ActionKind, AgentProfile, DialogueState, Expectation, Reply, Say
from app.language.loader import PackRegistry
from app.language.packs import Pack
from app.language.render import disclosure, render

MOST_TIMES_SAID = 2
CONFIRM = "confirm:"
CONFIRM_HANDOFF = "confirm:handoff"
CONFIRM_MORE = "confirm:anything_else"
AWAIT_LANGUAGE = "language"
_KEPT_REPLIES = 3


def partial_key(slot: str) -> str:
    """Returns the private slot that holds a number's first part; private slots have a dot and leave with no action."""
    return f"{slot}.part"


class Draft:
    """Mutable for the length of one turn; `finish` yields the values that leave the room."""

    def __init__(self, state: DialogueState, profile: AgentProfile, registry: PackRegistry, flows: Flows) -> None:
        self.state = state
        self.profile = profile
        self.says: list[Say] = []
        self.actions: list[Action] = []
        self.keep_last = False
        self._registry = registry
        self._flows = flows

    @property
    def pack(self) -> Pack:
        """The pack of the language that the reply is in."""
        return self._registry.get(self.state.language)

    def change(self, **fields: Any) -> None:
        """Replaces fields of the state."""
        self.state = replace(self.state, **fields)

    def put_slot(self, name: str, value: str | None) -> None:
        """Sets a slot, or removes it when the value is None."""
        slots = {key: old for key, old in self.state.slots.items() if key != name}
        self.change(slots=slots if value is None else {**slots, name: value})

    def result(self) -> None:
        """Notes that the caller got somewhere: counters of idle turns and repeated sentences start anew."""
        self.change(said={}, idle=0, misses=0)

    def say(self, *keys: str, **slots: str) -> bool:
        """Speaks the first response that was not heard too often.

        Args:
            *keys: Response keys, best first; each key's variants are tried in turn.
            **slots: Values as spoken.

        Returns:
            False when all of them were heard often enough; nothing is spoken then.
        """
        for key in keys:
            times = self.state.used.get(key, 0)
            for offset in range(len(self.pack.responses[key])):
                text = render(self.pack, key, slots, variant=times + offset)
                if self.say_text(text, fixed=not slots):
                    self.change(used={**self.state.used, key: times + 1})
                    return True
        return False

    def say_text(self, text: str, *, fixed: bool = False) -> bool:
        """Speaks a ready sentence unless it was heard too often; returns whether it did."""
        count = self.state.said.get(text, 0)
        if count >= MOST_TIMES_SAID:
            return False
        self.change(said={**self.state.said, text: count + 1})
        self.says.append(Say(text, self.state.language, fixed=fixed))
        return True

    def disclose(self, key: str) -> None:
        """Speaks a fixed, approved sentence that noise cannot interrupt."""
        slots = {"entity": self.profile.entity_name} if key == "entity" else {}
        text = disclosure(self.pack, key, slots)
        self.says.append(Say(text, self.state.language, interruptible=False, fixed=True, disclosure=key))

    def act(self, kind: ActionKind, reason: str = "", data: Mapping[str, Any] | None = None) -> None:
        """Adds an action, and ends the conversation if it is one that does."""
        self.actions.append(Action(kind, reason, data or {}))
        self.change(
            done=(*self.state.done, kind.value),
            ended=self.state.ended or kind in (ActionKind.END, ActionKind.TRANSFER),
        )

    def public_slots(self) -> dict[str, str]:
        """Returns the slots that other rooms may see."""
        return {name: value for name, value in self.state.slots.items() if "." not in name}

    def offer_keys(self) -> tuple[str, ...]:
        """Returns the response keys of the question that offers a person."""
        offer = self._flows.handoff.offer
        phone = self.profile.handoff == "phone" and self.profile.transfer_number
        return (offer.phone, offer.whatsapp) if phone else (offer.whatsapp, offer.phone)

    def awaited_slot(self) -> DigitsSlot | None:
        """Returns the slot that is awaited or to be confirmed, or None."""
        flow = self._flows.lookup_named(self.state.flow)
        name = (self.state.awaiting or "").removeprefix(CONFIRM)
        return flow.slot if flow is not None and flow.slot.name == name else None

    def finish(self) -> tuple[Reply, DialogueState]:
        """Returns the reply and the state after it."""
        sentences = [say.text for say in self.says if say.disclosure is None]
        spoken = " ".join(sentences)
        if spoken and not self.keep_last:
            if len(sentences) > 1:
                self.change(said={**self.state.said, spoken: self.state.said.get(spoken, 0) + 1})
            self.change(
                last_replies=(*self.state.last_replies, spoken)[-_KEPT_REPLIES:], last_language=self.state.language
            )
        expectation, digits = self._expectation()
        return Reply(tuple(self.says), tuple(self.actions), expectation, digits), self.state

    def _expectation(self) -> tuple[Expectation, tuple[int, int] | None]:
        awaiting = self.state.awaiting
        if self.state.ended:
            return Expectation.NOTHING, None
        if awaiting is None or awaiting == CONFIRM_MORE:
            return Expectation.OPEN, None
        if awaiting == AWAIT_LANGUAGE:
            return Expectation.LANGUAGE, None
        slot = self.awaited_slot()
        if awaiting.startswith(CONFIRM) or slot is None:
            return Expectation.YES_NO, None
        heard = len(self.state.slots.get(partial_key(slot.name), ""))
        return Expectation.DIGITS, (max(1, slot.fewest_digits - heard), max(1, slot.most_digits - heard))
