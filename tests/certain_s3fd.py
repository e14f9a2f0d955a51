"""Small weights of S3FD that are sure of what they see."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from checkpoints import face as official


def save(path: Path) -> Path:
    """A file by which there is a face of 128 pixels around the middle of every place of the third level."""
    state = {key: np.zeros(shape, np.float32) for key, shape in official.SMALL["s3fd"]["s3fd"].items()}
    for name in ("conv3_3_norm", "conv4_3_norm", "conv5_3_norm", "fc7", "conv6_2", "conv7_2"):
        state[f"{name}_mbox_conf.bias"][0] = 9
    state["fc7_mbox_conf.bias"][:] = (0, 3)
    return official.save("s3fd", path, state)
