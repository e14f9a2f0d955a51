"""Tacotron 2, WaveGlow, its denoiser and what is before them, against NVIDIA's programs."""

from __future__ import annotations

import checkpoints
import deterministic
import numpy as np
import pytest
import torch
from checkpoints import tacotron2 as official
from figures import Figures

from ml4a.media.text import english
from ml4a.models._denoiser import Denoiser
from ml4a.networks import from_state_dict
from ml4a.networks.tacotron2 import Tacotron2
from ml4a.networks.waveglow import WaveGlow

pytestmark = pytest.mark.xdist_group("tacotron2")
TOLERANCE = 1e-4
KEYS = {
    "reader": "475f2ad68d85bede120d0e1850b08533f37b0e6416e1eeddf675cb30eab0cb72",
    "vocoder": "650ff3b490ee007605c40c094d0a4863e9b83bed32c8e2d16c230333d3c97ef2",
}
"""The digests of the keys and shapes of the original's networks."""
STEPS = 14
SIGMA = 0.666


@pytest.fixture(scope="module")
def figures() -> Figures:
    return Figures("tacotron2")


@pytest.fixture(scope="module")
def reader() -> Tacotron2:
    state = deterministic.state_dict(official.OFFICIAL["ljspeech"]["reader"])
    state["decoder.gate_layer.linear_layer.bias"][:] = -10
    return from_state_dict("tacotron2", state)


@pytest.fixture(scope="module")
def vocoder() -> WaveGlow:
    state = deterministic.state_dict(official.OFFICIAL["ljspeech"]["vocoder"])
    return from_state_dict("tacotron2", official.invertible(state))


def sentences(figures: Figures):
    ends = np.cumsum(figures["text_lengths"])
    cleaned = [str(each) for each in figures["text_clean"]]
    return zip(map(str, figures["text_in"]), cleaned, np.split(figures["text_ids"], ends[:-1]), strict=True)


def first_ids(figures: Figures) -> torch.Tensor:
    return torch.from_numpy(figures["text_ids"][: figures["text_lengths"][0]])


def kept(step: int) -> list[torch.Tensor]:
    return [torch.ones(1, 256)] * 2


def masked(step: int) -> list[torch.Tensor]:
    drawn = (deterministic.uniform(f"prenet_{step}_{layer}", (1, 256)) for layer in (0, 1))
    return [torch.from_numpy(2 * (each >= 0.5).astype(np.float32)) for each in drawn]


def noise() -> torch.Tensor:
    """In the order in which it is said, not drawn: what leaves the flows last was drawn first."""
    shapes = ((1, 4, 160), (1, 2, 160), (1, 2, 160))
    drawn = [deterministic.normal(f"waveglow_z{number}", shape) for number, shape in enumerate(shapes)]
    return torch.from_numpy(np.concatenate(drawn[::-1], axis=1))


def mel() -> torch.Tensor:
    return torch.from_numpy(deterministic.uniform("waveglow_mel", (1, 80, 5), -8, 1))


def wave(count: int = 8000, rate: int = 22_050) -> np.ndarray:
    """A chirp, a fading tone and noise."""
    time = np.arange(count) / rate
    chirp = 0.4 * np.sin(2 * np.pi * (200 * time + 300 * time**2))
    tone = 0.2 * np.sin(2 * np.pi * 1500 * time) * np.exp(-3 * time)
    return (chirp + tone + 0.05 * deterministic.uniform("noise", (count,), -1, 1)).astype(np.float32)


@pytest.mark.parametrize("role", KEYS)
def test_the_keys_are_the_official_ones(role):
    assert checkpoints.digest(official.OFFICIAL["ljspeech"][role]) == KEYS[role]


def test_the_symbols_are_the_original_ones(figures):
    assert list(english.SYMBOLS) == figures["symbols"].tolist()


def test_texts_are_cleaned_and_numbered_as_the_original_does(figures):
    for text, cleaned, ids in sentences(figures):
        assert cleaned in ("", english.clean(text))  # none is noted of the text with sounds in braces
        assert english.ids(text) == ids.tolist()


def test_a_text_is_read_as_the_original_reads_it(reader, figures):
    with torch.inference_mode():
        memory, _ = reader.encode([first_ids(figures)])
    assert figures.error("encoder_outputs", memory) < TOLERANCE


@pytest.mark.parametrize(("mode", "masks"), [("nodrop", kept), ("mask", masked)])
def test_the_spectrogram_is_the_original_one(reader, figures, mode, masks):
    with torch.inference_mode():
        refined, mels, gates, alignments = reader(first_ids(figures)[None], STEPS, masks)
    results = {"mel_postnet": refined, "mel": mels, "gate": gates, "alignments": alignments}
    for name, result in results.items():
        assert figures.error(f"{mode}_{name}", result) < TOLERANCE, name


@pytest.mark.slow
def test_the_sound_is_the_original_one(vocoder, figures):
    assert figures.error("waveglow_WN0_in0_fused_weight", vocoder.get_parameter("WN.0.in_layers.0.weight")) < 1e-6
    with torch.inference_mode():
        assert figures.error("waveglow_audio", vocoder(mel(), SIGMA, noise())) < TOLERANCE


@pytest.mark.slow
def test_sound_goes_back_to_the_noise_that_the_original_finds(vocoder, figures):
    with torch.inference_mode():
        found = vocoder.latents(mel(), torch.from_numpy(figures["waveglow_audio"]))
    assert figures.error("waveglow_forward_z", found) < TOLERANCE
    np.testing.assert_allclose(found, SIGMA * noise(), atol=1e-4)


@pytest.mark.slow
def test_the_hum_that_is_taken_away_is_the_original_one(vocoder, figures):
    denoiser = Denoiser(vocoder)
    assert figures.error("denoiser_bias_spec", torch.from_numpy(denoiser.hum)[None]) < TOLERANCE
    samples = denoiser(0.5 * wave(), 0.1)
    due = figures["denoiser_out_strength0.1_shape"]
    assert figures.error("denoiser_out_strength0.1", torch.from_numpy(samples[: due[-1]])) < TOLERANCE
