"""Tries single stages outside a call: the recogniser on recordings, understanding on sentences."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

from app.config import Settings
from app.errors import ConfigError
from app.language.loader import PackRegistry
from app.nlu.understander import Understander
from app.simulate.voices import read_wav
from app.speech.asr.onnx_engine import STARTER_MODEL_DIR, OnnxAsrEngine
from app.speech.audio import silence

_LEAD_MS: Final = 300


def _model_dir(settings: Settings) -> Path:
    return settings.asr_model or STARTER_MODEL_DIR


def _understander(settings: Settings) -> tuple[PackRegistry, Understander]:
    packs = PackRegistry.open(settings.packs_dir)
    return packs, Understander(packs, settings.data_dir / "models")


def transcribe(settings: Settings, recordings: Sequence[Path]) -> list[dict[str, Any]]:
    """Returns what the recogniser hears in WAV files.

    Raises:
        ConfigError: A file or the model cannot be used.
    """
    sounds = [read_wav(path) for path in recordings]
    try:
        engine = OnnxAsrEngine(_model_dir(settings), threads=settings.speech_threads)
    except FileNotFoundError as error:
        raise ConfigError(f"no recogniser: {error}; VAANISETU_ASR_MODEL names a model directory") from error
    rows = []
    for path, sound in zip(recordings, sounds, strict=True):
        stream = engine.open_stream()
        engine.push(stream, silence(_LEAD_MS) + sound)
        while any(part is not None for part in engine.step([stream])):
            continue
        heard = engine.finish([stream])[0]
        words = [{"text": word.text, "start_ms": word.start_ms, "end_ms": word.end_ms} for word in heard.words]
        rows.append({"file": str(path), "text": heard.text, "confidence": round(heard.confidence, 3), "words": words})
    return rows


def model_card(settings: Settings) -> str:
    """Returns where the recogniser is and what its card says.

    Raises:
        ConfigError: There is none.
    """
    folder = _model_dir(settings)
    cards = sorted(folder.glob("*.md"))
    if not (folder / "model.json").is_file():
        raise ConfigError(f"{folder}: no recogniser; VAANISETU_ASR_MODEL names a model directory")
    return "\n".join([str(folder), *(card.read_text(encoding="utf-8") for card in cards)])


def understand(settings: Settings, sentences: Sequence[str], language: str | None) -> list[dict[str, Any]]:
    """Returns language, intent and entities of sentences.

    Raises:
        PackError: A pack is wrong.
    """
    packs, understander = _understander(settings)
    rows = []
    for sentence in sentences:
        found = understander.understand(sentence, enabled=packs.tags, current_language=language or packs.tags[0])
        rows.append(
            {
                "text": sentence,
                "intent": found.intent,
                "confidence": round(found.confidence, 3),
                "language": found.language.matrix,
                "entities": {entity.kind: entity.value for entity in found.entities},
                "alternatives": {name: round(chance, 3) for name, chance in found.alternatives.items()},
            }
        )
    return rows


def train(settings: Settings) -> str:
    """Trains the intent model into the cache, unless it is there; returns what was made."""
    packs, understander = _understander(settings)
    return f"{len(understander.intents)} intents from {', '.join(packs.tags)}, kept in {settings.data_dir / 'models'}"
