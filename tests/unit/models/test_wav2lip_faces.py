"""Wav2Lip, with small weights: where the face is that speaks, how the mouth grows out of it, and if it is in step."""

from __future__ import annotations

import certain_s3fd
import checkpoints
import cv2
import numpy as np
import pytest
import talkative
from checkpoints import wav2lip as official
from film_files import pan
from PIL import Image
from talkative import in_bytes

import ml4a
from ml4a import audio, image, video, weights
from ml4a._core.errors import BadMedia, BadWeights
from ml4a._core.progress import listening
from ml4a.media.audio import Sound
from ml4a.media.face import Face
from ml4a.models import _footage, _lipsync, _sync, registry
from ml4a.models._lipsync import blended, bridged, chosen, overlap, smoothed, spread
from ml4a.models._operation import recording
from ml4a.networks import from_state_dict

pytestmark = pytest.mark.xdist_group("wav2lip")
BOX = (9, 41, 12, 50)
"""Top, bottom, left, right."""


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    return talkative.model(tmp_path_factory.mktemp("wav2lip"))


@pytest.fixture(scope="module")
def speech():
    return talkative.speech()


@pytest.fixture(scope="module")
def astronaut():
    return image.sample("astronaut")


# -- Where the face is -------------------------------------------------------------------------------------------------


def walk(astronaut, count: int = 12, missing: tuple[int, ...] = ()) -> np.ndarray:
    """N×120×160×3 uint8: a face that goes to the right, five pixels a frame; in some frames there is none."""
    face = cv2.resize(np.asarray(astronaut)[20:190, 140:310], (90, 90), interpolation=cv2.INTER_AREA)
    frames = np.full((count, 120, 160, 3), 128, np.uint8)
    for number in set(range(count)) - set(missing):
        frames[number, 20:110, 5 * number : 5 * number + 90] = face
    return frames


def changed(frame: np.ndarray, original: np.ndarray) -> tuple[int, int, int, int]:
    """The box (left, top, right, bottom) of what is not as it was."""
    rows, columns = np.nonzero(np.abs(in_bytes(frame).astype(int) - original).max(axis=2) > 0)
    return columns.min(), rows.min(), columns.max() + 1, rows.max() + 1


@pytest.mark.parametrize("every", [1, pytest.param(4, marks=pytest.mark.slow)])
def test_the_mouth_follows_the_face(model, speech, astronaut, every):
    pictures = walk(astronaut, 8)
    film = video.from_frames(pictures, rate=8)
    (found,) = ml4a.load("face")(pictures[0])
    talking = list(model(film, speech=speech, blend="hard", pads=(0, 10, 0, 0), every=every))
    assert len(talking) == 8
    for number, frame in enumerate(talking):
        left, top, right, bottom = changed(frame, pictures[number])
        assert abs(left - found.box[0] - 5 * number) <= 5
        assert abs(right - found.box[2] - 5 * number) <= 5
        assert abs(top - found.box[1]) <= 3
        assert abs(bottom - found.box[3] - 10) <= 3


@pytest.mark.slow
def test_frames_without_a_face_are_bridged_or_left(model, speech, astronaut):
    pictures = walk(astronaut, missing=(4, 5, 9, 10, 11))
    film = video.from_frames(pictures, rate=12)
    frames = list(model(film, speech=speech, blend="hard"))
    before, within = changed(frames[3], pictures[3]), changed(frames[4], pictures[4])
    assert 1 <= within[0] - before[0] <= 9
    assert not np.array_equal(in_bytes(frames[10]), pictures[10])
    frames = list(model(film, speech=speech, blend="hard", bridge=0.2))
    assert not np.array_equal(in_bytes(frames[4]), pictures[4])
    assert all(np.array_equal(in_bytes(frames[number]), pictures[number]) for number in (9, 10, 11))


def test_no_face_anywhere_is_said(model, speech):
    film = video.from_frames(np.full((3, 60, 80, 3), 90, np.uint8), rate=5)
    with pytest.raises(BadMedia, match=r"no face found in 3 frames; give its box"):
        next(iter(model(film, speech=speech)))


@pytest.mark.parametrize("options", [{}, {"box": BOX}])
def test_a_film_without_frames_is_refused(model, speech, options):
    with recording(False), pytest.raises(BadMedia, match="no frame that can be decoded"):
        next(iter(model(video.from_frames(lambda: iter([]), rate=5), speech=speech, **options)))


def test_a_film_of_which_no_frame_is_left_is_refused(model, speech):
    nothing = video.from_frames(pan(3, 64, 48), rate=5).trim(0, 0.01)
    with pytest.raises(BadMedia, match="no frame that can be decoded"):
        next(iter(model(nothing, speech=speech, box=BOX)))


def test_faces_are_looked_for_on_the_models_own_device(model, speech, monkeypatch):
    devices, load = [], registry.load

    def watched(name, *arguments, **options):
        devices.append((name, options["device"]))
        return load(name, *arguments, **options)

    monkeypatch.setattr(registry, "load", watched)
    with pytest.raises(BadMedia, match="no face found"):
        next(iter(model(Image.new("RGB", (64, 48)), speech=speech)))
    assert devices == [("face", str(model.device))]


def test_progress_is_reported_while_faces_are_looked_for(model, speech, astronaut):
    seen = []
    with listening(seen.append):
        next(iter(model(video.from_frames(walk(astronaut, 3), rate=12), speech=speech)))
    assert [each.done for each in seen if each.stage == "faces"] == [0, 1, 2, 3]


def test_faces_are_looked_for_once(model, speech, astronaut):
    seen = []
    talking = model(video.from_frames(walk(astronaut, 3), rate=12), speech=speech)
    assert not seen
    with listening(seen.append):
        assert len(list(talking)) == len(list(talking)) == 12
    assert [each.done for each in seen if each.stage == "faces"] == [0, 1, 2, 3]


def test_the_originals_detector_is_fetched_when_it_is_asked_for(home, tmp_path, speech):
    checkpoints.install("wav2lip", "gan", checkpoints.write("wav2lip", "gan", tmp_path, small=True))
    checkpoints.install("face", "s3fd", {"s3fd": certain_s3fd.save(tmp_path / "s3fd.pth")})
    model = ml4a.load("wav2lip")
    picture = pan(1, 96, 80)[0]
    talking = model(Image.fromarray(picture), speech=speech, detector="s3fd", blend="hard", pads=(0, 0, 0, 0), rate=3)
    # The map of fc7 begins at 16: its places' faces reach from -48 to 80 and on in steps of 32.
    assert changed(next(iter(talking)), picture) == (0, 0, 80, 80)


def test_of_several_faces_the_one_before_is_chosen():
    small, large = Face((0, 0, 20, 20)), Face((50, 0, 90, 40))
    assert chosen([], None) is None
    assert chosen([large, small], None)[0] == 50
    assert chosen([large, small], np.array([2, 1, 21, 20.0]))[0] == 0
    assert chosen([large, small], np.array([500, 1, 521, 20.0]))[0] == 50


def test_boxes_between_frames_that_are_looked_at():
    rows = np.array([[0.0] * 4, [4.0] * 4, [np.nan] * 4, [10.0] * 4, [12.0] * 4])
    found = spread(rows, [0, 4, 8, 12, 14])[:, 0]
    np.testing.assert_allclose(found[:5], [0, 1, 2, 3, 4])
    assert np.isnan(found[5:12]).all()
    np.testing.assert_allclose(found[12:], [10, 11, 12])


def test_at_the_ends_it_is_the_mean_of_all():
    rows = np.array([[np.nan] * 4, [2.0] * 4, [np.nan] * 4, [6.0] * 4, [np.nan] * 4, [np.nan] * 4])
    np.testing.assert_allclose(bridged(rows)[:, 0], [4, 2, 4, 6, 4, 4])
    np.testing.assert_allclose(bridged(rows, 1)[:, 0], [4, 2, 4, 6, np.nan, np.nan])


def test_smoothing_takes_the_trembling_and_does_not_lag():
    chance = np.random.default_rng(0)
    path = np.arange(60.0)[:, None] * 2 + np.array([0, 0, 50, 50])
    trembling = path + chance.normal(0, 1.5, path.shape)
    left = smoothed(trembling) - path
    assert left.std() < 0.6 * (trembling - path).std()
    assert abs(left.mean()) < 0.4
    np.testing.assert_allclose(smoothed(path), path)


def test_boxes_are_not_smoothed_across_a_cut():
    rows = np.array([[0, 0, 10, 10]] * 6 + [[200, 0, 210, 10]] * 6, np.float64)
    assert np.array_equal(smoothed(rows), rows)
    assert overlap(rows[5:6], rows[6])[0] == 0


# -- The seam ----------------------------------------------------------------------------------------------------------


def test_a_soft_mouth_has_the_colours_around_it_and_no_edge(astronaut):
    frame = np.asarray(astronaut)[:240, 100:340].copy()
    box = (70, 60, 190, 180)
    there = frame[60:180, 70:190].astype(np.float32) / 255
    painted = cv2.resize(there, (96, 96), interpolation=cv2.INTER_AREA) * 0.9 + np.float32([0.02, 0.06, 0.1])
    soft, hard = frame.copy(), frame.copy()
    blended(soft, painted, box)
    _lipsync.pasted(hard, painted, box)
    outside = np.ones(frame.shape[:2], bool)
    outside[60:180, 70:190] = False
    assert np.array_equal(soft[outside], frame[outside])
    assert np.array_equal(soft[:106], frame[:106]), "above the mouth nothing is painted"
    rim = [abs(result.astype(int) - frame)[175:180, 70:190].mean() for result in (soft, hard)]
    assert rim[0] < 0.25 * rim[1]
    middle = [abs(result.astype(int) - frame)[140:165, 100:160].mean() for result in (soft, hard)]
    assert middle[0] < 0.75 * middle[1]


def test_what_the_mouth_says_comes_through_a_soft_seam():
    frame = np.full((100, 100, 3), 100, np.uint8)
    painted = np.full((96, 96, 3), 100 / 255, np.float32)
    painted[60:80, 30:66] = 0.9
    blended(frame, painted, (0, 0, 100, 100))
    assert frame[72, 50].min() > 200


# -- Whether lips and sound are in step --------------------------------------------------------------------------------


def attentive_expert(folder):
    """A SyncNet's file that tells how bright the middle frame of five is, and how loud it is in the middle."""
    shapes = official.expert_shapes(5, (2, 3, 2, 3, 2, 2), (0,) * 5, (2, 3, 2, 3, 2), (0,) * 4)
    state = {key: np.zeros(shape, np.float32) for key, shape in shapes.items()}
    for key, tensor in state.items():
        if key.endswith(("running_var", "conv_block.1.weight")):
            tensor[:] = 1
        elif key.endswith("conv_block.0.weight"):
            middle = tensor.shape[-1] // 2
            tensor[0, 0, middle, middle] = tensor[1, min(1, tensor.shape[1] - 1), middle, middle] = 1
    for name, channel, factor, bias in (("face_encoder", 7, 1, 0), ("audio_encoder", 0, 1 / 8, 0.5)):
        first = state[f"{name}.0.conv_block.0.weight"]
        middle = first.shape[-1] // 2
        first[:] = 0
        first[:2, channel, middle, middle] = (factor, -factor)
        state[f"{name}.0.conv_block.0.bias"][:] = (bias, 1 - bias)
    for layer in ("audio_encoder.0", "audio_encoder.1"):  # from the seventh step to the ninth, amid the middle frame
        state[f"{layer}.conv_block.0.weight"][:] = np.roll(state[f"{layer}.conv_block.0.weight"], 1, axis=3)
    return official.save("network", folder / "lipsync_expert.pth", state)


def pulsing(count: int, late: int) -> video.Clip:
    """A grey film that is the brighter the louder it is; the sound comes so many frames late."""
    chance = np.random.default_rng(5)
    levels = np.repeat(chance.uniform(0, 1, 100), 3)
    loud = np.repeat(10 ** (4 * levels[50 - late : 50 - late + count] - 4), 640)
    sound = Sound((0.5 * loud * chance.uniform(-1, 1, len(loud))).astype(np.float32), 16_000)
    greys = (255 * levels[50 : 50 + count]).astype(np.uint8)
    frames = np.ascontiguousarray(np.broadcast_to(greys[:, None, None, None], (count, 96, 96, 3)))
    return video.from_frames(frames, rate=25, sound=sound)


@pytest.mark.parametrize("late", [0, 4, -3])
def test_how_late_the_sound_is_is_found_out(model, tmp_path, late):
    expert = attentive_expert(tmp_path)
    found = model.sync(pulsing(60, late), expert=expert, box=(0, 96, 0, 96), batch=7)
    assert found.offset == late / 25
    assert found.score == found.scores.max() > 0.85
    assert found.confidence > 0.05
    assert len(found.scores) == 31


@pytest.mark.slow
def test_a_film_in_step_is_still_so_as_a_file(model, tmp_path):
    path = pulsing(60, 0).at_rate(50).save(tmp_path / "film.mp4")
    found = model.sync(path, expert=attentive_expert(tmp_path), box=(0, 96, 0, 96))
    assert abs(found.offset) <= 1 / 25


def test_what_cannot_be_compared_is_said(model, tmp_path, speech):
    expert = attentive_expert(tmp_path)
    silent = video.from_frames(np.full((9, 96, 96, 3), 80, np.uint8), rate=25)
    with pytest.raises(BadMedia, match="no sound"):
        model.sync(silent, expert=expert, box=(0, 96, 0, 96))
    with pytest.raises(BadMedia, match="no face found"):
        model.sync(silent.with_sound(speech), expert=expert)
    with pytest.raises(BadMedia, match="5 frames in a row"):
        model.sync(silent.trim(0, 0.12).with_sound(speech), expert=expert, box=(0, 96, 0, 96))
    boxes = np.full((60, 4), np.nan)
    boxes[50:] = (0, 0, 96, 96)
    with pytest.raises(BadMedia, match="a moment of sound"):  # which is over when the face comes
        network = from_state_dict("wav2lip", weights.read(expert).arrays())
        heard = audio.mel(speech.trimmed(0, 0.5), audio.WAV2LIP)
        _sync.measured(network, model.device, _footage.Footage(pulsing(60, 0)), boxes, heard, 16)
    with pytest.raises(BadWeights, match="Wav2Lip's weights, not SyncNet's"):
        other = official.save("network", tmp_path / "net.pth", talkative.state())
        model.sync(silent.with_sound(speech), expert=other, box=(0, 96, 0, 96))
