"""A language pack in memory: what the folder `lang_packs/<tag>/` says, validated and frozen."""

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Disclosure:
    """A fixed, approved compliance sentence; `text` may hold `{entity}`-like slots.

    `sha256` is over the UTF-8 text; a pack whose text and hash differ does not load.
    """

    key: str
    text: str
    approved_by: str
    approved_on: str
    sha256: str


@dataclass(frozen=True, slots=True)
class Manifest:
    """Who the pack is: BCP-47 tag, names, scripts and the ids of its engines."""

    tag: str
    name: str
    native_name: str
    scripts: tuple[str, ...]
    fallback: tuple[str, ...]
    whatsapp_code: str
    tts_voice: str
    tts_rate_wpm: int
    tts_pitch: int


@dataclass(frozen=True, slots=True)
class Lexicon:
    """Closed word lists that understanding and identification need, lower-case NFC."""

    function_words_native: frozenset[str]
    function_words_romanised: frozenset[str]
    backchannels: frozenset[str]
    stop_words: frozenset[str]
    start_words: frozenset[str]
    language_names: Mapping[str, str]  # spoken name -> BCP-47 tag


@dataclass(frozen=True, slots=True)
class Pack:
    """One language, complete."""

    manifest: Manifest
    disclosures: Mapping[str, Disclosure]
    intents: Mapping[str, Mapping[str, tuple[str, ...]]]  # intent -> form -> examples
    tests: Mapping[str, Mapping[str, tuple[str, ...]]]  # intent -> form -> held-out utterances
    responses: Mapping[str, tuple[str, ...]]  # key -> variants with {slots}
    whatsapp_templates: Mapping[str, str]  # name -> body with {{1}} {{2}}
    errors: Mapping[str, str]
    lexicon: Lexicon
    digit_words: Mapping[str, str]  # spoken word -> digit or digits ("double" handled apart)
    number_words: Mapping[str, int]  # cardinal word -> value, multipliers included (lakh -> 100000)
    repeat_words: Mapping[str, int]  # "double" -> 2, "triple" -> 3

    @property
    def tag(self) -> str:
        """The pack's BCP-47 tag."""
        return self.manifest.tag
