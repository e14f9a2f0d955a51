"""Wav2Lip's generator and its expert against the originals."""

from __future__ import annotations

import checkpoints
import deterministic
import numpy as np
import pytest
import torch
from checkpoints import wav2lip as official
from figures import Figures, layers

from ml4a._core.errors import BadWeights
from ml4a.media.video._timing import exact_rate
from ml4a.models._lipsync import chunk_starts, pasted, smoothed_ahead
from ml4a.networks import from_state_dict
from ml4a.networks.wav2lip import Wav2Lip

pytestmark = pytest.mark.xdist_group("wav2lip")
TOLERANCE = 1e-4
KEYS = {
    "Wav2Lip": "a751fb45ec9338bc88739076a65355a18e91824ea3e14ba4d97c8debc18e2e1a",
    "SyncNet": "e460c2723a8e9919c80b1c8ac9443446252ae459a811271cb18467cf756b8be1",
}
"""The digests of the keys and shapes of the original's networks."""
SHAPES = {"Wav2Lip": official.shapes(), "SyncNet": official.expert_shapes()}
SMALL = official.NETWORKS["wav2lip:build"]
SMALL_EXPERT = official.NETWORKS["syncnet:build"]


@pytest.fixture(scope="module")
def figures() -> Figures:
    return Figures("wav2lip")


@pytest.fixture(scope="module")
def network() -> Wav2Lip:
    return from_state_dict("wav2lip", deterministic.state_dict(SHAPES["Wav2Lip"]))


def heard(count: int = 2) -> torch.Tensor:
    return torch.from_numpy(deterministic.uniform("wav2lip_audio", (count, 1, 80, 16), -4, 4))


@pytest.fixture(scope="module")
def features(network) -> dict[str, torch.Tensor]:
    """What every block gives, and the faces."""
    faces = torch.from_numpy(deterministic.uniform("wav2lip_face", (2, 6, 96, 96)))
    return layers(_WithAudio(network, heard()), faces)


class _WithAudio(torch.nn.Module):
    """A network of two inputs as one of the second."""

    def __init__(self, network: torch.nn.Module, audio: torch.Tensor) -> None:
        super().__init__()
        self.whole = network
        self.audio = audio

    def forward(self, faces: torch.Tensor) -> torch.Tensor:
        return self.whole(self.audio, faces)


@pytest.mark.parametrize("name", KEYS)
def test_the_keys_are_the_official_ones(name):
    assert checkpoints.digest(SHAPES[name]) == KEYS[name]


def test_the_faces_are_the_original_ones(features, figures):
    assert figures.error("output", features["whole"]) < TOLERANCE
    assert figures.error("output_pre_sigmoid", features["whole.output_block.1"]) < TOLERANCE


@pytest.mark.parametrize("level", range(7))
def test_every_level_of_the_face_is_the_original_one(features, figures, level):
    assert figures.error(f"face_feat_{level}", features[f"whole.face_encoder_blocks.{level}"]) < TOLERANCE


def test_the_speech_is_heard_as_by_the_original(features, figures):
    assert figures.error("audio_embedding", features["whole.audio_encoder"]) < TOLERANCE


def test_the_expert_is_the_original_one(figures):
    expert = from_state_dict("wav2lip", deterministic.state_dict(SHAPES["SyncNet"]))
    faces = torch.from_numpy(deterministic.uniform("syncnet_face", (2, 15, 48, 96)))
    with torch.inference_mode():
        sound, mouths = expert(heard(), faces)
    assert figures.error("syncnet_audio_embedding", sound) < TOLERANCE
    assert figures.error("syncnet_face_embedding", mouths) < TOLERANCE
    torch.testing.assert_close(mouths.norm(dim=1), torch.ones(2))


@pytest.mark.parametrize(
    "key",
    [
        "face_encoder_blocks.1.0.conv_block.0.weight",
        "audio_encoder.0.conv_block.1.running_var",
        "face_decoder_blocks.2.1.conv_block.0.bias",
        "output_block.1.weight",
    ],
)
def test_a_missing_key_is_named(key):
    state = deterministic.state_dict(SMALL)
    del state[key]
    with pytest.raises(BadWeights, match=key):
        from_state_dict("wav2lip", state)


def test_an_unknown_key_is_named():
    state = deterministic.state_dict({**SMALL, "output_block.0.conv_block.7.weight": (3,)})
    with pytest.raises(BadWeights, match=r"output_block\.0\.conv_block\.7\.weight.* unknown"):
        from_state_dict("wav2lip", state)


def test_a_decoder_of_fewer_levels_is_refused():
    state = deterministic.state_dict(SMALL)
    fewer = {key: value for key, value in state.items() if "face_decoder_blocks.4" not in key}
    with pytest.raises(BadWeights, match="5 levels"):
        from_state_dict("wav2lip", fewer)


def test_an_encoder_of_other_stages_is_refused():
    state = deterministic.state_dict(SMALL_EXPERT)
    fewer = {
        key: value for key, value in state.items() if "audio_encoder.7" not in key and "audio_encoder.8" not in key
    }
    with pytest.raises(BadWeights, match="audio_encoder"):
        from_state_dict("wav2lip", fewer)


def small_pair(count: int = 3) -> tuple[torch.Tensor, torch.Tensor]:
    faces = torch.from_numpy(deterministic.uniform("faces", (count, 6, 24, 24)))
    return heard(count), faces


def test_files_from_before_counters_are_read():
    state = deterministic.state_dict({key: shape for key, shape in SMALL.items() if "num_batches" not in key})
    with torch.inference_mode():
        result = from_state_dict("wav2lip", state)(*small_pair())
        due = from_state_dict("wav2lip", deterministic.state_dict(SMALL))(*small_pair())
    assert torch.equal(result, due)


def test_faces_of_a_batch_do_not_influence_each_other():
    network = from_state_dict("wav2lip", deterministic.state_dict(SMALL))
    audio, faces = small_pair()
    with torch.inference_mode():
        together = network(audio, faces)
        alone = torch.cat([network(audio[i : i + 1], faces[i : i + 1]) for i in range(3)])
    assert network.size == 24
    assert together.shape == (3, 3, 24, 24)
    np.testing.assert_allclose(together, alone, atol=1e-5)


def test_the_mouth_follows_the_speech():
    network = from_state_dict("wav2lip", deterministic.state_dict(SMALL))
    audio, faces = small_pair()
    with torch.inference_mode():
        one, two = (network(each, faces[:1]) for each in (audio[:1], audio[1:2]))
    assert (one - two).abs().max() > 1e-3


def test_frames_in_a_row_are_faces_of_a_batch():
    network = from_state_dict("wav2lip", deterministic.state_dict(SMALL))
    audio = torch.from_numpy(deterministic.uniform("row", (2, 5, 1, 80, 16), -4, 4))
    faces = torch.from_numpy(deterministic.uniform("row_faces", (2, 6, 5, 24, 24)))
    with torch.inference_mode():
        row = network(audio, faces)
        due = network(audio[1, 3:4], faces[1:2, :, 3])
    assert row.shape == (2, 3, 5, 24, 24)
    np.testing.assert_allclose(row[1, :, 3], due[0], atol=1e-5)


@pytest.mark.parametrize("rate", ["25", "29.97", "12"])
def test_the_moments_of_the_frames_are_the_original_ones(figures, rate):
    due = figures[f"chunk_starts_fps{rate}"]
    assert np.array_equal(chunk_starts(81, float(rate)), due)
    assert np.array_equal(chunk_starts(81, exact_rate(float(rate))), due)


def test_boxes_are_smoothed_as_by_the_original(figures):
    due = figures["boxes_smoothed_T5"]
    assert np.array_equal(smoothed_ahead(figures["boxes_in"]), due)
    assert not np.array_equal(figures["boxes_in"], due)


def test_faces_are_pasted_as_by_the_original(figures):
    painted = deterministic.uniform("paste", (96, 96, 3))
    frame = np.full((90, 80, 3), 7, np.uint8)
    pasted(frame, painted, (11, 5, 68, 76))
    there = frame[5:76, 11:68]
    assert figures.error("resize_96_to_57x71_u8", torch.from_numpy(there.copy())) == 0
    frame[5:76, 11:68] = 7
    assert (frame == 7).all()
