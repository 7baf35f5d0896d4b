"""Telephone audio: 8 kHz mono mu-law (G.711) to and from float, silence, durations and WAV files."""

import struct
from typing import Final

import numpy as np
from numpy.typing import NDArray

RATE_HZ: Final = 8_000
BYTES_PER_MS: Final = RATE_HZ // 1_000
FRAME_MS: Final = 20
FRAME_BYTES: Final = FRAME_MS * BYTES_PER_MS
SILENCE: Final = 0xFF  # mu-law zero

Float32 = NDArray[np.float32]


def _decode_table() -> Float32:
    """Returns float32[256] in [-1, 1]. Source: ITU-T G.711, mu-law."""
    code = ~np.arange(256, dtype=np.int32) & 0xFF
    exponent, mantissa = (code >> 4) & 7, code & 15
    magnitude = ((mantissa << 3) + 0x84 << exponent) - 0x84
    signed = np.where(code & 0x80, -magnitude, magnitude)
    return (signed / 32_768.0).astype(np.float32)


def _encode_table() -> NDArray[np.uint8]:
    """Returns uint8[65536], indexed by int16 + 32768. Source: ITU-T G.711, mu-law."""
    linear = np.arange(-32_768, 32_768, dtype=np.int32)
    sign = np.where(linear < 0, 0x80, 0)
    magnitude = np.minimum(np.abs(linear), 32_635) + 0x84
    exponent = np.floor(np.log2(magnitude)).astype(np.int32) - 7
    mantissa = (magnitude >> (exponent + 3)) & 15
    codes: NDArray[np.uint8] = (~(sign | (exponent << 4) | mantissa) & 0xFF).astype(np.uint8)
    return codes


_DECODE: Final = _decode_table()
_ENCODE: Final = _encode_table()


def decode_mulaw(mulaw: bytes) -> Float32:
    """Returns float32[n] in [-1, 1], mono, 8 kHz, from n mu-law bytes."""
    samples: Float32 = _DECODE[np.frombuffer(mulaw, dtype=np.uint8)]
    return samples


def encode_mulaw(samples: Float32) -> bytes:
    """Returns n mu-law bytes from float32[n] in [-1, 1], mono, 8 kHz; louder samples are clipped."""
    linear = np.clip(np.rint(samples * 32_767.0), -32_768, 32_767).astype(np.int32)
    codes: NDArray[np.uint8] = _ENCODE[linear + 32_768]
    return codes.tobytes()


def silence(duration_ms: int) -> bytes:
    """Returns `duration_ms` of mu-law silence at 8 kHz."""
    return bytes([SILENCE]) * (duration_ms * BYTES_PER_MS)


def duration_ms(mulaw: bytes) -> int:
    """Returns how long 8 kHz mu-law audio plays, in milliseconds."""
    return len(mulaw) // BYTES_PER_MS


def wav_header(channels: int, data_bytes: int) -> bytes:
    """Returns the 44 bytes that precede 8 kHz mu-law data in a WAV file. Source: RIFF, format tag 7."""
    return struct.pack(
        "<4sI4s4sIHHIIHH4sI",
        b"RIFF",
        36 + data_bytes,
        b"WAVE",
        b"fmt ",
        16,
        7,
        channels,
        RATE_HZ,
        RATE_HZ * channels,
        channels,
        8,
        b"data",
        data_bytes,
    )
