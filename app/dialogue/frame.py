"""Frames: the open question of a flow, what is known so far, and what is put aside for later."""

from collections.abc import Mapping
from typing import Any

from app.dialogue.draft import CONFIRM, CONFIRM_FRAME, Draft, partial_key
from app.dialogue.flow import FrameFlow, Slot
from app.dialogue.person import PersonDesk
from app.dialogue.values import SPOKEN_ANSWERS, Taken, as_text, read, spoken, spoken_slots
from app.language.normalise import words_of
from app.nlu.understanding import Understanding

_COUNTED = ("amount", "quantity")
MOST_PUT_ASIDE = 2
MOST_ASKS = 5


class FrameDesk:
    """Begins frames, fills their slots, asks for what is missing, and puts frames aside and takes them up again."""

    def __init__(self, person: PersonDesk) -> None:
        self._person = person

    # beginning and filling

    def begin(self, draft: Draft, flow: FrameFlow, heard: Understanding | None = None) -> None:
        """Opens a frame, filled with what the caller's sentence holds; one that was open is put aside."""
        self.put_aside(draft)
        carried = {
            slot.name: draft.state.slots[slot.name]
            for slot in flow.slots
            if slot.carry and slot.name in draft.state.slots and draft.state.intent not in flow.intents
        }
        draft.change(
            flow=flow.name,
            intent=flow.intents[0] if heard is None or heard.intent not in flow.intents else heard.intent,
            slots=carried,
            awaiting=None,
            misses=0,
            not_found=0,
            frame=draft.state.frame + 1,
            often={},
        )
        if flow.before:
            draft.say(flow.before)
        if heard is not None:
            self.fill_all(draft, flow, heard, also=flow.number.name if flow.number is not None else None)
            for slot in flow.slots:
                opening = slot.opening_words and len(words_of(heard.text)) >= slot.opening_words
                if opening and slot.name not in draft.state.slots and (words := as_text(heard)) is not None:
                    draft.put_slot(slot.name, words.value)

    def fill_all(self, draft: Draft, flow: FrameFlow, heard: Understanding, *, also: str | None = None) -> bool:
        """Puts every value that an utterance holds into its slot; returns whether there was any that is new.

        Args:
            draft: The turn.
            flow: The open frame.
            heard: The utterance.
            also: The slot that is awaited; bare numbers and free text count for it.
        """
        new = False
        used: set[str] = set()
        counted: set[str] = set()  # one number is the count or the money, not both
        for slot in sorted(flow.slots, key=lambda s: s.name != also):
            current = draft.state.slots.get(slot.name)
            taken = read(slot, heard, awaited=slot.name == also, current=current)
            kind = slot.entities[0]
            if taken is None or kind in used or taken.value == current:
                continue
            if slot.name != also and slot.type in _COUNTED and taken.value in counted:
                continue
            if slot.type == "digits" and slot.name != also and len(taken.value) < slot.fewest_digits:
                continue
            used.add(kind)
            if slot.type in _COUNTED:
                counted.add(taken.value)
            new = self.put(draft, slot, taken) or new
        return new

    def put(self, draft: Draft, slot: Slot, taken: Taken) -> bool:
        """Takes a value: joins the parts of a number, notes a doubtful one; returns whether the slot changed."""
        value = taken.value
        if slot.type == "digits":
            value = joined(draft.state.slots.get(partial_key(slot.name), ""), value, slot)
            if len(value) < slot.fewest_digits:
                draft.put_slot(slot.name, None)
                draft.put_slot(partial_key(slot.name), value)
                return True
            draft.put_slot(partial_key(slot.name), None)
        draft.put_slot(slot.name, value)
        doubtful = slot.confirm is not None and taken.confidence < slot.confirm_below
        draft.put_slot(f"{slot.name}.doubt", "1" if doubtful else None)
        return True

    # asking

    def ask(self, draft: Draft, flow: FrameFlow, slot: Slot) -> None:
        """Asks for a slot: in few words where the question is known, in other words after each try."""
        asked = int(draft.state.slots.get(f"{slot.name}.asked", "0"))
        draft.change(awaiting=slot.name)
        draft.put_slot(f"{slot.name}.asked", str(asked + 1))
        rung = min(max(asked, draft.state.misses), len(slot.ask) - 1)
        keys = (*slot.ask[rung:], *slot.ask[:rung])
        if slot.short is not None and asked and (draft.fresh or draft.was_cut):
            keys = (slot.short, *keys)
        if asked >= MOST_ASKS or not draft.say(*keys):
            self._person.give_up(draft, f"no_{slot.name}")

    def missed(self, draft: Draft, flow: FrameFlow, slot: Slot) -> None:
        """Counts a turn that brought nothing for the awaited slot, and asks again or gives up."""
        draft.change(misses=draft.state.misses + (0 if draft.was_cut else 1))
        if draft.state.misses >= draft.profile.escalation.repeated_failure:
            self._person.give_up(draft, f"no_{slot.name}")
        else:
            self.ask(draft, flow, slot)

    def wrong(self, draft: Draft, flow: FrameFlow, slot: Slot) -> None:
        """Says why a value cannot be right, forgets it and asks again."""
        value = draft.state.slots.get(slot.name, "")
        words = spoken(draft.pack, slot.type, value, draft.today) or value
        draft.put_slot(slot.name, None)
        draft.put_slot(f"{slot.name}.doubt", None)
        draft.change(misses=draft.state.misses + 1, awaiting=slot.name)
        said = draft.state.misses < draft.profile.escalation.repeated_failure
        if not (said and slot.wrong and draft.say(slot.wrong, **{slot.type: words})):
            self._person.give_up(draft, f"no_{slot.name}")

    def next_slot(self, draft: Draft, flow: FrameFlow) -> Slot | None:
        """Returns the first slot that is to be asked for, or None when all is known."""
        slots = draft.state.slots
        for slot in flow.slots:
            if slot.ask and slot.name not in slots and f"{slot.name}.skipped" not in slots:
                return slot
        return None

    def misfit(self, draft: Draft, flow: FrameFlow) -> Slot | None:
        """Returns the first slot whose value cannot be right: too many digits, a day that is past."""
        for slot in flow.slots:
            value = draft.state.slots.get(slot.name)
            if value is None:
                continue
            if slot.type == "digits" and len(value) > slot.most_digits:
                return slot
            if slot.type == "date" and slot.wrong and value < draft.today.isoformat():
                return slot
        return None

    def skip(self, draft: Draft, slot: Slot) -> None:
        """Goes on without an optional slot."""
        draft.put_slot(f"{slot.name}.skipped", "1")
        draft.change(misses=0)

    # confirming

    def confirm_number(self, draft: Draft, slot: Slot) -> None:
        """Says a doubtful number back and asks whether it is right."""
        draft.change(awaiting=f"{CONFIRM}{slot.name}")
        words = spoken(draft.pack, "digits", draft.state.slots.get(slot.name, ""), draft.today) or ""
        if slot.confirm is None or not draft.say(slot.confirm, digits=words):
            self._person.give_up(draft, f"no_{slot.name}")

    def confirm(self, draft: Draft, flow: FrameFlow) -> None:
        """Reads the frame back in one sentence and asks for a yes."""
        draft.change(awaiting=CONFIRM_FRAME)
        if flow.confirm is None or not draft.say(flow.confirm, **self.spoken(draft, flow)):
            self._person.give_up(draft, "not_confirmed")

    def spoken(self, draft: Draft, flow: FrameFlow) -> dict[str, str]:
        """Returns the frame's values as words."""
        types = {slot.name: slot.type for slot in flow.slots}
        return spoken_slots(draft.pack, draft.public_slots(), types, draft.today)

    # putting aside and going on

    def put_aside(self, draft: Draft) -> None:
        """Keeps the open frame for later; the oldest of too many is forgotten."""
        state = draft.state
        if not draft.frame_open:
            return
        kept = {
            "flow": state.flow,
            "intent": state.intent,
            "slots": dict(state.slots),
            "awaiting": state.awaiting,
        }
        others = [frame for frame in state.suspended if frame["flow"] != state.flow]
        draft.change(suspended=(*others, kept)[-MOST_PUT_ASIDE:], flow=None, awaiting=None)

    def remember_next(self, draft: Draft, flow: FrameFlow, heard: Understanding) -> None:
        """Keeps a matter that was named beside another, with what was said of it."""
        values = {
            s.name: taken.value for s in flow.slots if (taken := read(s, heard)) is not None and s.type != "digits"
        }
        waiting = [entry for entry in draft.state.pending if entry["flow"] != flow.name]
        draft.change(pending=(*waiting, {"flow": flow.name, "slots": values})[-MOST_PUT_ASIDE:])

    def resume(self, draft: Draft) -> FrameFlow | None:
        """Takes the frame up that was put aside last; returns its flow, or None."""
        if not draft.state.suspended:
            return None
        frame: Mapping[str, Any] = draft.state.suspended[-1]
        flow = draft.flows.frame_named(frame["flow"])
        draft.change(
            suspended=draft.state.suspended[:-1],
            flow=frame["flow"],
            intent=frame["intent"],
            slots=dict(frame["slots"]),
            awaiting=frame["awaiting"],
            misses=0,
        )
        draft.fresh = True
        return flow

    def begin_next(self, draft: Draft) -> FrameFlow | None:
        """Opens the matter that was named beside another; returns its flow, or None."""
        if not draft.state.pending:
            return None
        entry, *rest = draft.state.pending
        draft.change(pending=tuple(rest))
        flow = draft.flows.frame_named(entry["flow"])
        if flow is not None:
            self.begin(draft, flow)
            for name, value in entry["slots"].items():
                draft.put_slot(name, value)
        return flow


def answers_freely(slot: Slot, heard: Understanding) -> Taken | None:
    """Returns the utterance as the answer to a question for words, or None where a yes or no is all there is."""
    if slot.type not in SPOKEN_ANSWERS or heard.intent == "silence":
        return None
    if heard.intent in ("affirm", "deny") and len(words_of(heard.text)) <= 2:
        return None
    return as_text(heard)


def joined(part: str, digits: str, slot: Slot) -> str:
    """Returns the number after hearing `digits`, given the part heard before.

    A complete number that holds the part's digits in their order was said over from the start (of the first attempt
    some digits were not heard); anything else continues it, unless that would be too long while the digits alone are
    a number.
    """
    if part and len(digits) >= slot.fewest_digits:
        rest = iter(digits)
        if all(digit in rest for digit in part) or len(part) + len(digits) > slot.most_digits:
            return digits
    return part + digits
