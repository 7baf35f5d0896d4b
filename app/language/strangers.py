"""An alarm for languages that no pack speaks, by `langdetect`, and only where that is reliable; part of `identify`."""

from collections.abc import Sequence
from functools import lru_cache
from typing import Any

from langdetect import DetectorFactory, detector_factory
from langdetect.lang_detect_exception import LangDetectException

from app.language.scripts import LATIN, script_of_word

_FEWEST_WORDS = 6
_FEWEST_LATIN = 8
_FAMILIAR = 0.35  # above this share of known words the packs are believed
_SURE = 0.95


@lru_cache(maxsize=1)
def load_profiles() -> Any:
    """Loads the detector's profiles (call at start: its first concurrent calls race) and fixes its seed."""
    DetectorFactory.seed = 0
    detector_factory.init_factory()
    return detector_factory._factory


def stranger(words: Sequence[str], share_known: float) -> str | None:
    """Returns the ISO 639-1 code of a language that the text seems to be in, None when unsure or familiar.

    Args:
        words: Lower-case words of the utterance.
        share_known: Share (0..1) of them that the packs know.
    """
    if share_known > _FAMILIAR or len(words) < _FEWEST_WORDS:
        return None
    scripts = [script_of_word(word) for word in words]
    if scripts.count(LATIN) >= _FEWEST_WORDS and len(words) < _FEWEST_LATIN:
        return None
    detector = load_profiles().create()
    detector.append(" ".join(words))
    try:
        best = detector.get_probabilities()[0]
    except (LangDetectException, IndexError):
        return None
    return str(best.lang) if best.prob >= _SURE else None
