"""Whether a recogniser can write a language at all: its tokenizer against the words of the language's pack."""

from __future__ import annotations

import unicodedata
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import sentencepiece

from app.errors import ModelError
from app.language.normalise import words_of
from app.language.packs import Pack
from app.language.scripts import LATIN, script_of_word

from .archive import NemoArchive, load_tokenizer, read_archive

LEAST_SHARE: Final = 0.98
"""A model that writes less of a language's own words is refused; packs hold a rare letter here and there."""
_HEARD_FORMS: Final = ("native", "mixed", "asr")
_SHOWN_LETTERS: Final = 12
_STARTER: Final = Path(__file__).parents[1] / "models" / "starter-4m"


@dataclass(frozen=True, slots=True)
class Coverage:
    """How much of a pack's vocabulary a tokenizer writes without `<unk>`; shares count distinct words.

    `english` is the share of the words in Latin script that callers mix in, None where the pack has none; a low one
    does not disqualify, since some models write English words in the language's own script.
    """

    language: str
    own: float
    english: float | None
    unwritable: tuple[str, ...]

    @property
    def is_enough(self) -> bool:
        """Whether the model may serve the language."""
        return self.own >= LEAST_SHARE

    def reason(self) -> str:
        """Says why the language is refused."""
        letters = " ".join(self.unwritable[:_SHOWN_LETTERS])
        return (
            f"its tokenizer writes {100 * self.own:.0f} % of the words of {self.language} and answers <unk> for "
            f"the rest (letters: {letters})"
        )


def heard_words(pack: Pack) -> Iterator[str]:
    """Yields the words of the sentences that a pack expects to hear, as transcripts write them, again and again."""
    for group in (pack.intents, pack.tests):
        for forms in group.values():
            for form, texts in forms.items():
                if form in _HEARD_FORMS:
                    for text in texts:
                        yield from words_of(text)
    for word in (*pack.digit_words, *pack.number_words):
        if script_of_word(word) != LATIN:
            yield word


def _is_plain(word: str) -> bool:
    return all(unicodedata.category(char)[0] in "LM" for char in word)


def unwritable_letters(tokenizer: sentencepiece.SentencePieceProcessor, text: str) -> set[str]:
    """Returns the characters of a text that the tokenizer answers with `<unk>`."""
    unknown = tokenizer.unk_id()
    if unknown not in tokenizer.encode(text):
        return set()
    return {char for char in set(text) - {" "} if unknown in tokenizer.encode(char)}


def measure_coverage(tokenizer: sentencepiece.SentencePieceProcessor, pack: Pack) -> Coverage:
    """Tries the tokenizer on every distinct word that the pack expects to hear."""
    written: Counter[bool] = Counter()
    seen: Counter[bool] = Counter()
    letters: Counter[str] = Counter()
    scripts = set(pack.manifest.scripts) - {LATIN} or {LATIN}
    for word in sorted({word for word in heard_words(pack) if _is_plain(word)}):
        script = script_of_word(word)
        is_own = script in scripts
        if not is_own and script != LATIN:
            continue
        lost = unwritable_letters(tokenizer, word)
        seen[is_own] += 1
        written[is_own] += not lost
        if is_own:
            letters.update(lost)
    own = written[True] / seen[True] if seen[True] else 0.0
    english = written[False] / seen[False] if seen[False] else None
    return Coverage(pack.tag, own, english, tuple(letter for letter, _ in letters.most_common()))


def tokenizer_of(model: Path, language: str) -> sentencepiece.SentencePieceProcessor:
    """Returns the tokenizer that a checkpoint or a served model writes a language with.

    Args:
        model: a `.nemo` archive or a model directory.
        language: BCP-47; only a checkpoint with a tokenizer per language looks at it.

    Raises:
        ModelError: There is none, or it is damaged.
    """
    if model.is_dir():
        path = model / "tokenizer.model"
        if not path.is_file():
            raise ModelError(f"{model} holds no tokenizer.model, so it is no served model; make one with `asr convert`")
        return load_tokenizer(path.read_bytes(), str(path))
    archive = read_archive(model, with_shapes=False)
    return archive.tokenizer("" if "" in archive.tokenizers else language.split("-")[0])


def written_packs(archive: NemoArchive, packs: Iterable[Pack], language: str = "") -> tuple[Pack, ...]:
    """Returns the packs that a checkpoint, or one head of it, can write.

    Args:
        archive: the checkpoint.
        packs: the languages to try.
        language: the head to try, where the checkpoint has one for each language.

    Raises:
        ModelError: It can write none of them, or has no such head; the detail says why.
    """
    tokenizer = archive.tokenizer(language if archive.needs_slicing else "")
    found = [(pack, measure_coverage(tokenizer, pack)) for pack in packs]
    written = tuple(pack for pack, coverage in found if coverage.is_enough)
    if not written:
        reasons = "; ".join(f"{coverage.language}: {coverage.reason()}" for _, coverage in found)
        raise ModelError(f"{archive.path} can write none of the configured languages. {reasons}")
    return written


def check_hearing(model: Path | None, models: Mapping[str, Path], packs: Iterable[Pack]) -> None:
    """Refuses a configuration in which a loaded language would not be written.

    Args:
        model: the model of every call, where there is no language map; None: the starter model.
        models: the language map.
        packs: the loaded languages.

    Raises:
        ModelError: A language has no model in the map, or a model that answers `<unk>`.
    """
    if not models:
        check_coverage(model or _STARTER, packs)
        return
    for pack in packs:
        if pack.tag not in models:
            raise ModelError(f"VAANISETU_ASR_MODELS names no model for {pack.tag}, which is loaded; add one")
        check_coverage(models[pack.tag], [pack])


def check_coverage(model: Path, packs: Iterable[Pack]) -> tuple[Coverage, ...]:
    """Refuses a model that cannot write a language which it is to serve.

    Args:
        model: a `.nemo` archive or a model directory.
        packs: the languages that it is to serve.

    Raises:
        ModelError: The model is unreadable, or its tokenizer answers `<unk>`; the detail names the language and why.
    """
    found = tuple(measure_coverage(tokenizer_of(model, pack.tag), pack) for pack in packs)
    for coverage in found:
        if not coverage.is_enough:
            raise ModelError(
                f"{model} cannot serve {coverage.language}: {coverage.reason()}; choose a model of that language "
                "for it (VAANISETU_ASR_MODELS maps languages to models), or fine-tune with --extend-vocabulary"
            )
    return found
