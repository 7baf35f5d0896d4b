"""Kannada, small but whole, from a compact table: the fifth language of the tests, written into a scaffolded folder."""

import re
from pathlib import Path

import yaml

from app.language.approval import approve
from app.language.contract import load_contract
from app.language.latinise import latin_key
from app.language.loader import PackRegistry
from app.language.normalise import words_of
from app.language.scaffold import scaffold

TABLE = Path(__file__).with_suffix(".txt")
DISCLOSURES = {
    "entity": "ನಮಸ್ಕಾರ, ಇದು {entity}.",
    "ai": "ನಾನು ಸ್ವಯಂಚಾಲಿತ ಸಹಾಯಕಿ.",
    "recording": "ಈ ಕರೆ ರೆಕಾರ್ಡ್ ಆಗುತ್ತಿದೆ.",
    "purpose": "ಈ ಕರೆ {purpose} ಬಗ್ಗೆ.",
    "how_to_stop": "ಕರೆ ಬೇಡವಾದರೆ ಕರೆ ಮಾಡಬೇಡಿ ಎನ್ನಿ.",
    "person_available": "ಸಿಬ್ಬಂದಿ ಜೊತೆ ಮಾತಾಡಬಹುದು.",
    "opt_out_confirmation": "ಸರಿ. ಇನ್ನು ನಿಮಗೆ ಕರೆ ಮಾಡುವುದಿಲ್ಲ. ನಮಸ್ಕಾರ.",
    "callback_number": "ನಮಗೆ ಕರೆ ಮಾಡಲು ಸಂಖ್ಯೆ {number}.",
    "missed_you": "ನಿಮಗೆ ಕರೆ ಮಾಡಿದ್ದೆವು. ಕರೆ ಬೇಡವಾದರೆ ತಿರುಗಿ ಕರೆ ಮಾಡಿ ಹೇಳಿ.",
    "whatsapp_opt_in": "{entity} ಕಡೆಯಿಂದ ವಾಟ್ಸಾಪ್‌ನಲ್ಲಿ ಸಂದೇಶ ಕಳುಹಿಸಬಹುದೇ? ಹೌದು ಅಥವಾ ಇಲ್ಲ ಎನ್ನಿ.",
    "privacy_notice": "ನಿಮ್ಮ ಮಾಹಿತಿ ಸಹಾಯಕ್ಕೆ ಮಾತ್ರ. ಇಲ್ಲಿ ಓದಿ: {url}",
}
WORDS = {
    "speak_words": "ಮಾತಾಡಿ ಮಾತಾಡು ಮಾತಾಡುತ್ತೀರಾ ಹೇಳಿ maatadi matadi heli speak talk",
    "backchannels": "ಹೂಂ ಹಾಂ ಸರಿ mm hmm ok",
    "yes_words": "ಹೌದು ಸರಿ haudu sari yes ok",
    "no_words": "ಇಲ್ಲ ಬೇಡ illa beda no",
    "stop_words": "ನಿಲ್ಲಿಸಿ nillisi stop",
    "start_words": "ಶುರುಮಾಡಿ shurumadi start",
    "correction_words": "ಅಲ್ಲ alla sorry no",
}
GREETING = "ನಿಮಗೆ ಹೇಗೆ ಸಹಾಯ ಮಾಡಲಿ?"
_TODO = re.compile(r"TODO ?")
CALENDAR = {
    "r-1": "ನಿನ್ನೆ ninne", "r0": "ಇಂದು ಇವತ್ತು indu ivattu", "r1": "ನಾಳೆ naale", "r2": "ನಾಡಿದ್ದು naadiddu",
    "next": "ಮುಂದಿನ mundina", "this": "ಈ ee", "last": "ಕಳೆದ kaleda", "dom": "ತಾರೀಖು taarikhu", "days": "ದಿನ ದಿನಗಳ dina",
    "weeks": "ವಾರ vaara", "later": "ನಂತರ nantara", "ago": "ಹಿಂದೆ hinde",
}  # fmt: skip
CLOCK = {
    "hour": "ಗಂಟೆಗೆ gantege", "morning": "ಬೆಳಗ್ಗೆ belagge", "afternoon": "ಮಧ್ಯಾಹ್ನ madhyahna", "evening": "ಸಂಜೆ sanje",
    "night": "ರಾತ್ರಿ raatri", "half": "ಅರ್ಧ ardha", "minute": "ನಿಮಿಷ nimisha", "hours": "ಗಂಟೆ ಗಂಟೆಗಳ gante",
}  # fmt: skip


def add_kannada(packs_dir: Path) -> Path:
    """Scaffolds kn-IN and fills it in; returns its folder."""
    contract = load_contract(packs_dir)
    folder = scaffold(packs_dir, "kn-IN", contract, PackRegistry.open(packs_dir).packs)
    examples, tests = _sentences()
    _write(folder / "intents.yaml", examples)
    _write(folder / "tests/intents.yaml", tests)
    _write(folder / "disclosures.yaml", {key: {"text": text} for key, text in DISCLOSURES.items()})
    approve(folder, "A. Reader", "2026-11-21")
    responses = _read(folder / "responses.yaml")
    for number, (key, variants) in enumerate(responses.items()):
        responses[key] = [_TODO.sub(f"ಉತ್ತರ {number} ", text).strip() for text in variants]
    _write(folder / "responses.yaml", responses | {"greeting_ask": [GREETING]})
    errors = {key: _TODO.sub("ಕ್ಷಮಿಸಿ, ", text) for key, text in _read(folder / "errors.yaml").items()}
    _write(folder / "errors.yaml", errors)
    failures = {key: "ಸಂದೇಶ ಹೋಗಲಿಲ್ಲ." for key in _read(folder / "failures.yaml")}
    _write(folder / "failures.yaml", failures)
    templates = _read(folder / "whatsapp.yaml")
    for template in templates.values():
        slots = " ಮತ್ತು ಇದು ".join(f"{{{{{n + 1}}}}}" for n in range(len(template["params"])))
        template |= {
            "body": f"ನಮಸ್ಕಾರ, ನಿಮ್ಮ ಕರೆಯ ಬಗ್ಗೆ ಹೊಸ ಮಾಹಿತಿ {slots} ಇಲ್ಲಿದೆ.",
            "examples": [f"ಉದಾಹರಣೆ {n}" for n in range(len(template["params"]))],
        }
    _write(folder / "whatsapp.yaml", templates)
    _write(folder / "lexicon.yaml", _lexicon(_read(folder / "lexicon.yaml")))
    _write(folder / "vocabulary.yaml", _vocabulary(_read(folder / "vocabulary.yaml")))
    return folder


def _lexicon(known: dict[str, object]) -> dict[str, object]:
    native = _table()["function words"].split()
    romanised = list(dict.fromkeys(latin_key(word) for word in native))
    words = {key: text.split() for key, text in WORDS.items()}
    assert isinstance(known["topics"], dict) and isinstance(known["language_names"], dict)
    assert isinstance(known["handover_reasons"], dict)
    return known | words | {
        "function_words": {"native": native, "romanised": romanised},
        "language_names": known["language_names"] | {"ಕನ್ನಡದಲ್ಲಿ": "kn-IN", "ತಮಿಳಿನಲ್ಲಿ": "ta-IN", "ತೆಲುಗಿನಲ್ಲಿ": "te-IN"},
        "amount_format": "{number} ರೂಪಾಯಿ",
        "relative_days": {"ಇಂದು": "0", "ನಾಳೆ": "1", "indu": "0", "naale": "1"},
        "day_parts": {"4": "ಬೆಳಗ್ಗೆ", "12": "ಮಧ್ಯಾಹ್ನ", "16": "ಸಂಜೆ", "20": "ರಾತ್ರಿ"},
        "time_formats": {"whole": "{part} {hour} ಗಂಟೆ", "minutes": "{part} {hour} ಗಂಟೆ {minute} ನಿಮಿಷ"},
        "topics": dict.fromkeys(known["topics"], "ನಿಮ್ಮ ಆರ್ಡರ್"),
        "matters": dict.fromkeys(known["topics"], "ಅವರ ಆರ್ಡರ್"),
        "handover_reasons": dict.fromkeys(known["handover_reasons"], "ಅವರಿಗೆ ಸಹಾಯ ಬೇಕು."),
    }  # fmt: skip


def _vocabulary(known: dict[str, object]) -> dict[str, object]:
    calendar, clock = known["calendar"], known["clock"]
    assert isinstance(calendar, dict) and isinstance(clock, dict)
    days = {code: words for code, words in calendar.items() if words != ["TODO"]}
    return {
        "calendar": days | {code: text.split() for code, text in CALENDAR.items()},
        "clock": {code: text.split() for code, text in CLOCK.items()},
    }


def _sentences() -> tuple[dict[str, dict[str, list[str]]], dict[str, dict[str, list[str]]]]:
    examples, tests = {}, {}
    for intent, texts in _table().items():
        if "|" not in texts:
            continue
        one, two, three, mixed, held, other = texts.split(" | ")
        examples[intent] = {
            "native": [one, two, three, f"ದಯವಿಟ್ಟು ಕೇಳಿ, {one}.", f"ಅಯ್ಯೋ {two} ಅಂತ ಅಂದೆ."],
            "romanised": [_latin(one), _latin(two), _latin(three), f"dayavittu keli {_latin(one)}"],
            "mixed": [mixed, f"hello sir {mixed}"],
            "asr": [f"ನೋಡಿ ಅಕ್ಕ {two}", f"ಸ್ವಾಮಿ ಒಂದು ವಿಷಯ {three}"],
        }
        tests[intent] = {
            "native": [f"{held}.", f"{other}!"],
            "romanised": [_latin(held), _latin(other)],
            "mixed": [f"madam please {held}"],
            "asr": [f"ಅಣ್ಣ ಸ್ವಲ್ಪ ಕೇಳಿ {other} ಆಯ್ತಾ"],
        }
    return examples, tests


def _table() -> dict[str, str]:
    lines = TABLE.read_text(encoding="utf-8").splitlines()[1:]
    return dict(line.split(": ", 1) for line in lines)


def _latin(text: str) -> str:
    return " ".join(latin_key(word) for word in words_of(text))


def _read(path: Path) -> dict[str, object]:
    found: dict[str, object] = yaml.load(path.read_text(encoding="utf-8"), yaml.BaseLoader)
    return found


def _write(path: Path, content: dict[str, object] | dict[str, dict[str, list[str]]]) -> None:
    path.write_text(yaml.safe_dump(content, allow_unicode=True, sort_keys=False), encoding="utf-8")
