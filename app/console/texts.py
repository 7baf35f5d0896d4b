"""What the console says, in English and Hindi: one file a language, the same keys in both."""

from collections.abc import Mapping
from functools import cache
from pathlib import Path
from string import Template
from typing import Final

import yaml
from fastapi import Request

LANGUAGES: Final = {"en": "English", "hi": "हिन्दी"}
LANGUAGE_COOKIE: Final = "vs_language"
_FOLDER: Final = Path(__file__).parent / "texts"


class Texts:
    """One language's sentences; `texts("inbox.empty")`, with slots: `texts("window.closes", minutes=5)`."""

    def __init__(self, language: str, sentences: Mapping[str, str]) -> None:
        self.language = language
        self._sentences = {key: Template(text) for key, text in sentences.items()}

    def __call__(self, key: str, **slots: object) -> str:
        """Returns a sentence.

        Raises:
            KeyError: There is no such sentence, or a slot is not given.
        """
        return self._sentences[key].substitute(slots)

    def known(self, key: str, fallback: str, **slots: object) -> str:
        """Returns a sentence, or `fallback` for what another part of the house named and this file does not know."""
        return self(key, **slots) if key in self._sentences else fallback

    def template(self, key: str) -> Template:
        """Returns a sentence with its slots."""
        return self._sentences[key]

    @property
    def keys(self) -> frozenset[str]:
        """The names of the sentences."""
        return frozenset(self._sentences)


@cache
def texts_in(language: str) -> Texts:
    """Returns the sentences of a language of `LANGUAGES`."""
    content = yaml.safe_load((_FOLDER / f"{language}.yaml").read_text(encoding="utf-8"))
    return Texts(language, {f"{room}.{key}": text for room, group in content.items() for key, text in group.items()})


def texts_of(request: Request) -> Texts:
    """Returns the sentences in the language that the viewer chose, else the one that their browser asks for first."""
    chosen = request.cookies.get(LANGUAGE_COOKIE)
    if chosen in LANGUAGES:
        return texts_in(chosen)
    asked = (part.partition(";")[0].strip()[:2] for part in request.headers.get("accept-language", "").split(","))
    return texts_in(next((language for language in asked if language in LANGUAGES), "en"))
