"""What an utterance means for the frame that is open: an answer, a correction, a yes or no, or another matter."""

from app.dialogue.draft import AWAIT_CHANGE, CONFIRM, CONFIRM_FRAME, Draft, partial_key
from app.dialogue.flow import FrameFlow, Slot
from app.dialogue.frame import FrameDesk, answers_freely
from app.dialogue.identity import IdentityDesk
from app.dialogue.progress import ProgressDesk
from app.dialogue.turn import Tools
from app.dialogue.values import SPOKEN_ANSWERS, Taken, corrected, read
from app.dialogue.verification import Factor, awaited_factor
from app.language.normalise import words_of
from app.nlu.understanding import Understanding

YES = ("affirm", "interested", "confirm_appointment")
NO = ("deny", "not_interested")
_ANSWERS = ("inform", "out_of_scope", "affirm", "deny", "not_interested", "interested")
_NO_ANSWER = ("repeat", "wait", "slower", "who_are_you", "no_recording", "goodbye")
_OTHER_MATTER = 0.5
_OTHER_MATTER_FOR_WORDS = 0.75
_OTHER_MATTER_FOR_ANY_WORDS = 0.9
_SURELY_ANOTHER_MATTER = 0.95
_MOST_WORDS_OF_AN_ANSWER = 3
_MOST_WORDS_OF_A_REQUEST = 6


class FramingDesk:
    """Serves the open frame, and begins new ones."""

    def __init__(self, frames: FrameDesk, progress: ProgressDesk, identity: IdentityDesk) -> None:
        self._frames = frames
        self._progress = progress
        self._identity = identity

    async def begin(self, draft: Draft, flow: FrameFlow, heard: Understanding, tools: Tools) -> None:
        """Begins a matter, if the agent can serve it; a second one in the same breath is kept for after it."""
        again = draft.frame_open and draft.state.flow == flow.name
        slot = draft.awaited_slot()
        if again and slot is not None and not self._frames.fill_all(draft, flow, heard, also=slot.name):
            self._frames.missed(draft, flow, slot)
            return
        if again:
            await self._progress.advance(draft, flow, tools)
            return
        self._frames.put_aside(draft)
        draft.change(misses=0)
        offered = self._progress.offers(draft, flow, tools, heard.intent)
        for intent in heard.also:
            second = draft.flows.frame_for(intent)
            if second is not None and second is not flow:
                self._frames.remember_next(draft, second, heard)
        if offered:
            self._frames.begin(draft, flow, heard)
            if not self._waits_for_more_digits(draft, flow):
                await self._progress.advance(draft, flow, tools)

    async def serve(self, draft: Draft, heard: Understanding, tools: Tools) -> bool:
        """Takes an utterance for the open frame; returns False when it is not meant for it."""
        flow = draft.flows.frame_named(draft.state.flow)
        awaiting = draft.state.awaiting or ""
        if flow is None or not draft.frame_open:
            return False
        if (factor := awaited_factor(awaiting)) is not None:
            return await self._identify(draft, flow, factor, heard, tools)
        if awaiting in (CONFIRM_FRAME, AWAIT_CHANGE) or awaiting.startswith(CONFIRM):
            return await self._confirmed(draft, flow, heard, tools)
        slot = flow.slot(awaiting)
        return slot is not None and await self._answered(draft, flow, slot, heard, tools)

    # an answer to a question

    async def _answered(self, draft: Draft, flow: FrameFlow, slot: Slot, heard: Understanding, tools: Tools) -> bool:
        if heard.intent == "silence" or self._is_other_matter(draft, flow, slot, heard):
            return False
        if slot.free and heard.intent in _NO_ANSWER and heard.confidence >= _OTHER_MATTER_FOR_WORDS:
            return False
        spoken_freely = answers_freely(slot, heard)
        if self._frames.fill_all(draft, flow, heard, also=slot.name):
            if not self._waits_for_more_digits(draft, flow) or slot.name in draft.state.slots:
                draft.change(misses=0)
                if (
                    spoken_freely is not None
                    and slot.name not in draft.state.slots
                    and heard.intent in ("inform", "out_of_scope")
                ):
                    self._frames.put(draft, slot, spoken_freely)
                await self._progress.advance(draft, flow, tools)
            return True
        if self._gives_up(draft, slot, heard):
            self._progress.abandon(draft)
            return True
        own = heard.intent in flow.intents and not (slot.free and self._gives_reason(heard))
        if not (heard.intent in _ANSWERS or own or slot.free):
            return False
        if spoken_freely is not None and not own:
            self._frames.put(draft, slot, spoken_freely)
            draft.change(misses=0)
            await self._progress.advance(draft, flow, tools)
        elif slot.optional and not own:
            self._frames.skip(draft, slot)
            await self._progress.advance(draft, flow, tools)
        else:
            self._frames.missed(draft, flow, slot)
        return True

    def _gives_reason(self, heard: Understanding) -> bool:
        """Whether words that sound like the matter itself say why ("I do not need it"), not the same once more."""
        return heard.confidence < _SURELY_ANOTHER_MATTER or len(words_of(heard.text)) > _MOST_WORDS_OF_A_REQUEST

    def _gives_up(self, draft: Draft, slot: Slot, heard: Understanding) -> bool:
        """Whether the caller does not want it any more: "leave it", or a bare no to the same question twice."""
        if slot.type == "yes_no" or slot.free or slot.optional or heard.confidence < _OTHER_MATTER:
            return False
        bare = len(words_of(heard.text)) < 2
        return heard.intent == "not_interested" or (heard.intent == "deny" and (not bare or draft.state.misses > 0))

    def _is_other_matter(self, draft: Draft, flow: FrameFlow, slot: Slot, heard: Understanding) -> bool:
        """Whether a turn leaves the question: another intent, clearly heard, without what was asked for."""
        other = draft.flows.frame_for(heard.intent)
        if other is None or other is flow:
            return False
        if slot.free:
            return self._is_no_reason(draft, flow, other, heard)
        if slot.type == "digits" and heard.entity("digits") is not None:
            return False
        if len(words_of(heard.text)) <= _MOST_WORDS_OF_AN_ANSWER and read(slot, heard) is not None:
            return False
        return heard.confidence >= (_OTHER_MATTER_FOR_WORDS if slot.type in SPOKEN_ANSWERS else _OTHER_MATTER)

    def _is_no_reason(self, draft: Draft, flow: FrameFlow, other: FrameFlow, heard: Understanding) -> bool:
        """Whether a turn is no reason but another matter, clearly heard.

        Reasons sound like other matters: "it is too expensive" like a question of price, "it has not come" like one of
        the order. A question has a value of that matter ("what do shoes cost") or a question word ("when will my refund
        come"). A write about something else than the open frame's number ("book an appointment") is no reason for it.
        """
        if heard.confidence >= _SURELY_ANOTHER_MATTER:
            asked = {word for pack in draft.packs for word in pack.lexicon.question_words}
            elsewhere = other.write and other.number is None and flow.number is not None
            if elsewhere or not asked.isdisjoint(words_of(heard.text)):
                return True
        if other.write or other.tool is None or other.number is not None:
            return False
        asks = any(read(slot, heard) is not None for slot in other.slots)
        return asks and heard.confidence >= _OTHER_MATTER_FOR_ANY_WORDS

    def _waits_for_more_digits(self, draft: Draft, flow: FrameFlow) -> bool:
        """Acknowledges a number's first part; returns whether there is one."""
        for slot in flow.slots:
            if partial_key(slot.name) in draft.state.slots and slot.name not in draft.state.slots:
                draft.change(awaiting=slot.name)
                draft.keep_last = True
                draft.say("acknowledge")
                return True
        return False

    # a yes, a no, a correction

    async def _confirmed(self, draft: Draft, flow: FrameFlow, heard: Understanding, tools: Tools) -> bool:
        awaiting = draft.state.awaiting or ""
        slot = flow.slot(awaiting.removeprefix(CONFIRM))
        other = draft.flows.frame_for(heard.intent)
        yes, no = heard.intent in YES, heard.intent in NO
        another = other is not None and other is not flow and not yes and heard.confidence >= _OTHER_MATTER
        if another and not self._puts_right(draft, flow, heard):
            return False
        if self._corrected(draft, flow, heard):
            if not self._waits_for_more_digits(draft, flow):
                draft.change(misses=0)
                await self._progress.advance(draft, flow, tools)
        elif yes and awaiting == AWAIT_CHANGE:
            self._frames.confirm(draft, flow)
        elif yes or (heard.entity("digits") is not None and slot is not None):
            if slot is not None:
                draft.put_slot(f"{slot.name}.doubt", None)
            await self._progress.advance(draft, flow, tools, confirmed=slot is None)
        elif no and slot is not None:
            draft.put_slot(slot.name, None)
            draft.put_slot(f"{slot.name}.doubt", None)
            self._frames.missed(draft, flow, slot)
        elif no:
            self._progress.refused(draft, flow)
        else:
            return False
        return True

    def _puts_right(self, draft: Draft, flow: FrameFlow, heard: Understanding) -> bool:
        """Whether a turn that sounds like another matter is a correction: a value of this frame beside a "no"."""
        words = set(words_of(heard.text))
        no = any(words & (pack.lexicon.no_words | pack.lexicon.correction_words) for pack in draft.packs)
        values = ((slot, read(slot, heard)) for slot in flow.slots)
        return no and any(v is not None and v.value != draft.state.slots.get(s.name) for s, v in values)

    def _corrected(self, draft: Draft, flow: FrameFlow, heard: Understanding) -> bool:
        """Changes only what the caller put right; returns whether anything was."""
        asked = (draft.state.awaiting or "").removeprefix(CONFIRM)
        if self._frames.fill_all(draft, flow, heard, also=asked):
            return True
        for slot in flow.slots:
            current = draft.state.slots.get(slot.name)
            if current is not None and (value := corrected(slot, current, heard.text, draft.packs)) is not None:
                return self._frames.put(draft, slot, value)
        worded = [slot for slot in flow.slots if slot.type in SPOKEN_ANSWERS and slot.ask and not slot.optional]
        said = heard.intent in ("inform", "out_of_scope")
        if len(worded) != 1 or not said:
            return False
        words = heard.text.split() if draft.state.awaiting == AWAIT_CHANGE else self._put_right(draft, heard.text)
        return len(words) >= 2 and self._frames.put(draft, worded[0], Taken(" ".join(words)))

    def _put_right(self, draft: Draft, text: str) -> list[str]:
        """Returns what follows a "no" at the beginning: of "no, 15 MG road" the road; nothing of other texts."""
        words = text.split()
        for count, word in enumerate(words):
            plain = " ".join(words_of(word))
            if not any(plain in pack.lexicon.no_words | pack.lexicon.correction_words for pack in draft.packs):
                return words[count:] if count else []
        return []

    # who is calling

    async def _identify(
        self, draft: Draft, flow: FrameFlow, factor: Factor, heard: Understanding, tools: Tools
    ) -> bool:
        value = self._identity.given(draft, factor, heard)
        if value is not None:
            if await self._identity.check(draft, factor, value, tools):
                await self._progress.advance(draft, flow, tools, confirmed=True)
            return True
        if heard.intent not in _ANSWERS and heard.intent not in flow.intents:
            return False
        self._identity.missed(draft)
        return True
