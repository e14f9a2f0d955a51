"""What StyleGAN 2 and 3 have in common: latents become styles, and styles come nearer to their mean."""

from __future__ import annotations

import torch
from torch import nn

from ml4a._core.errors import BadValue

from .stylegan2_layers import StyleMapping


class StyleGenerator(nn.Module):
    """A generator whose styles come from a mapping.

    Subclasses have `num_ws`, how many styles a picture takes, and `mapping`.
    """

    num_ws: int
    mapping: StyleMapping

    @property
    def z_dim(self) -> int:
        """Numbers of a latent."""
        return self.mapping.z_dim

    @property
    def c_dim(self) -> int:
        """Kinds of labels; 0 if there are none."""
        return self.mapping.c_dim

    @property
    def w_avg(self) -> torch.Tensor:
        """The mean of all styles: w_dim."""
        return self.mapping.w_avg

    @property
    def w_dim(self) -> int:
        """Numbers of a style."""
        return len(self.mapping.w_avg)

    def map(self, z: torch.Tensor, c: torch.Tensor | None = None) -> torch.Tensor:
        """Styles of latents, the same for every layer.

        Args:
            z: N×z_dim, normal noise.
            c: N×c_dim, how much there is of each label, if the network knows labels.

        Returns:
            N×num_ws×w_dim.

        Raises:
            BadValue: latents or labels are of another shape than this network's.
        """
        if z.ndim != 2 or z.shape[1] != self.z_dim:
            raise BadValue(f"latents must be of shape (n, {self.z_dim}), not {tuple(z.shape)}")
        if self.c_dim and (c is None or c.shape != (len(z), self.c_dim)):
            shown = "none" if c is None else tuple(c.shape)
            raise BadValue(f"this network needs labels of shape ({len(z)}, {self.c_dim}), not {shown}")
        return self.mapping(z, c)[:, None].repeat(1, self.num_ws, 1)

    def truncate(self, ws: torch.Tensor, psi: float = 1, cutoff: int | None = None) -> torch.Tensor:
        """Styles nearer to their mean: less varied, and of better quality.

        Args:
            ws: N×num_ws×w_dim.
            psi: How far from the mean, as a share; 1 leaves them where they are.
            cutoff: For so many of the first layers; None for all.
        """
        if psi == 1:
            return ws
        nearer = self.w_avg.lerp(ws[:, :cutoff], psi)
        return nearer if cutoff is None else torch.cat((nearer, ws[:, cutoff:]), 1)

    def check_styles(self, ws: torch.Tensor) -> None:
        """Refuse styles of another shape than this network's, or none.

        Raises:
            BadValue: they are.
        """
        if ws.ndim != 3 or ws.shape[1:] != (self.num_ws, self.w_dim) or not len(ws):
            raise BadValue(f"styles must be of shape (n, {self.num_ws}, {self.w_dim}), not {tuple(ws.shape)}")
