from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

import ml4a
from ml4a.cli import functions, main
from ml4a.cli.run import default_target
from ml4a.models import registry

COMMANDS = [
    *registry.verbs(),
    *(each.verb for each in functions.FUNCTIONS),
    "video",
    "loop",
    "flow",
    "interpolate",
    "mask",
    "visualize",
    "weights",
    "what",
    "models",
    "inspect",
    "repeat",
    "doctor",
    "demo",
]


def without_torch(code: str) -> str:
    """Run `code` in a fresh interpreter; what it prints, if torch was not loaded."""
    code = f"import sys\n{code}\nassert 'torch' not in sys.modules, 'torch was loaded'"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout


SHELLS = ("bash", "zsh", "fish")
SHOW_ALL = f"""
import contextlib, io, json, sys
from ml4a.cli import main
from ml4a.cli.app import build

helps = {{}}
for command in {COMMANDS!r}:
    with contextlib.redirect_stdout(io.StringIO()) as printed:
        main([command, "--help"])
    helps[command] = [printed.getvalue(), "torch" in sys.modules]
completions = {{shell: build([]).generate_completion(shell=shell) for shell in {SHELLS!r}}}
print(json.dumps([helps, completions]))
"""


@pytest.fixture(scope="module")
def shown() -> tuple[dict[str, tuple[str, bool]], dict[str, str]]:
    """Of each command, the help and whether torch was loaded then; of each shell, the completion."""
    return json.loads(without_torch(SHOW_ALL))


@pytest.mark.parametrize("command", COMMANDS)
def test_help_is_there_without_torch(command, shown):
    text, torch_is_loaded = shown[0][command]
    assert text.startswith(f"Usage: ml4a {command}")
    assert not torch_is_loaded


@pytest.mark.parametrize("verb", registry.verbs())
def test_help_names_every_parameter_and_gives_examples(verb, capsys):
    main([verb, "--help"])
    text = capsys.readouterr().out
    operation = registry.verbs()[verb][0].operation
    for name in operation.parameters.keys() - {operation.media[0].name}:
        assert f"--{name.replace('_', '-')}" in text or f" {name.upper()} " in text
    assert f"ml4a {verb} " in text.partition("Examples")[2]


@pytest.mark.parametrize("module", ["ml4a", "ml4a.models.registry", "ml4a.media.image", "ml4a.weights"])
def test_what_needs_no_torch_loads_none(module):
    without_torch(f"import {module}")


def test_every_module_of_the_models_imports_without_torch():
    folder = Path(registry.__file__).parent
    without_torch("\n".join(f"import ml4a.models.{path.stem}" for path in sorted(folder.glob("[!_]*.py"))))


@pytest.mark.parametrize("shell", SHELLS)
def test_completion_knows_every_command(shell, shown):
    text = shown[1][shell]
    for command in COMMANDS:
        assert command in text
    assert "keep-colors" in text


def test_version(capsys):
    assert main(["--version"]) == 0
    assert capsys.readouterr().out.strip() == ml4a.__version__


@pytest.mark.parametrize(
    ("source", "target"),
    [
        ("photos/cat.jpg", "photos/cat-sketch.jpg"),
        ("clip.mov", "clip-sketch.mov"),
        ("old.bmp", "old-sketch.png"),
        ("sample:astronaut", "astronaut-sketch.png"),
        ("https://example.com/a/cat.webp?x=1", "cat-sketch.webp"),
        (b"bytes", "sketch.png"),
        (["a.png", "b.png"], "sketch"),
    ],
)
def test_where_a_result_goes_by_default(source, target):
    assert default_target("sketch", source) == Path(target)


def test_a_folder_gets_a_folder_beside_it(tmp_path):
    (tmp_path / "photos").mkdir()
    assert default_target("sketch", str(tmp_path / "photos")) == tmp_path / "photos-sketch"


def test_models_lists_every_model_with_its_licence(capsys):
    assert main(["models"]) == 0
    text = capsys.readouterr().out
    for name in registry.names():
        assert name in text
    assert "BSD-3-Clause" in text


def test_a_model_is_described_with_bounds_weights_and_licences(capsys):
    assert main(["models", "real_esrgan"]) == 0
    text = capsys.readouterr().out
    for words in ("ml4a upscale", "scale = 4.0", "between 0.25 and 8", "x4plus", "anime", "MB", "commercial use: yes"):
        assert words in text


def test_an_unknown_model_and_an_unknown_command_suggest_the_nearest(capsys):
    assert main(["models", "hedd"]) == 2
    assert "did you mean 'hed'" in capsys.readouterr().err
    assert main(["sketsh", "a.png"]) == 2
    assert 'Did you mean "sketch"' in capsys.readouterr().err
