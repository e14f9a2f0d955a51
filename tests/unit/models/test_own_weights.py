"""Weights files of one's own, for any model whose weights are one file: what is taken, and what is said of the rest."""

from __future__ import annotations

import hashlib
import os
import shutil

import containers
import deterministic
import numpy as np
import official_keys as keys
import pytest
import safetensors.numpy
from checkpoints.esrgan import enlarging
from PIL import Image

import ml4a
from ml4a import image, jobs, weights
from ml4a._core.errors import BadValue, BadWeights, NotFound, UnknownName, UnsafeWeights
from ml4a.cli import main
from ml4a.media import provenance

RRDBNET = keys.rrdbnet(features=8, growth=4, blocks=2)


@pytest.fixture
def state() -> dict[str, np.ndarray]:
    return enlarging(deterministic.state_dict(RRDBNET))


@pytest.fixture
def own(tmp_path, state):
    return containers.save_torch(tmp_path / "4x-Toy.pth", {"params_ema": containers.tensors(state)})


@pytest.fixture
def photo(tmp_path):
    path = tmp_path / "photo.png"
    image.sample("astronaut").crop((200, 80, 230, 104)).save(path)
    return path


def test_a_file_is_weights_that_no_card_knows(own, photo):
    model = ml4a.load("esrgan", own)
    about = model.weights
    assert (about.name, about.licence, about.commercial) == ("4x-Toy.pth", "unknown", "unclear")
    assert {role: (file.format, file.size) for role, file in about.files.items()} == {
        "network": ("torch", own.stat().st_size)
    }
    record = provenance.record_of(model(photo))
    assert record.weights == "4x-Toy.pth"
    assert record.digests == {"network": hashlib.sha256(own.read_bytes()).hexdigest()}
    assert type(record).from_json(record.to_json()) == record
    assert repr(model) == "<ESRGAN esrgan/4x-Toy.pth on cpu, float32>"


def test_the_format_is_what_the_file_is_in(own, state, photo, tmp_path):
    safetensors.numpy.save_file(state, tmp_path / "a.safetensors")
    np.savez(tmp_path / "b.npz", **state)
    containers.save_stream(tmp_path / "c.ckpt", {"state_dict": containers.tensors(state)})
    shutil.copy(own, tmp_path / "no_suffix")
    due = ml4a.load("esrgan", own)(image.load(photo, as_array=True))
    for name, format in (
        ("a.safetensors", "safetensors"),
        ("b.npz", "numpy"),
        ("c.ckpt", "torch"),
        ("no_suffix", "torch"),
    ):
        model = ml4a.load("esrgan", weights=str(tmp_path / name))
        assert model.weights.files["network"].format == format
        assert np.array_equal(model(image.load(photo, as_array=True)), due)


def test_a_name_with_a_suffix_is_looked_for_here_and_a_card_s_name_comes_first(own, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert ml4a.load("esrgan", "4x-Toy.pth").weights.name == "4x-Toy.pth"
    shutil.copy(own, tmp_path / "anime")
    assert ml4a.load("real_esrgan", "anime").weights.licence == "BSD-3-Clause"
    assert ml4a.load("real_esrgan", "./anime").weights.licence == "unknown"
    monkeypatch.setenv("HOME", str(tmp_path))
    assert ml4a.load("esrgan", "~/4x-Toy.pth").weights.name == "4x-Toy.pth"


@pytest.mark.parametrize(
    ("name", "called"),
    [
        ("4x Ünter (1).pth", "4x_nter_1_.pth"),
        (".hidden.pth", "hidden.pth"),
        ("x" * 90 + ".pth", "x" * 64),
        ("日.", "weights"),
    ],
)
def test_any_file_name_can_be_recorded(own, photo, tmp_path, name, called):
    path = tmp_path / name
    shutil.copy(own, path)
    record = provenance.record_of(ml4a.load("esrgan", path)(photo))
    assert record.weights == called
    assert type(record).from_json(record.to_json()) == record


def test_models_of_one_file_take_files_whatever_their_default_is(tmp_path, photo):
    np.savez(tmp_path / "hed.npz", **deterministic.state_dict(keys.hed((4, 5, 6, 7, 8))))
    assert ml4a.load("hed", tmp_path / "hed.npz")(photo).size == (30, 24)
    np.savez(
        tmp_path / "compact.npz", **deterministic.state_dict(keys.srvgg(8, 2, 3))
    )  # the default is a pair of files
    assert ml4a.load("real_esrgan", tmp_path / "compact.npz")(photo, scale=3).size == (90, 72)


@pytest.mark.parametrize("suffix", ["param", "bin"])
def test_either_file_of_an_ncnn_network_will_do(tmp_path, photo, suffix):
    files = weights.fetch("real_esrgan/animevideo")
    for role, path in files.items():
        os.link(path, tmp_path / f"net.{role}")
    model = ml4a.load("real_esrgan", tmp_path / f"net.{suffix}", dtype="float32")
    due = ml4a.load("real_esrgan", "animevideo", dtype="float32")
    assert np.array_equal(np.asarray(model(photo)), np.asarray(due(photo)))
    digests = provenance.record_of(model(photo)).digests
    assert digests == provenance.record_of(due(photo)).digests


def test_half_of_an_ncnn_network_says_so(tmp_path):
    shutil.copy(weights.fetch("real_esrgan/animevideo")["param"], tmp_path / "net.param")
    with pytest.raises(BadWeights, match=r"net\.param.*the pair \(\.param, \.bin\)"):
        ml4a.load("real_esrgan", tmp_path / "net.param")


def test_a_missing_file_is_named_beside_the_card_s_weights(tmp_path, capsys):
    with pytest.raises(
        NotFound, match=r"there is no weights file nowhere/net\.pth; .* esrgan are official, original, psnr"
    ):
        ml4a.load("esrgan", "nowhere/net.pth")
    with pytest.raises(UnknownName, match="did you mean 'official'"):
        ml4a.load("esrgan", "offical")
    assert main(["upscale", "sample:eye", "-o", str(tmp_path / "a.png"), "--weights", "gone.pth"]) == 2
    line = capsys.readouterr().err
    assert "there is no weights file gone.pth" in line
    assert line.count("\n") == 1


def test_a_model_of_several_files_says_so(own):
    message = r"fast_style needs several files \(predict, transform, styles26\), and .*4x-Toy\.pth is one; a card of"
    with pytest.raises(BadValue, match=message):
        ml4a.load("fast_style", own)


def test_another_network_is_named(tmp_path):
    np.savez(tmp_path / "hed.npz", **deterministic.state_dict(keys.hed((4, 5, 6, 7, 8))))
    with pytest.raises(BadWeights, match=r"hed\.npz: these weights are not esrgan's.*they look like hed's \(HED\)"):
        ml4a.load("esrgan", tmp_path / "hed.npz")


def test_a_hostile_pickle_is_refused_and_not_run(tmp_path, capsys):
    class Hostile:
        def __reduce__(self):
            return os.system, (f"touch {tmp_path / 'executed'}",)

    path = containers.save_torch(tmp_path / "4x-Nice.pth", {"params": Hostile()})
    with pytest.raises(UnsafeWeights, match=r"4x-Nice\.pth: it asks for (os|posix)\.system"):
        ml4a.load("esrgan", path)
    arguments = ["upscale", "sample:eye", "--model", "esrgan", "--weights", str(path), "-o", str(tmp_path / "a.png")]
    assert main(arguments) == 2
    assert capsys.readouterr().err.count("\n") == 1
    assert sorted(each.name for each in tmp_path.iterdir()) == ["4x-Nice.pth"]


@pytest.mark.parametrize(
    ("content", "message"),
    [(b"", "is empty"), (b"<!DOCTYPE html><p>Sign in", "a web page"), (b"no weights at all", "none of the formats")],
)
def test_what_is_no_weights_file_is_named(tmp_path, content, message):
    path = tmp_path / "net.pth"
    path.write_bytes(content)
    with pytest.raises(BadWeights, match=rf"net\.pth: .*{message}"):
        ml4a.load("esrgan", path)


def test_a_folder_is_no_weights_file(tmp_path):
    with pytest.raises(BadWeights, match="it is a folder"):
        ml4a.load("esrgan", tmp_path)


def test_a_file_is_made_again_with_the_weights_that_the_user_names(own, photo, tmp_path):
    jobs.apply(ml4a.load("esrgan", own), photo, tmp_path / "big.png")
    hidden = own.rename(tmp_path.parent / f"{tmp_path.name}.weights")
    with pytest.raises(
        NotFound, match=r"esrgan has no weights '4x-Toy\.pth' on its card; .*name it after the first file"
    ):
        jobs.repeat(tmp_path / "big.png")
    again, _ = jobs.repeat(tmp_path / "big.png", [hidden])
    with Image.open(again) as result, Image.open(tmp_path / "big.png") as due:
        assert np.array_equal(np.asarray(result), np.asarray(due))


def test_a_record_does_not_choose_a_file(own, photo, tmp_path, monkeypatch):
    """A record is hostile data: a path in it is not opened, even if the file is there."""
    result = ml4a.load("esrgan", own)(photo)
    from dataclasses import replace

    record = replace(provenance.record_of(result), weights=str(own)[1:])
    monkeypatch.chdir("/")
    assert os.path.exists(record.weights)
    image.save(np.asarray(result), tmp_path / "big.png", record=record)
    with pytest.raises(NotFound, match="on its card"):
        jobs.repeat(tmp_path / "big.png")
