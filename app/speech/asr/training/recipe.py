"""States what a training recipe may say, and reads one: every step of the training takes its numbers from here."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field, NonNegativeFloat, PositiveFloat, PositiveInt, ValidationError

from app.errors import ModelError

Share = float
Kind = Literal["words", "sentence", "frame", "open", "pack", "digits", "short", "filling"]
Language = Literal["en", "hi", "ta", "te"]


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid")


class TextPart(_Part):
    """What is said, in which proportions, and how much of it is kept for tests."""

    mix: dict[Kind, NonNegativeFloat]
    word_lists: dict[Language, str]
    words_per_language: PositiveInt
    held_out_words: Share = Field(ge=0, lt=1)
    held_out_templates: Share = Field(ge=0, lt=1)


class SynthPart(_Part):
    """Who says it: espeak voices, variants, invented voices; variants kept for tests."""

    shard_hours: PositiveFloat
    longest_seconds: PositiveFloat
    invented_voices: int = Field(ge=0)
    stretches: tuple[PositiveFloat, PositiveFloat]
    voices: dict[Language, list[str]]
    variants: list[str] = Field(min_length=1)
    held_out_variants: list[str] = Field(min_length=1)
    spoken_as: dict[str, str] = {}


class FeaturePart(_Part):
    """The front end, as in `features.MelConfig`."""

    sample_rate_hz: PositiveInt
    hop_samples: PositiveInt
    window_samples: PositiveInt
    fft_size: PositiveInt
    mel_bands: PositiveInt
    preemphasis: float


class TokenizerPart(_Part):
    """The pieces: how many, and how many code points the longest has."""

    vocabulary: PositiveInt
    longest_piece: PositiveInt


class EncoderPart(_Part):
    """The network; contexts are in frames of 80 ms, left and right."""

    layers: PositiveInt
    width: PositiveInt
    heads: PositiveInt
    subsampling_channels: PositiveInt
    convolution_kernel: PositiveInt
    attention_contexts: list[tuple[int, int]] = Field(min_length=1)
    serve_context: tuple[int, int]


class TrainingPart(_Part):
    """The schedule; seconds are those of the run's clock."""

    seed: int
    seconds_per_step: PositiveFloat | None = None
    kind_weights: dict[Kind, NonNegativeFloat]
    batch_seconds: PositiveFloat
    learning_rate: PositiveFloat
    final_learning_rate: PositiveFloat
    warmup_steps: PositiveInt
    weight_decay: NonNegativeFloat
    gradient_clip: PositiveFloat
    phone_loss_weight: NonNegativeFloat
    phone_layer: PositiveInt
    frame_loss_seconds: NonNegativeFloat
    frame_loss_fade_seconds: PositiveFloat
    curriculum_seconds: PositiveFloat
    average_decay: float = Field(ge=0, lt=1)
    threads: PositiveInt


class NgramPart(_Part):
    """The n-grams: their text, their order, and the count below which those of each order go."""

    mix: dict[Kind, NonNegativeFloat]
    sentences: PositiveInt
    order: PositiveInt
    fewest: list[PositiveInt]


class Recipe(_Part):
    """All of a model: text, voices, features, pieces, network, schedule, n-grams."""

    languages: list[str] = Field(min_length=1)
    text: TextPart
    synth: SynthPart
    features: FeaturePart
    tokenizer: TokenizerPart
    encoder: EncoderPart
    training: TrainingPart
    ngrams: NgramPart


def load_recipe(path: Path) -> dict[str, Any]:
    """Reads and checks a recipe.

    Args:
        path: The recipe's YAML file.

    Returns:
        The recipe as plain lists and mappings, defaults filled in.

    Raises:
        ModelError: Where the file is missing, is no YAML mapping, or has a wrong or missing key; names the place.
    """
    try:
        stored = yaml.safe_load(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ModelError(f"{path}: no recipe there ({error.strerror}); give --recipe another file") from error
    except yaml.YAMLError as error:
        raise ModelError(f"{path}: not YAML: {' '.join(str(error).split())}") from error
    try:
        recipe = Recipe.model_validate(stored)
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(str(part) for part in first["loc"]) or "the file"
        more = f" (and {error.error_count() - 1} more)" if error.error_count() > 1 else ""
        raise ModelError(f"{path}: {place}: {first['msg']}{more}; compare the recipe that ships") from error
    if recipe.ngrams.order != len(recipe.ngrams.fewest):
        raise ModelError(f"{path}: ngrams.fewest: give one number for each of the {recipe.ngrams.order} orders")
    if recipe.training.phone_layer > recipe.encoder.layers:
        raise ModelError(f"{path}: training.phone_layer: the encoder has {recipe.encoder.layers} layers")
    if recipe.encoder.width % recipe.encoder.heads:
        raise ModelError(f"{path}: encoder.width: must be a multiple of encoder.heads ({recipe.encoder.heads})")
    checked: dict[str, Any] = recipe.model_dump(mode="json")
    return checked
