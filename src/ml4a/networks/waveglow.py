"""WaveGlow: speech from its mel spectrogram, by a flow that turns noise into sound.

Prenger et al., WaveGlow: A Flow-based Generative Network for Speech Synthesis, ICASSP 2019, arXiv:1811.00002.
Attributes carry the names that NVIDIA/waveglow gave them.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import pairwise

import torch
from torch import nn

from ml4a._core.errors import BadWeights

from .state_dict import StateDict, count, load, shape

_WINDOWS = 4
"""Of the spectrogram overlap at each sample: the original upsamples by a quarter of its kernel."""
_WHOLE_MODULE = "model."
"""What a pickled module's keys have in front of them: the file's table has it under this name."""


class WaveGlow(nn.Module):
    """A chain of flows, each of which mixes the channels and shifts and scales half of them by what the rest says.

    Sound comes in groups of neighbouring samples, which are the channels of the flow. Played backwards it turns noise
    into speech (`forward`), played forwards speech into noise (`latents`); one undoes the other.

    Args:
        mels: Bands of the spectrogram.
        sizes: Channels of each flow, the first's being the samples of a group. Where they become fewer, those left out
            have become noise early.
        layers: Of the network in each flow; the dilation doubles with each.
        channels: Of that network.
        kernel: Its convolutions' width, odd.
        window: Samples that a frame of the spectrogram is spread over, four times the hop.
    """

    spread: torch.Tensor
    """`upsample` as one matrix for the frame that a hop begins with and each of the three before it: inputs×(hop·M)."""
    spread_bias: torch.Tensor

    def __init__(
        self,
        mels: int = 80,
        sizes: Sequence[int] = (8, 8, 8, 8, 6, 6, 6, 6, 4, 4, 4, 4),
        layers: int = 8,
        channels: int = 256,
        kernel: int = 3,
        window: int = 1024,
    ) -> None:
        super().__init__()
        self.mels, self.group, self.hop = mels, sizes[0], window // _WINDOWS
        self.sizes = tuple(sizes)
        self.upsample = nn.ConvTranspose1d(mels, mels, window, self.hop)
        self.WN = nn.ModuleList(_Coupling(size // 2, mels * self.group, layers, channels, kernel) for size in sizes)
        self.convinv = nn.ModuleList(_Mixing(size) for size in sizes)
        reach = len(sizes) * (kernel // 2) * (2**layers - 1)  # in groups, to either side
        self.reach = -(-reach * self.group // self.hop) + _WINDOWS - 1
        """Frames to either side on which a frame's sound depends."""
        self.bytes_per_frame = 4 * (self.hop // self.group) * (mels * self.group + 6 * channels)

    def forward(
        self,
        mel: torch.Tensor,
        sigma: float = 1.0,
        noise: torch.Tensor | None = None,
        generator: torch.Generator | None = None,
    ) -> torch.Tensor:
        """Speak a spectrogram.

        Args:
            mel: N×M×F, the natural logarithm of mel-scaled magnitudes.
            sigma: By what the noise is multiplied; less than 1 makes the voice cleaner and duller.
            noise: N×group×(F·hop/group), normal, as `latents` gives it; by default `draw` makes it.
            generator: What to draw the noise from.

        Returns:
            N×(F·hop) samples, nominally in [-1, 1].
        """
        if noise is None:
            noise = self.draw(mel.shape[2], len(mel), generator)
        sound = mel
        for sound in self.walk(mel, sigma, noise):  # noqa: B007
            pass
        return sound

    def walk(self, mel: torch.Tensor, sigma: float, noise: torch.Tensor) -> Iterator[torch.Tensor]:
        """What `forward` does, flow by flow: N×(F·hop/group)×channels after each but the last, and then the sound."""
        frames = self._frames(mel)
        noise = sigma * noise.to(frames.device).transpose(1, 2)
        begin = self.group - self.sizes[-1]
        x = noise[:, :, begin:]
        flows = list(zip(self.WN, self.convinv, strict=True))
        for flow, (coupling, mixing) in reversed(list(enumerate(flows))):
            x = mixing(coupling(x, frames, backwards=True), backwards=True)
            early = self._early(flow)
            if early:
                begin -= early
                x = torch.cat((noise[:, :, begin : begin + early], x), dim=2)
            yield x if flow else x.flatten(1)

    def draw(self, frames: int, count: int = 1, generator: torch.Generator | None = None) -> torch.Tensor:
        """Noise for so many frames: count×group×(frames·hop/group), on the CPU, so that a seed means the same anywhere.

        It is drawn in the order of time: what comes later does not change what comes first.
        """
        groups = frames * self.hop // self.group
        return torch.randn(count, groups, self.group, generator=generator).transpose(1, 2)

    def latents(self, mel: torch.Tensor, sound: torch.Tensor) -> torch.Tensor:
        """The noise from which this sound would come.

        Args:
            mel: N×M×F, the sound's spectrogram.
            sound: N×n samples, at most F·hop; what does not fill a group is left out.

        Returns:
            N×group×(n/group).
        """
        frames = self._frames(mel)
        groups = min(sound.shape[1] // self.group, frames.shape[1])
        frames = frames[:, :groups]
        x = sound[:, : groups * self.group].reshape(len(sound), groups, self.group)
        found = []
        for flow, (coupling, mixing) in enumerate(zip(self.WN, self.convinv, strict=True)):
            early = self._early(flow)
            if early:
                found.append(x[:, :, :early])
                x = x[:, :, early:]
            x = coupling(mixing(x), frames)
        return torch.cat((*found, x), dim=2).transpose(1, 2)

    def parts(self, frames: int, most: int) -> list[tuple[slice, slice, slice]]:
        """How to speak a long spectrogram in parts that together are, to rounding, what the whole would be.

        Args:
            frames: Of the spectrogram.
            most: Frames of a part, without the `reach` to either side that it is spoken with.

        Returns:
            For each part: its frames of the spectrogram, its groups of the noise, and which of the samples to keep.
        """
        found = []
        groups = self.hop // self.group
        for begin in range(0, frames, most):
            end = min(begin + most, frames)
            first, last = max(0, begin - self.reach), min(end + self.reach, frames)
            keep = slice((begin - first) * self.hop, (end - first) * self.hop)
            found.append((slice(first, last), slice(first * groups, last * groups), keep))
        return found

    def prepare(self) -> WaveGlow:
        """Compute what is the same for every sound. Called once the weights are there."""
        kernel = self.upsample.weight.unflatten(2, (_WINDOWS, -1, self.group)).permute(2, 0, 3, 1, 4)
        bias = self.upsample.bias if self.upsample.bias is not None else kernel.new_zeros(self.mels)
        bias = bias[:, None].expand(-1, self.group).flatten().repeat(self.hop // self.group)
        self.register_buffer("spread", kernel.reshape(_WINDOWS, self.mels, -1).detach(), persistent=False)
        self.register_buffer("spread_bias", bias.detach(), persistent=False)
        for part in (*self.WN, *self.convinv):
            if isinstance(part, _Coupling | _Mixing):
                part.prepare()
        return self

    def _early(self, flow: int) -> int:
        """How many channels leave before this flow."""
        return self.sizes[flow - 1] - self.sizes[flow] if flow else 0

    def _frames(self, mel: torch.Tensor) -> torch.Tensor:
        """The spectrogram at each group of samples: N×M×F to N×(F·hop/group)×(M·group)."""
        rows = mel.transpose(1, 2)
        spread = _added(self.spread_bias, rows, self.spread[0])
        for later in range(1, min(_WINDOWS, rows.shape[1])):
            _add(spread[:, later:], rows[:, :-later], self.spread[later])
        return spread.reshape(len(mel), -1, self.mels * self.group)


class _Coupling(nn.Module):
    """Half of the channels are shifted and scaled by what a WaveNet makes of the other half and the spectrogram.

    Everything is N×time×channels: a convolution is a product of matrices for each place of its kernel, and a shift in
    time is another range of rows, so that nothing is ever copied.
    """

    biases: torch.Tensor
    """Layers×2C: of each layer's convolution and its part of the spectrogram's."""
    outputs: torch.Tensor
    """Layers×C×(2·half): `end` after each layer's second half of `res_skip_layers`, which only ever meet as a sum."""
    rest: torch.Tensor
    """The biases of these, added up."""

    def __init__(self, half: int, conditions: int, layers: int, channels: int, kernel: int) -> None:
        super().__init__()
        self.layers, self.channels, self.kernel = layers, channels, kernel
        self.start = nn.Conv1d(half, channels, 1)
        self.cond_layer = nn.Conv1d(conditions, 2 * channels * layers, 1)
        self.in_layers = nn.ModuleList(nn.Conv1d(channels, 2 * channels, kernel) for _ in range(layers))
        outs = [2 * channels] * (layers - 1) + [channels]
        self.res_skip_layers = nn.ModuleList(nn.Conv1d(channels, out, 1) for out in outs)
        self.end = nn.Conv1d(channels, 2 * half, 1)

    def forward(self, x: torch.Tensor, frames: torch.Tensor, *, backwards: bool = False) -> torch.Tensor:
        """N×T×size and N×T×(M·group) to N×T×size."""
        still, moved = x.chunk(2, dim=2)
        shift, scale = self._network(still, frames).chunk(2, dim=2)
        moved = (moved - shift) * torch.exp(-scale) if backwards else moved * torch.exp(scale) + shift
        return torch.cat((still, moved), dim=2)

    def prepare(self) -> None:
        layers, channels = range(self.layers), self.channels
        convs = torch.stack([self.get_parameter(f"in_layers.{layer}.bias") for layer in layers])
        biases = convs + self.get_parameter("cond_layer.bias").reshape(convs.shape)
        end = self._matrix("end")
        outputs = torch.stack([self._matrix(f"res_skip_layers.{layer}")[:, -channels:] @ end for layer in layers])
        skipped = torch.stack([self.get_parameter(f"res_skip_layers.{layer}.bias")[-channels:] for layer in layers])
        rest = self.get_parameter("end.bias") + skipped.sum(dim=0) @ end
        for name, tensor in (("biases", biases), ("outputs", outputs), ("rest", rest)):
            self.register_buffer(name, tensor.detach(), persistent=False)
        for part in self.modules():
            if isinstance(part, nn.Conv1d):
                # Each place of a kernel becomes one matrix, inputs×outputs, in the order in which products read it.
                kernel = part.weight.detach().permute(2, 1, 0).contiguous().permute(2, 1, 0)
                part.weight = nn.Parameter(kernel, requires_grad=False)

    def _network(self, x: torch.Tensor, frames: torch.Tensor) -> torch.Tensor:
        """What to shift by, and the logarithm of what to scale by: N×T×2·half."""
        count, time, _ = x.shape
        channels = self.channels
        pad = (self.kernel // 2) * 2 ** (self.layers - 1)
        padded = x.new_zeros(count, time + 2 * pad, channels)
        known = padded[:, pad : pad + time]
        known += _added(self.get_parameter("start.bias"), x, self._matrix("start"))
        result = self.rest.expand(count, time, -1).contiguous()
        conditions = self._matrix("cond_layer").chunk(self.layers, dim=1)
        for layer in range(self.layers):
            gates = _added(self.biases[layer], frames, conditions[layer])
            for place in range(self.kernel):
                begin = pad + (place - self.kernel // 2) * 2**layer
                _add(gates, padded[:, begin : begin + time], self._matrix(f"in_layers.{layer}", place))
            values = gates[:, :, :channels].tanh() * gates[:, :, channels:].sigmoid()
            _add(result, values, self.outputs[layer])
            if layer < self.layers - 1:
                name = f"res_skip_layers.{layer}"
                onwards, bias = self._matrix(name)[:, :channels], self.get_parameter(f"{name}.bias")[:channels]
                known += _added(bias, values, onwards)
        return result

    def _matrix(self, name: str, place: int = 0) -> torch.Tensor:
        """A convolution's weights at one place of its kernel, inputs×outputs."""
        return self.get_parameter(f"{name}.weight")[:, :, place].t()


class _Mixing(nn.Module):
    """Mixes the channels by a matrix, and back by its inverse."""

    inverse: torch.Tensor

    def __init__(self, size: int) -> None:
        super().__init__()
        self.conv = nn.Conv1d(size, size, 1, bias=False)

    def forward(self, x: torch.Tensor, *, backwards: bool = False) -> torch.Tensor:
        """N×T×size to the same."""
        return torch.matmul(x, (self.inverse if backwards else self.conv.weight[:, :, 0]).t())

    def prepare(self) -> None:
        try:
            inverse = torch.linalg.inv(self.conv.weight.detach()[:, :, 0])
        except RuntimeError:  # torch.linalg.LinAlgError is one
            raise BadWeights("these weights have a convinv without an inverse; the file is broken") from None
        self.register_buffer("inverse", inverse, persistent=False)


def build(state: StateDict) -> WaveGlow:
    """From the original's keys, also of a whole pickled module; with weight normalisation (`weight_g`) or without."""
    state = _without_norms({key.removeprefix(_WHOLE_MODULE): tensor for key, tensor in state.items()})
    mels, _, window = shape(state, "upsample.weight", 3)
    sizes = [shape(state, f"convinv.{flow}.conv.weight", 3)[0] for flow in range(count(state, r"convinv\.(\d+)\."))]
    layers = count(state, r"WN\.0\.in_layers\.(\d+)\.")
    _, channels, kernel = shape(state, "WN.0.in_layers.0.weight", 3)
    _check(sizes, window, kernel)
    with torch.device("meta"):
        network = WaveGlow(mels, sizes, layers, channels, kernel, window)
    return load(network, state).prepare()


def _check(sizes: Sequence[int], window: int, kernel: int) -> None:
    if not sizes or any(size % 2 for size in sizes) or any(after > before for before, after in pairwise(sizes)):
        raise BadWeights(f"these weights have flows of {sizes} channels; even numbers that do not grow are due")
    if window % (_WINDOWS * sizes[0]) or kernel % 2 == 0:
        raise BadWeights(
            f"these weights spread frames over {window} samples in groups of {sizes[0]} with kernels of {kernel}, "
            "which WaveGlow cannot"
        )


def _without_norms(state: StateDict) -> StateDict:
    """Each kernel as one tensor, where the file has its length for each output (`weight_g`) and its direction."""
    found: StateDict = {}
    for key, tensor in state.items():
        layer, _, kind = key.rpartition(".")
        if kind == "weight_v":
            if shape(state, f"{layer}.weight_g", 3) != (shape(state, key, 3)[0], 1, 1):
                raise BadWeights(f"these weights have {layer + '.weight_g'!r} of another size than {key!r}")
            found[f"{layer}.weight"] = tensor * (state[f"{layer}.weight_g"] / tensor.norm(dim=(1, 2), keepdim=True))
        elif kind == "weight_g":
            shape(state, f"{layer}.weight_v", 3)
        else:
            found[key] = tensor
    return found


def _added(bias: torch.Tensor, rows: torch.Tensor, matrix: torch.Tensor) -> torch.Tensor:
    """`bias` + `rows` × `matrix`: B, N×T×A and A×B to N×T×B."""
    return torch.baddbmm(bias, rows, matrix.expand(len(rows), -1, -1))


def _add(total: torch.Tensor, rows: torch.Tensor, matrix: torch.Tensor) -> None:
    """Add `rows` × `matrix` to `total`."""
    torch.baddbmm(total, rows, matrix.expand(len(rows), -1, -1), out=total)
