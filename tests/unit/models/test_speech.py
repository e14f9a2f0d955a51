"""Speech with the real voice: what is heard, how it is cut, and what it is made again from."""

from __future__ import annotations

import sys

import numpy as np
import pytest
from spectra import voiced_share

import ml4a
from ml4a import errors
from ml4a._core import limits
from ml4a._core.progress import interruptible, listening
from ml4a.media import audio
from ml4a.models import speech as module

pytestmark = pytest.mark.xdist_group("speech")
TEXT = "The old man sat by the river and looked at the water. It was late."


@pytest.fixture(scope="module")
def voice():
    return ml4a.load("speech")


@pytest.fixture(scope="module")
def spoken(voice):
    return voice(TEXT, seed=1)


def test_it_is_speech(spoken):
    assert (spoken.rate, spoken.channels) == (24_000, 1)
    assert 0.045 < spoken.duration / len(TEXT) < 0.09, "seconds a character"
    assert 0.05 < np.abs(spoken.samples).max() < 1, "quiet, or clipped"
    assert 0.3 < voiced_share(spoken) < 0.95


def test_there_is_a_pause_between_sentences_and_a_longer_one_between_paragraphs(voice):
    def longest_silence(text, pause):
        loud = np.flatnonzero(np.abs(voice(text, pause=pause, seed=1).samples[:, 0]) > 0.003)
        return np.diff(loud).max() / voice.rate

    near = longest_silence("One. Two.", 0)
    assert longest_silence("One. Two.", 0.5) == pytest.approx(near + 0.5, abs=0.02)
    assert longest_silence("One.\n\nTwo.", 0.5) == pytest.approx(near + 1, abs=0.02)


def test_speed_is_how_fast_it_is_said(voice):
    slow, usual, quick = (voice("A slow boat to nowhere.", speed=speed, seed=1).duration for speed in (0.7, 1, 1.5))
    assert slow / usual == pytest.approx(1 / 0.7, rel=0.15)
    assert quick / usual == pytest.approx(1 / 1.5, rel=0.15)


def test_the_same_seed_is_the_same_sound_and_another_is_another(voice, spoken):
    assert np.array_equal(voice(TEXT, seed=1).samples, spoken.samples)
    assert not np.array_equal(voice(TEXT, seed=2).samples, spoken.samples)


def test_a_stream_is_the_whole_in_sentences(voice, spoken):
    parts = list(voice.stream(TEXT, seed=1))
    assert len(parts) == 2
    assert np.array_equal(audio.concat(parts).samples, spoken.samples)


def test_the_record_of_a_stream_is_there_before_its_first_sentence(voice, spoken):
    voice.stream(TEXT, seed=1)
    assert voice.last_record == spoken.record


def test_a_stream_refuses_what_the_call_refuses(voice):
    with pytest.raises(errors.BadValue, match="speed must be between"):
        voice.stream(TEXT, speed=9)
    with pytest.raises(errors.BadValue, match="give it words"):
        next(voice.stream("…"))


def test_how_a_word_is_spelled_out_can_be_said(voice):
    said = voice("Say [ml4a](/ˌɛmˌɛlfˌɔɹˈA/).", seed=1)
    assert not np.array_equal(said.samples, voice("Say [ml4a](/hˈaʊs/).", seed=1).samples)


@pytest.mark.parametrize("text", ["", " \n\t\n", "…", "!?", "🎨🎨", "\x00"])
def test_what_has_no_words_is_refused(voice, text):
    with pytest.raises(errors.BadValue, match="give it words"):
        voice(text)


@pytest.mark.parametrize(
    "text",
    ["x" * 1000, "a" + "́" * 900, "Ünïcödé 漢字 слово", "<b>&amp;</b> \\ $$ %", "1" * 200],
    ids=["one word", "marks", "scripts", "signs", "digits"],
)
def test_whatever_else_is_written_is_said_somehow(voice, text):
    assert voice(text, seed=1).duration > 0.2


def test_a_text_file_is_read(voice, spoken, tmp_path):
    path = tmp_path / "story.txt"
    path.write_bytes(b"\xef\xbb\xbf" + TEXT.encode())
    again = voice(path, seed=1)
    assert np.array_equal(again.samples, spoken.samples)
    (given,) = again.record.inputs
    assert (given.role, given.kind, given.size) == ("text", "file", f"{len(TEXT)}x1")
    assert "text" not in again.record.parameters


@pytest.mark.parametrize(
    ("content", "error"),
    [(b"\xff\xfe\x00", "no text in UTF-8"), (b"", "is empty"), (b"a" * (limits.TEXT_BYTES + 1), "larger than 4 MiB")],
)
def test_a_file_that_is_no_text_is_refused(voice, content, error, tmp_path):
    path = tmp_path / "story.txt"
    path.write_bytes(content)
    with pytest.raises(errors.BadMedia, match=error):
        voice(path)


def test_a_text_of_the_wrong_type_is_refused(voice):
    for value, name in ((7, "int"), (None, "NoneType"), (b"Yes.", "bytes")):
        with pytest.raises(errors.BadValue, match=f"not {name}"):
            voice(value)


def test_the_record_has_the_text_but_of_a_long_one_the_hash(voice, spoken):
    assert spoken.record.parameters["text"] == TEXT
    assert spoken.record.source_type == "trainedAlgorithmicMedia"
    assert spoken.record.versions.keys() >= {"hibari-tts", "onnxruntime"}
    told = voice("Ha. " + " " * limits.RECORDED_TEXT, seed=1).record
    assert "text" not in told.parameters
    assert told.inputs[0].role == "text"


def test_what_was_said_before_ctrl_c_is_kept(voice):
    def stop(event):
        if event.stage == "speaking" and event.done == 1:
            raise KeyboardInterrupt

    with interruptible() as interruption, listening(stop):
        cut = voice(TEXT, seed=1, pause=0)
    assert interruption.cancelled
    assert np.array_equal(cut.samples, next(voice.stream(TEXT, seed=1, pause=0)).samples)


def test_progress_counts_sentences(voice):
    seen = []
    with listening(lambda event: seen.append((event.stage, event.done, event.total))):
        voice("One. Two. Three.", seed=1)
    assert seen == [("speaking", number, 3) for number in range(4)]


def test_it_is_computed_on_the_processor_alone():
    with pytest.raises(errors.BadValue, match="cpu in float32, not on cuda"):
        ml4a.load("speech", device="cuda")


def test_without_the_package_the_extra_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "hibari", None)
    with pytest.raises(errors.MissingExtra, match=r'pip install "ml4a\[speech\]"'):
        ml4a.load("speech")
    assert issubclass(errors.MissingExtra, ImportError)
    assert module.Speech.card == "speech"


@pytest.mark.slow
def test_a_recogniser_understands_it(voice):
    from pocketsphinx import Decoder

    decoder = Decoder(samprate=16_000, loglevel="FATAL")
    wrong = total = 0
    for text in SENTENCES:
        sound = audio.concat([audio.Sound(np.zeros(3000), 24_000), voice(text, seed=1)]).resampled(16_000)
        decoder.start_utt()
        decoder.process_raw((sound.samples[:, 0] * 32_000).astype("<i2").tobytes(), full_utt=True)
        decoder.end_utt()
        said = text.lower().rstrip(".").split()
        wrong += _edits(said, decoder.hyp().hypstr.split())
        total += len(said)
    assert wrong / total < 0.12, "word error rate"


SENTENCES = (
    "The weather will be fine tomorrow morning.",
    "She opened the door and walked into the garden.",
    "There are many ways to make a picture.",
    "I would like to have a cup of coffee with milk.",
    "The old man sat by the river and looked at the water.",
    "He said that the train would leave at nine.",
)


def _edits(a, b):
    """How many words are to be changed, left out or put in (Levenshtein)."""
    row = list(range(len(b) + 1))
    for i, word in enumerate(a, start=1):
        row, before = [i], row
        for j, other in enumerate(b, start=1):
            row.append(min(before[j] + 1, row[-1] + 1, before[j - 1] + (word != other)))
    return row[-1]
