"""Turns that need no flow: greetings, waiting, repeating, changing the language, returning to the open question."""

from app.dialogue import opt_in, placed
from app.dialogue.draft import (
    AWAIT_LANGUAGE,
    CONFIRM_HANDOFF,
    CONFIRM_MORE,
    CONFIRM_NEXT,
    CONFIRM_RESUME,
    CONFIRM_TALK,
    CONFIRM_WHATSAPP,
    MOST_TIMES_SAID,
    Draft,
)
from app.dialogue.flow import Courtesy
from app.dialogue.person import REASON_SLOT, PersonDesk
from app.dialogue.progress import ProgressDesk
from app.dialogue.turn import ActionKind
from app.nlu.understanding import Understanding

LANGUAGE_ASKED = "language.asked"
"""Which language was asked while another question is open."""


class CourtesyDesk:
    """Answers courtesies by `flows/courtesies.yaml` and keeps the thread of the conversation."""

    def __init__(self, person: PersonDesk, progress: ProgressDesk) -> None:
        self._person = person
        self._progress = progress

    def serve(self, draft: Draft, heard: Understanding) -> bool:
        """Answers a courtesy; returns False when the intent is none."""
        if heard.intent == "repeat":
            self._repeat(draft)
            return True
        courtesy = draft.flows.courtesies.intents.get(heard.intent)
        if courtesy is None:
            return False
        self._speak(draft, heard, courtesy)
        return True

    def _speak(self, draft: Draft, heard: Understanding, courtesy: Courtesy) -> None:
        if courtesy.only_idle and draft.state.awaiting not in (None, CONFIRM_MORE):
            self.ask_open_question(draft)
            return
        if heard.intent == "goodbye" and opt_in.wanted_at_end(draft):
            opt_in.ask(draft)
            return
        for key in courtesy.disclosures:
            draft.disclose(key)
        if courtesy.say:
            draft.say(*courtesy.say)
        if courtesy.action is not None and courtesy.action.value not in draft.state.done:
            draft.act(courtesy.action, heard.intent)
        if courtesy.end:
            if not draft.says:
                draft.say("goodbye")
            data = {entity.kind: entity.value for entity in heard.entities}
            draft.act(ActionKind.END, heard.intent, data)
        elif courtesy.then and draft.state.awaiting is None:
            self.anything_else(draft)
        elif courtesy.ask_again:
            self.ask_open_question(draft)

    def farewell(self, draft: Draft, reason: str) -> None:
        """Thanks, says goodbye and ends."""
        if reason == "thank":
            draft.say("thanks_reply")
        if opt_in.wanted_at_end(draft):
            opt_in.ask(draft)
            return
        draft.change(said={}, often={})
        draft.say("goodbye")
        draft.act(ActionKind.END, "resolved")

    def anything_else(self, draft: Draft) -> None:
        """Asks whether there is more, and expects a yes or no among other things."""
        if draft.say("anything_else", "greeting_ask"):
            draft.change(awaiting=CONFIRM_MORE, flow=None)

    def ask_open_question(self, draft: Draft) -> None:
        """Asks again what was open, or how to help, in the language of the reply."""
        awaiting = draft.state.awaiting
        flow = draft.flows.frame_named(draft.state.flow)
        if awaiting == AWAIT_LANGUAGE:
            draft.say("ask_language")
        elif awaiting == CONFIRM_HANDOFF:
            self._person.offer(draft, draft.state.slots.get(REASON_SLOT, "offer_accepted"))
        elif awaiting == CONFIRM_MORE:
            draft.say("anything_else")
        elif awaiting == CONFIRM_TALK:
            placed.ask(draft)
        elif awaiting == CONFIRM_WHATSAPP:
            draft.disclose(opt_in.QUESTION)
        elif awaiting in (CONFIRM_RESUME, CONFIRM_NEXT):
            self._progress.go_on(draft)
        elif flow is not None and awaiting is not None:
            self._progress.ask_again(draft, flow)
        else:
            draft.say("greeting_ask", "greet_reply")

    def change_language(self, draft: Draft, heard: Understanding) -> None:
        """Switches at once and asks the open question again in the new language; asks which when none was named."""
        entity = heard.entity("language")
        wanted = heard.language.requested or (entity.value if entity is not None else None)
        if wanted is None:
            draft.say("ask_language")
            if draft.state.awaiting is None:
                draft.change(awaiting=AWAIT_LANGUAGE)
            else:
                draft.put_slot(LANGUAGE_ASKED, "1")
            return
        if draft.state.awaiting == AWAIT_LANGUAGE:
            draft.change(awaiting=None)
        if wanted not in draft.state.languages:
            draft.say("language_unavailable")
            self.ask_open_question(draft)
            return
        draft.change(language=wanted, language_votes=(), language_asked=wanted)
        draft.say("language_switched", "acknowledge")
        if draft.frame_open:
            draft.put_slot(f"{draft.state.awaiting}.asked", None)
            draft.change(misses=0)
        self.ask_open_question(draft)

    def _repeat(self, draft: Draft) -> None:
        """Says the last reply again; when that was heard twice, asks in other words or offers a person."""
        last = draft.state.last_replies[-1] if draft.state.last_replies else ""
        if (
            draft.state.last_language == draft.state.language
            and last
            and draft.state.said.get(last, 0) < MOST_TIMES_SAID
        ):
            draft.keep_last = True
            draft.say("repeat_prefix")
            draft.say_text(last)
            return
        if draft.frame_open:
            self.ask_open_question(draft)
            return
        self._person.offer(draft, "repeat", *self._person.offer_keys(draft))
