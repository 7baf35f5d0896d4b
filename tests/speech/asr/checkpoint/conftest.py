"""Small checkpoints made on the spot: tokenizers trained on a few sentences, archives laid out as NeMo lays them."""

from __future__ import annotations

import io
import pickle
import tarfile
import zipfile
from collections import OrderedDict
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import sentencepiece
import yaml

from app.language.loader import PackRegistry
from app.language.packs import Pack
from app.speech.asr.checkpoint.coverage import heard_words
from tests.packs import shipped_packs

PACKS = Path(__file__).parents[4] / "lang_packs"
MakeArchive = Callable[..., Path]
MakeTokenizer = Callable[[Pack], bytes]


@pytest.fixture(scope="session")
def packs() -> PackRegistry:
    return shipped_packs()


@pytest.fixture(scope="session")
def make_tokenizer() -> MakeTokenizer:
    """Trains a tokenizer on the own-script words of one pack, as a model of that language alone has one."""

    def make(pack: Pack) -> bytes:
        writer = io.BytesIO()
        own = [word for word in sorted(set(heard_words(pack))) if pack.tag == "en-IN" or not word.isascii()]
        sentencepiece.SentencePieceTrainer.train(
            sentence_iterator=iter(own), model_writer=writer, model_type="bpe", vocab_size=256, character_coverage=1.0,
            bos_id=-1, eos_id=-1, normalization_rule_name="identity", minloglevel=2, hard_vocab_limit=False,
        )  # fmt: skip
        return writer.getvalue()

    return make


def config_of(**changes: Any) -> dict[str, Any]:
    """Returns the configuration of a small streaming CTC model."""
    return {
        "target": "nemo.collections.asr.models.ctc_bpe_models.EncDecCTCModelBPE",
        "preprocessor": {"sample_rate": 16000, "features": 80, "window_stride": 0.01},
        "encoder": {
            "subsampling_factor": 8, "att_context_style": "chunked_limited", "conv_context_size": "causal",
            "att_context_size": [[70, 13], [70, 6], [70, 1], [70, 0]],
        },
        "decoder": {},
        "tokenizer": {"type": "bpe", "model_path": "nemo:abc_tokenizer.model"},
    } | changes  # fmt: skip


@pytest.fixture
def make_archive(tmp_path: Path) -> MakeArchive:
    """Writes a `.nemo`: configuration, weights of given shapes, tokenizers by member name."""

    def make(
        config: dict[str, Any],
        shapes: dict[str, tuple[int, ...]],
        tokenizers: dict[str, bytes],
        name: str = "model.nemo",
    ) -> Path:
        weights = io.BytesIO()
        with zipfile.ZipFile(weights, "w") as zipped:
            zipped.writestr("archive/data.pkl", pickle.dumps(OrderedDict(shapes), protocol=2))
        members = {
            "./model_config.yaml": yaml.safe_dump(config).encode(),
            "./model_weights.ckpt": weights.getvalue(),
            **{f"./{member}": data for member, data in tokenizers.items()},
        }
        path = tmp_path / name
        with tarfile.open(path, "w") as archive:
            for member, data in members.items():
                entry = tarfile.TarInfo(member)
                entry.size = len(data)
                archive.addfile(entry, io.BytesIO(data))
        return path

    return make
