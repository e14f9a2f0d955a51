"""Networks whose layers can be looked at, by the names that people know them by."""

from __future__ import annotations

import functools
from collections.abc import Collection, Iterator

import torch
from torch import nn

from ml4a._core.errors import UnknownName


class FeatureNetwork(nn.Module):
    """Base of networks that see: what their layers make of a picture.

    A subclass has `walk`. Names of layers are those of the network's first publication.
    """

    shortest: int = 1
    """The shortest side of a picture that reaches the last layer, in pixels."""
    overlap = None
    """Pictures that become what it sees are not tiled, unless whoever has them become so knows how."""

    def walk(self, picture: torch.Tensor, wanted: Collection[str]) -> Iterator[tuple[str, torch.Tensor]]:
        """Each layer's name and what it makes of `picture`, N×C×h×w, in the order of computation.

        Whoever asks stops asking when it has enough: what lies behind is not computed.

        Args:
            picture: N×3×H×W RGB in [0, 1].
            wanted: Names of layers; others may be overwritten by the layer after them, or left out.
        """
        raise NotImplementedError

    def features(self, picture: torch.Tensor, layers: Collection[str]) -> dict[str, torch.Tensor]:
        """What the named layers make of `picture`.

        Args:
            picture: N×3×H×W RGB in [0, 1].
            layers: Names of layers.

        Returns:
            By layer, in the order of computation, N×C×h×w.

        Raises:
            UnknownName: there is no layer of this name; the message has the nearest.
        """
        found: dict[str, torch.Tensor] = {}
        layers = set(layers)
        if not layers:
            return found
        for name, features in self.walk(picture, layers):
            if name in layers:
                # What is made of them needs more digits than networks of reduced precision do.
                found[name] = features.float() if features.dtype.itemsize < 4 else features
                if len(found) == len(layers):
                    return found
        raise UnknownName("layer", (layers - found.keys()).pop(), self.layers())

    def layers(self) -> dict[str, int]:
        """The names of all layers, in the order of computation, and how many channels each has."""
        return dict(self._listed)

    @functools.cached_property
    def _listed(self) -> dict[str, int]:
        device = next(self.parameters()).device
        with torch.inference_mode():
            picture = torch.zeros(1, 3, self.shortest, self.shortest, device=device)
            return {name: features.shape[1] for name, features in self.walk(picture, ())}

    @functools.cached_property
    def bytes_per_pixel(self) -> float:
        """The memory that looking and going back with gradients takes for each pixel of the picture.

        That is what is kept for the way back, and as much again for what comes and goes.
        """
        own = {tensor.untyped_storage().data_ptr() for tensor in self.state_dict().values()}
        kept: dict[int, int] = {}

        def keep(tensor: torch.Tensor) -> torch.Tensor:
            storage = tensor.untyped_storage()
            if storage.data_ptr() not in own:
                kept[storage.data_ptr()] = storage.nbytes()
            return tensor

        side = max(64, self.shortest)
        device = next(self.parameters()).device
        picture = torch.zeros(1, 3, side, side, device=device, requires_grad=True)
        watch = torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor)
        with torch.inference_mode(False), torch.enable_grad(), watch:
            seen = [features for _, features in self.walk(picture, ())]
        seen.clear()
        return 2 * sum(kept.values()) / side**2
