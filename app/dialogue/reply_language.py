"""Which language the next reply is in: follows the caller, but not on a single word, a number or a borrowed phrase."""

from app.dialogue.turn import DialogueState, Expectation
from app.nlu.understanding import Understanding

_LEAST_WORDS = 2
_LEAST_CONFIDENCE = 0.6
_CLEAR_WORDS = 3
_CLEAR_CONFIDENCE = 0.8
_TURNS_TO_SWITCH = 2
_OWN_WORDS = frozenset({"grammar", "script", "respelt"})  # evidence that a sentence, not a loan word, was spoken


def follow(state: DialogueState, heard: Understanding) -> tuple[str, tuple[str, ...]]:
    """Returns the reply language after an utterance, and the votes for a switch so far.

    Two turns in a row in the same other language switch. One clear turn does where nothing speaks for the language so
    far: at the start, and as the answer to "which language?". From a language that was asked for, only clear turns lead
    away. Mixed speech counts for its matrix language. An explicit
    request is not decided here.
    """
    guess = heard.language
    words = len(guess.token_tags) or len(heard.text.split())
    only_number = heard.intent == "inform" and heard.entity("digits") is not None
    if (
        guess.matrix is None
        or guess.matrix not in state.languages
        or guess.confidence < _LEAST_CONFIDENCE
        or words < _LEAST_WORDS
        or only_number
    ):
        return state.language, state.language_votes
    if guess.matrix == state.language:
        return state.language, ()
    if guess.evidence and _OWN_WORDS.isdisjoint(guess.evidence):
        return state.language, state.language_votes
    asked = state.awaiting == Expectation.LANGUAGE.value
    clear = words >= _CLEAR_WORDS and guess.confidence >= _CLEAR_CONFIDENCE
    if state.language_asked == state.language and not clear:
        return state.language, state.language_votes
    if clear and (asked or state.turn == 0):
        return guess.matrix, ()
    votes = (*state.language_votes, guess.matrix)[-_TURNS_TO_SWITCH:]
    if len(votes) == _TURNS_TO_SWITCH and len(set(votes)) == 1:
        return guess.matrix, ()
    return state.language, votes
