"""`ml4a sound …`: files in, files out, as the library makes them."""

from __future__ import annotations

from pathlib import Path

import cyclopts
import numpy as np
import pytest
from film_files import numbered, tones, write_film

from ml4a._core.errors import BadValue, OutputExists
from ml4a.cli import main, sound
from ml4a.media import audio, image
from ml4a.media.audio import Sound

RATE = 16_000


def run(*arguments: str) -> None:
    app = cyclopts.App(result_action="return_value", print_error=False, exit_on_error=False)
    sound.register(app)
    app(["sound", *arguments])


def heard(path: str) -> Sound:
    return audio.load(path)


@pytest.fixture(autouse=True)
def work(tmp_path, monkeypatch):
    """A folder with a second of a tone, silence around it in another file, and a film."""
    monkeypatch.chdir(tmp_path)
    time = np.arange(RATE) / RATE
    tone = 0.25 * np.sin(2 * np.pi * 440 * time)
    Sound(tone, RATE).save("tone.wav")
    Sound(np.concatenate([np.zeros(RATE), tone, np.zeros(RATE), tone, np.zeros(RATE)]), RATE).save("gaps.flac")
    Sound(0.5 * np.sin(2 * np.pi * 600 * time[: RATE // 2]), RATE).save("short.wav")


def test_trimming_writes_beside_the_file_and_says_where(capsys):
    run("trim", "gaps.flac", "--start", "1", "--end", "2")
    assert capsys.readouterr().out == "gaps-trim.flac\n"
    np.testing.assert_allclose(heard("gaps-trim.flac").samples, heard("tone.wav").samples, atol=1e-4)
    run("trim", "gaps.flac", "--start", "-1", "-o", "end.mp3", "-q")
    assert capsys.readouterr().out == ""
    assert heard("end.mp3").duration == pytest.approx(1, abs=0.06)


def test_joining_and_mixing():
    run("join", "tone.wav", "short.wav", "--gap", "0.25", "-o", "gap.wav")
    run("join", "tone.wav", "short.wav", "--crossfade", "0.25", "-o", "fade.wav")
    assert (heard("gap.wav").duration, heard("fade.wav").duration) == (1.75, 1.25)
    run(
        "mix",
        "tone.wav",
        "short.wav",
        "--gain",
        "0",
        "--gain",
        "-6",
        "--start",
        "0",
        "--start",
        "0.75",
        "-o",
        "mix.wav",
    )
    due = audio.mix([heard("tone.wav"), heard("short.wav")], starts=[0, 0.75], gains=[0, -6])
    np.testing.assert_allclose(heard("mix.wav").samples, due.samples, atol=1e-4)


def test_a_mix_that_would_clip_is_made_quieter_as_a_whole():
    run("mix", "short.wav", "short.wav", "short.wav", "-o", "mix.wav")
    mixed, single = heard("mix.wav").samples, heard("short.wav").samples
    assert np.abs(mixed).max() == pytest.approx(1, abs=1e-3)
    np.testing.assert_allclose(mixed, 2 * single, atol=2e-3)


def test_fades_levels_and_silence(capsys):
    run("fade", "tone.wav", "--in", "0.25", "--out", "0.5")
    np.testing.assert_allclose(heard("tone-fade.wav").samples, heard("tone.wav").faded(0.25, 0.5).samples, atol=1e-4)
    capsys.readouterr()
    run("level", "tone.wav", "--lufs", "-23")
    assert capsys.readouterr().out == f"{heard('tone.wav').loudness():.1f} LUFS before\ntone-level.wav\n"
    assert heard("tone-level.wav").loudness() == pytest.approx(-23, abs=0.1)
    run("silence", "gaps.flac", "--keep", "0", "--pauses", "0.5")
    assert heard("gaps-silence.flac").duration == pytest.approx(2.5, abs=0.02)


def test_stretching_and_pitching_take_numbers_below_zero_too():
    run("stretch", "tone.wav", "1.5")
    assert heard("tone-stretch.wav").duration == pytest.approx(1.5)
    run("pitch", "tone.wav", "-12")
    spectrum = np.abs(np.fft.rfft(heard("tone-pitch.wav").samples[:, 0]))
    assert spectrum.argmax() == pytest.approx(220, abs=2)


def test_converting_takes_the_sound_of_a_film():
    write_film(Path("clip.mp4"), numbered(20), rate=10, sound=tones(2))
    run("convert", "clip.mp4")
    assert heard("clip-convert.wav").duration == pytest.approx(2, abs=0.05)
    run("convert", "clip.mp4", "--rate", "8000", "--channels", "1", "--bits", "24", "-o", "small.flac")
    assert (heard("small.flac").rate, heard("small.flac").channels) == (8000, 1)


def test_a_picture_becomes_a_sound_and_a_sound_a_picture():
    picture = np.zeros((64, 96, 3), np.float32)
    picture[16:32, 24:72] = 1
    image.save(picture, "block.png")
    run("from-picture", "block.png", "--seconds", "2", "--seed", "3")
    run("picture", "block-sound.wav", "--low", "200", "--high", "10000", "--width", "96", "--height", "64")
    drawn = image.to_array("block-sound-spectrogram.png").mean(axis=2)
    assert drawn.shape == (64, 96)
    assert np.corrcoef(drawn.ravel(), picture[:, :, 0].ravel())[0, 1] > 0.9
    run("picture", "tone.wav", "--show", "waveform", "-o", "wave.png")
    assert image.load("wave.png").size == (800, 300)
    for command in (
        ("picture", "tone.wav", "--show", "waveform", "-o", "wave.png"),
        ("trim", "tone.wav", "-o", "wave.wav"),
    ):
        with pytest.raises(OutputExists):
            run(*command)
            run(*command)


@pytest.mark.parametrize(
    ("arguments", "says"),
    [(("join",), "name the sounds"), (("mix", "tone.wav"), "two sounds or more"),
     (("convert", "tone.wav", "-o", "tone.xyz"), r"\.wav, \.flac"),
     (("from-picture", "none.png", "-o", "tone.xyz"), r"\.wav, \.flac"),
     (("stretch", "tone.wav", "0"), "factor must be")],
)  # fmt: skip
def test_what_cannot_be_done_is_said(arguments, says):
    with pytest.raises(BadValue, match=says):
        run(*arguments)


def test_the_command_line_has_it(capsys):
    assert main(["sound", "trim", "tone.wav", "--end", "0.5"]) == 0
    assert heard("tone-trim.wav").duration == 0.5
    assert main(["sound", "trim", "tone.wav", "--start", "5"]) == 2
    assert "nothing is left" in capsys.readouterr().err
