"""What the speech engines in use can do in a pack's language, for `GET /v1/languages`."""

import json
from pathlib import Path

from app.language.packs import Pack
from app.languages.schemas import SpeechView
from app.speech.tts.voices import voice_names


class SpeechCoverage:
    """Knows the recogniser's languages from its `model.json` and the synthesiser's voices from its data."""

    def __init__(self, model_dir: Path) -> None:
        """Reads the recogniser's description; one that cannot be read covers nothing that is known.

        Args:
            model_dir: The recogniser in use.
        """
        try:
            facts = json.loads((model_dir / "model.json").read_text(encoding="utf-8"))
        except (OSError, ValueError):
            facts = None
        known = facts if isinstance(facts, dict) else {}
        self._recogniser = str(known.get("name", model_dir.name)) if known else None
        languages = known.get("languages")
        self._languages = frozenset(map(str, languages)) if isinstance(languages, list) else None

    def of(self, pack: Pack) -> SpeechView:
        """Returns what can be spoken and heard in a pack's language."""
        voice = pack.manifest.tts_voice
        return SpeechView(
            voice=voice,
            voice_available=voice.lower() in voice_names(),
            recogniser=self._recogniser,
            recognised=None if self._languages is None else pack.tag in self._languages,
        )
