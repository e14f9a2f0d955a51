"""The plug-in in `examples/plugin`, installed by pip, with a pipeline of random weights: a verb as if built in."""

from __future__ import annotations

import functools
import json
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
import warnings
from pathlib import Path

import clauses
import numpy as np
import pytest
import toy_card
from PIL import Image

import ml4a
from ml4a import image, jobs
from ml4a._core.errors import BadValue, BadWeights, Cancelled, NotFound
from ml4a._core.progress import Cancel, interruptible, listening
from ml4a.cli import main
from ml4a.media import provenance
from ml4a.models import registry
from ml4a.weights import plugins

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("plug-in example")]

EXAMPLE = Path(__file__).resolve().parents[2] / "examples" / "plugin"
NO_NETWORK = """
import socket

def refused(*_):
    raise AssertionError("the network was asked for")

socket.socket.connect = socket.getaddrinfo = refused
"""


def forget():
    for cached in (plugins.installed, registry.verbs, registry.model_class):
        cached.cache_clear()


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """Where the plug-in is installed, a pipeline lies, and a photograph."""
    folder = tmp_path_factory.mktemp("imagine")
    image.sample("chelsea").crop((120, 60, 216, 124)).save(folder / "photo.png")
    command = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--no-build-isolation"]
    subprocess.run([*command, "--target", str(folder / "site"), str(EXAMPLE)], check=True)
    (folder / "site" / "sitecustomize.py").write_text(NO_NETWORK)
    with pytest.MonkeyPatch.context() as patch, warnings.catch_warnings():
        warnings.simplefilter("ignore")  # what the libraries say of themselves as they are imported
        patch.syspath_prepend(str(folder / "site"))
        import tiny_diffusion

        tiny_diffusion.write(folder / "tiny")
        import ml4a_imagine.diffusion  # noqa: F401
    yield folder
    for name in [name for name in sys.modules if name.startswith("ml4a_imagine")]:
        del sys.modules[name]


@pytest.fixture
def folder(place, home, tmp_path, monkeypatch):
    """A folder to work in, with the pipeline and the photograph; this process has the plug-in, and so have others."""
    monkeypatch.syspath_prepend(str(place / "site"))
    monkeypatch.setenv("PYTHONPATH", str(place / "site"))
    monkeypatch.setenv("ML4A_OFFLINE", "1")
    work = tmp_path / "work"
    work.mkdir()
    (work / "tiny").symlink_to(place / "tiny")
    (work / "photo.png").symlink_to(place / "photo.png")
    monkeypatch.chdir(work)
    forget()
    yield work
    forget()


@pytest.fixture(scope="module")
def models(place):
    return functools.cache(lambda **options: ml4a.load("imagine", place / "tiny", **options))


@pytest.fixture
def imagine(folder, models):
    return functools.partial(models(), steps=3, seed=1)


def pixels(picture) -> np.ndarray:
    return np.asarray(picture, np.int16)


def test_text_and_seed_decide_what_is_seen(imagine):
    first = imagine("a cat")
    assert first.size == (64, 64)
    assert pixels(first).std() > 10
    assert np.array_equal(pixels(imagine("a cat")), pixels(first))
    for other in (
        imagine("the red house"),
        imagine("a cat", seed=2),
        imagine("a cat", guidance=2),
        imagine("a cat", negative="blue"),
        imagine("a cat", steps=4),
    ):
        assert np.abs(pixels(other) - pixels(first)).mean() > 0.1
    assert imagine("a cat", width=50, height=83).size == (50, 83)


def test_a_picture_is_changed_as_far_as_strength_says(imagine, folder):
    near, far = (imagine("a hat", picture="photo.png", strength=share, steps=10) for share in (0.2, 1))
    assert near.size == far.size == (64, 43)
    assert np.abs(pixels(near) - pixels(far)).mean() > 5
    assert imagine("a hat", picture="photo.png", height=64).size == (96, 64)
    with pytest.raises(BadValue, match=r"strength 0.2 of 3 steps is less than one step"):
        imagine("a hat", picture="photo.png", strength=0.2)


def test_within_a_mask_of_ours_a_picture_is_new_and_outside_it_stays(imagine, folder):
    photo = pixels(Image.open("photo.png"))
    mask = ml4a.mask.circle(0.3)((96, 64))
    made = pixels(imagine("a hat", picture="photo.png", mask=mask, height=64))
    assert np.array_equal(made[mask[:, :, 0] == 0], photo[mask[:, :, 0] == 0])
    assert np.abs(made - photo)[mask[:, :, 0] == 1].mean() > 10
    image.save(mask, "mask.png")
    again = imagine("a hat", picture="photo.png", mask="mask.png", height=64)
    assert np.abs(pixels(again) - made).max() <= 1
    assert [item.role for item in provenance.record_of(again).inputs] == ["picture", "mask"]
    with pytest.raises(BadValue, match="give the picture, too"):
        imagine("a hat", mask="mask.png")


def test_it_tells_of_each_step_shows_previews_and_can_be_stopped(imagine):
    events = []
    with listening(events.append):
        imagine("a cat", steps=4)
    assert [(event.done, event.total) for event in events] == [(1, 4), (2, 4), (3, 4), (4, 4)]
    assert events[0].preview.shape == (64, 64, 3)
    switch = Cancel()
    with pytest.raises(Cancelled), listening(lambda event: switch.cancel(), switch):
        imagine("a cat", steps=100)


def test_ctrl_c_gives_the_best_so_far(imagine):
    def press(event):
        if event.done == 3:
            signal.raise_signal(signal.SIGINT)

    with interruptible() as interruption, listening(press):
        stopped = imagine("a cat", steps=50)
    assert interruption.cancelled
    assert np.abs(pixels(stopped) - pixels(imagine("a cat", steps=50))).mean() > 1


def test_precision(models, imagine):
    assert models().precision == "float32"
    half = models(dtype="bfloat16")
    assert half.precision == "bfloat16"
    assert np.abs(pixels(half("a cat", steps=3, seed=1)) - pixels(imagine("a cat"))).mean() < 40


@pytest.mark.parametrize("clause", [*clauses.CLAUSES[:-1]], ids=lambda clause: clause.__name__)
def test_it_keeps_the_clause_of_all_models(clause, folder, models):
    clause(registry.model_class("imagine"), models)


def test_a_text_that_is_too_long_is_refused(imagine):
    with pytest.raises(BadValue, match=r"the text is \d+ tokens long, and the network reads 77"):
        imagine("a red cat " * 30)


def edited(tmp_path, place, file: str, change) -> Path:
    broken = tmp_path / "broken"
    shutil.copytree(place / "tiny", broken)
    change(broken / file)
    return broken


def set_key(key, value):
    def change(path: Path) -> None:
        path.write_text(json.dumps({**json.loads(path.read_text()), key: value}))

    return change


def without_a_tensor(path: Path) -> None:
    from safetensors.numpy import load_file, save_file

    tensors = load_file(path)
    tensors.pop("conv_in.weight")
    save_file(tensors, path)


@pytest.mark.parametrize(
    ("file", "change", "words"),
    [
        ("model_index.json", Path.unlink, r"no folder of a pipeline: it has no model_index.json"),
        ("model_index.json", lambda path: path.write_text("[" * 10**5), r"model_index.json is no table in JSON"),
        ("model_index.json", set_key("_class_name", ["evil", "Evil"]), r"kind .*Evil.* is due"),
        ("model_index.json", set_key("_class_name", "FluxPipeline"), r"kind 'FluxPipeline', where one of Stable"),
        ("scheduler/scheduler_config.json", set_key("_class_name", "Popen"), r"wants the scheduler 'Popen'"),
        ("unet/config.json", set_key("cross_attention_dim", 48), r"cannot be read|lacks"),
        ("unet/config.json", lambda path: path.write_text("{"), r"cannot be read"),
        (
            "unet/diffusion_pytorch_model.safetensors",
            without_a_tensor,
            r"UNet2DConditionModel lacks 1 .*conv_in.weight",
        ),
        ("vae/diffusion_pytorch_model.safetensors", lambda path: path.write_bytes(b"PK"), r"cannot be read"),
        (
            "vae/diffusion_pytorch_model.safetensors",
            lambda path: path.rename(path.with_suffix(".bin")),
            r"has no vae/.*safetensors, only diffusion_pytorch_model.bin; save the pipeline anew",
        ),
    ],
)
def test_a_folder_that_is_no_pipeline_is_one_line(file, change, words, folder, place, tmp_path, capsys):
    broken = edited(tmp_path, place, file, change)
    with pytest.raises((BadWeights, NotFound), match=words):
        ml4a.load("imagine", broken)
    assert main(["imagine", "a cat", "--weights", str(broken), "-o", "out.png"]) == 2
    error = capsys.readouterr().err
    assert error.count("\n") == 1
    assert str(broken) in error
    assert not Path("out.png").exists()


def test_code_in_a_folder_is_not_run(folder, place, tmp_path):
    evil = f"from pathlib import Path\nPath({str(tmp_path / 'pwned')!r}).touch()\nclass Evil: pass\n"
    broken = edited(tmp_path, place, "model_index.json", set_key("unet", ["evil", "Evil"]))
    for part in ("", "unet", "text_encoder", "tokenizer"):
        (broken / part / "evil.py").write_text(evil)
    set_key("auto_map", {"AutoModel": "evil.Evil", "AutoTokenizer": ["evil.Evil", None]})(
        broken / "text_encoder" / "config.json"
    )
    set_key("auto_map", {"AutoTokenizer": ["evil.Evil", None]})(broken / "tokenizer" / "tokenizer_config.json")
    ml4a.load("imagine", broken)("a cat", steps=1)
    assert not (tmp_path / "pwned").exists()


def test_weights_of_a_card_are_the_same_pipeline(folder, place, imagine):
    found = sys.modules["ml4a_imagine.folder"].found(place / "tiny")
    toy_card.write_files(
        {f'"{role}"': path.read_bytes() for role, path in found.items()},
        {f'"{role}"': [f"file:{path}"] for role, path in found.items()},
        name="imagine",
        names={f'"{role}"': path.name for role, path in found.items()},
    )
    model = ml4a.load("imagine", "small")
    assert np.array_equal(pixels(model("a cat", steps=3, seed=1)), pixels(imagine("a cat")))


def test_the_command_makes_files_that_repeat_to_the_byte(folder, capsys):
    image.save(ml4a.mask.circle(0.3)((96, 64)), "mask.png")
    given = ["--weights", "./tiny", "--steps", "3", "--seed", "0"]
    assert main(["imagine", "a cat", *given, "-o", "cat.png"]) == 0
    change = ["--picture", "photo.png", "--mask", "mask.png", "--negative", "blue"]
    assert main(["imagine", "a hat", *given, *change, "-o", "hat.png"]) == 0
    assert capsys.readouterr().out == "cat.png\nhat.png\n"
    assert main(["imagine", "a cat", *given, "-o", "cat.png"]) == 2
    assert "cat.png exists" in capsys.readouterr().err
    for name in ("cat", "hat"):
        assert main(["repeat", f"{name}.png", "tiny/model_index.json"]) == 0
        assert Path(f"{name}-repeat.png").read_bytes() == Path(f"{name}.png").read_bytes()
    made_by = jobs.read_record("hat.png")
    assert (made_by.model, made_by.seed, made_by.source_type) == ("imagine", 0, "trainedAlgorithmicMedia")
    assert made_by.parameters["text"] == "a hat"
    assert "diffusers" in made_by.versions
    Path("story.txt").write_text("a cat\n")
    assert main(["imagine", "--file", "story.txt", *given, "-o", "of-a-file.png"]) == 0


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ([], 'say what to imagine: ml4a imagine "a red house by the sea, watercolour" -o house.png'),
        (["a cat", "--steps", "0"], "steps must be between 1 and 500, not 0"),
        (["a cat", "--weights", "sd16"], "there is no weights of imagine named 'sd16'; did you mean 'sd15'?"),
        (["a cat"], "imagine/sd15 is not in the cache and ML4A_OFFLINE is set"),
        (["a cat", "--weights", "./tiny", "--device", "tpu"], "device 'tpu' is not available here"),
        (["a cat", "--weights", "./tiny", "-o", "cat.xyz"], "a picture's name must end in one of"),
        (["a cat", "--weights", "./tiny", "--picture", "nowhere.png"], "nowhere.png does not exist"),
    ],
)
def test_what_is_wrong_is_one_line(arguments, words, folder, capsys):
    assert main(["imagine", *arguments]) == 2
    error = capsys.readouterr().err
    assert words in error
    assert error.count("\n") == 1


def test_in_a_process_of_its_own_it_says_nothing_but_its_result_and_asks_no_network(folder):
    command = [sys.executable, "-m", "ml4a", "imagine", "-", "--weights", "./tiny", "--steps", "3", "--seed", "1"]
    done = subprocess.run([*command, "-o", "-"], input=b"a cat", capture_output=True, timeout=120)
    assert (done.returncode, done.stderr.decode()) == (0, "")
    assert done.stdout.startswith(b"\x89PNG")


def test_ctrl_c_leaves_the_best_so_far_as_a_file(folder, capsys):
    shown = Path("so-far.png")

    def press() -> None:
        while not shown.exists():
            time.sleep(0.01)
        os.kill(os.getpid(), signal.SIGINT)

    thread = threading.Thread(target=press)
    thread.start()
    arguments = ["--weights", "./tiny", "--steps", "500", "--preview", str(shown), "-o", "cat.png"]
    assert main(["imagine", "a cat", *arguments]) == 130
    thread.join()
    output, errors = capsys.readouterr()
    assert (output, errors) == ("", "ml4a: stopped; the best so far was written to cat.png\n")
    assert image.size("cat.png") == image.size(shown) == (64, 64)
    assert sorted(os.listdir()) == ["cat.png", "photo.png", "so-far.png", "tiny"]
