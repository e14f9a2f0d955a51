"""What models that read a text aloud share: sentences, pauses, seeds, and what is left after Ctrl-C."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Annotated, Any, ClassVar

from ml4a._core import progress
from ml4a._core.errors import BadValue
from ml4a._core.kinds import Kind, Text
from ml4a._core.params import Doc, Range

from ._base import Model
from ._operation import bind, load_media, record_of, recording_enabled

if TYPE_CHECKING:
    import numpy as np

    from ml4a.media.audio import Sound
else:
    Sound = Annotated[Any, Kind("sound")]
    """A sound, as annotations have it at run time, when the media are not imported yet."""

Speed = Annotated[float, Range(0.5, 2), Doc("How fast it is said; 1 is the voice's own pace.")]
Pause = Annotated[float, Range(0, 10), Doc("Seconds of silence after a sentence, and twice that after a paragraph.")]


class SpeechModel(Model):
    """Base of models that read texts aloud.

        voice = ml4a.load("speech")
        voice("Hello there.").save("hello.wav")
        for sound in voice.stream(Path("story.txt")):          # sentence by sentence, as soon as each is ready
            ...

    A model says one sentence; how a text is cut, the pauses and what Ctrl-C leaves are the same for all.
    """

    rate: ClassVar[int]
    """Samples a second."""
    longest: ClassVar[int]
    """Characters that are said in one breath: longer sentences are cut at their clauses."""

    def say(self, sentence: str, seed: tuple[int, int], **options: Any) -> np.ndarray[Any, Any]:
        """One sentence as N float32 samples; none if no word of it can be said.

        Args:
            sentence: At most `longest` characters.
            seed: The call's seed and the sentence's number.
            options: The call's parameters that are the model's own.
        """
        raise NotImplementedError

    def stream(self, text: Text, **options: Any) -> Iterator[Sound]:
        """What the call says, sentence by sentence, as soon as each is ready; `last_record` is that of the whole.

        Args:
            text: The text, or the `pathlib.Path` of one.
            options: The parameters of the call.

        Raises:
            BadValue: a parameter is wrong; or, in the place of a first sentence, nothing of the text can be said.
        """
        about = self.operations()["__call__"]
        values = bind(about, type(self).__call__, self, (text,), options)
        inputs = load_media(about, values)
        if recording_enabled():
            self.last_record = record_of(self, about, values, inputs)
        return self.spoken(**values)

    def spoken(self, text: str, *, pause: float, seed: int, **options: Any) -> Iterator[Sound]:
        """The sounds of a text, one a sentence, each with the pause after it; what cannot be said is left out.

        Raises:
            BadValue: that is all of it.
        """
        from ml4a.media import text as texts

        silent = True
        paragraphs = [texts.sentences(paragraph, self.longest) for paragraph in texts.paragraphs(text)]
        total, number = sum(map(len, paragraphs)), 0
        for paragraph in paragraphs:
            for place, sentence in enumerate(paragraph, start=1):
                progress.report("speaking", number, total, "sentences")
                samples = self.say(sentence, (seed, number), **options) if _has_words(sentence) else ()
                number += 1
                silence = 0 if number == total else pause * (2 if place == len(paragraph) else 1)
                if len(samples):
                    silent = False
                    yield self._sound(samples, silence)
        if silent:
            raise BadValue("nothing of this text can be said aloud: give it words")
        progress.report("speaking", total, total, "sentences")

    def whole(self, sounds: Iterable[Sound]) -> Sound:
        """All of it as one sound; after Ctrl-C, what has been said by then."""
        from ml4a.media import audio

        parts: list[Sound] = []
        try:
            parts.extend(sounds)
        except KeyboardInterrupt:
            if not parts:
                raise
            progress.interrupted()
        return audio.concat(parts)

    def _sound(self, samples: Any, silence: float) -> Sound:
        import numpy as np

        from ml4a.media import audio

        return audio.Sound(np.concatenate([samples, np.zeros(round(silence * self.rate), np.float32)]), self.rate)


def _has_words(sentence: str) -> bool:
    return any(letter.isalnum() for letter in sentence)
