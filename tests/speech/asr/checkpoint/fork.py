"""A checkpoint of the layout that AI4Bharat's fork writes, small, with random weights, and what that fork computes."""

from __future__ import annotations

import io
import tarfile
from pathlib import Path
from typing import Any

import numpy as np
import torch
import yaml

from app.speech.asr.checkpoint.archive import load_tokenizer

MELS, WIDTH = 80, 32
PREPROCESSOR = {
    "_target_": "nemo.collections.asr.modules.AudioToMelSpectrogramPreprocessor",
    "sample_rate": 16000, "normalize": "per_feature", "window_size": 0.025, "window_stride": 0.01,
    "window": "hann", "features": MELS, "n_fft": 512, "frame_splicing": 1, "dither": 1e-5, "pad_to": 0,
}  # fmt: skip
ENCODER = {
    "_target_": "nemo.collections.asr.modules.ConformerEncoder",
    "feat_in": MELS, "feat_out": -1, "n_layers": 2, "d_model": WIDTH, "subsampling": "dw_striding",
    "subsampling_factor": 8, "subsampling_conv_channels": 16, "ff_expansion_factor": 2, "n_heads": 4,
    "self_attention_model": "rel_pos", "att_context_size": [-1, -1], "conv_kernel_size": 9,
    "conv_norm_type": "batch_norm", "dropout": 0.0, "dropout_emb": 0.0, "dropout_att": 0.0,
}  # fmt: skip
STREAMING = {
    "att_context_size": [[70, 6], [70, 1], [70, 0]], "att_context_style": "chunked_limited",
    "causal_downsampling": True, "conv_context_size": "causal", "conv_norm_type": "layer_norm",
}  # fmt: skip


def write_archive(path: Path, config: dict[str, Any], state: dict[str, Any], members: dict[str, bytes]) -> Path:
    weights = io.BytesIO()
    torch.save(state, weights)
    files = {"model_config.yaml": yaml.safe_dump(config, sort_keys=False).encode(), **members}
    with tarfile.open(path, "w") as tar:
        for name, data in {**files, "model_weights.ckpt": weights.getvalue()}.items():
            entry = tarfile.TarInfo(f"./{name}")
            entry.size = len(data)
            tar.addfile(entry, io.BytesIO(data))
    return path


class Fork:
    """A checkpoint of the fork's layout with random weights, and the modules that it was written from."""

    def __init__(self, folder: Path, tokenizers: dict[str, bytes], extra_rows: int = 0, **encoder: Any) -> None:
        from nemo.collections.asr.modules import ConformerEncoder, ConvASRDecoder

        torch.manual_seed(5)
        self.sizes = {tag: load_tokenizer(data, tag).get_piece_size() for tag, data in tokenizers.items()}
        rows = sum(self.sizes.values()) + extra_rows
        shape = ENCODER | encoder
        self.encoder = ConformerEncoder(**{name: value for name, value in shape.items() if name != "_target_"}).eval()
        self.decoder = ConvASRDecoder(feat_in=WIDTH, num_classes=rows, vocabulary=[str(row) for row in range(rows)])
        state = {f"encoder.{name}": value for name, value in self.encoder.state_dict().items()}
        state |= {f"ctc_decoder.{name}": value for name, value in self.decoder.state_dict().items()}
        state |= {
            "decoder.prediction.embed.weight": torch.randn(rows + 1, 8),
            "joint.enc.weight": torch.randn(8, WIDTH),
        }
        config = {
            "target": "nemo.collections.asr.models.hybrid_rnnt_ctc_bpe_models.EncDecHybridRNNTCTCBPEModel",
            "sample_rate": 16000,
            "preprocessor": PREPROCESSOR,
            "encoder": shape,
            "decoder": {"_target_": "nemo.collections.asr.modules.RNNTDecoder", "multisoftmax": True},
            "joint": {"_target_": "nemo.collections.asr.modules.RNNTJoint", "multilingual": True},
            "aux_ctc": {"decoder": {"_target_": "nemo.collections.asr.modules.ConvASRDecoder", "multisoftmax": True}},
            "tokenizer": {
                "type": "multilingual",
                "langs": {
                    tag: {"dir": f"/data/{tag}", "type": "bpe", "model_path": f"nemo:{tag}_tokenizer.model"}
                    for tag in tokenizers
                },
            },
        }
        members = {f"{tag}_tokenizer.model": data for tag, data in tokenizers.items()}
        self.path = write_archive(folder / "fork.nemo", config, state, members)

    def log_probs(self, features: Any, lengths: Any, tag: str) -> Any:
        """Computes what the fork computes: other languages' logits masked out before the softmax."""
        starts = dict(zip(self.sizes, np.cumsum([0, *self.sizes.values()]), strict=False))
        mask = torch.zeros(sum(self.sizes.values()) + 1, dtype=torch.bool)
        mask[int(starts[tag]) : int(starts[tag]) + self.sizes[tag]] = True
        mask[-1] = True
        with torch.no_grad():
            encoded, _ = self.encoder(audio_signal=features, length=lengths)
            logits = self.decoder.decoder_layers(encoded).transpose(1, 2)
        return torch.log_softmax(logits[..., mask], dim=-1)
