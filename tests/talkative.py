"""A Wav2Lip of small weights that listens well, and a speech to try it on."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import checkpoints
import deterministic
import numpy as np
import pytest
from checkpoints import wav2lip as official

import ml4a
from ml4a.media.audio import Sound

SMALL = official.SMALL["gan"]["network"]


def state() -> dict[str, np.ndarray]:
    """Weights by which the speech shows in every pixel."""
    loud = ("audio_encoder", "face_decoder_blocks")
    return {
        key: 2.5 * value if key.startswith(loud) and key.endswith("conv_block.0.weight") else value
        for key, value in deterministic.state_dict(SMALL).items()
    }


def model(folder: Path) -> Any:
    """The model, from a home of its own in `folder`."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("ML4A_HOME", str(folder / "home"))
        checkpoints.install("wav2lip", "gan", {"network": official.save("network", folder / "net.pth", state())})
        return ml4a.load("wav2lip")


def speech() -> Sound:
    """A second in which no two moments are alike."""
    t = np.arange(16_000) / 16_000
    noise = np.random.default_rng(3).uniform(-1, 1, len(t))
    return Sound((0.4 * np.sin(2 * np.pi * (150 + 900 * t) * t) + 0.3 * t * noise).astype(np.float32), 16_000)


def in_bytes(frame: np.ndarray) -> np.ndarray:
    """A frame of floats as the bytes that it was."""
    return np.rint(frame * 255).astype(np.uint8)
