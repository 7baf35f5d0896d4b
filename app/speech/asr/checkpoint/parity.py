"""How much a served model lost on the way from its checkpoint: ONNX against torch, int8 against float32."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Protocol

import numpy as np
import torch

from app.errors import ModelError
from app.language.packs import Pack

from ..evaluation.bootstrap import Difference
from ..evaluation.listening import to_mulaw
from ..evaluation.material import Item
from ..evaluation.report import Report, differences
from ..evaluation.run import evaluate
from ..features import FloatArray
from ..onnx_engine import OnnxAsrEngine
from ..served import ServedModel, StreamingShapes
from ..training.export import export_float_graph
from ..training.network import restore_model
from .archive import read_archive

MOST_PROBABILITY: Final = 1e-4
MOST_POINTS: Final = 1.0
_MEASURES: Final = ("wer", "cer")


@dataclass(frozen=True, slots=True)
class Parity:
    """What was compared and by how much it differs.

    Attributes:
        chunks: Streaming steps whose probabilities were compared.
        probability: The largest difference of any probability between the float32 graph and torch, both streaming.
        int8: The served graph's report.
        float32: The float32 graph's report, of the same utterances.
    """

    chunks: int
    probability: float
    int8: Report
    float32: Report

    @property
    def costs(self) -> dict[str, dict[str, Difference]]:
        """Measures of int8 minus those of float32 by group, paired."""
        return differences(self.int8, self.float32)["clean"]

    @property
    def is_kept(self) -> bool:
        """Whether both differences are within their bounds: 1e-4 of probability, one point of WER over all."""
        return self.probability <= MOST_PROBABILITY and 100 * self.costs["all"]["wer"].value <= MOST_POINTS

    def as_json(self) -> dict[str, Any]:
        """Returns the figures, rates as shares."""
        reports = {"int8": self.int8.estimates("clean"), "float32": self.float32.estimates("clean")}
        return {
            "is_kept": self.is_kept,
            "onnx_against_torch": {"chunks": self.chunks, "largest_probability_difference": self.probability},
            "int8_against_float32": {
                group: {
                    name: {
                        **{key: round(found[group][name].value, 5) for key, found in reports.items()},
                        "difference": round(cost.value, 5),
                        "low": round(cost.low, 5),
                        "high": round(cost.high, 5),
                        "utterances": cost.utterances,
                    }
                    for name, cost in measured.items()
                    if name in _MEASURES
                }
                for group, measured in self.costs.items()
                if "/" not in group
            },
        }

    def as_markdown(self) -> str:
        """Returns the figures as Markdown; rates in percent with 95 % paired intervals."""
        told = self.as_json()
        lines = [
            f"ONNX (float32) against torch, both streaming: {self.chunks} chunks, largest difference of a probability "
            f"{self.probability:.1e} (limit {MOST_PROBABILITY:.0e}).",
            "",
            "| set | utterances | measure | int8 | float32 | int8 minus float32, points |",
            "|---|---|---|---|---|---|",
        ]
        for group, measured in told["int8_against_float32"].items():
            for name, one in measured.items():
                spread = " to ".join(f"{100 * one[key]:+.2f}" for key in ("low", "high"))
                lines.append(
                    f"| {group} | {one['utterances']} | {name.upper()} | {100 * one['int8']:.1f} | "
                    f"{100 * one['float32']:.1f} | {100 * one['difference']:+.2f} ({spread}) |"
                )
        return "\n".join(lines) + "\n"


class _Graph(Protocol):
    def run(self, names: None, inputs: Mapping[str, Any]) -> list[Any]: ...


class _TorchGraph:
    """NeMo's own streaming step with the inputs and outputs of the exported graph."""

    def __init__(self, checkpoint: Path, context: list[int]) -> None:
        self._model = restore_model(checkpoint).eval()
        self._model.encoder.set_default_att_context_size(context)
        self._model.encoder.setup_streaming_params()

    def run(self, names: None, inputs: Mapping[str, Any]) -> list[Any]:
        """Returns log probabilities, their frame counts and the new caches, as numpy arrays, batch first."""
        given = {name: torch.from_numpy(np.ascontiguousarray(value)) for name, value in inputs.items()}
        encoder = self._model.encoder
        with torch.no_grad():
            encoded, counts, channel, time, lengths = encoder.cache_aware_stream_step(
                processed_signal=given["audio_signal"],
                processed_signal_length=given["length"],
                cache_last_channel=given["cache_last_channel"].transpose(0, 1),
                cache_last_time=given["cache_last_time"].transpose(0, 1),
                cache_last_channel_len=given["cache_last_channel_len"],
                keep_all_outputs=False,
                drop_extra_pre_encoded=encoder.streaming_cfg.drop_extra_pre_encoded,
            )
            log_probs = self._model.decoder(encoder_output=encoded)
        caches = (channel.transpose(0, 1), time.transpose(0, 1))
        return [value.numpy() for value in (log_probs, counts, *caches, lengths)]


class _Recorded:
    """A graph whose probabilities are kept, float32[frames, pieces + 1] for every run of one stream."""

    def __init__(self, graph: _Graph) -> None:
        self._graph = graph
        self.heard: list[FloatArray] = []

    def run(self, names: None, inputs: Mapping[str, Any]) -> list[Any]:
        """Runs the graph and keeps what it says."""
        found = self._graph.run(names, inputs)
        self.heard.append(np.exp(found[0][0, : int(found[1][0])]))
        return found


def measure(
    model_dir: Path, checkpoint: Path, items: Sequence[Item], packs: Mapping[str, Pack], streamed: int
) -> Parity:
    """Exports the float32 graph of a checkpoint anew and sets it beside torch and beside the served graph.

    Args:
        model_dir: A served model for the engine `onnx`.
        checkpoint: The `.nemo` that it was exported from.
        items: What to play.
        packs: Language packs by tag, for numbers.
        streamed: About how many of the items, spread over all, go through torch too; both sides keep caches of their
            own, so that differences can add up.

    Raises:
        ModelError: The model or its checkpoint is damaged, or they are of different networks.
    """
    served = ServedModel.read(model_dir)
    context = [served.shapes.left_context, served.shapes.encoder_frames - 1]
    with tempfile.TemporaryDirectory(prefix="vaanisetu-parity-") as folder:
        exact = Path(folder)
        for name in ("model.json", "tokenizer.model", "ngrams.model"):
            if (model_dir / name).is_file():
                shutil.copyfile(model_dir / name, exact / name)
        shapes = _export(checkpoint, exact / "encoder.onnx", context)
        if StreamingShapes(**shapes) != served.shapes:
            raise ModelError(f"{checkpoint} is another network than {model_dir}: give the one it was exported from")
        reports = [evaluate(OnnxAsrEngine(place), items, packs, {}, ("clean",)) for place in (model_dir, exact)]
        probability, chunks = _streamed(
            exact, _TorchGraph(checkpoint, context), items[:: max(1, len(items) // streamed)]
        )
    return Parity(chunks, probability, *reports)


def _export(checkpoint: Path, path: Path, context: list[int]) -> dict[str, int]:
    if not checkpoint.is_file():
        raise ModelError(f"{checkpoint}: no such checkpoint; name the .nemo that the model came from (--checkpoint)")
    read_archive(checkpoint)
    torch.set_num_threads(1)
    try:
        return export_float_graph(checkpoint, path, context)[1]
    except (RuntimeError, ValueError, KeyError, TypeError, OSError) as error:
        reason = " ".join(str(error).split())[:200]
        raise ModelError(f"{checkpoint} cannot be exported ({reason}); give the one the model came from") from error


def _streamed(exact: Path, graph: _Graph, items: Sequence[Item]) -> tuple[float, int]:
    """Returns the largest difference of a probability and in how many chunks it was looked for."""
    engines = [OnnxAsrEngine(exact, greedy=True) for _ in range(2)]
    recorded = [_Recorded(engines[0].graph), _Recorded(graph)]
    for engine, one in zip(engines, recorded, strict=True):
        engine.graph = one
        for item in items:
            stream = engine.open_stream()
            engine.push(stream, to_mulaw(item.samples()))
            engine.step([stream])
    ours, theirs = (one.heard for one in recorded)
    largest = max((float(np.abs(a - b).max(initial=0.0)) for a, b in zip(ours, theirs, strict=True)), default=0.0)
    return largest, len(ours)
