"""Wav2Lip, with small weights: which frame gets which moment of the speech, and what becomes of the rest."""

from __future__ import annotations

import itertools
import subprocess
import sys
from fractions import Fraction

import archives
import checkpoints
import containers
import cv2
import deterministic
import numpy as np
import peak_memory
import pytest
import talkative
import torch
from checkpoints import wav2lip as official
from film_files import clicks, heard_clicks, numbered, numbers, pan, read_sound, read_times, write_film
from PIL import Image
from talkative import in_bytes

import ml4a
from ml4a import audio, image, jobs, video
from ml4a._core.errors import BadValue, BadWeights
from ml4a._core.progress import Interrupted
from ml4a.media.audio import Sound
from ml4a.models._lipsync import STEPS
from ml4a.models.wav2lip import in_parts
from ml4a.networks import from_state_dict

pytestmark = pytest.mark.xdist_group("wav2lip")
SIZE = 24
"""Of the faces of the small network."""
BOX = (9, 41, 12, 50)
"""Top, bottom, left, right."""


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    return talkative.model(tmp_path_factory.mktemp("wav2lip"))


@pytest.fixture(scope="module")
def speech():
    return talkative.speech()


@pytest.fixture(scope="module")
def network():
    return from_state_dict("wav2lip", talkative.state())


def expected(network, frame: np.ndarray, mel: np.ndarray, start: int, box=BOX) -> np.ndarray:
    """What becomes of a frame of bytes, as the original has it: by the network alone."""
    top, bottom, left, right = box
    face = cv2.resize(np.ascontiguousarray(frame[top:bottom, left:right, ::-1]), (SIZE, SIZE))
    upper = face.copy()
    upper[SIZE // 2 :] = 0
    x = torch.from_numpy(np.concatenate((upper, face), axis=2).transpose(2, 0, 1)[None].astype(np.float32) / 255)
    heard = torch.from_numpy(mel[None, None, :, start : start + STEPS])
    with torch.inference_mode():
        painted = network(heard, x)[0].permute(1, 2, 0).numpy()
    result = frame.copy()
    result[top:bottom, left:right] = cv2.resize(
        np.ascontiguousarray((painted * 255).astype(np.uint8)[:, :, ::-1]), (right - left, bottom - top)
    )
    return result


# -- The right frame gets the right sound ------------------------------------------------------------------------------


@pytest.mark.parametrize("rate", [25, 29.97, 12])
def test_each_frame_says_its_own_moment(model, network, speech, rate):
    frame = pan(1, 64, 48)[0]
    talking = model(Image.fromarray(frame), speech=speech, box=BOX, blend="hard", rate=rate, batch=5)
    mel = audio.mel(speech, audio.WAV2LIP)
    frames = list(talking)
    exact = Fraction(30_000, 1001) if rate == 29.97 else Fraction(rate)
    assert talking.rate == exact
    assert len(frames) == talking.count == int(np.ceil(exact))
    starts = [min(int(number * 80 / exact), mel.shape[1] - STEPS) for number in range(len(frames))]
    due = [expected(network, frame, mel, start) for start in starts]
    for number, each in enumerate(frames):
        # Batches round otherwise, which one level may show.
        assert np.abs(in_bytes(each).astype(int) - due[number]).max() <= 1, number
    beside = [np.abs(a.astype(int) - b).mean() for a, b in itertools.pairwise(due)][: len(frames) * 3 // 4]
    assert min(beside) > 0.05, "frames that are alike prove nothing"


def test_a_film_keeps_its_frames_and_its_rate(model, network, speech, tmp_path):
    pictures = pan(30, 64, 48, step=3)
    path = write_film(tmp_path / "film.mp4", pictures, rate=Fraction(30_000, 1001))
    seen = [in_bytes(each) for each in video.open(path)]
    talking = model(path, speech=speech, box=BOX, blend="hard")
    assert talking.rate == Fraction(30_000, 1001)
    frames = list(talking)
    assert len(frames) == 30
    mel = audio.mel(speech, audio.WAV2LIP)
    for number in (0, 7, 22):
        due = expected(network, seen[number], mel, int(number * 80 * 1001 / 30_000))
        assert np.abs(in_bytes(frames[number]).astype(int) - due).max() <= 1
    outside = np.ones((48, 64), bool)
    outside[BOX[0] : BOX[1], BOX[2] : BOX[3]] = False
    for frame, original in zip(frames, seen, strict=True):
        assert np.array_equal(in_bytes(frame)[outside], original[outside])


def test_the_sound_of_the_file_is_in_step_with_its_frames(model, tmp_path):
    times = (0.2, 0.75, 1.3)
    heard = Sound(clicks(times, 1.6)[0], 48_000)
    path = model(Image.new("RGB", (64, 48)), speech=heard, box=BOX, rate=25).save(tmp_path / "talk.mp4")
    assert read_times(path) == [Fraction(number, 25) for number in range(40)]
    found = heard_clicks(read_sound(path)[0])
    np.testing.assert_allclose(found, times, atol=0.005)  # an eighth of a frame


def test_the_whole_speech_is_heard(model, speech, tmp_path):
    path = model(Image.new("RGB", (64, 48)), speech=speech, box=BOX).save(tmp_path / "talk.mov")
    assert video.open(path).sound.duration >= speech.duration - 0.005


def test_of_a_varying_rate_a_constant_one_is_made(model, speech, tmp_path):
    times = [Fraction(n, 30) for n in (0, 1, 4, 5, 9, 10, 11, 15, 16, 20, 24, 25)]
    path = write_film(tmp_path / "film.mp4", numbered(12), times=times)
    film = video.open(path)
    talking = model(film, speech=speech, box=(40, 48, 56, 64))
    assert talking.rate == film.rate
    due = numbers(each[:40] for each in film.at_rate(film.rate))
    assert numbers(each[:40] for each in talking)[: len(due)] == due[: talking.count]


# -- Films and speeches of other lengths -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("loop", "due"),
    [
        ("repeat", [0, 1, 2, 3, 0, 1, 2, 3, 0, 1, 2]),
        ("pingpong", [0, 1, 2, 3, 2, 1, 0, 1, 2, 3, 2]),
        ("hold", [0, 1, 2, 3, 3, 3, 3, 3, 3, 3, 3]),
    ],
)
def test_a_film_that_is_too_short_goes_on(model, speech, tmp_path, loop, due):
    path = write_film(tmp_path / "film.mp4", numbered(4), rate=11)
    talking = model(path, speech=speech, box=(40, 48, 56, 64), loop=loop, batch=3)
    assert talking.count == 11
    assert numbers(each[:40] for each in talking) == due


@pytest.mark.parametrize("loop", ["repeat", "pingpong", "hold"])
def test_two_frames_and_one_go_on_as_well(model, speech, loop):
    for count, due in ((2, [0, 1, 0, 1] if loop != "hold" else [0, 1, 1, 1]), (1, [0, 0, 0, 0])):
        clip = video.from_frames(numbered(count), rate=4)
        assert numbers(each[:40] for each in model(clip, speech=speech, box=(40, 48, 56, 64), loop=loop)) == due


def test_a_film_that_is_too_long_ends_with_the_speech(model, speech, tmp_path):
    path = write_film(tmp_path / "film.mp4", numbered(40), rate=15)
    talking = model(path, speech=speech, box=(40, 48, 56, 64))
    assert numbers(each[:40] for each in talking) == list(range(15))


def test_the_first_frame_may_stand_still(model, speech, tmp_path):
    path = write_film(tmp_path / "film.mp4", numbered(5), rate=10)
    talking = model(path, speech=speech, box=(40, 48, 56, 64), static=True)
    assert talking.rate == 10
    assert numbers(each[:40] for each in talking) == [0] * 10


@pytest.mark.parametrize(
    "sound",
    [
        Sound(np.zeros(16_000, np.float32), 16_000),
        Sound(np.full(40, 0.3, np.float32), 8_000),
        Sound(np.zeros((1, 2), np.float32), 48_000),
        Sound(deterministic.uniform("quiet", (20_000, 2), -1e-6, 1e-6), 44_100),
    ],
    ids=["silent", "short", "one sample", "quiet"],
)
def test_any_sound_will_do(model, sound):
    frames = list(model(Image.new("RGB", (64, 48), "tan"), speech=sound, box=BOX))
    assert len(frames) == max(1, int(np.ceil(sound.duration * 25)))
    assert all(np.isfinite(each).all() for each in frames)


def test_the_rate_and_the_channels_of_the_speech_change_little(model, speech):
    still = Image.fromarray(pan(1, 64, 48)[0])
    due = list(model(still, speech=speech, box=BOX))
    other = list(model(still, speech=speech.resampled(48_000).stereo(), box=BOX))
    assert len(due) == len(other)
    differences = [np.abs(a - b).mean() for a, b in zip(due, other, strict=True)]
    changes = [np.abs(a - b).mean() for a, b in zip(due, due[3:], strict=False)]
    assert np.mean(differences) < 0.2 * np.mean(changes)


# -- Sizes, turns, parts, kinds ----------------------------------------------------------------------------------------


def test_a_film_is_sized_turned_and_cut_in_this_order(model, speech):
    picture = pan(1, 128, 96)[0]
    options = {"box": (2, 30, 1, 20), "rate": 5}
    frames = list(model(Image.fromarray(picture), speech=speech, size=48, rotate=1, crop=(4, 60, 3, -1), **options))
    due = np.rot90(image.resize(picture, 48), -1)[4:60, 3:]
    assert frames[0].shape == due.shape == (56, 45, 3)
    assert np.abs(frames[0][31:] - due[31:]).max() < 1.5 / 255
    assert np.abs(frames[0][2:30, 1:20] - due[2:30, 1:20]).max() > 0.05


@pytest.mark.parametrize("mode", ["L", "RGBA", "P"])
def test_pictures_of_all_modes(model, speech, mode):
    picture = Image.fromarray(pan(1, 64, 48)[0])
    other = picture.convert(mode)
    if mode == "RGBA":
        other.putalpha(Image.linear_gradient("L").resize(other.size))
    frame = next(iter(model(other, speech=speech, box=BOX)))
    due = next(iter(model(image.to_array(other)[:, :, :3], speech=speech, box=BOX)))
    assert np.array_equal(frame[:, :, :3], due)
    if mode == "RGBA":
        assert np.array_equal(in_bytes(frame)[:, :, 3], np.asarray(other)[:, :, 3])


@pytest.mark.parametrize("size", [(1, 1), (3, 200), (200, 3)])
def test_faces_of_any_size(model, speech, size):
    width, height = size
    for blend in ("soft", "hard"):
        frames = list(
            model(Image.new("RGB", size, "tan"), speech=speech, box=(0, height, 0, width), blend=blend, rate=3)
        )
        assert [each.shape for each in frames] == [(height, width, 3)] * 3
        assert np.isfinite(frames[0]).all()


def test_a_clip_is_read_anew_each_time(model, speech):
    clip = video.from_frames(pan(5, 64, 48), rate=9)
    talking = model(clip, speech=speech, box=BOX)
    first, second = list(talking), list(talking)
    assert all(np.array_equal(a, b) for a, b in zip(first, second, strict=True))
    assert all(np.array_equal(in_bytes(a), b) for a, b in zip(clip, pan(5, 64, 48), strict=True)), "it was written to"


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"box": (0, 49, 0, 9)}, "box .* 64x48"),
        ({"box": (9, 9, 0, 9)}, "box"),
        ({"box": (1, 2, 3)}, "box is four numbers"),
        ({"pads": (1,)}, "pads is four numbers"),
        ({"crop": (0, 20, 50, 65)}, "crop .* 64x48"),
        ({"rotate": 4}, "rotate"),
        ({"loop": "backwards"}, "loop"),
        ({"rate": float("nan")}, "rate"),
        ({"batch": 0}, "batch"),
    ],
)
def test_what_is_no_value_is_named(model, speech, options, words):
    with pytest.raises(BadValue, match=words):
        next(iter(model(Image.new("RGB", (64, 48)), speech=speech, **{"box": BOX, **options})))


def test_the_record_tells_what_went_in_and_that_it_is_synthetic(model, speech, tmp_path):
    talking = model(Image.fromarray(pan(1, 64, 48)[0]), speech=speech, box=BOX)
    path = talking.save(tmp_path / "talk.mp4")
    record = ml4a.jobs.read_record(path)
    assert record == talking.record == model.last_record
    assert [(each.role, each.kind) for each in record.inputs] == [("face", "pixels"), ("speech", "pixels")]
    assert record.source_type == "compositeWithTrainedAlgorithmicMedia"
    assert record.parameters["box"] == BOX
    assert set(record.digests) == {"network"}


def test_ctrl_c_keeps_what_is_finished(model, speech, tmp_path):
    def stop(event):
        if event.unit == "frames" and event.done == 6 and event.stage == "talk.mp4":
            raise KeyboardInterrupt

    talking = model(Image.fromarray(pan(1, 64, 48)[0]), speech=speech, box=BOX)
    with pytest.raises(Interrupted):
        talking.save(tmp_path / "talk.mp4", keep_partial=model.keeps_partial_films, on_progress=stop)
    film = video.open(tmp_path / "talk.mp4")
    assert len(list(film)) in (6, 7)
    assert film.has_sound


class Watched:
    """A network that counts the faces that it paints."""

    def __init__(self, network):
        self.network, self.size, self.painted = network, network.size, 0

    def __call__(self, heard, seen):
        self.painted += len(seen)
        return self.network(heard, seen)


@pytest.mark.parametrize("stop_at", [6, 17])
def test_a_film_that_was_stopped_goes_on(stop_at, model, speech, tmp_path, monkeypatch):
    monkeypatch.setattr("ml4a.media.video._kept.SECONDS_AT_RISK", 0.0)
    monkeypatch.setattr(model, "network", Watched(model.network))
    face = np.asarray(image.sample("astronaut"))[:256, 96:352]
    film = video.from_frames([np.roll(face, 9 * number, axis=1) for number in range(4)], rate=25)
    found, events = [], []
    monkeypatch.setattr(model, "_boxes", lambda *given, own=model._boxes: found.append(1) or own(*given))

    def make(_):
        return model(film, speech=speech, loop="pingpong", batch=5)

    def stop(event):
        events.append(event)
        if event.stage == "talk.mp4" and event.done == stop_at:
            raise KeyboardInterrupt

    whole = make(0).save(tmp_path / "whole.mp4")
    alone = model.network.painted
    assert (len(found), alone) == (1, 25)
    with pytest.raises(KeyboardInterrupt):
        jobs.render(make, tmp_path / "talk.mp4", {}, seed=0, on_progress=stop)
    assert not (tmp_path / "talk.mp4").exists()
    jobs.render(make, tmp_path / "talk.mp4", {}, seed=0)
    assert (tmp_path / "talk.mp4").read_bytes() == whole.read_bytes()
    assert len(found) == 2, "the second run was told where the face is"
    assert model.network.painted <= 2 * alone + 5, "at most a batch is painted twice"


# -- Memory and files --------------------------------------------------------------------------------------------------


def test_what_memory_does_not_suffice_for_is_done_in_parts():
    tried = []

    def paint(first, last):
        tried.append((first, last))
        if last - first > 3:
            raise torch.OutOfMemoryError("CUDA out of memory")
        return list(range(first, last))

    assert list(itertools.chain(*in_parts(paint, 10))) == list(range(10))
    assert tried == [(0, 10), (0, 5), (0, 3), (3, 6), (6, 9), (9, 10)]


def test_other_errors_and_a_single_face_that_is_too_much_are_not_hidden():
    def fails(first, last):
        raise RuntimeError("sizes of tensors must match")

    def never(first, last):
        raise RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to allocate 9 bytes")

    with pytest.raises(RuntimeError, match="sizes"):
        in_parts(fails, 4)
    with pytest.raises(RuntimeError, match="allocate"):
        in_parts(never, 4)


def test_the_batch_does_not_matter(model, speech):
    still = Image.fromarray(pan(1, 64, 48)[0])
    one, many = (list(model(still, speech=speech, box=BOX, batch=batch)) for batch in (1, 64))
    assert max(np.abs(a - b).max() for a, b in zip(one, many, strict=True)) <= 1.01 / 255


def test_other_files_say_what_they_are(tmp_path):
    for shapes, words in (
        (official.NETWORKS["syncnet:build"], "SyncNet"),
        (checkpoints.of("face").NETWORKS["s3fd:build"], "S3FD"),
    ):
        path = official.save("network", tmp_path / "other.pth", deterministic.state_dict(shapes))
        with pytest.raises(BadWeights, match=words):
            ml4a.load("wav2lip", path)


def test_a_file_of_ones_own_in_a_newer_container(tmp_path, speech, model):
    state = containers.tensors(talkative.state())
    path = containers.save_torch(tmp_path / "mine.pth", {"state_dict": state, "global_step": 3})
    still = Image.fromarray(pan(1, 64, 48)[0])
    mine = next(iter(ml4a.load("wav2lip", path)(still, speech=speech, box=BOX)))
    assert np.array_equal(mine, next(iter(model(still, speech=speech, box=BOX))))


def test_the_torchscript_file_is_refused_in_one_line(tmp_path):
    members = {"net/data.pkl": b"", "net/code/a.py": b"", "net/constants.pkl": b""}
    path = archives.zipped(tmp_path / "Wav2Lip-SD-GAN.pt", members)
    with pytest.raises(BadWeights, match=r"Wav2Lip-SD-GAN.pt.*TorchScript.*wav2lip_gan\.pth") as caught:
        ml4a.load("wav2lip", path)
    assert "\n" not in str(caught.value)


MEASURE = f"""
import sys

from ml4a.models.wav2lip import Wav2Lip

model = Wav2Lip.from_pretrained()
model(sys.argv[1], speech=sys.argv[2], box=(40, 300, 200, 440)).save(sys.argv[3])
print({peak_memory.EXPRESSION})
"""


@pytest.mark.slow
def test_memory_does_not_grow_with_the_length(home, tmp_path, monkeypatch):
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    checkpoints.install("wav2lip", "gan", checkpoints.write("wav2lip", "gan", tmp_path, small=True))
    path = write_film(tmp_path / "film.mp4", pan(25, 640, 360), rate=10)
    music = audio.sample(32, rate=16_000).mono()
    peaks = []
    for seconds in (10, 60):
        said = music.trimmed(0, seconds).save(tmp_path / f"{seconds}.wav")
        done = subprocess.run(
            [sys.executable, "-c", MEASURE, path, said, tmp_path / f"{seconds}.mp4"],
            check=True,
            capture_output=True,
            text=True,
        )
        assert video.open(tmp_path / f"{seconds}.mp4").duration == pytest.approx(seconds, abs=0.1)
        peaks.append(int(done.stdout.splitlines()[-1]))
    assert peaks[1] <= 1.2 * peaks[0]
