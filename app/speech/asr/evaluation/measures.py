"""What is counted of one utterance: each measure is a pair (errors, of how many), summed over utterances later.

Rates are sums of errors over sums of references, never means of rates. Texts come normalised (`normaliser`).

| measure | meaning | source |
|---|---|---|
| wer | word errors (S + D + I) per reference word | NIST sclite |
| cer | the same over characters, spaces included | jiwer |
| match_error_rate | (S + D + I) / (H + S + D + I): at most 1 | Morris, Maier, Green 2004 |
| mixed_error_rate | words where Latin, letters with their signs where Indic | after SEAME's MER, Zeng et al. 2019 |
| t_wer | word errors, a word being right in either script | Emond et al. 2018 |
| pier | errors on words of the embedded language, per such word | Ugan et al. 2025, arXiv 2501.09512 |
| script_fidelity | share of aligned words written in the reference's script | |
| digits_right | share of utterances with a number (2 digits or more) whose digits are all right | |
| utterances_right | share of utterances without an error | |
| named_right | share of utterances in which the named word of the business was heard, case endings aside | |
| first_word_errors, later_word_errors | errors on the first word, and on the others, per such word | |
| partial_changes | share of words shown in partials that were changed later | after UPWR, Shangguan et al. 2020 |
| endpoint_ms | from the true end of speech to the decision that the turn is over | |
| early_cut | share of utterances whose turn was ended before the speech was | |
| unheard | share of utterances in which no turn was noticed | |
| final_ms | time to compute the final transcript | |
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from app.language.numbers import parse_digits
from app.language.packs import Pack
from app.language.scripts import LATIN, script_of_word

from .alignment import Pair, align, graphemes
from .normaliser import comparable, normalise
from .transliteration import is_same_word

Counts = dict[str, tuple[float, float]]
PERCENT = (
    "wer", "cer", "match_error_rate", "mixed_error_rate", "t_wer", "pier", "script_fidelity", "digits_right",
    "utterances_right", "named_right", "first_word_errors", "later_word_errors", "partial_changes",
    "early_cut", "unheard",
)  # fmt: skip
MILLISECONDS = ("endpoint_ms", "final_ms")
HIGHER_IS_BETTER = frozenset({"script_fidelity", "digits_right", "utterances_right", "named_right"})


@dataclass(frozen=True, slots=True)
class Heard:
    """What the engine made of one utterance.

    Attributes:
        text: The final transcript.
        partials: Partial transcripts in order, as words.
        endpoint_ms: From the true end of speech to the end of the turn; negative: cut early; None: not decided.
        has_endpointing: Whether a turn's end was looked for.
        final_ms: How long the final transcript took to compute.
    """

    text: str
    partials: tuple[tuple[str, ...], ...] = ()
    endpoint_ms: float | None = None
    has_endpointing: bool = False
    final_ms: float | None = None


def count(reference: str, heard: Heard, packs: Sequence[Pack], word: str = "") -> Counts:
    """Counts every measure that applies to an utterance.

    Args:
        reference: What was said, as the manifest writes it.
        heard: What was recognised.
        packs: For numbers; the utterance's language first.
        word: A word or phrase in the reference that is counted by itself.
    """
    wanted, got = comparable(reference, heard.text, packs)
    words, heard_words = wanted.split(), got.split()
    pairs = align(words, heard_words)
    wrong = [pair for pair in pairs if not _is_hit(pair, words, heard_words)]
    counts: Counts = {
        "wer": (len(wrong), len(words)),
        "cer": (_distance(wanted, got), len(wanted)),
        "match_error_rate": (len(wrong), len(pairs)),
        "mixed_error_rate": _mixed(words, heard_words),
        **_across_scripts(words, heard_words),
        "utterances_right": (wanted == got, 1),
        **_positions(pairs, words, heard_words),
        "pier": _embedded(pairs, words, heard_words),
        **_time(heard),
    }
    if word:
        counts["named_right"] = (f" {normalise(word)}" in f" {normalise(heard.text)}", 1)
    digits = parse_digits(reference, packs)
    if digits is not None and len(digits) > 1:
        counts["digits_right"] = (parse_digits(heard.text, packs) == digits, 1)
    return {name: (float(errors), float(total)) for name, (errors, total) in counts.items() if total}


def _is_hit(pair: Pair, words: Sequence[str], heard: Sequence[str]) -> bool:
    wanted, got = pair
    return wanted is not None and got is not None and words[wanted] == heard[got]


def _distance(reference: Sequence[str], heard: Sequence[str]) -> int:
    return sum(not _is_hit(pair, reference, heard) for pair in align(reference, heard))


def _mixed(words: Sequence[str], heard: Sequence[str]) -> tuple[int, int]:
    wanted, got = (
        [unit for word in side for unit in ([word] if script_of_word(word) == LATIN else graphemes(word))]
        for side in (words, heard)
    )
    return _distance(wanted, got), len(wanted)


def _across_scripts(words: Sequence[str], heard: Sequence[str]) -> Counts:
    """Counts on an alignment in which a word may stand in another script."""
    pairs = align(words, heard, is_same_word)
    wrong = sum(a is None or b is None or not is_same_word(words[a], heard[b]) for a, b in pairs)
    aligned = [(words[a], heard[b]) for a, b in pairs if a is not None and b is not None and script_of_word(words[a])]
    kept = sum(script_of_word(one) == script_of_word(other) for one, other in aligned)
    return {"t_wer": (wrong, len(words)), "script_fidelity": (kept, len(aligned))}


def embedded_words(words: Sequence[str]) -> list[int]:
    """Returns the positions of the words that are not in the script of most words; [] where there is one script.

    English inside an Indian language is nearly always the smaller part; where it is not, Latin still counts as
    embedded, since the Indian language gives the grammar.
    """
    scripts = [script_of_word(word) for word in words]
    native = {script for script in scripts if script not in (None, LATIN)}
    return [at for at, script in enumerate(scripts) if script == LATIN] if native else []


def _embedded(pairs: Sequence[Pair], words: Sequence[str], heard: Sequence[str]) -> tuple[int, int]:
    embedded = set(embedded_words(words))
    missed = sum(a in embedded and not _is_hit((a, b), words, heard) for a, b in pairs)
    return missed + _inserted_inside(pairs, embedded), len(embedded)


def _inserted_inside(pairs: Sequence[Pair], embedded: set[int]) -> int:
    """Counts words inserted between two neighbouring words of the embedded language."""
    inserted, pending, before = 0, 0, None
    for wanted, _ in pairs:
        if wanted is None:
            pending += 1
            continue
        if before in embedded and wanted in embedded:
            inserted += pending
        before, pending = wanted, 0
    return inserted


def _positions(pairs: Sequence[Pair], words: Sequence[str], heard: Sequence[str]) -> Counts:
    hits = {a for a, b in pairs if a is not None and _is_hit((a, b), words, heard)}
    return {
        "first_word_errors": (0 not in hits, bool(words)),
        "later_word_errors": (sum(at not in hits for at in range(1, len(words))), max(0, len(words) - 1)),
    }


def _time(heard: Heard) -> Counts:
    counts: Counts = {}
    changed, shown = partial_changes([*heard.partials, tuple(heard.text.split())])
    if shown:
        counts["partial_changes"] = (changed, shown)
    if heard.has_endpointing:
        latency = heard.endpoint_ms
        counts["unheard"] = (latency is None, 1)
        if latency is not None:
            counts["early_cut"] = (latency < 0, 1)
            if latency >= 0:
                counts["endpoint_ms"] = (latency, 1)
    if heard.final_ms is not None:
        counts["final_ms"] = (heard.final_ms, 1)
    return counts


def partial_changes(shown: Sequence[Sequence[str]]) -> tuple[int, int]:
    """Returns (words changed or taken back later, words shown), the last text being the final one.

    A word counts from when it is first shown at its place with another after it: the last word of a partial is still
    being spoken. The next text that has another word there, or none, changes it.
    """
    total = changed = 0
    before: Sequence[str] = ()
    for number, text in enumerate(shown, 1):
        changed += sum(at >= len(text) or text[at] != word for at, word in enumerate(before))
        if number < len(shown):
            whole = text[:-1]
            total += sum(at >= len(before) or before[at] != word for at, word in enumerate(whole))
            before = whole
    return changed, total
