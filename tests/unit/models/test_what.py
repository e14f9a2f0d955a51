from __future__ import annotations

import json
import os
import pickle
import shutil
import subprocess
import sys
from dataclasses import asdict
from pathlib import Path
from typing import Any

import containers
import deterministic
import every_network
import numpy as np
import onnx
import pytest
import reading_watch
import safetensors.numpy
import tf_files
import torch
import toy_card
import weights_files
from tiers import quick

from ml4a import networks, weights
from ml4a._core.errors import NotFound
from ml4a.models.what import examine
from ml4a.networks.architectures import ARCHITECTURES

NETWORKS = {row.builder: row.network for rows in ARCHITECTURES.values() for row in rows if not row.part}


ENTRY = {"dtype": "F32", "shape": [1], "data_offsets": [0, 4]}


def path_of(source: Any) -> Path:
    return Path(source[0] if isinstance(source, tuple) else source)


# -- Every format ------------------------------------------------------------------------------------------------------

KINDS = {
    "safetensors": "safetensors",
    "torch": "PyTorch checkpoint (zip archive)",
    "torch stream": "PyTorch checkpoint (stream, from before torch 1.6)",
    "torch stream of a module": "PyTorch checkpoint (stream, from before torch 1.6)",
    "stylegan": "StyleGAN networks, pickled by PyTorch",
    "stylegan of TensorFlow": "StyleGAN networks, pickled by TensorFlow",
    "ncnn": "ncnn network",
    "keras": "Keras weights (HDF5)",
    "onnx": "ONNX network",
    "tf_checkpoint": "TensorFlow checkpoint (.index, .data)",
    "tf_graph": "TensorFlow graph, frozen (GraphDef)",
    "npy": "NumPy arrays",
    "npy of a table": "NumPy arrays",
    "npz": "NumPy arrays",
    "npz, deflated": "NumPy arrays",
    "dlib": "dlib network",
    "dlib's shape predictor": "dlib shape predictor of 3 points",
}


@pytest.mark.parametrize("name", weights_files.SAVE)
def test_a_file_of_every_format_is_described_and_can_be_told_as_json(tmp_path, name):
    source = weights_files.SAVE[name](tmp_path)
    report = examine(path_of(source))
    assert report.verdict == "readable", report.reason
    assert report.kind.startswith(KINDS[name])
    archive = weights.formats.read(source)
    assert report.format == archive.format
    assert report.tensors == len(archive.tensors)
    assert report.parameters == sum(array.size for array in archive.arrays().values())
    assert sum(report.dtypes.values()) == report.tensors
    assert [file.size for file in report.files] == [
        Path(each).stat().st_size for each in (source if isinstance(source, tuple) else (source,))
    ]
    assert json.loads(json.dumps(asdict(report), allow_nan=False)) is not None


@pytest.mark.parametrize("name", weights_files.SAVE)
def test_examining_does_nothing_but_read(tmp_path, name):
    path = path_of(weights_files.SAVE[name](tmp_path))
    report = examine(path)  # whatever is imported is imported now
    with reading_watch.watching() as seen:
        assert examine(path) == report
    assert not seen


def test_what_a_file_says_besides_its_tensors_is_told(tmp_path):
    assert examine(path_of(weights_files.SAVE["torch"](tmp_path))).metadata["config"] == {
        "name": "rrdb",
        "sizes": [1, 2.5, None],
        "history": [1.0, {"a": "1 bytes"}],
    }
    assert examine(path_of(weights_files.SAVE["torch stream of a module"](tmp_path))).metadata["iteration"] == 5
    assert examine(path_of(weights_files.SAVE["ncnn"](tmp_path))).metadata == {
        "layers": {"Input": 1, "Convolution": 1, "PReLU": 1}
    }
    graph = examine(path_of(weights_files.SAVE["tf_graph"](tmp_path))).metadata
    assert graph == {"inputs": {"x": [-1, 8, 8, 3]}, "operations": {"Placeholder": 1, "Conv2D": 1}}
    stylegan = examine(path_of(weights_files.SAVE["stylegan"](tmp_path))).metadata["G_ema"]
    assert stylegan["class"] == "Generator"
    assert stylegan["init"] == {"z_dim": 4}
    network = safetensors.numpy.save({"a": np.ones(2, np.float32)}, {"made by": "a trainer"})
    (tmp_path / "s").write_bytes(network)
    assert examine(tmp_path / "s").metadata == {"made by": "a trainer"}


def test_an_onnx_file_tells_its_producer_inputs_and_operations(tmp_path):
    path = path_of(weights_files.SAVE["onnx"](tmp_path))
    model = onnx.load(path)
    model.producer_name, model.producer_version = "pytorch", "2.4"
    onnx.save(model, path)
    about = examine(path).metadata
    assert about["producer"] == "pytorch 2.4"
    assert about["inputs"] == {"x": [1, "n"]}
    assert about["operations"] == {"Conv": 1}


def test_metadata_cannot_fill_the_screen_or_steer_the_terminal(tmp_path):
    inside: list[Any] = ["x"]
    for _ in range(8):
        inside = [inside, inside]
    value = {
        "w": torch.ones(2),
        "\x1b[2Jkey": "\x1b]0;title\x07" + "y" * 100_000,
        "many": list(range(10_000)),
        "deep": inside,
        "number": 2**63,
        "nan": float("nan"),
        "text": "\u202e",
        1: "a number as key",
    }
    report = examine(containers.save_torch(tmp_path / "w.pth", value))
    assert report.verdict == "readable"
    text = json.dumps(report.metadata, allow_nan=False, ensure_ascii=False)
    assert len(text) < 20_000
    assert text.isprintable()
    text.encode()
    assert report.metadata["many"][-1] == "… 9960 more"
    assert report.metadata["nan"] == "nan"
    header = json.dumps({"__metadata__": {"\ud800": "\udfff\r\n"}, "\x1b[2J\ud800.w": ENTRY}).encode()
    (tmp_path / "s").write_bytes(len(header).to_bytes(8, "little") + header + np.float32(np.nan).tobytes())
    report = examine(tmp_path / "s")
    assert report.metadata == {"\\ud800": "\\udfff\\r\\n"}
    assert report.not_finite == ("\\x1b[2J\\ud800.w",)


def test_nan_and_infinities_are_named(tmp_path):
    arrays = {"good": np.ones(3, np.float32), "bad": np.array([1, np.nan], np.float16), "worse": np.array([np.inf])}
    path = tmp_path / "w.safetensors"
    path.write_bytes(safetensors.numpy.save(arrays))
    assert sorted(examine(path).not_finite) == ["bad", "worse"]


# -- Which network it is -----------------------------------------------------------------------------------------------


def _bare(folder, state):
    return containers.save_torch(folder / "net.pth", state)


def _averaged(folder, state):
    worse = {key: tensor * 0 for key, tensor in state.items()}
    return containers.save_torch(folder / "net.pth", {"params": worse, "params_ema": state})


def _parallel(folder, state):
    value = {"state_dict": {f"module.{key}": tensor for key, tensor in state.items()}, "epoch": 3}
    return containers.save_stream(folder / "net.pth", value)


def _one_of_several(folder, state):
    value = {"optimizer": {"step": torch.ones(1)}, "generator": state}
    return containers.save_stream(folder / "net.tar", value)


LAYOUTS = {
    "bare": (_bare, ""),
    "averaged weights": (_averaged, "params_ema."),
    "a stream of several GPUs'": (_parallel, "state_dict.module."),
    "one of several networks": (_one_of_several, "generator."),
}


@pytest.mark.parametrize("layout", quick(LAYOUTS))
@pytest.mark.parametrize("builder", every_network.SHAPES)
def test_each_network_is_recognised_in_each_layout(tmp_path, builder, layout):
    save, taken_off = LAYOUTS[layout]
    state = containers.tensors(every_network.state_dict(builder))
    report = examine(save(tmp_path, state))
    found = {network.network: network for network in report.networks}
    network = found[NETWORKS[builder]]
    assert not network.fault
    assert network.taken_off == taken_off
    expected = every_network.HYPER_PARAMETERS[network.network]
    assert network.hyper_parameters.items() >= expected.items()
    whole = networks.from_state_dict(network.name, state)
    assert network.parameters == sum(parameter.numel() for parameter in whole.parameters())


def test_hed_is_told_with_what_it_is_made_of(tmp_path):
    report = examine(_bare(tmp_path, containers.tensors(every_network.state_dict("hed:build_pytorch"))))
    assert [(each.name, each.network) for each in report.networks] == [("hed", "HED"), ("vgg16", "VGG16")]
    assert report.networks[0].hyper_parameters["ceil"] is False


def test_weights_that_almost_fit_are_told_with_their_fault(tmp_path):
    state = every_network.state_dict("rrdbnet:build")
    del state["conv_last.bias"]
    (network,) = examine(_bare(tmp_path, containers.tensors(state))).networks
    assert (network.name, network.network) == ("esrgan", "RRDBNet")
    assert "'conv_last.bias' missing" in network.fault
    assert network.hyper_parameters == {}


def test_a_stranger_s_weights_are_readable_and_no_network(tmp_path):
    report = examine(_bare(tmp_path, {"layer.weight": torch.ones(2, 2)}))
    assert (report.verdict, report.networks) == ("readable", ())


@pytest.mark.parametrize("spec", ["hed/bsds", "real_esrgan/x4plus", "real_esrgan/animevideo", "fast_style/magenta"])
def test_real_weights_are_known_by_network_licence_and_size(spec):
    expected = {
        "network": ("HED", 14_716_171),
        "param": ("RRDBNet", 16_697_987) if "x4plus" in spec else ("SRVGGNetCompact", 621_424),
        "predict": ("StylePredictor", 2_334_916),
        "transform": ("StyleTransformer", 177_718),
        "styles26": ("MultiStyle", 166_104),
    }
    about = weights.card(spec.partition("/")[0])
    variant = about.variant(spec.partition("/")[2])
    for role, path in weights.fetch(spec).items():
        report = examine(path)
        assert report.verdict == "readable"
        assert (report.networks[0].network, report.networks[0].parameters) == expected.get(role, expected["param"])
        (known,) = (each for each in report.known if each.weights == spec)  # other cards may have the file, too
        assert (known.licence, known.commercial) == (variant.licence, variant.commercial)
        assert role in known.roles
        assert variant.files[role].sha256 in {file.sha256 for file in report.files}
        assert not report.not_finite


# -- Unsafe and broken files -------------------------------------------------------------------------------------------


class Touch:
    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self):
        return os.system, (f"touch {self.path}",)


@pytest.mark.parametrize("protocol", range(6))
def test_a_hostile_pickle_is_called_unsafe_and_does_nothing(tmp_path, protocol):
    marker = tmp_path / "executed"
    (tmp_path / "a.pkl").write_bytes(pickle.dumps({"w": Touch(marker)}, protocol))
    examine(tmp_path / "a.pkl")  # whatever is imported is imported now
    with reading_watch.watching() as seen:
        report = examine(tmp_path / "a.pkl")
    assert not seen
    assert report.verdict == "unsafe"
    assert "system" in report.reason
    assert "nothing was run" in report.reason
    assert not marker.exists()


@pytest.mark.parametrize("save", [containers.save_torch, containers.save_stream])
def test_a_hostile_checkpoint_is_called_unsafe_and_does_nothing(tmp_path, save):
    marker = tmp_path / "executed"
    path = save(tmp_path / "net.pth", {"state_dict": {"w": torch.ones(2)}, "extra": Touch(marker)})
    with reading_watch.watching() as seen:
        report = examine(path)
    assert not seen
    assert report.verdict == "unsafe"
    assert "posix.system" in report.reason or "nt.system" in report.reason
    assert str(path) not in report.reason
    assert report.files[0].sha256
    assert not marker.exists()


def test_unsafe_files_and_files_that_hold_no_weights_need_no_torch(tmp_path):
    containers.save_torch(tmp_path / "net.pth", {"extra": Touch(tmp_path / "executed")})
    (tmp_path / "a.txt").write_text("hello")
    code = (
        "import sys\nfrom ml4a.models.what import examine\n"
        f"print(examine({str(tmp_path / 'net.pth')!r}).verdict, examine({str(tmp_path / 'a.txt')!r}).verdict)\n"
        "assert 'torch' not in sys.modules"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert (done.stdout.strip(), done.returncode) == ("unsafe not weights", 0), done.stderr


@pytest.mark.parametrize("name", weights_files.SAVE)
def test_a_file_that_is_cut_short_is_never_readable(tmp_path, name):
    source = weights_files.SAVE[name](tmp_path)
    path = path_of(source)
    data = path.read_bytes()
    for end in (0, 1, 7, len(data) // 2, len(data) - 2):
        path.write_bytes(data[:end])
        report = examine(path)
        assert report.verdict in ("broken", "not weights")
        assert report.reason
        assert "\n" not in report.reason


def test_web_pages_and_git_lfs_pointers_are_told_as_such(tmp_path):
    (tmp_path / "net.pth").write_text("<!DOCTYPE html><html>Sign in</html>")
    assert "web page" in examine(tmp_path / "net.pth").reason
    (tmp_path / "net.pth").write_text("version https://git-lfs.github.com/spec/v1\noid sha256:00\n")
    assert "git lfs pull" in examine(tmp_path / "net.pth").reason


# -- Networks in two files ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("format", ["ncnn", "tf_checkpoint"])
def test_either_file_of_a_pair_stands_for_both(tmp_path, format):
    first, second = map(Path, weights_files.SAVE[format](tmp_path))
    reports = [examine(first), examine(second)]
    assert [report.verdict for report in reports] == ["readable", "readable"]
    assert reports[0].files == reports[1].files
    second.unlink()
    alone = examine(first)
    assert alone.verdict == "broken"
    assert "other file" in alone.reason


def test_the_other_file_of_a_pair_is_found_in_the_cache(tmp_path):
    files = weights.fetch("real_esrgan/animevideo")
    for role, path in files.items():
        assert {Path(each.path) for each in examine(path).files} == set(files.values()), role
    copy = shutil.copy(files["bin"], tmp_path)  # known by its content, not by its place
    assert examine(copy).verdict == "readable"


def test_a_torch_file_named_bin_is_no_half(tmp_path):
    path = containers.save_torch(tmp_path / "pytorch_model.bin", {"w": torch.ones(2)})
    (tmp_path / "pytorch_model.param").write_text("not ncnn")
    report = examine(path)
    assert (report.verdict, report.format, len(report.files)) == ("readable", "torch", 1)


# -- Files that cannot be read, and cards ------------------------------------------------------------------------------


def test_a_missing_file_and_a_file_that_cannot_be_read(tmp_path, monkeypatch):
    with pytest.raises(NotFound, match=r"there is no file .*gone\.pth"):
        examine(tmp_path / "gone.pth")
    report = examine(tmp_path / ("x" * 5000))
    assert (report.verdict, report.kind) == ("broken", "a file that cannot be read")


def test_a_card_of_the_user_s_own_is_known(home, tmp_path):
    data = safetensors.numpy.save({"a": np.ones(3, np.float32)})
    path = tmp_path / "renamed"
    path.write_bytes(data)
    assert examine(path).known == ()
    toy_card.write(data, f"file:{path}")
    (known,) = examine(path).known
    assert (known.weights, known.roles, known.licence, known.commercial) == ("toy/small", ("network",), "MIT", "yes")
    assert not (home / "cache").exists()  # looking changes nothing


def test_a_frozen_graph_without_weights_of_ours_is_no_network(tmp_path):
    array = deterministic.weight("w", (3, 3, 3, 4))
    path = tf_files.save_graph(tmp_path / "g.pb", [tf_files.constant("w", array)])
    report = examine(path)
    assert (report.verdict, report.networks, report.tensors) == ("readable", (), 1)
