"""Trains the streaming recogniser on the shards: phoneme and frame losses first, CTC throughout, on CPU in bfloat16."""

from __future__ import annotations

import json
import logging
import math
import time
from collections import defaultdict
from pathlib import Path
from typing import Any

import numpy as np
import sentencepiece
import torch
from torch import distributed
from torch.nn import functional

from app.errors import ModelError

from .examples import IGNORED, PHONES_PER_FRAME, Example, batch_features, batch_phones, frame_tokens, load_shard
from .fast_forward import speed_up
from .network import AveragedWeights, build_model, rescale_subsampling, save_atomically
from .pool import ShardPool
from .recipe import load_recipe
from .scoring import Scores, greedy_scores

_log = logging.getLogger(__name__)
_LONGEST_STEP_SECONDS = 15.0
"""What a step counts for on the clock at most, so that a machine suspended for hours loses none of its training."""


class Trainer:
    """Holds the model, its optimiser and the clock of one training run."""

    def __init__(
        self,
        recipe: dict[str, Any],
        data_dir: Path,
        tokenizer_dir: Path,
        run_dir: Path,
        minutes: float,
        rank: int,
        ranks: int,
    ) -> None:
        self.settings = recipe["training"]
        self.run_dir = run_dir
        self.seconds = minutes * 60
        self.tokenizer = sentencepiece.SentencePieceProcessor(model_file=str(tokenizer_dir / "tokenizer.model"))
        self.blank = self.tokenizer.get_piece_size()
        self.ranks = ranks
        weights = self.settings["kind_weights"]
        self.seed, self.rank = int(self.settings["seed"]), rank
        self.pool = ShardPool(data_dir, self.tokenizer, self.seed, weights, rank, ranks)
        self.pool.refresh(limit=1000)
        self.validation = load_shard(data_dir / "validation.npz", self.tokenizer)
        phones = json.loads((data_dir / "phones.json").read_text(encoding="utf-8"))
        self.phone_count = len(phones)
        self.model = build_model(recipe, tokenizer_dir)
        self.model.encoder.sync_max_audio_length = False
        self.phone_head = torch.nn.Linear(recipe["encoder"]["width"], PHONES_PER_FRAME * self.phone_count)
        self._middle: dict[str, torch.Tensor] = {}
        layer = self.model.encoder.layers[self.settings["phone_layer"] - 1]
        layer.register_forward_hook(self._keep_middle)
        parameters = [*self.model.parameters(), *self.phone_head.parameters()]
        self.optimiser = torch.optim.AdamW(
            parameters, lr=1e-3, betas=(0.9, 0.98), weight_decay=self.settings["weight_decay"], fused=True
        )
        self.average = AveragedWeights(self.model, self.settings["average_decay"])
        self.step = 0
        self.elapsed = 0.0
        self.audio_seconds = 0.0
        if (run_dir / "last.pt").exists():
            self._resume()
        else:
            self.mean, self.std = self.pool.statistics()
            features, lengths = batch_features(self.pool.batches(6000, 400)[0], self.mean, self.std, None)
            rescale_subsampling(self.model, torch.from_numpy(features), torch.from_numpy(lengths))
            self._agree_at_start()
        speed_up(self.model)

    def _keep_middle(self, _module: Any, _inputs: Any, output: Any) -> None:
        self._middle["output"] = output[0] if isinstance(output, tuple) else output

    def _resume(self) -> None:
        """Takes up the state of `last.pt`."""
        state = torch.load(self.run_dir / "last.pt", weights_only=False)
        self.model.load_state_dict(state["model"])
        self.phone_head.load_state_dict(state["phone_head"])
        self.optimiser.load_state_dict(state["optimiser"])
        self.average.values = state["average"]
        self.mean, self.std = state["mean"], state["std"]
        self.step, self.elapsed, self.audio_seconds = state["step"], state["elapsed"], state["audio_seconds"]

    def save(self) -> None:
        """Writes the resumable state, and the averaged model as a .nemo archive with its statistics beside it."""
        state = {
            "model": self.model.state_dict(),
            "phone_head": self.phone_head.state_dict(),
            "optimiser": self.optimiser.state_dict(),
            "average": self.average.values,
            "mean": self.mean,
            "std": self.std,
            "step": self.step,
            "elapsed": self.elapsed,
            "audio_seconds": self.audio_seconds,
        }
        save_atomically(lambda path: torch.save(state, path), self.run_dir / "last.pt")
        with self.average.swapped_in():
            save_atomically(self.model.save_to, self.run_dir / "model.nemo")
        statistics = {"mean": self.mean.tolist(), "std": self.std.tolist()}
        (self.run_dir / "statistics.json").write_text(json.dumps(statistics), encoding="utf-8")

    def learning_rate(self) -> float:
        """Warms up by steps, then falls along a cosine of the time spent."""
        top, bottom = self.settings["learning_rate"], self.settings["final_learning_rate"]
        warm = min(1.0, (self.step + 1) / self.settings["warmup_steps"])
        progress = min(1.0, self.elapsed / self.seconds)
        return float(warm * (bottom + (top - bottom) * 0.5 * (1 + math.cos(math.pi * progress))))

    def frame_weight(self) -> float:
        """Returns the weight of the frame-level loss: one at first, then fading to nothing."""
        full, fade = self.settings["frame_loss_seconds"], self.settings["frame_loss_fade_seconds"]
        return float(max(0.0, min(1.0, 1 - (self.elapsed - full) / fade)))

    def train_batch(self, examples: list[Example]) -> dict[str, float]:
        """Takes one optimiser step."""
        rng = np.random.default_rng([self.seed, self.rank, self.step])
        features, lengths = batch_features(examples, self.mean, self.std, rng)
        with torch.autocast("cpu", dtype=torch.bfloat16):
            encoded, encoded_lengths = self.model.encoder(
                audio_signal=torch.from_numpy(features), length=torch.from_numpy(lengths)
            )
        log_probs = self.model.decoder(encoder_output=encoded.float())
        frames = log_probs.shape[1]
        targets = torch.tensor([token for example in examples for token in example.tokens])
        target_lengths = torch.tensor([len(example.tokens) for example in examples])
        ctc = functional.ctc_loss(
            log_probs.transpose(0, 1), targets, encoded_lengths, target_lengths, self.blank, "sum", zero_infinity=True
        ) / len(targets)
        middle = self._middle["output"].float()
        phones = self.phone_head(middle).view(-1, self.phone_count)
        phone_loss = functional.cross_entropy(
            phones, torch.from_numpy(batch_phones(examples, frames)).flatten(), ignore_index=IGNORED
        )
        weight = self.frame_weight()
        frame_loss = self._frame_loss(examples, log_probs, encoded_lengths) if weight > 0 else torch.tensor(0.0)
        loss = weight * frame_loss + max(0.05, 1 - weight) * ctc + self.settings["phone_loss_weight"] * phone_loss
        self.optimiser.zero_grad(set_to_none=True)
        loss.backward()
        self._share_gradients()
        for group in self.optimiser.param_groups:
            group["lr"] = self.learning_rate()
        norm = torch.nn.utils.clip_grad_norm_(self.model.parameters(), self.settings["gradient_clip"])
        self.optimiser.step()
        self.step += 1
        self.average.update(self.step)
        self.audio_seconds += float(lengths.sum()) / 100
        return {"ctc": ctc.item(), "phone": phone_loss.item(), "frame": frame_loss.item(), "norm": float(norm)}

    def _parameters(self) -> list[torch.Tensor]:
        return [*self.model.parameters(), *self.phone_head.parameters()]

    def _agree_at_start(self) -> None:
        """Gives every process the first one's weights and statistics."""
        if self.ranks > 1:
            statistics = torch.from_numpy(np.stack([self.mean, self.std]))
            for value in [*(parameter.data for parameter in self._parameters()), statistics]:
                distributed.broadcast(value, 0)
            self.mean, self.std = statistics.numpy()

    def _share_gradients(self) -> None:
        """Averages the gradients of all processes, and the clock with them, so that all decide alike."""
        if self.ranks == 1:
            return
        parameters = self._parameters()
        parts = [torch.zeros_like(parameter) if parameter.grad is None else parameter.grad for parameter in parameters]
        flat = torch.cat([*(part.flatten() for part in parts), torch.tensor([self.elapsed])])
        distributed.all_reduce(flat)
        flat /= self.ranks
        self.elapsed = float(flat[-1])
        at = 0
        for parameter in parameters:
            parameter.grad = flat[at : at + parameter.numel()].view_as(parameter)
            at += parameter.numel()

    def _frame_loss(self, examples: list[Example], log_probs: torch.Tensor, lengths: torch.Tensor) -> torch.Tensor:
        labels = np.full(log_probs.shape[:2], IGNORED, np.int64)
        for row, example in enumerate(examples):
            count = int(lengths[row])
            laid = frame_tokens(example, self.tokenizer, count, self.blank)
            if laid is not None:
                labels[row, :count] = laid[:count]
        return functional.nll_loss(log_probs.flatten(0, 1), torch.from_numpy(labels).flatten(), ignore_index=IGNORED)

    def validate(self) -> Scores:
        """Scores the averaged weights on the validation shard."""
        self.model.eval()
        with self.average.swapped_in():
            scores = greedy_scores(self.model, self.tokenizer, self.validation, self.mean, self.std)
        self.model.train()
        return scores


def main(
    recipe_path: Path,
    data_dir: Path,
    tokenizer_dir: Path,
    run_dir: Path,
    minutes: float,
    validate_minutes: float = 4.0,
    rank: int = 0,
    ranks: int = 1,
) -> None:
    """Trains for `minutes` in all (resuming counts), validating and saving every `validate_minutes`.

    An interruption (Ctrl-C) saves and ends; the same call goes on from there. With `training.seconds_per_step` in the
    recipe the run's clock counts steps, and one process with the same seed and shards gives the same weights again.

    Args:
        recipe_path: the recipe.
        data_dir: shards from `synth`; new ones are picked up while training runs.
        tokenizer_dir: output of `tokenizer`.
        run_dir: receives `last.pt`, `model.nemo`, `statistics.json` and `curve.jsonl`.
        minutes: the training budget, over which the learning rate falls.
        validate_minutes: how often to validate and save.
        rank: this process's number, where several train together, one thread each: on a busy machine that is faster
            than threads, which wait for each other in every operation.
        ranks: how many processes train together; each calls this function with the same arguments but `rank`.

    Raises:
        ModelError: where the recipe is wrong, or shards or tokenizer are missing.
    """
    recipe = load_recipe(recipe_path)
    _require_inputs(data_dir, tokenizer_dir)
    torch.set_num_threads(1 if ranks > 1 else recipe["training"]["threads"])
    torch.set_flush_denormal(True)
    run_dir.mkdir(parents=True, exist_ok=True)
    if ranks > 1:
        rendezvous = f"file://{run_dir.resolve()}/rendezvous"
        distributed.init_process_group("gloo", init_method=rendezvous, rank=rank, world_size=ranks)
    trainer = Trainer(recipe, data_dir, tokenizer_dir, run_dir, minutes, rank, ranks)
    parameters = sum(value.numel() for value in trainer.model.parameters())
    _log.info("%.2f M parameters, %.1f h of audio", parameters / 1e6, trainer.pool.hours)
    try:
        _train(trainer, validate_minutes, int(recipe["training"]["batch_seconds"] * 100 / ranks))
    except KeyboardInterrupt:
        if rank == 0:
            trainer.save()
        _log.info("interrupted at step %d, saved; the same command goes on", trainer.step)


def _require_inputs(data_dir: Path, tokenizer_dir: Path) -> None:
    """Raises ModelError where training has nothing to read."""
    if not any(data_dir.glob("shard????.npz")):
        raise ModelError(f"{data_dir}: no shards there; make some: vaanisetu asr synth {data_dir}")
    for path in (data_dir / "validation.npz", data_dir / "phones.json"):
        if not path.exists():
            raise ModelError(f"{path} is missing; make it: vaanisetu asr synth {data_dir}")
    if not (tokenizer_dir / "tokenizer.model").exists():
        raise ModelError(f"{tokenizer_dir}: no tokenizer.model there; make it: vaanisetu asr tokenizer {tokenizer_dir}")


def _train(trainer: Trainer, validate_minutes: float, batch_frames: int) -> None:
    recent: dict[str, list[float]] = defaultdict(list)
    next_validation = trainer.elapsed + 60
    started, audio_before, per_step = time.monotonic(), trainer.audio_seconds, trainer.settings["seconds_per_step"]
    decided, last = trainer.elapsed, started
    while decided < trainer.seconds:
        grown = min(1.0, decided / trainer.settings["curriculum_seconds"])
        trainer.pool.reseed(trainer.step)
        for examples in trainer.pool.batches(batch_frames, int(250 + 650 * grown)):
            now = time.monotonic()
            trainer.elapsed += per_step or min(now - last, _LONGEST_STEP_SECONDS)
            last = now
            for name, value in trainer.train_batch(examples).items():
                recent[name].append(value)
            decided = trainer.elapsed
            if trainer.step % 50 == 0:
                speed = trainer.ranks * (trainer.audio_seconds - audio_before) / (now - started + 1e-9)
                _report(trainer, recent, speed)
                recent.clear()
            if decided >= next_validation or decided >= trainer.seconds:
                if trainer.rank == 0:
                    _checkpoint(trainer)
                next_validation = decided + 60 * (1 if decided < 300 else validate_minutes)
                if decided >= trainer.seconds:
                    break
        trainer.pool.refresh()


def _report(trainer: Trainer, recent: dict[str, list[float]], speed: float) -> None:
    means = {name: round(float(np.mean(values)), 3) for name, values in recent.items()}
    minutes, of, rate = trainer.elapsed / 60, trainer.seconds / 60, trainer.learning_rate()
    _log.info("step %d %.1f of %.0f min %s lr %.1e %.0fx", trainer.step, minutes, of, means, rate, speed)


def _checkpoint(trainer: Trainer) -> None:
    scores = trainer.validate()
    minutes, hours = round(trainer.elapsed / 60, 1), round(trainer.audio_seconds / 3600, 1)
    line = {"minutes": minutes, "step": trainer.step, "hours": hours}
    with (trainer.run_dir / "curve.jsonl").open("a", encoding="utf-8") as curve:
        curve.write(json.dumps({**line, "scores": scores}) + "\n")
    short = {key: (value["wer"], value["cer"], value["right"]) for key, value in scores.items() if "/" not in key}
    _log.info("VALIDATION %s %s", line, short)
    trainer.save()
