"""`ml4a sound …`: what is cut, joined, mixed, levelled and stretched without a model; and sounds that are pictures."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import cyclopts
from cyclopts import Parameter

from ml4a._core import progress
from ml4a._core.errors import BadValue

from . import console, derived
from .adapter import read_picture
from .film import End, Overwrite, Quiet, Start
from .run import default_target

if TYPE_CHECKING:
    from ml4a.media.audio import Sound

File = Annotated[str, Parameter(name="FILE", help="A sound, or a film that has one: a path or a URL.")]
Output = Annotated[str | None, Parameter(name=["--output", "-o"], help="Where to write; by default beside the sound.")]


def trim(
    file: File, /, *, start: Start = 0.0, end: End = None, output: Output = None, overwrite: Overwrite = False,
    quiet: Quiet = False,
) -> None:  # fmt: skip
    """Keep what lies between two moments."""
    save(load(file).trimmed(start, end), output or beside(file, "trim"), overwrite, quiet)


def join(
    *files: File,
    gap: Annotated[float, Parameter(help="Seconds of silence between.")] = 0.0,
    crossfade: Annotated[float, Parameter(help="Seconds in which each turns into the next.")] = 0.0,
    output: Output = None,
    overwrite: Overwrite = False,
    quiet: Quiet = False,
) -> None:
    """Put sounds one after the other, at the rate of the first."""
    from ml4a.media import audio

    _check_named(files, 1, "join", "a.wav b.wav -o both.wav")
    whole = audio.concat([load(file) for file in files], gap, crossfade=crossfade)
    save(whole, output or beside(files[0], "join"), overwrite, quiet)


def mix(
    *files: File,
    gain: Annotated[
        list[float] | None, Parameter(negative="", help="Decibels, once for each file: 0 leaves it, -6 halves it.")
    ] = None,
    start: Annotated[
        list[float] | None, Parameter(negative="", help="Seconds before it begins, once for each file.")
    ] = None,
    output: Output = None,
    overwrite: Overwrite = False,
    quiet: Quiet = False,
) -> None:
    """Let sounds be heard at the same time. What would be too loud together is made quieter as a whole."""
    from ml4a.media import audio

    _check_named(files, 2, "mix", "voice.wav music.mp3 --gain 0 --gain -12 -o both.wav")
    mixed = audio.mix([load(file) for file in files], starts=start, gains=gain)
    loudest = float(abs(mixed.samples).max())
    save(mixed.normalized(0) if loudest > 1 else mixed, output or beside(files[0], "mix"), overwrite, quiet)


def fade(
    file: File, /, *,
    fade_in: Annotated[float, Parameter(name="--in", help="Seconds of rising from silence.")] = 0.0,
    fade_out: Annotated[float, Parameter(name="--out", help="Seconds of falling back to it.")] = 0.0,
    output: Output = None, overwrite: Overwrite = False, quiet: Quiet = False,
) -> None:  # fmt: skip
    """Let a sound rise from silence and fall back to it."""
    save(load(file).faded(fade_in, fade_out), output or beside(file, "fade"), overwrite, quiet)


def level(
    file: File, /, *,
    lufs: Annotated[
        float, Parameter(help="Loudness to come to: -16 for podcasts, -14 for music, -23 on the air.")
    ] = -16.0,
    peak: Annotated[float, Parameter(help="Decibels that no sample goes beyond, though it stays quieter.")] = -1.0,
    output: Output = None, overwrite: Overwrite = False, quiet: Quiet = False,
) -> None:  # fmt: skip
    """Make a sound as loud to the ear as others (ITU-R BS.1770), and say how loud it was."""
    sound = load(file)
    if not quiet:
        print(f"{sound.loudness():.1f} LUFS before")
    save(sound.leveled(lufs, peak=peak), output or beside(file, "level"), overwrite, quiet)


def stretch(
    file: File,
    factor: Annotated[float, Parameter(name="FACTOR", help="2 is twice as long, 0.5 half as long.")],
    /, *, output: Output = None, overwrite: Overwrite = False, quiet: Quiet = False,
) -> None:  # fmt: skip
    """Make a sound longer or shorter at the same pitch."""
    save(load(file).stretched(factor), output or beside(file, "stretch"), overwrite, quiet)


def pitch(
    file: File,
    semitones: Annotated[float, Parameter(name="SEMITONES", help="12 is an octave up, -12 an octave down.")],
    /, *, output: Output = None, overwrite: Overwrite = False, quiet: Quiet = False,
) -> None:  # fmt: skip
    """Make a sound higher or lower in the same time."""
    save(load(file).pitched(semitones), output or beside(file, "pitch"), overwrite, quiet)


def silence(
    file: File, /, *,
    threshold: Annotated[float, Parameter(help="Decibels of full scale below which a sound is silent.")] = -40.0,
    keep: Annotated[float, Parameter(help="Seconds of silence that stay at either end.")] = 0.05,
    pauses: Annotated[float | None, Parameter(help="Seconds that longer pauses inside are cut down to.")] = None,
    output: Output = None, overwrite: Overwrite = False, quiet: Quiet = False,
) -> None:  # fmt: skip
    """Cut the silence off both ends, and out of pauses if told."""
    shorter = load(file).without_silence(threshold, keep, pauses=pauses)
    save(shorter, output or beside(file, "silence"), overwrite, quiet)


def convert(
    file: File, /, *,
    rate: Annotated[int | None, Parameter(help="Samples a second; by default the file's own.")] = None,
    channels: Annotated[Literal[1, 2] | None, Parameter(help="1 or 2; by default the file's own.")] = None,
    bits: Annotated[int | None, Parameter(help="A sample: 16, 24 or 32 in WAV, 16 or 24 in FLAC.")] = None,
    output: Annotated[
        str | None, Parameter(name=["--output", "-o"], help="Its name ends in .wav, .flac, .mp3, .ogg, .opus or .m4a.")
    ] = None,
    overwrite: Overwrite = False, quiet: Quiet = False,
) -> None:  # fmt: skip
    """Write a sound, or that of a film, as a file of another kind."""
    from ml4a.media import audio

    target = output or beside(file, "convert")
    save(audio.load(file, rate, channels), target, overwrite, quiet, bits)


def picture(
    file: File, /, *,
    show: Annotated[
        Literal["spectrogram", "waveform"], Parameter(help="Its pitches over time, or its waves.")
    ] = "spectrogram",
    width: Annotated[int, Parameter(help="In pixels.")] = 800,
    height: Annotated[int, Parameter(help="In pixels.")] = 300,
    low: Annotated[float | None, Parameter(help="Hz at the lower edge of a spectrogram; by default 30.")] = None,
    high: Annotated[float | None, Parameter(help="Hz at its upper edge; by default half the rate.")] = None,
    output: Output = None, overwrite: Overwrite = False,
) -> None:  # fmt: skip
    """Draw a sound: its spectrogram or its waveform."""
    from ml4a.media import image

    sound, size = load(file), (width, height)
    drawn = sound.waveform(size) if show == "waveform" else sound.spectrogram(size, low=low, high=high)
    target = Path(output) if output else beside(file, show).with_suffix(".png")
    image.save(drawn, target, overwrite=overwrite)
    print(target)


def from_picture(
    source: Annotated[str, Parameter(name="PICTURE", help="A picture, URL, `sample:NAME`, or `-`.")], /, *,
    seconds: Annotated[float, Parameter(help="How long the sound is.")] = 5.0,
    low: Annotated[float, Parameter(help="Hz at the lower edge of the picture.")] = 200.0,
    high: Annotated[float, Parameter(help="Hz at its upper edge.")] = 10_000.0,
    rate: Annotated[int, Parameter(help="Samples a second.")] = 44_100,
    seed: Annotated[int, Parameter(help="Of its phases: each sounds a little different.")] = 0,
    output: Output = None, overwrite: Overwrite = False, quiet: Quiet = False,
) -> None:  # fmt: skip
    """Make a sound whose spectrogram shows a picture."""
    from ml4a.media import audio

    target = Path(output) if output else default_target("sound", source).with_suffix(".wav")
    check_target(target, overwrite=overwrite)
    with console.progress_bars(quiet=quiet) as on_progress, progress.listening(on_progress):
        made = audio.from_picture(read_picture(source), seconds, low=low, high=high, rate=rate, seed=seed)
    save(made, target, overwrite, quiet)


_EXAMPLES = {
    trim: ("ml4a sound trim song.mp3 --start 10 --end 20",),
    join: ("ml4a sound join intro.wav song.mp3 --crossfade 2 -o both.flac",),
    mix: ("ml4a sound mix voice.wav music.mp3 --gain 0 --gain -12 -o both.wav",),
    fade: ("ml4a sound fade song.mp3 --in 0.5 --out 3",),
    level: ("ml4a sound level voice.wav --lufs -16",),
    stretch: ("ml4a sound stretch song.mp3 1.5",),
    pitch: ("ml4a sound pitch voice.wav -3",),
    silence: ("ml4a sound silence voice.wav --pauses 0.4",),
    convert: (
        "ml4a sound convert clip.mp4 -o clip.mp3",
        "ml4a sound convert song.wav --rate 16000 --channels 1 -o small.flac",
    ),
    picture: ("ml4a sound picture song.mp3", "ml4a sound picture song.mp3 --show waveform --width 1600"),
    from_picture: ("ml4a sound from-picture sample:astronaut --seconds 8 -o astronaut.wav",),
}


def register(app: cyclopts.App) -> None:
    """Add `sound` and its commands to the command line."""
    sound = cyclopts.App(name="sound", help="Trim, join, mix, level, stretch and draw sounds, without a model.")
    for command, examples in _EXAMPLES.items():
        sound.command(command, help_epilogue=derived.epilogue(examples))
    app.command(sound)


def load(file: str) -> Sound:
    """The sound of a file."""
    from ml4a.media import audio

    return audio.load(file)


def beside(file: str, verb: str) -> Path:
    """`song.mp3` becomes `song-trim.mp3`; what cannot be written in its own kind becomes a WAV."""
    from ml4a.media import audio

    suffix = Path(file).suffix.lower()
    return default_target(verb, file).with_suffix(suffix if suffix in audio.SUFFIXES else ".wav")


def check_target(target: Path, *, overwrite: bool) -> None:
    """Refuse what cannot be written before any work is done: a name that is no sound's, a file that is there."""
    from ml4a._core.files import refuse_existing
    from ml4a.media.audio import _write

    _write.check(target, 1, None)
    refuse_existing(target, overwrite)


def save(sound: Sound, target: str | Path, overwrite: bool, quiet: bool, bits: int | None = None) -> None:
    """Write a sound, with progress, and say where it is."""
    with console.progress_bars(quiet=quiet) as on_progress:
        path = sound.save(target, overwrite=overwrite, bits=bits, on_progress=on_progress)
    if not quiet:
        print(path)


def _check_named(files: tuple[str, ...], least: int, verb: str, example: str) -> None:
    if len(files) < least:
        what = "the sounds" if least == 1 else "two sounds or more"
        raise BadValue(f"name {what}: ml4a sound {verb} {example}")
