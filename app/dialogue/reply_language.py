"""Which language the next reply is in: follows the caller, but not on a single word or a number."""

from app.dialogue.turn import DialogueState
from app.nlu.understanding import Understanding

_LEAST_WORDS = 2
_LEAST_CONFIDENCE = 0.6
_FIRST_TURN_WORDS = 3
_FIRST_TURN_CONFIDENCE = 0.8
_TURNS_TO_SWITCH = 2


def follow(state: DialogueState, heard: Understanding) -> tuple[str, tuple[str, ...]]:
    """Returns the reply language after an utterance, and the votes for a switch so far.

    Two turns in a row in the same other language switch, and so does a clear first turn. Mixed speech counts for its
    matrix language. An explicit request is not decided here.
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
    clear = words >= _FIRST_TURN_WORDS and guess.confidence >= _FIRST_TURN_CONFIDENCE
    if state.turn == 0 and clear:
        return guess.matrix, ()
    votes = (*state.language_votes, guess.matrix)[-_TURNS_TO_SWITCH:]
    if len(votes) == _TURNS_TO_SWITCH and len(set(votes)) == 1:
        return guess.matrix, ()
    return state.language, votes
