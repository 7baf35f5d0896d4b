"""The fine-tuning loop: CTC on drawn batches, averaged weights, saved often, the same whether or not interrupted."""

from __future__ import annotations

import json
import math
import signal
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import Any

import torch
from torch.nn import functional

from app.errors import ModelError

from ..training.network import AveragedWeights, save_atomically
from .data import Batch, Drawer, Ear, plain_call, stack

_PROGRESS_SECONDS = 10.0

Report = Callable[[str], object]


class Stop:
    """Whether a signal has asked the run to end after the present step."""

    requested = False


@contextmanager
def stop_on_signals() -> Iterator[Stop]:
    """Turns the first Ctrl-C or SIGTERM into a request; a second one interrupts at once."""
    stop = Stop()

    def ask(_number: int, _frame: FrameType | None) -> None:
        if stop.requested:
            raise KeyboardInterrupt
        stop.requested = True

    before = {number: signal.signal(number, ask) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield stop
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


class Tuner:
    """A model being fine-tuned; its state lies in `run_dir/last.pt`."""

    def __init__(self, model: Any, drawer: Drawer, recipe: dict[str, Any], run_dir: Path) -> None:
        """Takes up the run of `run_dir` where it was left, or begins one."""
        self.device = "cuda" if torch.cuda.is_available() else "cpu"
        self.model = model.to(self.device)
        self.model.encoder.sync_max_audio_length = False
        self._drawer = drawer
        self._recipe = recipe
        self._run_dir = run_dir
        head = list(model.decoder.parameters())
        self._optimiser = torch.optim.AdamW(
            [
                {"params": list(model.encoder.parameters()), "top": recipe["learning_rate"]},
                {"params": head, "top": recipe["head_learning_rate"]},
            ],
            lr=recipe["learning_rate"],
            betas=(0.9, 0.98),
            fused=True,
            weight_decay=recipe["weight_decay"],
        )
        self.average = AveragedWeights(model, recipe["average_decay"])
        self.step = 0
        if (run_dir / "last.pt").exists():
            self._resume()

    def _resume(self) -> None:
        path = self._run_dir / "last.pt"
        try:
            state = torch.load(path, map_location=self.device, weights_only=True)
            self.model.load_state_dict(state["model"])
            self._optimiser.load_state_dict(state["optimiser"])
            self.average.values = state["average"]
            self.step = int(state["step"])
        except (RuntimeError, KeyError, ValueError, OSError) as error:
            raise ModelError(f"{path} is damaged ({error}); remove it to begin the run again") from error

    def save(self) -> None:
        """Writes the state to resume from, whole or not at all."""
        state = {
            "model": self.model.state_dict(),
            "optimiser": self._optimiser.state_dict(),
            "average": self.average.values,
            "step": self.step,
        }
        save_atomically(lambda path: torch.save(state, path), self._run_dir / "last.pt")

    def _rate(self) -> float:
        """Returns the share of the highest learning rate at this step: a warm-up, then a cosine."""
        steps, last = self._recipe["steps"], self._recipe["final_share"]
        warm = min(1.0, (self.step + 1) / max(1.0, self._recipe["warmup_share"] * steps))
        fallen = 0.5 * (1 + math.cos(math.pi * min(1.0, self.step / steps)))
        return float(warm * (last + (1 - last) * fallen))

    def train_step(self) -> tuple[float, float]:
        """Takes one optimiser step; returns the loss per token and the seconds of audio heard."""
        torch.manual_seed(self._recipe["seed"] * 1_000_003 + self.step)
        batch = self._drawer.batch(self.step)
        self.model.train()
        log_probs, lengths = self._forward(batch)
        targets = torch.tensor([token for tokens in batch.tokens for token in tokens], device=self.device)
        sizes = torch.tensor([len(tokens) for tokens in batch.tokens], device=self.device)
        blank = log_probs.shape[-1] - 1
        loss = functional.ctc_loss(
            log_probs.transpose(0, 1), targets, lengths, sizes, blank, reduction="sum", zero_infinity=True
        ) / max(1, len(targets))
        rate = self._rate()
        for group in self._optimiser.param_groups:
            group["lr"] = group["top"] * rate
        self._optimiser.zero_grad(set_to_none=True)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(self.model.parameters(), self._recipe["gradient_clip"])
        self._optimiser.step()
        self.step += 1
        self.average.update(self.step)
        return float(loss.item()), float(batch.lengths.sum()) / 100

    def _forward(self, batch: Batch) -> tuple[torch.Tensor, torch.Tensor]:
        features = torch.from_numpy(batch.features).to(self.device)
        lengths = torch.from_numpy(batch.lengths).to(self.device)
        with torch.autocast(self.device, dtype=torch.bfloat16):
            encoded, encoded_lengths = self.model.encoder(audio_signal=features, length=lengths)
        return self.model.decoder(encoder_output=encoded.float()), encoded_lengths

    def train(self, stop: Stop, validate: Callable[[], dict[str, Any]], report: Report) -> None:
        """Trains to the recipe's last step, validating and saving on the way.

        Raises:
            KeyboardInterrupt: `stop` was requested; the state is saved.
        """
        started, first, heard = time.monotonic(), self.step, 0.0
        told = started
        while self.step < self._recipe["steps"]:
            loss, seconds = self.train_step()
            heard += seconds
            now = time.monotonic()
            if now - told >= _PROGRESS_SECONDS or self.step == self._recipe["steps"]:
                told = now
                left = (now - started) / (self.step - first) * (self._recipe["steps"] - self.step)
                pace = f"{heard / (now - started):.0f}x real time, {left:.0f} s left"
                report(f"step {self.step}/{self._recipe['steps']}: loss {loss:.3f}, {pace}")
            if stop.requested:
                self.save()
                report(f"interrupted and saved at step {self.step}; run the same command again to go on")
                raise KeyboardInterrupt
            if self.step % self._recipe["validate_steps"] == 0 or self.step == self._recipe["steps"]:
                self._note(validate(), report)
                self.save()

    def _note(self, scores: dict[str, Any], report: Report) -> None:
        with (self._run_dir / "curve.jsonl").open("a", encoding="utf-8") as curve:
            curve.write(json.dumps({"step": self.step, "sets": scores}, ensure_ascii=False) + "\n")
        short = ", ".join(f"{name} {rates['wer']}" for name, rates in scores.items())
        report(f"step {self.step}: WER % {short}")


def transcribe_offline(model: Any, ear: Ear, audio: Sequence[Any], batch: int = 16) -> list[str]:
    """Decodes whole recordings greedily, as the model hears them without streaming.

    Args:
        model: an `EncDecCTCModelBPE`.
        ear: its front end.
        audio: float32[n] each, 8 kHz.
        batch: how many at a time.
    """
    device = next(model.parameters()).device
    blank = int(model.tokenizer.vocab_size)
    order = sorted(range(len(audio)), key=lambda index: len(audio[index]))
    texts = [""] * len(audio)
    model.eval()
    with torch.no_grad():
        for at in range(0, len(order), batch):
            chosen = order[at : at + batch]
            batched = stack([ear.features(plain_call(audio[index])) for index in chosen], [()] * len(chosen))
            encoded, lengths = model.encoder(
                audio_signal=torch.from_numpy(batched.features).to(device),
                length=torch.from_numpy(batched.lengths).to(device),
            )
            best = model.decoder(encoder_output=encoded).argmax(-1).cpu()
            for index, row, count in zip(chosen, best, lengths, strict=True):
                kept = torch.unique_consecutive(row[: int(count)]).tolist()
                texts[index] = model.tokenizer.ids_to_text([token for token in kept if token != blank]).strip()
    return texts
