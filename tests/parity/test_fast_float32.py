"""The fast form of each network, at its official size, gives what the exact one gives."""

from __future__ import annotations

import checkpoints
import deterministic
import pytest
import torch

from ml4a.networks import from_state_dict
from ml4a.ops.winograd import WinogradConv2d, quicken

CASES = {
    "basnet": ("duts", (1, 3, 128, 160)),
    "photosketch": ("contours", (1, 3, 128, 160)),
    "cartoonization": ("whitebox", (1, 3, 200, 240)),
    "semantic_segmentation": ("resnet50", (1, 3, 160, 200)),
    "face_parsing": ("celebamask", (1, 3, 256, 256)),
    "flownet": ("flownets", (1, 6, 256, 320)),
}
LIMIT = 1e-4
"""Of the deviation: far less than half a grey level."""


@pytest.mark.slow
@pytest.mark.parametrize("model", CASES)
def test_the_fast_form_gives_the_same(model):
    weights, size = CASES[model]
    files = {role: shapes for role, shapes in checkpoints.of(model).OFFICIAL[weights].items() if role != "index"}
    state = {
        f"{role}.{key}" if len(files) > 1 else key: array
        for role, shapes in files.items()
        for key, array in deterministic.state_dict(shapes).items()
    }
    x = torch.from_numpy(deterministic.uniform(model, size, -1, 1))
    network = from_state_dict(model, state)
    with torch.inference_mode():
        exact = network(x)
        assert quicken(network)
        fast = network(x)
    assert any(part._sums is not None for part in network.modules() if isinstance(part, WinogradConv2d))
    assert 0 < (fast - exact).abs().max() < LIMIT * exact.std()
