"""Speech: English voices of 8 MB each, many times as fast as one could listen (hibari, distilled from Kokoro-82M)."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ml4a._core import extras
from ml4a._core.errors import BadValue
from ml4a._core.kinds import Text

from ._operation import Seed, operation
from ._speech import Pause, Sound, SpeechModel, Speed

if TYPE_CHECKING:
    from typing import Self

    import numpy as np

    from ml4a import weights as _weights

_EXTRA = "speech"
_NAMELESS = re.compile(r"\d[\d,]{14,}")
"""Numbers beyond the trillions, for which the package has no name."""


class _Processor:
    """Stands for torch's device where no torch is needed, and so need not be imported."""

    type = "cpu"

    def __str__(self) -> str:
        return self.type


class Speech(SpeechModel):
    """Reads English texts aloud. The weights are voices: heart, which comes along, emma, fable, fenrir and kore.

        ml4a.load("speech", "emma")("It is a truth universally acknowledged.").save("austen.wav")

    Numbers, dates, sums and abbreviations are read out as one would; a word in brackets may say how it is spoken:
    `[ml4a](/ˌɛmˌɛlfˌɔɹˈA/)`. It is computed on the processor, faster than a film could show it.
    """

    card = "speech"
    rate = 24_000
    longest = 300
    depends_on = ("hibari-tts", "onnxruntime")

    @classmethod
    def _set_up(
        cls, about: _weights.Card, variant: _weights.Weights, files: dict[str, Path], device: str, dtype: str
    ) -> Self:
        if device not in ("auto", "cpu") or dtype not in ("auto", "float32"):
            raise BadValue(f"speech is computed on the cpu in float32, not on {device} in {dtype}; leave both out")
        return cls(about, variant, files, _Processor(), "float32")  # type: ignore[arg-type]

    def full_precision(self) -> str:
        """Named and not torch's own, which would have to be imported."""
        return "float32"

    def load(self, files: dict[str, Path]) -> None:
        """Open the voice by the package that its dictionaries come with.

        Raises:
            MissingExtra: the package is not installed.
        """
        hibari = extras.load("hibari", _EXTRA)
        known = self.weights.name in extras.load("hibari.voices", _EXTRA).VOICES
        self._voice = hibari.Hibari(self.weights.name if known else "heart", str(files["voice"]))

    @operation(
        verb="speak",
        examples=(
            'ml4a speak "Hello there." -o hello.wav',
            "ml4a speak --file story.txt --voice emma --speed 0.9 -o story.mp3",
            'ml4a speak "Once more." --seed 7 -o - | aplay',
        ),
    )
    def __call__(self, text: Text, *, speed: Speed = 1.0, pause: Pause = 0.2, seed: Seed = None) -> Sound:
        """Read a text aloud, in English.

        Returns:
            One channel at 24 000 Hz. The same seed says it the same way; others differ in their breath alone.
        """
        assert seed is not None
        return self.whole(self.spoken(text, pause=pause, seed=seed, speed=speed))  # type: ignore[arg-type]

    def say(self, sentence: str, seed: tuple[int, int], **options: Any) -> np.ndarray[Any, Any]:
        """One sentence; see `SpeechModel`."""
        import numpy as np

        breath = np.random.default_rng(seed)
        sounds = [
            self._voice.from_ids(self._voice.ids(phonemes), options["speed"], breath)
            for phonemes in self._voice.phonemize(_NAMELESS.sub(_one_by_one, sentence))
        ]
        return np.concatenate([np.zeros(0, np.float32), *sounds])


def _one_by_one(number: re.Match[str]) -> str:
    return " ".join(number.group().replace(",", ""))
