"""What a vocoder adds to everything that it says, taken away again."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np

    from ml4a.networks.waveglow import WaveGlow

_N_FFT, _HOP = 1024, 256
_FRAMES = 88
"""Of the spectrogram that is spoken to hear the vocoder alone, as its authors chose it: its decibels are 0."""


class Denoiser:
    """Takes WaveGlow's own hum away: what is heard when it speaks without noise, by spectral subtraction.

    Prenger et al., WaveGlow, ICASSP 2019; the procedure is that of NVIDIA/waveglow.

    Args:
        vocoder: Whose hum it is; it is run once.
    """

    def __init__(self, vocoder: WaveGlow) -> None:
        import numpy as np
        import torch

        from ml4a.media import audio

        device = vocoder.upsample.weight.device
        silent = vocoder.draw(_FRAMES, generator=torch.Generator())  # torch's own chance stays as it is
        with torch.inference_mode():
            hum = vocoder(torch.zeros(1, vocoder.mels, _FRAMES, device=device), 0.0, silent)[0]
        spectrum = audio.stft(hum.float().cpu().numpy(), _N_FFT, _HOP)
        self.hum: np.ndarray[Any, Any] = np.abs(spectrum[:, :1])
        """Its magnitudes, 513×1."""

    def __call__(self, samples: np.ndarray[Any, Any], strength: float) -> np.ndarray[Any, Any]:
        """N samples to N; with the strength 1, the hum is taken away as loud as it is."""
        import numpy as np

        from ml4a.media import audio

        if strength == 0 or len(samples) <= _N_FFT // 2:  # too short to be looked at
            return samples
        spectrum = audio.stft(samples, _N_FFT, _HOP)
        loud = np.abs(spectrum)
        kept = np.maximum(loud - strength * self.hum, 0)
        return audio.istft(spectrum * (kept / np.maximum(loud, 1e-12)), _HOP, length=len(samples))
