from __future__ import annotations

import json
import os
import pickle
import subprocess
import sys
from pathlib import Path

import containers
import cyclopts
import every_network
import numpy as np
import pytest
import safetensors.numpy
import torch
import weights_files

from ml4a import weights
from ml4a._core.errors import BadValue, NotFound
from ml4a.cli.what import what


def run(*tokens: str | Path) -> object:
    """What `ml4a what …` returns."""
    app = cyclopts.App(name="ml4a", print_error=False, exit_on_error=False, result_action="return_value")
    app.command(what)
    return app(["what", *map(str, tokens)])


def rows(text: str) -> list[tuple[str, str]]:
    """The table's rows; a label stands for the rows below it that have none."""
    found: list[tuple[str, str]] = []
    for line in text.splitlines():
        label, value = line[:10].strip(), line[11:]
        found.append((label or found[-1][0], value))
    return found


class Touch:
    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self):
        return os.system, (f"touch {self.path}",)


def test_a_network_of_ours_is_told_in_a_table(tmp_path, capsys):
    state = containers.tensors(every_network.state_dict("srvgg:build"))
    path = containers.save_torch(tmp_path / "net.pth", {"params_ema": state, "iteration": 7})
    assert run(path) == 0
    table = rows(capsys.readouterr().out)
    sha256 = table[1][1].removeprefix("SHA-256 ")
    assert len(sha256) == 64
    numbers = sum(tensor.numel() for tensor in state.values())
    assert table == [
        ("file", f"{path}, {path.stat().st_size:,} bytes"),
        ("file", f"SHA-256 {sha256}"),
        ("kind", "PyTorch checkpoint (zip archive)"),
        (
            "network",
            "SRVGGNetCompact (esrgan): channels 3, features 8, convolutions 2, scale 3; "
            f"{numbers:,} parameters, below 'params_ema'",
        ),
        ("tensors", f"{len(state)} with {numbers:,} numbers ({len(state)} float32)"),
        ("licence", "unknown: no card has this SHA-256"),
        ("metadata", "iteration: 7"),
        ("verdict", "readable"),
    ]


@pytest.mark.parametrize("spec", ["hed/bsds", "real_esrgan/anime", "fast_style/magenta"])
def test_the_json_says_what_the_table_says(spec, capsys):
    paths = list(weights.fetch(spec).values())
    assert run(*paths) == 0
    tables = [rows(block) for block in capsys.readouterr().out.split("\n\n")]
    assert run(*paths, "--json") == 0
    reports = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    # ncnn's two files are told once, together.
    assert len(reports) == len(tables) == (1 if "esrgan" in spec else len(paths))
    for table, report in zip(tables, reports, strict=True):
        by_label: dict[str, list[str]] = {}
        for label, value in table:
            by_label.setdefault(label, []).append(value)
        assert by_label.pop("file") == [
            line
            for file in report["files"]
            for line in (f"{file['path']}, {file['size']:,} bytes", f"SHA-256 {file['sha256']}")
        ]
        assert by_label.pop("kind") == [report["kind"]]
        assert by_label.pop("verdict") == [report["verdict"]] == ["readable"]
        for line, network in zip(by_label.pop("network"), report["networks"], strict=True):
            assert line.startswith(f"{network['network']} ({network['name']}): ")
            assert all(name in line for name in network["hyper_parameters"])
            assert f"{network['parameters']:,} parameters" in line
        (tensors,) = by_label.pop("tensors")
        assert tensors.startswith(f"{report['tensors']} with {report['parameters']:,} numbers")
        assert all(f"{count} {dtype}" in tensors for dtype, count in report["dtypes"].items())
        assert spec in [known["weights"] for known in report["known"]]  # other cards may have the file, too
        names, licences = by_label.pop("known as"), by_label.pop("licence")
        for known, name, licence in zip(report["known"], names, licences, strict=True):
            assert name.startswith(f"{known['weights']}{'' if known['roles'] == ['network'] else ' ('}")
            assert licence == f"{known['licence']}, commercial use: {known['commercial']} — {known['licence_source']}"
        told = [line.partition(":")[0] for line in by_label.pop("metadata", [])]
        assert told == list(report["metadata"])
        assert not by_label


@pytest.mark.parametrize("name", weights_files.SAVE)
def test_every_format_has_a_table_and_json(tmp_path, capsys, name):
    source = weights_files.SAVE[name](tmp_path)
    paths = source if isinstance(source, tuple) else (source,)
    assert run(*paths) == 0
    assert rows(capsys.readouterr().out)[-1] == ("verdict", "readable")
    assert run(*paths, "--json") == 0
    assert json.loads(capsys.readouterr().out)["verdict"] == "readable"


def test_an_unsafe_file_is_the_answer_on_standard_output(tmp_path, capsys):
    (tmp_path / "net.pkl").write_bytes(pickle.dumps(Touch(tmp_path / "executed")))
    assert run(tmp_path / "net.pkl") == 1
    out, err = capsys.readouterr()
    label, verdict = rows(out)[-1]
    assert label == "verdict"
    assert verdict.startswith(f"unsafe, because it asks for {os.name}.system")
    assert not err
    assert not (tmp_path / "executed").exists()
    assert run(tmp_path / "net.pkl", "--json") == 1
    report = json.loads(capsys.readouterr().out)
    assert report["verdict"] == "unsafe"
    assert verdict == f"unsafe, because {report['reason']}"


def test_one_bad_file_among_good_ones_counts(tmp_path, capsys):
    good = path = tmp_path / "good.safetensors"
    good.write_bytes(safetensors.numpy.save({"w": np.ones(2, np.float32)}))
    (tmp_path / "cut.safetensors").write_bytes(good.read_bytes()[:-1])
    assert run(path) == 0
    capsys.readouterr()
    assert run(path, tmp_path / "cut.safetensors", tmp_path) == 1
    verdicts = [text for label, text in rows(capsys.readouterr().out.replace("\n\n", "\n")) if label == "verdict"]
    assert verdicts[0] == "readable"
    assert verdicts[1].startswith("broken: ")
    assert verdicts[2] == "not weights: name a file in it"


def test_nan_and_weights_that_almost_fit_are_warned_of(tmp_path, capsys):
    state = containers.tensors(every_network.state_dict("srvgg:build"))
    state["body.0.weight"][0, 0, 0, 0] = torch.nan
    del state["body.0.bias"]
    assert run(containers.save_torch(tmp_path / "net.pth", state)) == 0
    table = dict(rows(capsys.readouterr().out))
    assert table["network"].startswith("none; it looks like SRVGGNetCompact (esrgan), but: ")
    assert "'body.0.bias' missing" in table["network"]
    assert table["warning"] == "1 of its tensors have NaN or infinities in them: 'body.0.weight'"


def test_a_missing_file_is_an_error_and_nothing_is_told(tmp_path, capsys):
    (tmp_path / "here").write_text("text")
    with pytest.raises(NotFound, match=r"there is no file .*gone"):
        run(tmp_path / "here", tmp_path / "gone")
    with pytest.raises(BadValue, match="name a file"):
        run()
    assert capsys.readouterr().out == ""


def test_the_command_is_there_before_numpy_and_torch_are():
    code = "import sys, ml4a.cli.what; sys.exit(bool({'numpy', 'torch', 'ml4a.models.what'} & set(sys.modules)))"
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0
