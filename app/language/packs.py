"""A language pack in memory: what the folder `lang_packs/<tag>/` says, validated and frozen."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from app.language.patterns import Patterns
from app.language.vocabulary import Vocabulary


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
    """Who the pack is: BCP-47 tag, names, scripts (ISO 15924) and the ids of its engines.

    `numbers` is a language id of `indic-numtowords`, or "" where there is none: amounts are then given as numerals.
    """

    tag: str
    name: str
    native_name: str
    scripts: tuple[str, ...]
    fallback: tuple[str, ...]
    whatsapp_code: str
    tts_voice: str
    tts_rate_wpm: int
    tts_pitch: int
    forms: tuple[str, ...] = ("native", "romanised", "mixed", "asr")
    numbers: str = ""


@dataclass(frozen=True, slots=True)
class Lexicon:
    """Closed word lists that understanding and identification need, lower-case NFC."""

    function_words_native: frozenset[str]
    function_words_romanised: frozenset[str]
    backchannels: frozenset[str]
    stop_words: frozenset[str]
    start_words: frozenset[str]
    language_names: Mapping[str, str]  # spoken name -> BCP-47 tag
    yes_words: frozenset[str] = frozenset()
    no_words: frozenset[str] = frozenset()
    speak_words: frozenset[str] = frozenset()
    correction_words: frozenset[str] = frozenset()
    number_joins: frozenset[str] = frozenset()
    refusal_words: frozenset[str] = frozenset()
    language_namesakes: frozenset[str] = frozenset()  # "nadu": behind a language's name it makes another name
    point_words: frozenset[str] = frozenset()
    thousand_words: frozenset[str] = frozenset()  # "k": a thousand, behind a number only
    digit_plurals: Mapping[str, str] = field(default_factory=dict)  # "zeros" -> "0": behind how many there are
    times_words: frozenset[str] = frozenset()  # "baar": between how many zeros there are and "zero"
    suffixes: tuple[str, ...] = ()
    common_words: frozenset[str] = frozenset()
    relative_days: Mapping[str, int] = field(default_factory=dict)  # spoken word -> days from today
    topics: Mapping[str, str] = field(default_factory=dict)  # intent -> what a handoff says the call was about
    matters: Mapping[str, str] = field(default_factory=dict)  # intent -> what a colleague hears the call is about
    handover_reasons: Mapping[str, str] = field(default_factory=dict)  # rule -> why a person takes over, a sentence
    cases: Mapping[str, Mapping[str, str]] = field(default_factory=dict)  # case -> ending -> what replaces it
    informal_words: frozenset[str] = frozenset()
    clause_joins: frozenset[str] = frozenset()
    question_words: frozenset[str] = frozenset()
    alarm_words: Mapping[str, str] = field(default_factory=dict)  # phrase -> kind of what may bring a person in


@dataclass(frozen=True, slots=True)
class Formats:
    """How values are said: `digit_names` 0..9, `months` from January, `weekdays` from Monday.

    `day_parts` maps the hour from which on (0-23) a part of the day is called so; `times` holds the formats of clock
    times by kind (`whole`, `half`, `minutes` ...) or for one time of its own ("12:00").
    """

    digit_names: tuple[str, ...] = ()
    months: tuple[str, ...] = ()
    weekdays: tuple[str, ...] = ()
    date: str = "{day} {month}"
    amount: str = "{number}"
    one: str = ""  # one rupee, where it is said in a way of its own
    paise: str = ""  # with {number} and {paise}
    day_parts: Mapping[int, str] = field(default_factory=dict)
    times: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class WhatsappTemplate:
    """A message template as submitted for approval; `params` names what {{1}}, {{2}} ... stand for."""

    name: str
    category: str
    body: str
    params: tuple[str, ...]
    examples: tuple[str, ...]


@dataclass(frozen=True, slots=True, eq=False)
class Pack:
    """One language, complete. Compared and hashed by identity: a reloaded pack is another pack."""

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
    fraction_words: Mapping[str, str] = field(default_factory=dict)  # "1.5" replaces a number, "+0.5" shifts the next
    formats: Formats = field(default_factory=Formats)
    templates: Mapping[str, WhatsappTemplate] = field(default_factory=dict)
    failures: Mapping[str, str] = field(default_factory=dict)  # why a message was not delivered, for agents
    opening: tuple[str, ...] = ()  # disclosure keys that open a call, in order
    opening_outbound: tuple[str, ...] = ()  # the same where we are the ones who ring
    voicemail: tuple[str, ...] = ()  # the same where a machine answered
    version: str = ""  # hash of the folder's files
    vocabulary: Vocabulary = field(default_factory=Vocabulary)
    patterns: Patterns = field(default_factory=Patterns)
    sentences: Mapping[str, tuple[str, ...]] = field(default_factory=dict)  # intent -> what further callers say

    @property
    def tag(self) -> str:
        """The pack's BCP-47 tag."""
        return self.manifest.tag
