"""Spectra and mel spectrograms are those of the original programs: Tacotron 2's, and librosa's in Wav2Lip."""

from __future__ import annotations

import deterministic
import numpy as np
import torch
from figures import Figures

from ml4a.media import audio
from ml4a.media.audio import TACOTRON, WAV2LIP, Sound


def wave(count: int, rate: int) -> np.ndarray:
    """A chirp, a fading tone and noise: the input of the figures."""
    time = np.arange(count) / rate
    chirp = 0.4 * np.sin(2 * np.pi * (200 * time + 300 * time**2))
    tone = 0.2 * np.sin(2 * np.pi * 1500 * time) * np.exp(-3 * time)
    return (chirp + tone + 0.05 * deterministic.uniform("noise", (count,), -1, 1)).astype(np.float32)


TACOTRON_WAVE, WAV2LIP_WAVE = wave(8000, 22_050), wave(16_000, 16_000)


def error(figures: str, name: str, result: np.ndarray) -> float:
    return Figures(figures).error(name, torch.from_numpy(np.array(result, order="C")))


def test_tacotrons_spectrum_is_the_originals():
    spectrum = audio.stft(TACOTRON_WAVE, TACOTRON.n_fft, TACOTRON.hop)
    assert spectrum.dtype == np.complex64
    assert error("tacotron2", "stft_magnitude", np.abs(spectrum)) < 1e-5


def test_tacotrons_inverse_is_the_originals():
    spectrum = audio.stft(TACOTRON_WAVE, TACOTRON.n_fft, TACOTRON.hop)
    assert error("tacotron2", "stft_inverse", audio.istft(spectrum, TACOTRON.hop)) < 1e-5


def test_tacotrons_mel_is_the_originals():
    assert error("tacotron2", "mel_of_wav", audio.mel(Sound(TACOTRON_WAVE, 22_050), TACOTRON)) < 1e-4


def test_wav2lips_mel_is_the_originals():
    assert error("wav2lip", "mel", audio.mel(Sound(WAV2LIP_WAVE, 16_000), WAV2LIP)) < 1e-4


def test_the_bands_are_librosas():
    assert error("wav2lip", "mel_basis", audio.mel_basis(WAV2LIP)) < 1e-5
