"""Look-up flows: collect a number by voice or keypad, ask the tenant's system, answer in the caller's language."""

from collections.abc import Mapping
from datetime import date
from typing import Any

from app.dialogue.draft import CONFIRM, CONFIRM_MORE, Draft, partial_key
from app.dialogue.flow import DigitsSlot, LookupFlow
from app.dialogue.person import MISSES_BEFORE_PERSON, PersonDesk
from app.dialogue.turn import Tools
from app.language.numbers import spoken_date, spoken_digits


class LookupDesk:
    """Runs any `LookupFlow`."""

    def __init__(self, person: PersonDesk) -> None:
        self._person = person

    def ask(self, draft: Draft, flow: LookupFlow) -> None:
        """Asks for the flow's number, in other words after each miss."""
        slot = flow.slot
        draft.change(flow=flow.name, awaiting=slot.name)
        rung = min(draft.state.misses, len(slot.ask) - 1)
        if not draft.say(*slot.ask[rung:], *slot.ask[:rung]):
            self._person.give_up(draft, "number_not_understood")

    def missed(self, draft: Draft, flow: LookupFlow) -> None:
        """Counts a turn that brought no number, and asks again or gives up."""
        draft.change(misses=draft.state.misses + 1)
        if draft.state.misses >= MISSES_BEFORE_PERSON:
            self._person.give_up(draft, "number_not_understood")
        else:
            self.ask(draft, flow)

    async def fill(self, draft: Draft, flow: LookupFlow, digits: str, confidence: float, tools: Tools) -> None:
        """Takes digits: keeps a first part, refuses a wrong length, confirms a doubtful one, else looks it up.

        Args:
            draft: The turn.
            flow: The flow that wants them.
            digits: ASCII digits, at least one.
            confidence: 0..1, of the recogniser; 1 for the keypad.
            tools: The tenant's systems.
        """
        slot = flow.slot
        value = joined(draft.state.slots.get(partial_key(slot.name), ""), digits, slot)
        draft.change(flow=flow.name, awaiting=slot.name)
        if len(value) < slot.fewest_digits:
            draft.put_slot(partial_key(slot.name), value)
            draft.keep_last = True
            draft.say("acknowledge")
            return
        draft.put_slot(partial_key(slot.name), None)
        if len(value) > slot.most_digits:
            self._wrong_length(draft, flow, value)
            return
        draft.put_slot(slot.name, value)
        if confidence < slot.confirm_below:
            self.confirm(draft, flow)
        else:
            await self.look_up(draft, flow, tools)

    def confirm(self, draft: Draft, flow: LookupFlow) -> None:
        """Says the number back and asks whether it is right."""
        slot = flow.slot
        draft.change(flow=flow.name, awaiting=f"{CONFIRM}{slot.name}")
        heard = spoken_digits(draft.pack, draft.state.slots.get(slot.name, ""))
        if not draft.say(slot.confirm, digits=heard):
            self._person.give_up(draft, "number_not_understood")

    def refused(self, draft: Draft, flow: LookupFlow) -> None:
        """The number said back was wrong."""
        draft.put_slot(flow.slot.name, None)
        self.missed(draft, flow)

    async def look_up(self, draft: Draft, flow: LookupFlow, tools: Tools) -> None:
        """Calls the flow's tool and says what it answered."""
        name = flow.slot.name
        value = draft.state.slots[name]
        found = await tools.call(flow.tool, {name: value})
        key = flow.answers.get(str(found.data.get("status", ""))) if found.ok and found.found else None
        if found.ok and not found.found:
            self._not_found(draft, flow, value)
        elif key is None:
            draft.say(flow.failed)
            draft.change(misses=0, flow=None)
            self._person.offer(draft, "system_down")
        else:
            draft.result()
            draft.say(key, **{name: spoken_digits(draft.pack, value)}, **_spoken_facts(draft, found.data))
            draft.say("anything_else")
            draft.change(flow=None, awaiting=CONFIRM_MORE, not_found=0)

    def _not_found(self, draft: Draft, flow: LookupFlow, value: str) -> None:
        name = flow.slot.name
        draft.change(not_found=draft.state.not_found + 1)
        draft.say(flow.not_found, **{name: spoken_digits(draft.pack, value)})
        if draft.state.not_found >= flow.not_found_limit:
            draft.change(flow=None)
            self._person.offer(draft, "not_found")
        else:
            self.ask(draft, flow)

    def _wrong_length(self, draft: Draft, flow: LookupFlow, value: str) -> None:
        draft.change(misses=draft.state.misses + 1)
        said = draft.state.misses < MISSES_BEFORE_PERSON and draft.say(
            flow.slot.wrong_length, digits=spoken_digits(draft.pack, value)
        )
        if not said:
            self._person.give_up(draft, "number_not_understood")


def joined(part: str, digits: str, slot: DigitsSlot) -> str:
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


def _spoken_facts(draft: Draft, data: Mapping[str, Any]) -> dict[str, str]:
    """Returns the optional answer slots that the system gave in a readable form."""
    facts: dict[str, str] = {}
    if isinstance(city := data.get("city"), str) and city:
        facts["city"] = city
    if isinstance(day := data.get("date"), str):
        try:
            facts["date"] = spoken_date(draft.pack, date.fromisoformat(day[:10]))
        except ValueError:
            return facts
    return facts
