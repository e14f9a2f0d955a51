"""Tacotron 2: texts read aloud, by way of their spectrogram (Shen et al., ICASSP 2018, arXiv:1712.05884).

WaveGlow makes the sound of the spectrogram (Prenger et al., ICASSP 2019, arXiv:1811.00002).
"""

from __future__ import annotations

import logging
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from ml4a._core import devices, progress
from ml4a._core.errors import BadWeights
from ml4a._core.kinds import Text
from ml4a._core.params import Doc, Range

from ._operation import Seed, operation
from ._speech import Pause, Sound, SpeechModel, Speed

if TYPE_CHECKING:
    import numpy as np
    import torch

log = logging.getLogger("ml4a")

Sigma = Annotated[float, Range(0, 2), Doc("How much noise the sound is made from: less is cleaner and duller.")]
Denoise = Annotated[float, Range(0, 1), Doc("How much of the vocoder's own hum is taken away.")]

_PATIENCE = 120
"""Frames (1.4 seconds) within which the voice must come to another symbol, or it has lost its way."""
_FRAMES_AT_LEAST, _FRAMES_A_SYMBOL = 100, 12
"""Of the longest utterance; usual are 6 frames a symbol."""
_FEWEST_FRAMES_AT_ONCE = 64


class Tacotron2(SpeechModel):
    """Reads English texts aloud, in the voice of one reader of audio books (LJ Speech).

        ml4a.load("tacotron2")("It was the best of times.", seed=1).save("dickens.wav")

    Each seed has an intonation of its own. Sounds may be spelled out in braces, in ARPAbet: `{T AH0 M EY1 T OW2}`.
    """

    card = "tacotron2"
    rate = 22_050
    longest = 150
    depends_on = ("anyascii",)

    def load(self, files: dict[str, Path]) -> None:
        """Build the network that reads and the one that sounds, each from a file of its own."""
        from ml4a.networks.tacotron2 import Tacotron2 as Reader
        from ml4a.networks.waveglow import WaveGlow

        self.reader: Reader = self._network(files, "reader", Reader)
        self.vocoder: WaveGlow = self._network(files, "vocoder", WaveGlow)
        if self.reader.mels != self.vocoder.mels:
            raise BadWeights(f"the reader has {self.reader.mels} mel bands, the vocoder {self.vocoder.mels}")
        self._denoiser: Any = None

    def _network(self, files: dict[str, Path], role: str, kind: type[Any]) -> Any:
        from ml4a import weights
        from ml4a.networks import from_state_dict

        archive = weights.read(files[role], self.weights.files[role].format)
        network = from_state_dict("tacotron2", archive.arrays())
        if not isinstance(network, kind):
            raise BadWeights(f"{files[role].name} holds a {type(network).__name__}, where a {kind.__name__} is due")
        return self.place(network)

    @operation(
        examples=(
            'ml4a speak "It was the best of times." --model tacotron2 --seed 3 -o dickens.wav',
            "ml4a speak --file story.txt --model tacotron2 --speed 0.9 -o story.mp3",
        ),
        verb="speak",
    )
    def __call__(
        self,
        text: Text,
        *,
        speed: Speed = 1.0,
        pause: Pause = 0.2,
        sigma: Sigma = 0.666,
        denoise: Denoise = 0.01,
        seed: Seed = None,
    ) -> Sound:
        """Read a text aloud, in English.

        Returns:
            One channel at 22 050 Hz. The same seed says it the same way; others have another intonation.
        """
        assert seed is not None
        options = {"speed": speed, "sigma": sigma, "denoise": denoise}
        return self.whole(self.spoken(text, pause=pause, seed=seed, **options))  # type: ignore[arg-type]

    def say(self, sentence: str, seed: tuple[int, int], **options: Any) -> np.ndarray[Any, Any]:
        """One sentence; see `SpeechModel`."""
        import numpy as np
        import torch

        from ml4a.media import text as texts

        written = texts.english.readable(sentence)
        parts = texts.sentences(written, self.longest) if len(written) > 2 * self.longest else [written]
        said = [np.zeros(0, np.float32)]
        for number, part in enumerate(parts):
            ids = texts.english.ids(part)
            if not texts.english.audible(ids):
                continue
            drawn = np.random.SeedSequence((*seed, number)).generate_state(2, np.uint64)
            manner, noise = (torch.Generator().manual_seed(int(each)) for each in drawn)
            with torch.inference_mode():
                mel = self._read(part, ids, manner)
                said.append(self._sounds(_stretched(mel, options["speed"]), options["sigma"], noise))
            said[-1] = self._denoised(said[-1], options["denoise"])
        return np.concatenate(said)

    def _read(self, text: str, ids: list[int], generator: torch.Generator) -> torch.Tensor:
        """The spectrogram of a text, M×F."""
        import torch

        from ml4a.networks.tacotron2_decoding import dropout

        if max(ids) >= self.reader.symbols:
            raise BadWeights(f"these weights know {self.reader.symbols} symbols; English is read with 148")
        masks = dropout([generator], self.reader.decoder.prenet_sizes)
        longest = _FRAMES_AT_LEAST + _FRAMES_A_SYMBOL * len(ids)
        decoding = self.reader.decoding([torch.tensor(ids)], masks, longest, _PATIENCE)
        while decoding.step():
            progress.report("reading", decoding.frames, unit="frames")
        (utterance,) = decoding.utterances
        if not utterance.finished:
            log.warning("the voice lost its way in %r and broke off; try another seed", f"{text[:60]}…")
        return self.reader.refine(utterance.mel)

    def _sounds(self, mel: torch.Tensor, sigma: float, generator: torch.Generator) -> np.ndarray[Any, Any]:
        """The sound of a spectrogram, in parts where the whole would not fit the memory budget."""
        import torch

        frames = mel.shape[1]
        noise = self.vocoder.draw(frames, generator=generator)
        budget = devices.memory_budget(self.device) // self.vocoder.bytes_per_frame
        most = max(_FEWEST_FRAMES_AT_ONCE, budget - 2 * self.vocoder.reach)
        found = []
        parts = self.vocoder.parts(frames, most)
        flows = len(self.vocoder.sizes)
        for number, (seen, groups, keep) in enumerate(parts):
            steps = self.vocoder.walk(mel[None, :, seen], sigma, noise[:, :, groups])
            for done, sound in enumerate(steps, start=number * flows + 1):
                progress.report("sounding", done, len(parts) * flows, "steps")
                if done == (number + 1) * flows:
                    found.append(sound[0, keep])
        return torch.cat(found).float().cpu().numpy()

    def _denoised(self, samples: np.ndarray[Any, Any], strength: float) -> np.ndarray[Any, Any]:
        from ._denoiser import Denoiser

        if strength == 0:
            return samples
        if self._denoiser is None:
            self._denoiser = Denoiser(self.vocoder)
        return self._denoiser(samples, strength)


def _stretched(mel: torch.Tensor, speed: float) -> torch.Tensor:
    """A spectrogram, M×F, said `speed` times as fast; its pitch stays."""
    from torch.nn import functional as F

    frames = max(1, round(mel.shape[1] / speed))
    return mel if frames == mel.shape[1] else F.interpolate(mel[None], frames, mode="linear")[0]
