"""The networks: tensors in, tensors out; no files, no pictures.

    network = networks.from_state_dict("hed", state_dict)

Every network that makes pictures of pictures says in plain attributes how it wants to be run:

* `scale`: how many times larger its result is than what it is given,
* `in_multiple`: the sides of what it is given must be multiples of this,
* `overlap`: input pixels that neighbouring tiles must share for the seams to vanish, or None if it cannot be tiled,
* `tile_multiple`: tiles must begin at multiples of this,
* `bytes_per_pixel`: the memory that a run takes for each input pixel, in float32,

and, where that is faster and close enough, has `reduce_precision(dtype)`, which makes its costly middle compute in
bfloat16 or float16.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from torch import nn

from ml4a._core.errors import BadWeights

from .architectures import choose, choose_among
from .features import FeatureNetwork as FeatureNetwork
from .recognition import Recognition as Recognition
from .recognition import recognise as recognise
from .state_dict import plain


def from_state_dict(name: str, state_dict: Mapping[str, Any]) -> nn.Module:
    """The network that a state dict belongs to, filled, in eval mode, float32, without gradients.

    The keys decide which network it is and how it spells its keys; the shapes decide its hyper-parameters.
    Wrappers (`params_ema`, `params`, `state_dict`) and prefixes (`module.`) are taken off.

    Args:
        name: The network's name: `"esrgan"` (or `"real_esrgan"`), `"hed"`, `"vgg16"`, …
        state_dict: By key, torch tensors or NumPy arrays of any floating-point type.

    Raises:
        UnknownName: there is no network of this name.
        BadWeights: a key is missing, unknown or of another shape; the message names the first five, and another
            network that the keys look like.
    """
    state = plain(state_dict)
    return choose(name, state).build(state)


def feature_network(state_dict: Mapping[str, Any], *names: str) -> FeatureNetwork:
    """The network with layers to look at that a state dict belongs to, of those that have one of `names`.

    Raises:
        UnknownName: there is no network of such a name.
        BadWeights: as `from_state_dict`.
    """
    state = plain(state_dict)
    network = choose_among(names, state).build(state)
    if not isinstance(network, FeatureNetwork):
        raise BadWeights(f"these weights are a {type(network).__name__}'s, whose layers cannot be looked at")
    return network
