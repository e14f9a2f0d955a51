"""Tacotron 2 from small files of the official kinds: what is said, how, and what goes wrong with a word about it."""

from __future__ import annotations

import logging

import checkpoints
import deterministic
import numpy as np
import pytest
import torch
from checkpoints import tacotron2 as official

import ml4a
from ml4a import errors
from ml4a._core.progress import Cancel, listening
from ml4a.media import audio
from ml4a.models._denoiser import Denoiser

pytestmark = pytest.mark.xdist_group("tacotron2")
TEXT = "Hello there. It cost £3.50!"
HOP = 256


@pytest.fixture(scope="module")
def voice(tmp_path_factory):
    return checkpoints.load("tacotron2", tmp_path_factory.mktemp("tacotron2"))


@pytest.fixture(scope="module")
def spoken(voice):
    return voice(TEXT, pause=0, seed=1)


def frames(sound) -> float:
    return len(sound.samples) / HOP


def endless(folder):
    """A voice whose gate never says that this is the end."""
    reader, vocoder = (official.SMALL["ljspeech"][role] for role in ("reader", "vocoder"))
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("ML4A_HOME", str(folder / "home"))
        files = checkpoints.write("tacotron2", "ljspeech", folder, small=True)
        state = official.counting(deterministic.state_dict(reader), 10_000)
        official.containers.save_stream(files["reader"], {"state_dict": official.containers.tensors(state)})
        official.save("vocoder", files["vocoder"], deterministic.state_dict(vocoder))
        checkpoints.install("tacotron2", "ljspeech", files)
        return ml4a.load("tacotron2")


def test_it_says_each_sentence_until_the_end(voice, spoken):
    assert (spoken.rate, spoken.channels) == (22_050, 1)
    assert frames(spoken) == 2 * official.FRAMES
    assert frames(voice("Hello.", seed=1)) == official.FRAMES
    assert np.isfinite(spoken.samples).all()
    assert spoken.samples.std() > 0.01


def test_the_files_of_pytorch_hub_say_the_same(spoken, tmp_path):
    other = checkpoints.load("tacotron2", tmp_path, "torchhub")
    assert np.array_equal(other(TEXT, pause=0, seed=1).samples, spoken.samples)


def test_a_pause_is_silence_between_sentences(voice):
    sound = voice("One. Two.", pause=0.5, seed=1)
    silent = np.flatnonzero(sound.samples[:, 0] == 0)
    assert len(silent) >= round(0.5 * 22_050)
    assert len(sound.samples) == 2 * official.FRAMES * HOP + round(0.5 * 22_050)


def test_the_same_seed_is_the_same_sound_and_another_is_another(voice, spoken):
    assert np.array_equal(voice(TEXT, pause=0, seed=1).samples, spoken.samples)
    assert not np.array_equal(voice(TEXT, pause=0, seed=2).samples, spoken.samples)
    first, second = np.split(voice("Hello. Hello.", pause=0, seed=1).samples, 2)
    assert not np.array_equal(first, second), "each sentence has chance of its own"


def test_a_stream_is_the_whole_in_sentences(voice, spoken):
    parts = list(voice.stream(TEXT, pause=0, seed=1))
    assert [frames(part) for part in parts] == [official.FRAMES] * 2
    assert np.array_equal(audio.concat(parts).samples, spoken.samples)


@pytest.mark.parametrize("speed", [0.5, 1.25, 2.0])
def test_speed_is_how_fast_it_is_said(voice, speed):
    assert frames(voice("Hello.", speed=speed, seed=1)) == round(official.FRAMES / speed)


def test_sigma_and_denoise_change_the_sound_alone(voice):
    usual = voice("Hello.", seed=1)
    for options in ({"sigma": 0.2}, {"denoise": 0.5}, {"denoise": 0.0}):
        other = voice("Hello.", seed=1, **options)
        assert frames(other) == frames(usual)
        assert not np.array_equal(other.samples, usual.samples)


def test_little_memory_makes_the_same_sound_in_parts(voice, monkeypatch):
    long = voice("Hello.", speed=0.5, denoise=0.0, seed=1)
    monkeypatch.setattr("ml4a.models.tacotron2._FEWEST_FRAMES_AT_ONCE", 7)
    monkeypatch.setenv("ML4A_MEMORY", "100K")
    stages = []
    with listening(lambda progress: stages.append((progress.stage, progress.total))):
        parted = voice("Hello.", speed=0.5, denoise=0.0, seed=1)
    assert ("sounding", 6 * 4) in stages
    np.testing.assert_allclose(parted.samples, long.samples, atol=1e-4)


def test_words_are_read_as_one_says_them_and_sounds_as_they_are_spelled(voice):
    def said(text):
        return voice(text, seed=1).samples

    assert np.array_equal(said("It cost £3.50"), said("It cost three pounds, fifty pence"))
    assert np.array_equal(said("Dr. No & {HH AW1 S}."), said("doctor no and {HH AW1 S}."))
    assert not np.array_equal(said("{HH AW1 S}"), said("house"))


def test_a_number_that_is_long_when_it_is_read_is_said_in_parts(voice):
    assert frames(voice("1" * 140, seed=1)) == 4 * official.FRAMES  # 560 letters


@pytest.mark.parametrize("text", ["", " \n\n ", "…", "?!", "🎨"])
def test_what_has_no_words_is_refused(voice, text):
    with pytest.raises(errors.BadValue, match="give it words"):
        voice(text)


def test_what_cannot_be_said_is_left_out(voice):
    assert frames(voice("Hello.\n\n***\n\nThere.", pause=0, seed=1)) == 2 * official.FRAMES


def test_who_asks_it_to_stop_is_heard_within_a_sentence(voice):
    cancel, seen = Cancel(), []

    def notice(progress):
        seen.append(progress.stage)
        if progress.stage == "sounding":
            cancel.cancel()

    with listening(notice, cancel), pytest.raises(errors.Cancelled):
        voice("Hello.", seed=1)
    assert seen.count("reading") == official.FRAMES - 1  # the last frame is no news
    assert seen.count("sounding") == 1


def test_a_voice_that_has_lost_its_way_breaks_off_and_says_so_once(tmp_path, caplog):
    lost = endless(tmp_path)
    with torch.no_grad():  # all symbols look alike: the attention has nothing to follow
        lost.reader.embedding.weight[:] = 0
    with caplog.at_level(logging.WARNING, "ml4a"):
        sound = lost("The quick brown fox jumps over the lazy dog and runs away from it.", seed=1)
    assert 16 <= frames(sound) < 200
    lines = [record.getMessage() for record in caplog.records if "lost its way" in record.getMessage()]
    assert len(lines) == 1
    assert "'the quick brown fox" in lines[0]


def test_files_in_each_other_s_place_are_told_apart(tmp_path):
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("ML4A_HOME", str(tmp_path / "home"))
        files = checkpoints.write("tacotron2", "ljspeech", tmp_path, small=True)
        files["reader"], files["vocoder"] = files["vocoder"], files["reader"]
        checkpoints.install("tacotron2", "ljspeech", files)
        with pytest.raises(errors.BadWeights, match="holds a WaveGlow, where a Tacotron2 is due"):
            ml4a.load("tacotron2")


def test_the_hum_is_what_the_vocoder_says_to_itself(voice):
    chance = torch.get_rng_state()
    denoiser = Denoiser(voice.vocoder)
    assert torch.equal(torch.get_rng_state(), chance), "whoever has set torch's seed has set it for himself"
    silent = voice.vocoder.draw(88)
    with torch.inference_mode():
        hum = voice.vocoder(torch.zeros(1, 10, 88), 0.0, silent)[0].numpy()
    assert denoiser.hum.shape == (513, 1)
    taken = denoiser(hum, 1.0)
    assert taken.shape == hum.shape
    assert taken[:256].std() < 0.2 * hum[:256].std(), "it is not silent where it was heard"
    assert np.array_equal(denoiser(hum, 0.0), hum)
    assert np.array_equal(denoiser(hum[:512], 1.0), hum[:512]), "too short to look at"
    tone = np.sin(np.arange(20_000) * 0.3).astype(np.float32) * 100
    np.testing.assert_allclose(denoiser(tone, 0.01), tone, atol=5)
