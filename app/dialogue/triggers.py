"""Looks at each turn for what brings a person in, by the agent's policy: words, voice, doubt, signs of buying."""

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import takewhile

from app.dialogue.draft import Draft
from app.dialogue.escalation import Trigger
from app.dialogue.prosody import Prosody, learnt, strain
from app.language.normalise import words_of
from app.language.number_parsing import number_at, tokens_of
from app.language.numbers import parse_number
from app.nlu.understanding import Understanding

ADULT = 18
_YOUNGEST = 5  # whom a bare number may age: "I am two" is a party of two
_LITTLE_BEHIND = 2  # words behind a bare age: "main solah ka hoon"
OUT_OF_SCOPE = "out_of_scope"
_WEIGHTS = {"anger": 0.7, "upset": 0.35}
_BY_INTENT = {"complaint": 0.35, "legal_threat": 0.5, "billing_dispute": 0.2}
_BUYING = {"request_quote": "quote", "interested": "interested", "decision_maker": "decision_maker"}
_BUDGET_SLOT = "amount"


@dataclass(frozen=True, slots=True)
class Finding:
    """A rule that fired: its trigger, the reason for records, the evidence, and what is said first."""

    trigger: Trigger
    reason: str
    evidence: Mapping[str, object]
    before: str | None = None


def notice(
    draft: Draft, heard: Understanding, prosody: Prosody | None = None, *, any_words: bool = False
) -> Finding | None:
    """Takes one turn into account and returns the rule that it sets off, or None.

    Moods, doubts and signs of buying are kept in the state whatever the policy says, for the person who takes over.

    Args:
        draft: The turn.
        heard: What the caller said.
        prosody: How, if that was measured.
        any_words: Whether the open question takes any words, so that doubt about their intent means nothing.
    """
    alarms = alarms_in(draft, heard.text)
    policy = draft.profile.escalation
    mood, tense = _mood(draft, heard, alarms, prosody)
    for kind, trigger, wanted in (
        ("medical", Trigger.MEDICAL, policy.medical),
        ("security", Trigger.SECURITY, policy.security),
    ):
        if alarms.get(kind) and wanted:
            return Finding(trigger, kind, {"words": alarms[kind]}, "escalation_ack")
    if policy.age and (age := _age(draft, heard.text, alarms)) is not None:
        return Finding(Trigger.AGE, "minor", age, "minor_handoff")
    if policy.sentiment and mood >= policy.sentiment:
        evidence = {"mood": round(mood, 2), "limit": policy.sentiment, "words": _angry(alarms), "voice_strain": tense}
        return Finding(Trigger.SENTIMENT, "sentiment", evidence, "complaint_ack")
    if any_words:
        draft.change(uncertain=0)
        return _buying(draft, heard)
    return _doubt(draft, heard) or _buying(draft, heard)


def alarms_in(draft: Draft, text: str) -> dict[str, list[str]]:
    """Returns the packs' alarm words in a text, by kind."""
    padded = f" {' '.join(words_of(text))} "
    found: dict[str, list[str]] = {}
    for pack in draft.packs:
        for phrase, kind in pack.lexicon.alarm_words.items():
            if f" {phrase} " in padded and phrase not in found.get(kind, ()):
                found.setdefault(kind, []).append(phrase)
    return found


def _mood(
    draft: Draft, heard: Understanding, alarms: dict[str, list[str]], prosody: Prosody | None
) -> tuple[float, float]:
    tense = strain(draft.state.voice, prosody) if prosody is not None and draft.profile.escalation.prosody else 0.0
    now = sum(_WEIGHTS[kind] for kind in _WEIGHTS for _ in alarms.get(kind, ()))
    now += _BY_INTENT.get(heard.intent, 0.0)
    now += 0.5 * tense
    mood = min(2.0, draft.state.mood / 2 + now)
    draft.change(mood=mood)
    if prosody is not None:
        draft.change(voice=learnt(draft.state.voice, prosody))
    return mood, tense


def _angry(alarms: dict[str, list[str]]) -> list[str]:
    return [phrase for kind in _WEIGHTS for phrase in alarms.get(kind, ())]


def _age(draft: Draft, text: str, alarms: dict[str, list[str]]) -> dict[str, object] | None:
    if alarms.get("minor"):
        return {"words": alarms["minor"]}
    if (bare := _bare_age(draft, text)) is not None:
        return bare
    about_self = alarms.get("self") or alarms.get("self_age")
    own = alarms.get("age") or (about_self and alarms.get("age_of"))
    if own:
        years = parse_number(text, draft.packs)
        if years is not None and 0 < years < ADULT:
            return {"words": own, "age": int(years)}
    return None


def _bare_age(draft: Draft, text: str) -> dict[str, object] | None:
    """Returns the age of "I am sixteen": a minor's number right behind such words, and nothing of weight behind it."""
    tokens = tokens_of(text)
    for pack in draft.packs:
        for phrase in (phrase for phrase, kind in pack.lexicon.alarm_words.items() if kind == "self_age"):
            words = phrase.split()
            for end in range(len(words), len(tokens)):
                if tokens[end - len(words) : end] != words:
                    continue
                number = number_at(tokens, end, draft.packs)
                if number and _YOUNGEST <= number[0] < ADULT and _is_little(draft, tokens[number[1] :]):
                    return {"words": [phrase], "age": int(number[0])}
    return None


def _is_little(draft: Draft, tokens: list[str]) -> bool:
    """Tells whether only words without weight follow, until a further matter is joined on."""
    lexicons = [pack.lexicon for pack in draft.packs]
    behind = list(takewhile(lambda word: not any(word in lex.clause_joins for lex in lexicons), tokens))
    return len(behind) <= _LITTLE_BEHIND and all(
        any(
            word in lex.function_words_native or word in lex.function_words_romanised or word in lex.backchannels
            for lex in lexicons
        )
        for word in behind
    )


def _doubt(draft: Draft, heard: Understanding) -> Finding | None:
    """Counts a turn whose intent is unsure; silence says nothing, and of what has no intent `lost` is told later."""
    if heard.intent in ("silence", OUT_OF_SCOPE):
        return None
    courtesy = heard.intent == "repeat" or heard.intent in draft.flows.courtesies.intents
    unsure = heard.confidence < draft.profile.escalation.low_confidence_below and not heard.entities and not courtesy
    draft.change(uncertain=draft.state.uncertain + 1 if unsure else 0)
    return _doubtful(draft, heard)


def lost(draft: Draft, heard: Understanding, *, answered: bool) -> Finding | None:
    """Counts a turn without an intent, once it is known whether it answered what was asked, and judges as `notice`.

    Args:
        draft: The turn, served.
        heard: What the caller said.
        answered: Whether the turn led anywhere: some words answer a question although they name no matter.
    """
    if answered:
        draft.change(uncertain=0)
        return None
    draft.change(uncertain=draft.state.uncertain + 1)
    return _doubtful(draft, heard)


def _doubtful(draft: Draft, heard: Understanding) -> Finding | None:
    policy = draft.profile.escalation
    if not policy.low_confidence or draft.state.uncertain < policy.low_confidence:
        return None
    evidence = {
        "intent": heard.intent,
        "confidence": round(heard.confidence, 3),
        "below": policy.low_confidence_below,
        "rule": heard.rule,
        "turns": draft.state.uncertain,
        "words": heard.text,
    }
    return Finding(Trigger.LOW_CONFIDENCE, "low_confidence", evidence)


def _buying(draft: Draft, heard: Understanding) -> Finding | None:
    policy = draft.profile.escalation
    sign = _BUYING.get(heard.intent)
    amount = heard.entity(_BUDGET_SLOT)
    budget = int(amount.value) if amount is not None and sign == "quote" and amount.value.isdecimal() else None
    signs = dict.fromkeys(draft.state.buying)
    signs |= {sign: None} if sign else {}
    signs |= {"budget": None} if budget is not None else {}
    draft.change(buying=tuple(signs))
    if not policy.buying_intent or sign is None:
        return None
    large = budget is not None and policy.budget_over is not None and budget >= policy.budget_over
    if large or (len(signs) >= policy.buying_intent and sign != "quote"):
        evidence: dict[str, object] = {"signs": list(signs), "needed": policy.buying_intent}
        if budget is not None:
            evidence["budget"] = budget
        return Finding(Trigger.BUYING_INTENT, "buying_intent", evidence, "interested_ok")
    return None
