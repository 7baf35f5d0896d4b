"""Words of one language in another's letters ("मेरा" as "మేరా"), by `indic-transliteration`; part of `identify`.

A recogniser of several languages now and then writes a word in the wrong script, and people copy from what they see.
Between Indic scripts the library is exact, unlike from chat spelling, so each pack's own words are respelt once, at
start, into the other packs' scripts; to know such a word is then a look-up.
"""

from collections import Counter
from collections.abc import Mapping, Sequence

from indic_transliteration import sanscript

from app.language.normalise import normalise, words_of
from app.language.packs import Pack
from app.language.scripts import script_of_word

# ISO 15924 script -> scheme of indic-transliteration 2.3.82.
_SCHEMES = {
    "Deva": sanscript.DEVANAGARI, "Beng": sanscript.BENGALI, "Guru": sanscript.GURMUKHI, "Gujr": sanscript.GUJARATI,
    "Orya": sanscript.ORIYA, "Taml": sanscript.TAMIL, "Telu": sanscript.TELUGU, "Knda": sanscript.KANNADA,
    "Mlym": sanscript.MALAYALAM,
}  # fmt: skip
_SEEN = 2  # a word of so many sentences is a word of the language; rarer ones may be names
_SHORTEST = 3  # code points; shorter words are alike by chance


class Respelt:
    """Which packs' words stand in a script that is not theirs."""

    def __init__(self, packs: Sequence[Pack]) -> None:
        own = [_own_words(pack) for pack in packs]
        self._at_home = at_home = {word for words in own for listed in words.values() for word in listed}
        self._natives = frozenset(number for number, words in enumerate(own) if words)
        self._index: dict[str, set[int]] = {}
        for number, words in enumerate(own):
            for script, listed in words.items():
                for other in {s for w in own for s in w} - {script}:
                    for word in listed:
                        respelt = normalise(sanscript.transliterate(word, _SCHEMES[script], _SCHEMES[other]))
                        if len(respelt) >= _SHORTEST and respelt not in at_home:
                            self._index.setdefault(respelt, set()).add(number)

    def packs_of(self, word: str) -> frozenset[int]:
        """Returns the positions of the packs one of whose words this is, in letters that are not the pack's."""
        return frozenset(self._index.get(word, ()))

    def strangers_of(self, word: str) -> frozenset[int]:
        """Returns the positions of the packs that an unknown native word might belong to; none for a known word."""
        return frozenset() if word in self._at_home else self._natives


def _own_words(pack: Pack) -> Mapping[str, set[str]]:
    """Returns a pack's native words by script: its function words, and those of at least two sentences."""
    counted = Counter(
        word
        for forms in pack.intents.values()
        for form in ("native", "asr")
        for text in forms.get(form, ())
        for word in set(words_of(text))
    )
    words = {word for word, count in counted.items() if count >= _SEEN} | pack.lexicon.function_words_native
    found: dict[str, set[str]] = {}
    for word in words:
        script = script_of_word(word)
        if script in _SCHEMES and script in pack.manifest.scripts:
            found.setdefault(script, set()).add(word)
    return found
