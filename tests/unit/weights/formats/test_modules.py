"""Whole modules in a file of torch.save: read as their tensors, without their classes."""

from __future__ import annotations

import argparse
import collections
import enum
import pickle
import sys

import containers
import numpy as np
import pytest
import torch
from torch import nn

from ml4a._core.errors import BadWeights, UnsafeWeights

pytestmark = pytest.mark.filterwarnings("ignore:`torch.nn.utils.weight_norm` is deprecated")


class WN(nn.Module):
    """As WaveGlow's, but small."""

    def __init__(self):
        super().__init__()
        self.n_layers = 2
        self.in_layers = nn.ModuleList([nn.utils.weight_norm(nn.Conv1d(4, 8, 3)) for _ in range(2)])
        self.end = nn.Conv1d(4, 8, 1)


class Invertible1x1Conv(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv = nn.Conv1d(4, 4, 1, bias=False)


class WaveGlow(nn.Module):
    def __init__(self):
        super().__init__()
        self.n_flows, self.sigma, self.activation = 2, 0.6, torch.nn.functional.leaky_relu
        self.upsample = nn.ConvTranspose1d(8, 8, 16)
        self.WN = nn.ModuleList([WN(), WN()])
        self.convinv = nn.ModuleList([Invertible1x1Conv(), Invertible1x1Conv()])
        self.register_buffer("scale", torch.ones(2))
        self.register_buffer("scratch", torch.zeros(2), persistent=False)
        self.register_parameter("none", None)


GLOW = {"glow": {"WaveGlow": WaveGlow, "WN": WN, "Invertible1x1Conv": Invertible1x1Conv}}


@pytest.mark.parametrize("stream", [True, False], ids=["stream", "zip"])
def test_a_program_s_own_module_comes_out_as_its_state_dict(tmp_path, read, stream):
    torch.manual_seed(0)
    network = WaveGlow()
    value = {"model": network, "iteration": 580000, "learning_rate": 1e-4}
    path = containers.save_module(tmp_path / "waveglow.pt", value, GLOW, stream=stream)
    assert "glow" not in sys.modules
    archive = read(path)
    expected = network.state_dict()
    assert "WN.0.in_layers.1.weight_g" in expected
    assert set(archive.tensors) == {f"model.{key}" for key in expected}
    for key, tensor in expected.items():
        np.testing.assert_array_equal(archive.arrays()[f"model.{key}"], tensor.numpy(), strict=True)
    assert archive.metadata["iteration"] == 580000
    about = archive.metadata["model"]
    assert about["class"] == "glow.WaveGlow"
    assert about["attributes"] == {
        "training": True,
        "n_flows": 2,
        "sigma": 0.6,
        "activation": "torch.nn.functional.leaky_relu",
    }


def test_the_source_that_a_stream_holds_is_not_kept(tmp_path, read):
    path = containers.save_stream(tmp_path / "w", {"model": nn.Linear(2, 2)})
    assert b"def forward(self" in path.read_bytes()
    assert "forward" not in repr(read(path).metadata)


@pytest.mark.parametrize("protocol", range(2, 6))
@pytest.mark.parametrize("save", [containers.save_torch, containers.save_stream])
def test_torchs_own_modules_are_read_in_every_protocol(tmp_path, read, save, protocol):
    network = nn.Sequential(nn.Conv2d(3, 4, 3, padding="same"), nn.BatchNorm2d(4), nn.PReLU(), nn.LSTM(4, 4))
    archive = read(save(tmp_path / "w", network, protocol=protocol))
    assert list(archive.tensors) == list(network.state_dict())
    assert archive.metadata["class"] == "torch.nn.modules.container.Sequential"


class ModelCheckpoint:
    pass


class AttributeDict(dict):
    pass


class DictConfig:
    def __init__(self):
        self._content, self._parent = {"self": self}, self


class Stage(enum.Enum):
    TRAIN = "train"


LIGHTNING = {
    "pytorch_lightning.callbacks.model_checkpoint": {"ModelCheckpoint": ModelCheckpoint},
    "pytorch_lightning.utilities.parsing": {"AttributeDict": AttributeDict},
    "pytorch_lightning.trainer.states": {"Stage": Stage},
    "omegaconf.dictconfig": {"DictConfig": DictConfig},
}


def test_what_lightning_keeps_beside_the_weights_is_data(tmp_path, read):
    value = {
        "epoch": 3,
        "state_dict": {"encoder.weight": torch.ones(2)},
        "callbacks": {ModelCheckpoint: {"best_model_score": torch.tensor(0.5)}},
        "hyper_parameters": AttributeDict(lr=0.1),
        "config": DictConfig(),
        "stage": Stage.TRAIN,
        "lr_schedulers": [{"milestones": collections.Counter({3: 1})}],
        "state": collections.defaultdict(dict, {0: {"step": 1}}),
        "namespace": argparse.Namespace(size=3),
        "loops": {"done": {1, 2}},
    }
    archive = read(containers.save_module(tmp_path / "last.ckpt", value, LIGHTNING))
    assert list(archive.tensors) == ["state_dict.encoder.weight"]
    (callback,) = archive.metadata.pop("callbacks").items()
    assert callback[0] == "pytorch_lightning.callbacks.model_checkpoint.ModelCheckpoint"
    assert callback[1]["best_model_score"].numpy() == 0.5
    assert archive.metadata == {
        "epoch": 3,
        "hyper_parameters": {"class": "pytorch_lightning.utilities.parsing.AttributeDict", "lr": 0.1},
        "config": {"class": "omegaconf.dictconfig.DictConfig"},
        "stage": {"class": "pytorch_lightning.trainer.states.Stage"},
        "lr_schedulers": [{"milestones": {3: 1}}],
        "state": {0: {"step": 1}},
        "namespace": {"class": "argparse.Namespace", "size": 3},
        "loops": {"done": {1, 2}},
    }


class Unknown(nn.Module):
    pass


def test_a_class_that_no_known_file_names_is_refused_by_its_name(tmp_path, read):
    path = containers.save_module(tmp_path / "w", {"model": Unknown()}, {"mine.networks": {"Unknown": Unknown}})
    with pytest.raises(UnsafeWeights, match=r"asks for mine\.networks\.Unknown, which is not among the few names"):
        read(path)


@pytest.mark.parametrize(
    "name",
    [
        *("torch.nn.modules.container.os.system", "torch.nn.modules.linear.init", "torch.nn.Linear", "glow.system"),
        *("pytorch_lightning.cli.run", "omegaconf.eval", "torchvision.models.get_model", "argparse.ArgumentParser"),
        *("dnnlib.tflib.network.exec", "dnnlib.util.open_url", "torch.optim.x y.Adam", "notglow.WaveGlow"),
    ],
)
def test_only_classes_of_the_closed_list_are_data(tmp_path, read, name):
    module, _, member = name.rpartition(".")
    data = pickle.dumps({"a": 1}, 2)[:-1] + f"c{module}\n{member}\n)R0.".encode()
    magic = bytes.fromhex("80028a0a6cfc9c46f9206aa850192e") + pickle.dumps(1001, 2) + pickle.dumps({}, 2)
    (tmp_path / "w").write_bytes(magic + data + pickle.dumps([], 2))
    with pytest.raises(UnsafeWeights, match="not among the few names"):
        read(tmp_path / "w")


def module(parts: str = "", name: str = "torch.nn.modules.linear\nLinear") -> bytes:
    """A pickled module whose `_modules` are filled by these opcodes; it is number 0 of the memo."""
    tables = b"".join(b"X" + len(key).to_bytes(4, "little") + key + b"}" for key in (b"_parameters", b"_buffers"))
    return f"c{name}\n".encode() + b")\x81q\x00}(" + tables + b"X\x08\0\0\0_modules}" + parts.encode("latin-1") + b"ub"


@pytest.mark.parametrize(
    ("parts", "message"),
    [
        ("(X\x01\0\0\0ah\0u", "nested more than 100 deep"),
        ("(X\x01\0\0\0ah\0X\x01\0\0\0bh\0u", "nested more than 100 deep"),
        ("(X\x01\0\0\0aK\x01u", "its module a is none"),
    ],
)
def test_modules_without_end_are_refused(tmp_path, read, parts, message):
    magic = bytes.fromhex("80028a0a6cfc9c46f9206aa850192e") + pickle.dumps(1001, 2) + pickle.dumps({}, 2)
    (tmp_path / "w").write_bytes(magic + b"\x80\x02" + module(parts) + b"." + pickle.dumps([], 2))
    with pytest.raises(BadWeights, match=message):
        read(tmp_path / "w")


def test_modules_that_contain_one_another_many_times_are_bounded(tmp_path, read):
    inner = b"N"
    for level in range(20):
        twice = f"(X\x01\0\0\0aj{chr(level)}\0\0\0X\x01\0\0\0bj{chr(level)}\0\0\0u" if level else ""
        made = module(twice).replace(b"q\x00", b"q" + bytes([level + 1]))
        inner += b"0" + made
    magic = bytes.fromhex("80028a0a6cfc9c46f9206aa850192e") + pickle.dumps(1001, 2) + pickle.dumps({}, 2)
    (tmp_path / "w").write_bytes(magic + b"\x80\x02" + inner + b"." + pickle.dumps([], 2))
    with pytest.raises(BadWeights, match="more than 20000 parts"):
        read(tmp_path / "w")
