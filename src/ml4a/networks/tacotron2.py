"""Tacotron 2: the mel spectrogram of a text being spoken.

Shen et al., Natural TTS Synthesis by Conditioning WaveNet on Mel Spectrogram Predictions, ICASSP 2018,
arXiv:1712.05884. Attributes carry the names that NVIDIA/tacotron2 gave them, but for its wrappers of single layers.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from itertools import pairwise

import torch
from torch import nn
from torch.nn import functional as F
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

from ml4a._core.errors import BadValue, BadWeights

from .batch_norm import BatchNorm, folded, without_counters
from .state_dict import StateDict, count, load, shape
from .tacotron2_decoding import Decoding, Dropout, dropout

_WRAPPED = (
    (re.compile(r"(convolutions\.\d+\.0|location_conv)\.(weight|bias)"), r"\1.conv.\2"),
    (
        re.compile(
            r"(prenet\.layers\.\d+|query_layer|memory_layer|\.v|location_dense|projection|gate_layer)\.(weight|bias)"
        ),
        r"\1.linear_layer.\2",
    ),
)
"""What the original's wrappers put into the keys."""


class Tacotron2(nn.Module):
    """Reads symbols by convolutions and both ways along the text, then speaks frame by frame.

    For each frame it looks at what it has just said, through a bottleneck with dropout that is never switched off, and
    moves its attention along the text. At the end, convolutions refine the whole spectrogram.

    Args:
        symbols: That a text may have.
        embedding: Channels of the symbols and of the encoder's convolutions.
        convolutions: Of the encoder.
        kernel: Their width, odd.
        encoder: Channels of its LSTM, each way.
        prenet: Channels of the bottleneck's layers.
        attention_rnn: Channels of the LSTM that steers the attention.
        attention: Dimensions in which attention compares.
        filters: By which it sees where it has been.
        span: Their width, odd.
        decoder_rnn: Channels of the LSTM that speaks.
        mels: Bands of the spectrogram.
        postnet: Channels after each of the last convolutions but the very last.
        postnet_kernel: Their width, odd.
    """

    def __init__(
        self,
        symbols: int = 148,
        embedding: int = 512,
        convolutions: int = 3,
        kernel: int = 5,
        encoder: int = 256,
        prenet: Sequence[int] = (256, 256),
        attention_rnn: int = 1024,
        attention: int = 128,
        filters: int = 32,
        span: int = 31,
        decoder_rnn: int = 1024,
        mels: int = 80,
        postnet: Sequence[int] = (512, 512, 512, 512),
        postnet_kernel: int = 5,
    ) -> None:
        super().__init__()
        self.symbols, self.mels = symbols, mels
        # Not drawn by torch: on the meta device, that would import its compiler, which takes seconds.
        self.embedding = nn.Embedding.from_pretrained(torch.zeros(symbols, embedding), freeze=False)
        self.encoder = _Encoder(embedding, convolutions, kernel, encoder)
        look = _Attention(attention_rnn, 2 * encoder, attention, filters, span)
        self.decoder = Decoder(mels, 2 * encoder, prenet, look, attention_rnn, decoder_rnn)
        self.postnet = _Postnet(mels, postnet, postnet_kernel)

    def forward(
        self,
        ids: torch.Tensor,
        longest: int = 1000,
        masks: Dropout | None = None,
        generator: torch.Generator | None = None,
    ) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor, torch.Tensor]:
        """Speak texts of one length.

        Args:
            ids: N×T, symbols by number.
            longest: Frames at which to break off.
            masks: The dropout of the bottleneck; by default drawn from `generator`, the same for all texts.
            generator: By default torch's own.

        Returns:
            The spectrograms, N×M×F (logarithms; zeros behind those that end before others); what they were before the
            last convolutions; how sure it is in each frame that this is the last, N×F×1 logits; and what part of its
            attention each symbol has, N×F×T.
        """
        masks = masks or dropout([generator] * len(ids), self.decoder.prenet_sizes)
        decoding = self.decoding(list(ids), masks, longest)
        while decoding.step():
            pass
        spoken = decoding.utterances
        frames = max(each.mel.shape[1] for each in spoken)
        mels, gates, alignments, refined = [], [], [], []
        for each in spoken:
            room = frames - each.mel.shape[1]
            refined.append(F.pad(self.refine(each.mel), (0, room)))
            mels.append(F.pad(each.mel, (0, room)))
            gates.append(F.pad(each.gate[:, None], (0, 0, 0, room)))
            alignments.append(F.pad(each.alignment, (0, 0, 0, room)))
        return torch.stack(refined), torch.stack(mels), torch.stack(gates), torch.stack(alignments)

    def decoding(
        self, texts: Sequence[torch.Tensor], masks: Dropout, longest: int, patience: int | None = None
    ) -> Decoding:
        """Begin to speak texts together; each is spoken as it would be alone.

        Args:
            texts: Of each, its symbols by number; not empty.
            masks: As `forward` takes them, N×size each.
            longest: Frames at which to break off.
            patience: Frames after which to break off if the attention does not get on; None: never.
        """
        if not texts or not all(len(text) for text in texts):
            raise BadValue("there is nothing to speak: a text is empty")
        memory, lengths = self.encode(texts)
        return Decoding(self.decoder, memory, lengths, masks, longest, patience)

    def encode(self, texts: Sequence[torch.Tensor]) -> tuple[torch.Tensor, list[int]]:
        """Read texts: N×T×(2·encoder) for the decoder to look at, and their lengths; behind the shorter are zeros."""
        lengths = [len(text) for text in texts]
        padded = nn.utils.rnn.pad_sequence(list(texts), batch_first=True).to(self.embedding.weight.device)
        return self.encoder(self.embedding(padded).transpose(1, 2), lengths), lengths

    def refine(self, mel: torch.Tensor) -> torch.Tensor:
        """The last convolutions' result for one whole spectrogram, M×F to the same."""
        return mel + self.postnet(mel[None])[0]


class _Encoder(nn.Module):
    def __init__(self, embedding: int, convolutions: int, kernel: int, channels: int) -> None:
        super().__init__()
        self.convolutions = nn.ModuleList(_conv(embedding, embedding, kernel) for _ in range(convolutions))
        self.lstm = nn.LSTM(embedding, channels, batch_first=True, bidirectional=True)

    def forward(self, x: torch.Tensor, lengths: Sequence[int]) -> torch.Tensor:
        """N×C×T to N×T×(2·channels)."""
        there = torch.ones_like(x[:, :1])
        for row, length in enumerate(lengths):
            there[row, :, length:] = 0
        x = x * there
        for conv in self.convolutions:
            x = conv(x).relu_() * there  # behind a text is nothing, as if it were alone
        x = x.transpose(1, 2)
        if min(lengths) == max(lengths):
            return self.lstm(x)[0]
        packed = pack_padded_sequence(x, torch.tensor(lengths), batch_first=True, enforce_sorted=False)
        return pad_packed_sequence(self.lstm(packed)[0], batch_first=True)[0]


class _Prenet(nn.Module):
    def __init__(self, mels: int, sizes: Sequence[int]) -> None:
        super().__init__()
        self.layers = nn.ModuleList(nn.Linear(given, size, bias=False) for given, size in pairwise((mels, *sizes)))

    def forward(self, x: torch.Tensor, masks: Sequence[torch.Tensor]) -> torch.Tensor:
        for layer, mask in zip(self.layers, masks, strict=True):
            x = layer(x).relu_() * mask
        return x


class _Attention(nn.Module):
    """Compares what is to be said with each symbol and with where attention has been so far."""

    location: torch.Tensor
    """`location_dense` after `location_conv`, with nothing between them: attention×2×span."""

    def __init__(self, query: int, memory: int, dimensions: int, filters: int, span: int) -> None:
        super().__init__()
        self.query_layer = nn.Linear(query, dimensions, bias=False)
        self.memory_layer = nn.Linear(memory, dimensions, bias=False)
        self.v = nn.Linear(dimensions, 1, bias=False)
        self.location_layer = nn.Module()
        self.location_layer.location_conv = nn.Conv1d(2, filters, span, bias=False)
        self.location_layer.location_dense = nn.Linear(filters, dimensions, bias=False)

    def forward(
        self, query: torch.Tensor, keys: torch.Tensor, been: torch.Tensor, hidden: torch.Tensor | None
    ) -> torch.Tensor:
        """N×Q, the symbols as N×T×attention, N×2×T, and where there is no text: what part each has, N×T."""
        places = F.conv1d(been, self.location, padding=self.location.shape[2] // 2).transpose(1, 2)
        energies = self.v((self.query_layer(query)[:, None] + places).add_(keys).tanh_())[:, :, 0]
        if hidden is not None:
            energies = energies.masked_fill_(hidden, -torch.inf)
        return energies.softmax(dim=1)

    def prepare(self) -> None:
        conv = self.location_layer.get_submodule("location_conv").get_parameter("weight")
        dense = self.location_layer.get_submodule("location_dense").get_parameter("weight")
        self.register_buffer("location", torch.einsum("af,fct->act", dense, conv).detach(), persistent=False)


class Decoder(nn.Module):
    """One frame after the other; `Decoding` keeps what it remembers between them."""

    def __init__(
        self, mels: int, memory: int, prenet: Sequence[int], attention: _Attention, attention_rnn: int, decoder_rnn: int
    ) -> None:
        super().__init__()
        self.mels, self.prenet_sizes = mels, tuple(prenet)
        self.prenet = _Prenet(mels, prenet)
        self.attention_rnn = nn.LSTMCell(prenet[-1] + memory, attention_rnn)
        self.attention_layer = attention
        self.decoder_rnn = nn.LSTMCell(attention_rnn + memory, decoder_rnn)
        self.linear_projection = nn.Linear(decoder_rnn + memory, mels)
        self.gate_layer = nn.Linear(decoder_rnn + memory, 1)


class _Postnet(nn.Module):
    def __init__(self, mels: int, widths: Sequence[int], kernel: int) -> None:
        super().__init__()
        pairs = pairwise((mels, *widths, mels))
        self.convolutions = nn.ModuleList(_conv(given, made, kernel) for given, made in pairs)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """N×M×F to the same."""
        *inner, last = self.convolutions
        for conv in inner:
            x = conv(x).tanh_()
        return last(x)


def build(state: StateDict) -> Tacotron2:
    """From the original's keys, such as `decoder.prenet.layers.0.linear_layer.weight`."""
    rnn, look = "decoder.attention_rnn", "decoder.attention_layer"
    symbols, embedding = shape(state, "embedding.weight", 2)
    prenet = [
        shape(state, f"decoder.prenet.layers.{layer}.linear_layer.weight", 2)[0]
        for layer in range(count(state, r"decoder\.prenet\.layers\.(\d+)\."))
    ]
    postnet = [
        shape(state, f"postnet.convolutions.{layer}.0.conv.weight", 3)
        for layer in range(count(state, r"postnet\.convolutions\.(\d+)\."))
    ]
    filters, _, span = shape(state, f"{look}.location_layer.location_conv.conv.weight", 3)
    kernel = shape(state, "encoder.convolutions.0.0.conv.weight", 3)[2]
    mels = shape(state, "decoder.linear_projection.linear_layer.weight", 2)[0]
    if not prenet or not postnet:
        raise BadWeights(f"these weights lack the {'postnet' if prenet else 'prenet'}")
    if mels != postnet[-1][0]:
        raise BadWeights("these weights speak several frames at a time, which is not supported")
    if any(width % 2 == 0 for width in (kernel, span, postnet[0][2])):
        raise BadWeights("these weights have convolutions of even width, which have no middle")
    with torch.device("meta"):
        network = Tacotron2(
            symbols,
            embedding,
            count(state, r"encoder\.convolutions\.(\d+)\."),
            kernel,
            shape(state, "encoder.lstm.weight_hh_l0", 2)[1],
            prenet,
            shape(state, f"{rnn}.weight_hh", 2)[1],
            shape(state, f"{look}.query_layer.linear_layer.weight", 2)[0],
            filters,
            span,
            shape(state, "decoder.decoder_rnn.weight_hh", 2)[1],
            mels,
            [made for made, *_ in postnet[:-1]],
            postnet[0][2],
        )
    network = folded(load(network, without_counters(state), _key_in_file))
    network.decoder.attention_layer.prepare()
    network.encoder.lstm.flatten_parameters()
    return network


def _key_in_file(key: str) -> str:
    for pattern, wrapped in _WRAPPED:
        key = pattern.sub(wrapped, key)
    return key


def _conv(channels: int, filters: int, kernel: int) -> nn.Sequential:
    return nn.Sequential(nn.Conv1d(channels, filters, kernel, padding=kernel // 2), BatchNorm(filters))
