"""Environments for foreign code: made once, whole or not there, and by no code of the packages in them."""

from __future__ import annotations

import subprocess
import sys
import tarfile
import textwrap
import threading
from pathlib import Path

import numpy as np
import pytest
import toy_wheel

from ml4a._core.errors import BadValue, Cancelled, DownloadFailed, Offline
from ml4a._core.progress import Cancel, Progress, listening
from ml4a.external import _environment
from ml4a.external._process import process

pytestmark = pytest.mark.xdist_group("external-environment")


@pytest.fixture
def index(home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """All that pip finds: a package `toy-thing`, and the source of `toy-source`, which leaves a mark if it is built."""
    folder, source = tmp_path / "index", tmp_path / "toy-source-1.0"
    toy_wheel.build(folder, {"toy_thing.py": b"VALUE = 'toy'\n"})
    built = toy_wheel.build(source, {"toy_source.py": b"VALUE = 'built'\n"}, name="toy-source").path.name
    (source / "pyproject.toml").write_text(
        '[build-system]\nrequires = []\nbuild-backend = "made"\nbackend-path = ["."]\n'
    )
    (source / "made.py").write_text(
        f"import shutil\nopen({str(tmp_path / 'mark')!r}, 'w')\n"
        f"def build_wheel(folder, *_):\n    shutil.copy({built!r}, folder)\n    return {built!r}\n"
    )
    with tarfile.open(folder / "toy_source-1.0.tar.gz", "w:gz") as archive:
        archive.add(source, "toy_source-1.0")
    toy_wheel.only_index(monkeypatch, folder)
    return folder


def _made() -> list[str]:
    return sorted(path.name for path in _environment.root().iterdir()) if _environment.root().exists() else []


def _says(python: Path, code: str) -> str:
    return subprocess.run([python, "-I", "-c", code], capture_output=True, text=True, check=True).stdout.strip()


@pytest.mark.parametrize(
    "requirement",
    [
        "numpy==1.26.4",
        "torch",
        "scikit-image>=0.20,<1",
        "package[extra,other] ~= 1.0",
        "numpy<2; python_version < '3.13'",
        "numpy==1.26.4 --hash=sha256:" + "0" * 64,
        "torch==2.6.0+cpu",
        "scipy != 1.9.*, >= 1.8",
    ],
)
def test_requirements_by_name_are_taken(requirement):
    assert _environment.checked([f" {requirement} ", requirement]) == (requirement,)


@pytest.mark.parametrize(
    "requirement",
    [
        "",
        "-r requirements.txt",
        "--index-url=https://example.org",
        "numpy --index-url=https://example.org",
        "numpy --config-settings=a=b",
        "numpy\n--index-url=https://example.org",
        "numpy\r-e .",
        "./folder",
        "../package.whl",
        "https://example.org/package.whl",
        "numpy==${HOME}",
        "# nothing",
        "numpy \\",
        "numpy; python_version > '3' --config-settings=a=b",
        "numpy==1 --hash=sha256:0",
        "n\u00fcmpy",
        "numpy\n",
        7,
    ],
)
def test_anything_else_is_refused(requirement):
    for build in (False, True):
        with pytest.raises(BadValue, match="requirement looks like"):
            _environment.checked([requirement], build=build)


def test_an_address_is_taken_only_where_building_is_allowed():
    address = "thing @ git+https://example.org/thing@main"
    with pytest.raises(BadValue, match="build=True"):
        _environment.checked([address])
    assert _environment.checked([address], build=True) == (address,)


def test_a_string_in_place_of_a_list_is_told_apart():
    with pytest.raises(BadValue, match=r"must be a list, \['numpy'\]"):
        _environment.checked("numpy")


def test_offline_no_process_is_started(home, monkeypatch):
    monkeypatch.setenv("ML4A_OFFLINE", "1")
    monkeypatch.setattr(subprocess, "Popen", lambda *_, **__: pytest.fail("a process was started"))
    with pytest.raises(Offline, match=r"no environment with toy-thing in .*environments yet"):
        _environment.interpreter(["toy-thing"])
    assert _made() == []


@pytest.mark.slow
def test_an_environment_is_made_once_and_needs_no_network_then(index, monkeypatch, tmp_path):
    told: list[Progress] = []
    with listening(told.append):
        python = _environment.interpreter(["toy-thing==1.0"])
    (tmp_path / "tree").mkdir()
    (tmp_path / "tree" / "uses.py").write_text("import toy_thing\ndef value(): return toy_thing.VALUE\n")

    assert _says(python, "import toy_thing; print(toy_thing.VALUE)") == "toy"
    assert "No module named 'numpy'" in _says(python, "try: import numpy\nexcept ImportError as error: print(error)")
    assert {event.stage for event in told} == {"installing toy-thing==1.0"}
    assert max(event.done for event in told) <= 1
    assert _made() == [python.parents[1].name]
    monkeypatch.setenv("ML4A_OFFLINE", "1")
    assert _environment.interpreter(["toy-thing==1.0"]) == python
    with process(tmp_path / "tree", requirements=["toy-thing==1.0"], timeout=30) as tree:
        assert tree.function("uses:value")() == "toy"


@pytest.mark.slow
def test_one_whose_python_is_gone_is_made_again(index):
    python = _environment.interpreter(["toy-thing"])
    python.unlink()
    python.symlink_to("/not/there")

    assert _environment.interpreter(["toy-thing"]) == python
    assert _says(python, "import toy_thing; print(toy_thing.VALUE)") == "toy"


@pytest.mark.slow
def test_what_pip_cannot_find_is_named_and_leaves_nothing(index):
    with pytest.raises(
        DownloadFailed, match=r"cannot install toy-thing==2\.0: No matching .* toy-thing==2\.0"
    ) as caught:
        _environment.interpreter(["toy-thing==2.0"])

    assert "\n" not in str(caught.value)
    assert _made() == []


@pytest.mark.slow
def test_nothing_is_built_unless_it_is_allowed(index, tmp_path):
    with pytest.raises(DownloadFailed, match="only wheels are looked for; build=True"):
        _environment.interpreter(["toy-source"])

    assert not (tmp_path / "mark").exists()
    python = _environment.interpreter(["toy-source"], build=True)
    assert _says(python, "import toy_source; print(toy_source.VALUE)") == "built"
    assert (tmp_path / "mark").exists()


@pytest.mark.slow
def test_cancel_stops_pip_and_leaves_nothing(index):
    cancel = Cancel()
    threading.Timer(0.3, cancel.cancel).start()
    with listening(None, cancel), pytest.raises(Cancelled):
        _environment.interpreter(["toy-thing"])

    assert _made() == []


@pytest.mark.slow
def test_two_programs_at_once_make_one(index):
    code = "from ml4a.external import _environment; print(_environment.interpreter(['toy-thing']))"
    programs = [
        subprocess.Popen([sys.executable, "-W", "error", "-c", code], stdout=subprocess.PIPE, text=True) for _ in "ab"
    ]
    made = {program.communicate(timeout=60)[0].strip() for program in programs}

    assert [program.returncode for program in programs] == [0, 0]
    assert len(made) == 1
    assert _made() == [Path(made.pop()).parents[1].name]


@pytest.mark.slow
def test_code_for_numpy_1_and_code_for_numpy_2_work_in_one_chain(tmp_path):
    """The first needs what NumPy 2 has dropped, the second what NumPy 1 has not."""
    for name, code in {
        "old": """
            import numpy as np

            def version():
                return np.__version__

            def apply(picture):
                return np.clip(picture * np.float_(0.5), np.PZERO, 1).astype(np.float32)
            """,
        "new": """
            import numpy as np

            def version():
                return np.__version__

            def apply(picture):
                return np.astype(np.permute_dims(picture, (1, 0, 2)), np.float32)
            """,
    }.items():
        (tmp_path / name).mkdir()
        (tmp_path / name / "code.py").write_text(textwrap.dedent(code))
    photo = np.random.default_rng(0).random((48, 64, 3), np.float32)

    with (
        process(tmp_path / "old", requirements=["numpy==1.26.4"], timeout=60) as old,
        process(tmp_path / "new", timeout=60) as new,
    ):
        result = new.function("code:apply")(old.function("code:apply")(photo))

        assert old.function("code:version")() == "1.26.4"
        assert new.function("code:version")() == np.__version__
        assert np.__version__.startswith("2.")
    np.testing.assert_array_equal(result, (photo * np.float32(0.5)).transpose(1, 0, 2))
