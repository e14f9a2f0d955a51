from __future__ import annotations

import mmap
import pickle

import containers
import numpy as np
import pytest

from ml4a._core.errors import BadWeights, UnsafeWeights

RANDOM = np.random.default_rng(0)
GENERATOR = {
    "synthesis.b4.const": RANDOM.random((8, 4, 4), np.float32),
    "synthesis.b4.resample_filter": np.ones((4, 4), np.float32),
    "synthesis.b4.conv1.weight": RANDOM.random((8, 8, 3, 3), np.float32),
    "synthesis.b4.conv1.noise_strength": np.float32(0.25),
    "synthesis.b4.conv1.noise_const": RANDOM.random((4, 4), np.float32),
    "synthesis.b4.conv1.affine.bias": np.ones(8, np.float32),
    "mapping.fc0.weight": RANDOM.random((512, 8), np.float32),
    "mapping.w_avg": RANDOM.random(8, np.float32),
}
DISCRIMINATOR = {"b4.fc.weight": RANDOM.random((8, 128), np.float32)}


@pytest.fixture(params=[2, 3, 4, 5], ids="protocol {}".format)
def ada(request, tmp_path):
    """A pickle of StyleGAN2-ADA."""
    return containers.save_stylegan(
        tmp_path / "network.pkl",
        protocol=request.param,
        G=containers.persistent({name: array + 1 for name, array in GENERATOR.items()}, z_dim=8),
        D=containers.persistent(DISCRIMINATOR, "Discriminator", c_dim=0),
        G_ema=containers.persistent(GENERATOR, z_dim=8, synthesis_kwargs={"channel_base": 2048, "conv_clamp": None}),
        training_set_kwargs={"class_name": "training.dataset.ImageFolderDataset", "resolution": 4},
        augment_pipe=None,
    )


def test_the_networks_come_out_as_their_state_dicts(ada, read):
    archive = read(ada)
    assert archive.format == "stylegan"
    arrays = archive.arrays()
    assert set(arrays) == {f"{name}.{key}" for name in ("G", "G_ema") for key in GENERATOR} | {"D.b4.fc.weight"}
    for key, array in GENERATOR.items():
        np.testing.assert_array_equal(arrays[f"G_ema.{key}"], array, strict=True)
        np.testing.assert_array_equal(arrays[f"G.{key}"], array + 1)


def test_what_they_were_built_with_is_metadata_and_their_source_is_not(ada, read):
    metadata = read(ada).metadata
    assert metadata["G_ema"] == {
        "class": "Generator",
        "init": {"z_dim": 8, "synthesis_kwargs": {"channel_base": 2048, "conv_clamp": None}},
        "attributes": {"training": False, "num_ws": 14, "img_channels": 3},
    }
    assert metadata["D"]["class"] == "Discriminator"
    assert metadata["training_set_kwargs"]["resolution"] == 4
    assert metadata["augment_pipe"] is None
    assert "import os" not in repr(metadata)
    assert b"import os" in ada.read_bytes()


def test_a_buffer_that_state_dict_leaves_out_is_left_out(tmp_path, read):
    network = containers.persistent(GENERATOR)
    network.attributes["_non_persistent_buffers_set"] = {"scratch"}
    network.buffers |= {"scratch": containers.tensors({"a": np.ones(3)})["a"], "nothing": None}
    tensors = read(containers.save_stylegan(tmp_path / "w", G_ema=network)).tensors
    assert set(tensors) == {f"G_ema.{key}" for key in GENERATOR}


def test_large_tensors_are_slices_of_the_file(tmp_path, read):
    path = containers.save_stylegan(tmp_path / "w", G_ema=containers.persistent(GENERATOR))
    tensor = read(path).tensors["G_ema.mapping.fc0.weight"]
    assert isinstance(tensor.data, memoryview)
    assert isinstance(tensor.data.obj, mmap.mmap)


def test_kernels_in_another_memory_format_are_turned_round(tmp_path, read):
    tensor = containers.tensors({"a": RANDOM.random((2, 3, 4, 4), np.float32)})["a"].permute(0, 2, 3, 1).half()
    network = containers.Persistent("Generator", parameters={"weight": tensor})
    array = read(containers.save_stylegan(tmp_path / "w", G_ema=network)).arrays()["G_ema.weight"]
    np.testing.assert_array_equal(array, tensor.numpy(), strict=True)


VARIABLES = {
    "lod": np.float32(0),
    "dlatent_avg": RANDOM.random(8, np.float32),
    "mapping/Dense0/weight": RANDOM.random((8, 8), np.float32),
    "synthesis/noise0": RANDOM.random((1, 1, 4, 4), np.float32),
    "synthesis/4x4/Conv/weight": np.asfortranarray(RANDOM.random((3, 3, 8, 8), np.float32)),
    "synthesis/4x4/Conv/noise_strength": np.float32(0.1),
}
KWARGS = {"resolution": 4, "label_size": 7, "fmap_base": 2048, "resample_kernel": [1, 3, 3, 1]}


def tensorflow(path, protocol=3, **changed):
    generator = containers.tensorflow_network("G", "training.networks.G_main", VARIABLES | changed, **KWARGS)
    judge = containers.tensorflow_network("D", "training.networks.D", {"4x4/Conv/weight": np.ones((3, 3, 8, 8))})
    averaged = containers.tensorflow_network("Gs", "training.networks.G_main", VARIABLES | changed, **KWARGS)
    return containers.save_stylegan_tf(path, generator, judge, averaged, protocol=protocol)


@pytest.mark.parametrize("protocol", [2, 3, 4, 5])
def test_networks_of_tensorflow_come_out_as_their_variables(tmp_path, read, protocol):
    archive = read(tensorflow(tmp_path / "network-final.pth", protocol))
    arrays = archive.arrays()
    assert set(arrays) == {f"{net}.{name}" for net in ("G", "Gs") for name in VARIABLES} | {"D.4x4/Conv/weight"}
    for name, array in VARIABLES.items():
        np.testing.assert_array_equal(arrays[f"Gs.{name}"], array, strict=True)
    about = archive.metadata["Gs"]
    assert (about["class"], about["version"], about["init"]) == ("training.networks.G_main", 4, KWARGS)
    assert about["components"]["synthesis"]["class"] == "training.networks.G_main_synthesis"
    assert "import os" not in repr(archive.metadata)


def test_a_scalar_variable_stays_a_float32(tmp_path, read):
    strength = read(tensorflow(tmp_path / "w")).tensors["Gs.synthesis/4x4/Conv/noise_strength"]
    assert (strength.dtype, strength.shape, strength.numpy()) == ("float32", (), np.float32(0.1))


# -- What is refused ---------------------------------------------------------------------------------------------------


class Command:
    def __reduce__(self):
        return print, ("executed",)


@pytest.mark.parametrize("protocol", [2, 3, 4, 5])
def test_code_beside_the_networks_is_refused(tmp_path, read, capsys, protocol):
    network = containers.persistent(GENERATOR)
    network.attributes["hook"] = Command()
    path = containers.save_stylegan(tmp_path / "w", protocol=protocol, G_ema=network)
    with pytest.raises(
        UnsafeWeights, match=r"w: it asks for (builtins|__builtin__)\.print, which is not among the few"
    ):
        read(path)
    assert capsys.readouterr().out == ""


class Inner:
    """A storage whose bytes are any pickle."""

    def __init__(self, data):
        self.data = data

    def __reduce__(self):
        import torch.storage

        return torch.storage._load_from_bytes, (self.data,)


def stream(pickled: bytes, keys: bytes = b"]", after: bytes = b"") -> bytes:
    magic = bytes.fromhex("80028a0a6cfc9c46f9206aa850192e")
    return magic + pickle.dumps(1001, 2) + pickle.dumps({}, 2) + pickled + b"\x80\x02" + keys + b"." + after


@pytest.mark.parametrize(
    ("inner", "error", "message"),
    [
        (stream(b"cos\nsystem\nX\x05\0\0\0touch\x85R."), UnsafeWeights, r"asks for os\.system"),
        (stream(b"ctorch.storage\n_load_from_bytes\n."), UnsafeWeights, r"asks for torch\.storage\._load_from_bytes"),
        (stream(b"N."), BadWeights, "makes a storage from something else than a storage"),
        (stream(b"(X\x07\0\0\0storagectorch\nFloatStorage\nX\x01\0\0\0aNK\x02tQ."), BadWeights, "than a storage"),
        (
            stream(
                b"(X\x07\0\0\0storagectorch\nFloatStorage\nX\x01\0\0\0aNK\x02tQ.", b"](X\x01\0\0\0ae", b"\2" + bytes(7)
            ),
            BadWeights,
            "cut short within its tensors",
        ),
        (b"\xfejunk", BadWeights, "there is no opcode 0xfe"),
        (5, BadWeights, "something else than bytes"),
    ],
)
def test_a_storage_in_a_byte_string_is_held_to_the_same_rules(tmp_path, read, inner, error, message):
    path = containers.save_stylegan(tmp_path / "w", G_ema=Inner(inner))
    with pytest.raises(error, match=message):
        read(path)


def test_handing_over_the_same_bytes_again_and_again_is_refused(tmp_path, read):
    data = stream(b"N." + bytes(1 << 16))
    call = b"ctorch.storage\n_load_from_bytes\n"
    bomb = b"\x80\x03B" + len(data).to_bytes(4, "little") + data + b"q\x00" + (call + b"h\x00\x85R0") * 5000 + b"."
    (tmp_path / "w").write_bytes(bomb)
    with pytest.raises(BadWeights):
        read(tmp_path / "w")


def pickled(value) -> bytes:
    return pickle.dumps(value, 3)


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (pickled([1, 2]), "a pickle of a list, not of networks"),
        (pickled((1, 2, 3)), "a pickle of a tuple, not of networks"),
        (pickled({"G": 1}), "holds no networks"),
        (pickled({"G": 1}) + b"more", "4 bytes follow its pickle"),
        (b"\x80\x03ctorch_utils.persistence\n_reconstruct_persistent_obj\n}\x85R.", "an object in an unknown way"),
        (b"\x80\x03ctorch_utils.persistence\n_reconstruct_persistent_obj\nN\x85R.", "an object in an unknown way"),
    ],
)
def test_a_pickle_of_something_else_is_named(tmp_path, read, data, message):
    (tmp_path / "w").write_bytes(data)
    with pytest.raises(BadWeights, match=message):
        read(tmp_path / "w")


def test_networks_of_tensorflow_without_variables_are_refused(tmp_path, read):
    network = containers.tensorflow_network("G", "G_main", {})
    for state, message in (({"variables": None}, "without variables"), ({"variables": [1]}, "not pairs"),
                           ({"components": {"mapping": 1}}, "a part that is none")):  # fmt: skip
        broken = type(network)(network.__getstate__() | state)
        path = containers.save_stylegan_tf(tmp_path / "w", broken, broken, broken)
        with pytest.raises(BadWeights, match=message):
            read(path)


@pytest.mark.parametrize("value", [2**70, -(2**70), 1e300])
def test_a_variable_of_no_size_that_tensorflow_has_is_refused(tmp_path, read, value):
    with pytest.raises(BadWeights, match="larger than any number of TensorFlow's"):
        read(tensorflow(tmp_path / "w", lod=value))


def test_networks_that_are_in_one_another_many_times_are_bounded(tmp_path, read):
    network = containers.tensorflow_network("inner", "f", {"a": np.ones(1, np.float32)})
    for _ in range(9):
        outer = containers.tensorflow_network("outer", "f", {"a": np.ones(1, np.float32)})
        outer.__getstate__()["components"].update(dict.fromkeys("abcdefgh", network))
        network = outer
    with pytest.raises(BadWeights, match="more than 20000 variables"):
        read(containers.save_stylegan_tf(tmp_path / "w", network, network, network))
