"""What a call tells the recogniser to expect of the next utterance: the business's words and the question's answers."""

from collections.abc import Iterable, Sequence
from functools import lru_cache

from app.dialogue.turn import Expectation
from app.language.packs import Pack
from app.language.scripts import LATIN, script_of_word
from app.speech.asr.engine import Bias
from app.speech.asr.spelling import as_transcribed

_LONGEST_NUMBER = (1, 16)


def packs_of(languages: Sequence[str], packs: Iterable[Pack]) -> tuple[Pack, ...]:
    """Returns the packs of an agent's languages and those in Latin script: English words turn up in every language."""
    return tuple(pack for pack in packs if pack.tag in languages or _is_latin(pack))


def _is_latin(pack: Pack) -> bool:
    return pack.manifest.scripts[:1] == (LATIN,)


def _as_transcribed(pack: Pack, words: Iterable[str]) -> set[str]:
    """Returns the words in the script in which transcripts write the language: chat spellings are left out."""
    return {word for word in words if _is_latin(pack) or script_of_word(word) != LATIN}


@lru_cache(maxsize=64)
def numerals(packs: tuple[Pack, ...]) -> tuple[tuple[str, int], ...]:
    """Returns the packs' words for numbers below 100 and how many digits each stands for, as `Bias.numerals`."""
    counts: dict[str, int] = {}
    for pack in packs:
        words = {word: len(digits) for word, digits in pack.digit_words.items()}
        words |= {word: -2 if _is_tens(value) else 2 for word, value in pack.number_words.items() if 10 <= value < 100}
        words |= {word: times - 1 for word, times in pack.repeat_words.items()}
        counts |= {word: words[word] for word in _as_transcribed(pack, words)}
    return tuple(sorted(counts.items()))


def _is_tens(value: int) -> bool:
    return value >= 20 and value % 10 == 0


@lru_cache(maxsize=64)
def places(packs: tuple[Pack, ...]) -> tuple[str, ...]:
    """Returns the packs' names of cities."""
    return _phrases(packs, [pack.vocabulary.cities for pack in packs])


@lru_cache(maxsize=256)
def _answers(expectation: Expectation, packs: tuple[Pack, ...]) -> tuple[str, ...]:
    """Returns the words with which a question of this kind is answered."""
    groups: list[Iterable[tuple[str, ...] | str]] = []
    for pack in packs:
        lexicon, formats, vocabulary = pack.lexicon, pack.formats, pack.vocabulary
        match expectation:
            case Expectation.YES_NO:
                groups.append(lexicon.yes_words | lexicon.no_words)
            case Expectation.LANGUAGE:
                groups.append(lexicon.language_names)
            case Expectation.DATE:
                groups.append([*lexicon.relative_days, *formats.months, *formats.weekdays, *vocabulary.calendar])
            case Expectation.TIME:
                groups.append(vocabulary.clock)
            case Expectation.TEXT:
                groups.append(vocabulary.items)
            case _:
                groups.append(())
    return _phrases(packs, groups)


def _phrases(packs: Sequence[Pack], groups: Sequence[Iterable[tuple[str, ...] | str]]) -> tuple[str, ...]:
    found: set[str] = set()
    for pack, group in zip(packs, groups, strict=True):
        found |= _as_transcribed(pack, (one if isinstance(one, str) else " ".join(one) for one in group))
    return tuple(sorted(found))


@lru_cache(maxsize=512)
def bias_for(
    expectation: Expectation, digits: tuple[int, int] | None, packs: tuple[Pack, ...], vocabulary: tuple[str, ...]
) -> Bias:
    """Returns what the recogniser should lean towards.

    Args:
        expectation: What the dialogue asked for.
        digits: Fewest and most digits, where a number was asked for.
        packs: What `packs_of` returned.
        vocabulary: The agent's own words and number formats.
    """
    wanted = (digits or _LONGEST_NUMBER) if expectation is Expectation.DIGITS else None
    needs_numbers = wanted is not None or any("#" in phrase for phrase in vocabulary)
    phrases = _in_both_spellings((*vocabulary, *places(packs)))
    answers = _in_both_spellings(_answers(expectation, packs))
    return Bias(phrases, wanted, answers, numerals(packs) if needs_numbers else ())


def _in_both_spellings(phrases: Sequence[str]) -> tuple[str, ...]:
    """Returns the phrases, and where the starter's transcripts write one in another way, that way too."""
    return tuple(dict.fromkeys(way for phrase in phrases for way in (phrase, as_transcribed(phrase))))
