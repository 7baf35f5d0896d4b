"""Makes the frozen `Pack` out of a folder's checked files, for `loader`."""

from collections.abc import Iterable, Mapping
from typing import Any

from app.language.contract import Contract
from app.language.normalise import normalise, words_of
from app.language.packs import Disclosure, Formats, Lexicon, Manifest, Pack, WhatsappTemplate
from app.language.patterns import FILE_NAME as PATTERNS
from app.language.patterns import Patterns
from app.language.vocabulary import FILE_NAME as VOCABULARY
from app.language.vocabulary import vocabulary_of


def freeze(raw: Mapping[str, Mapping[str, Any]], contract: Contract, version: str) -> Pack:
    """Returns the pack that checked files make.

    Args:
        raw: The pack's files by name, found without fault.
        contract: What the pack serves.
        version: Hash of the files.
    """
    words = raw["lexicon.yaml"]
    vocabulary = vocabulary_of(raw.get(VOCABULARY, {}))
    templates = {
        name: WhatsappTemplate(name, t["category"], t["body"], tuple(t["params"]), tuple(t["examples"]))
        for name, t in raw["whatsapp.yaml"].items()
    }
    return Pack(
        manifest=_manifest(raw["manifest.yaml"]),
        disclosures={
            key: Disclosure(key, d["text"], d["approved_by"], d["approved_on"], d["sha256"])
            for key, d in raw["disclosures.yaml"].items()
        },
        intents=_by_form(raw["intents.yaml"]),
        tests=_by_form(raw["tests/intents.yaml"]),
        responses={key: tuple(variants) for key, variants in raw["responses.yaml"].items()},
        whatsapp_templates={name: template.body for name, template in templates.items()},
        errors=dict(raw["errors.yaml"]),
        failures=dict(raw["failures.yaml"]),
        lexicon=_lexicon(words),
        digit_words=_lowered(words["digit_words"]),
        number_words={word: int(value) for word, value in _lowered(words["number_words"]).items()},
        repeat_words={word: int(value) for word, value in _lowered(words["repeat_words"]).items()},
        fraction_words=_lowered(words.get("fraction_words", {})),
        formats=Formats(
            digit_names=tuple(words["digit_names"]),
            months=tuple(words["months"]),
            weekdays=tuple(words["weekdays"]),
            date=words["date_format"],
            amount=words["amount_format"],
            one=words.get("amount_one", ""),
            paise=words.get("amount_paise_format", ""),
            day_parts={int(hour): name for hour, name in words["day_parts"].items()},
            times=dict(words["time_formats"]),
        ),
        templates=templates,
        opening=contract.opening,
        opening_outbound=contract.opening_outbound,
        voicemail=contract.voicemail,
        version=version,
        vocabulary=vocabulary,
        patterns=Patterns.of(raw.get(PATTERNS, {}), vocabulary),
    )


def _manifest(doc: Mapping[str, Any]) -> Manifest:
    return Manifest(
        tag=doc["tag"],
        name=doc["name"],
        native_name=doc["native_name"],
        scripts=tuple(doc["scripts"]),
        fallback=tuple(doc["fallback"]),
        whatsapp_code=doc["whatsapp_code"],
        tts_voice=doc["tts"]["voice"],
        tts_rate_wpm=int(doc["tts"]["rate_wpm"]),
        tts_pitch=int(doc["tts"]["pitch"]),
        forms=tuple(doc["forms"]),
        numbers=doc["numbers"],
    )


def _lexicon(doc: Mapping[str, Any]) -> Lexicon:
    return Lexicon(
        function_words_native=_words(doc["function_words"].get("native", ())),
        function_words_romanised=_words(doc["function_words"].get("romanised", ())),
        backchannels=_words(doc["backchannels"]),
        stop_words=_words(doc["stop_words"]),
        start_words=_words(doc["start_words"]),
        language_names=_lowered(doc["language_names"]),
        yes_words=_words(doc["yes_words"]),
        no_words=_words(doc["no_words"]),
        speak_words=_words(doc["speak_words"]),
        correction_words=_words(doc["correction_words"]),
        number_joins=_words(doc.get("number_joins", ())),
        refusal_words=_words(doc.get("refusal_words", ())),
        language_namesakes=_words(doc.get("language_namesakes", ())),
        point_words=_words(doc.get("point_words", ())),
        thousand_words=_words(doc.get("thousand_words", ())),
        digit_plurals=_lowered(doc.get("digit_plurals", {})),
        times_words=_words(doc.get("times_words", ())),
        suffixes=tuple(doc.get("suffixes", ())),
        common_words=_words(doc.get("common_words", ())),
        relative_days={word: int(days) for word, days in _lowered(doc["relative_days"]).items()},
        topics=dict(doc["topics"]),
        matters=dict(doc["matters"]),
        handover_reasons=dict(doc["handover_reasons"]),
        cases={name: dict(rules) for name, rules in doc.get("cases", {}).items()},
        informal_words=_words(doc.get("informal_words", ())),
        clause_joins=_words(doc.get("clause_joins", ())),
        question_words=_words(doc.get("question_words", ())),
        alarm_words={" ".join(words_of(phrase)): kind for phrase, kind in doc.get("alarm_words", {}).items()},
    )


def _words(values: Iterable[str]) -> frozenset[str]:
    return frozenset(normalise(value).lower() for value in values)


def _lowered(values: Mapping[str, str]) -> dict[str, str]:
    return {normalise(word).lower(): value for word, value in values.items()}


def _by_form(doc: Mapping[str, Mapping[str, list[str]]]) -> dict[str, dict[str, tuple[str, ...]]]:
    return {intent: {form: tuple(texts) for form, texts in forms.items()} for intent, forms in doc.items()}
