"""One turn in the making: collects sentences and actions, and guards against saying the same thing a third time."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import date, datetime
from typing import Any

from app.dialogue.escalation import Escalation
from app.dialogue.flow import Flows, Slot
from app.dialogue.turn import Action, ActionKind, AgentProfile, DialogueState, Expectation, Reply, Say
from app.dialogue.verification import Verification, awaited_factor, question
from app.language.loader import PackRegistry
from app.language.packs import Pack
from app.language.render import disclosure, render_one

MOST_TIMES_SAID = 2
MOST_TIMES_IN_A_FRAME = 3
CONFIRM = "confirm:"
CONFIRM_FRAME = "confirm:frame"
CONFIRM_HANDOFF = "confirm:handoff"
CONFIRM_MORE = "confirm:anything_else"
CONFIRM_NEXT = "confirm:next"
CONFIRM_RESUME = "confirm:resume"
CONFIRM_TALK = "confirm:talk"
CONFIRM_WHATSAPP = "confirm:whatsapp"
AWAIT_LANGUAGE = "language"
AWAIT_CHANGE = "change"
BETWEEN_FRAMES = frozenset(
    {CONFIRM_HANDOFF, CONFIRM_MORE, CONFIRM_NEXT, CONFIRM_RESUME, CONFIRM_TALK, CONFIRM_WHATSAPP, AWAIT_LANGUAGE}
)
_KEPT_REPLIES = 3
_EXPECTED = {
    "digits": Expectation.DIGITS,
    "date": Expectation.DATE,
    "time": Expectation.TIME,
    "yes_no": Expectation.YES_NO,
}


def partial_key(slot: str) -> str:
    """Returns the private slot that holds a number's first part; private slots have a dot and leave with no action."""
    return f"{slot}.part"


class Draft:
    """Mutable for the length of one turn; `finish` yields the values that leave the room.

    Args:
        state: Where the conversation stands.
        profile: The agent.
        registry: The packs.
        flows: The flows of the agent's version.
        now: Aware time, for days and business hours.
        heard: The caller's words, the evidence of what is decided.
    """

    def __init__(
        self,
        state: DialogueState,
        profile: AgentProfile,
        registry: PackRegistry,
        flows: Flows,
        now: datetime,
        heard: str = "",
    ) -> None:
        self.state = state
        self.profile = profile
        self.flows = flows
        self.now = now
        self.heard = heard
        self.says: list[Say] = []
        self.actions: list[Action] = []
        self.keep_last = False
        self.was_cut = False
        self.fresh = False
        self.escalation: Escalation | None = None
        self._registry = registry

    @property
    def pack(self) -> Pack:
        """The pack of the language that the reply is in."""
        return self._registry.get(self.state.language)

    @property
    def packs(self) -> tuple[Pack, ...]:
        """The packs of the agent's languages, the conversation's first."""
        tags = dict.fromkeys((self.state.language, *self.state.languages))
        return tuple(self._registry.get(tag) for tag in tags)

    @property
    def today(self) -> date:
        """The day in the agent's time zone."""
        return self.profile.hours.local(self.now).date()

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
            for offset in range(len(self._variants(key))):
                if self.say_text(self.words(key, slots, times + offset), fixed=not slots):
                    self.change(used={**self.state.used, key: times + 1})
                    return True
        return False

    def words(self, key: str, slots: Mapping[str, str], variant: int = 0) -> str:
        """Returns a response in the language of the reply, with its slots filled.

        Raises:
            PackError: Every variant needs a slot that is not given.
        """
        return render_one(self.pack, key, self._variants(key), slots, variant)

    def say_text(self, text: str, *, fixed: bool = False) -> bool:
        """Speaks a ready sentence unless it was heard too often; returns whether it did."""
        count, often = self.state.said.get(text, 0), self.state.often.get(text, 0)
        if count >= MOST_TIMES_SAID or often >= MOST_TIMES_IN_A_FRAME:
            return False
        self.change(said={**self.state.said, text: count + 1}, often={**self.state.often, text: often + 1})
        self.says.append(Say(text, self.state.language, fixed=fixed))
        return True

    def disclose(self, key: str, *, number: str = "") -> str:
        """Speaks a fixed, approved sentence that noise cannot interrupt, and returns it.

        Args:
            key: Which.
            number: One to be called back at.
        """
        about = self.profile.about.get(self.state.language, "")
        slots = {
            "entity": {"entity": self.profile.entity_name},
            "whatsapp_opt_in": {"entity": self.profile.entity_name},
            "purpose": {"purpose": about},
            "callback_number": {"number": number},
        }.get(key, {})
        text = disclosure(self.pack, key, slots)
        self.says.append(Say(text, self.state.language, interruptible=False, fixed=True, disclosure=key))
        return text

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

    def awaited_slot(self) -> Slot | None:
        """Returns the slot that is awaited or to be confirmed, or None."""
        flow = self.flows.frame_named(self.state.flow)
        return flow.slot((self.state.awaiting or "").removeprefix(CONFIRM)) if flow is not None else None

    @property
    def frame_open(self) -> bool:
        """Whether a frame waits for the caller."""
        return self.flows.frame_named(self.state.flow) is not None and self.state.awaiting not in BETWEEN_FRAMES

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

    def _variants(self, key: str) -> tuple[str, ...]:
        return self.flows.sentences(key, self.state.language) or self.pack.responses[key]

    def _expectation(self) -> tuple[Expectation, tuple[int, int] | None]:
        awaiting = self.state.awaiting
        if self.state.ended:
            return Expectation.NOTHING, None
        if awaiting is None or awaiting in (CONFIRM_MORE, AWAIT_CHANGE):
            return Expectation.OPEN, None
        if awaiting == AWAIT_LANGUAGE:
            return Expectation.LANGUAGE, None
        if awaited_factor(awaiting) is not None:
            return Expectation.DIGITS, self._factor_digits()
        slot = self.awaited_slot()
        if awaiting.startswith(CONFIRM) or slot is None:
            return Expectation.YES_NO, None
        if slot.type != "digits":
            return _EXPECTED.get(slot.type, Expectation.TEXT), None
        heard = len(self.state.slots.get(partial_key(slot.name), ""))
        return Expectation.DIGITS, (max(1, slot.fewest_digits - heard), max(1, slot.most_digits - heard))

    def _factor_digits(self) -> tuple[int, int] | None:
        policy = self.profile.verification
        asked = question(Verification.from_json(self.state.verification), policy) if policy is not None else None
        return asked.digits if asked is not None else None
