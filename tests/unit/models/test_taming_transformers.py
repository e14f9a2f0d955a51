from __future__ import annotations

import checkpoints
import deterministic
import numpy as np
import pytest
import torch
from checkpoints import taming_transformers as official
from PIL import Image
from tiers import quick

import ml4a
from ml4a import image, segmentation
from ml4a._core import progress
from ml4a._core.errors import BadMedia, BadValue, BadWeights, TooLarge
from ml4a.media import provenance
from ml4a.models import _label_maps
from ml4a.models._window_sampling import WindowSampler
from ml4a.models.taming_transformers import TamingTransformers, _painted_size, _read_heads, load_tokens, save_tokens

pytestmark = pytest.mark.xdist_group("taming")
COCO = segmentation.COCO_STUFF
SMALL = official.vqgan(**official.SMALL_SIZES)


@pytest.fixture(scope="module")
def photo() -> Image.Image:
    """Before a test has an empty home, to which it would have to be brought again."""
    return image.sample("chelsea").crop((100, 80, 196, 160))


@pytest.fixture(scope="module")
def vqgan(tmp_path_factory) -> TamingTransformers:
    return checkpoints.load("taming_transformers", tmp_path_factory.mktemp("vqgan"), dtype="float32")


@pytest.fixture(scope="module")
def painter(tmp_path_factory) -> TamingTransformers:
    return checkpoints.load("taming_transformers", tmp_path_factory.mktemp("painter"), "sflckr", dtype="float32")


def installed(folder, shapes, heads: str = "4", name: str = "sflckr") -> TamingTransformers:
    """The model with a set of other networks."""
    files = checkpoints.write("taming_transformers", name, folder, small=True)
    official.save("network", files["network"], official.state_dict(shapes))
    if "config" in files:
        official.save("config", files["config"], {heads: np.zeros(())})
    checkpoints.install("taming_transformers", name, files)
    return ml4a.load("taming_transformers", name)


def scene(height: int = 64, width: int = 64) -> np.ndarray:
    """Sky above grass, with a tree."""
    labels = np.full((height, width), COCO["sky"].index)
    labels[height // 2 :] = COCO["grass"].index
    labels[height // 4 : 3 * height // 4, width // 3 : width // 2] = COCO["tree"].index
    return labels


def test_a_picture_is_what_its_tokens_stand_for(vqgan, photo):
    tokens = vqgan.tokens(photo)
    assert tokens.shape == (5, 6)
    assert tokens.dtype == np.int64
    assert len(np.unique(tokens)) > 3
    assert tokens.max() < vqgan.codes == 64
    assert np.array_equal(np.asarray(vqgan.decode(tokens)), np.asarray(vqgan(photo)))
    x = torch.from_numpy(image.to_array(photo)).permute(2, 0, 1)[None] * 2 - 1
    with torch.inference_mode():
        due = (vqgan.network(x)[0].permute(1, 2, 0) + 1) / 2
    assert np.abs(np.asarray(vqgan(photo)) / 255 - due.clamp(0, 1).numpy()).max() < 0.51 / 255


@pytest.mark.parametrize("size", quick([(96, 70), (37, 50), (1, 1), (3, 90)]))
def test_sides_that_are_no_multiples_are_mirrored_and_cut(vqgan, photo, size):
    small = photo.resize(size)
    made = vqgan(small)
    assert made.size == size
    rows, columns = (-(-side // 16) for side in (size[1], size[0]))
    assert vqgan.tokens(small).shape == (rows, columns)
    if size == (96, 70):
        whole = np.pad(np.asarray(small), ((0, 10), (0, 0), (0, 0)), mode="reflect")
        assert np.array_equal(np.asarray(vqgan(Image.fromarray(whole)))[:70], np.asarray(made))


def test_a_height_can_be_asked_for(vqgan, photo):
    made = vqgan(photo, size=40)
    assert made.size == (48, 40)
    pixels = image.to_array(photo)
    assert np.array_equal(vqgan(pixels, size=40), vqgan(image.resize(pixels, 40)))
    assert vqgan.tokens(photo, size=32).shape == (2, 3)


def test_changed_tokens_change_the_picture_there_most(vqgan):
    tokens = np.full((6, 6), 7)
    changed = tokens.copy()
    changed[0, 0] = 50
    difference = np.abs(np.asarray(vqgan.decode(changed), int) - np.asarray(vqgan.decode(tokens), int)).mean(axis=2)
    assert difference[:16, :16].mean() > 1.3 * difference[48:, 48:].mean()


@pytest.mark.slow
def test_mixing_goes_from_the_first_picture_to_the_other(vqgan, photo):
    other = photo.transpose(Image.Transpose.FLIP_TOP_BOTTOM)
    first, half, second = (np.asarray(vqgan.mix(photo, other=other, amount=amount), int) for amount in (0, 0.5, 1))
    assert np.array_equal(first, np.asarray(vqgan(photo)))
    assert np.array_equal(second, np.asarray(vqgan(other)))
    assert np.abs(half - first).max() > 10
    assert np.abs(half - second).max() > 10
    assert vqgan.mix(photo, other=other.resize((30, 90))).size == photo.size


@pytest.mark.parametrize(
    "tokens", [np.zeros((2, 2)), np.zeros((2, 2, 3), int), np.zeros((0, 2), int), np.full((2, 2), 64)]
)
def test_what_is_no_grid_of_tokens_is_refused(vqgan, tokens):
    with pytest.raises(BadValue, match=r"tokens are|picture"):
        vqgan.decode(tokens)


def test_a_picture_that_is_decoded_is_refused_in_words(vqgan, photo):
    with pytest.raises(BadValue, match="load_tokens"):
        vqgan.decode(photo)


def test_tokens_are_kept_in_files(vqgan, photo, tmp_path):
    tokens = vqgan.tokens(photo)
    path = save_tokens(tokens, tmp_path / "deep" / "tokens.png")
    assert np.array_equal(load_tokens(path), tokens)
    with Image.open(path) as opened:
        assert opened.mode == "I;16"
        assert np.array_equal(vqgan.decode(np.asarray(opened)), vqgan.decode(tokens))
    most = np.array([[0, 1, 65_535]])
    assert np.array_equal(load_tokens(save_tokens(most, tmp_path / "most.png")), most)
    with pytest.raises(BadValue, match=r"\.png"):
        save_tokens(tokens, tmp_path / "tokens.jpg")
    with pytest.raises(BadValue, match="65536"):
        save_tokens(most + 1, tmp_path / "more.png")
    photo.save(tmp_path / "photo.png")
    with pytest.raises(BadMedia, match="no tokens"):
        load_tokens(tmp_path / "photo.png")


def test_what_is_made_carries_its_record(vqgan, photo):
    made = vqgan.decode(vqgan.tokens(photo))
    found = provenance.record_of(made)
    assert found is not None
    assert (found.operation, found.inputs[0].size) == ("decode", "6x5")


def test_a_size_that_needs_too_much_memory_is_refused(vqgan, painter, photo, monkeypatch):
    monkeypatch.setenv("ML4A_MEMORY", "1M")
    for work in (
        lambda: vqgan(photo.resize((900, 700))),
        lambda: vqgan.mix(photo.resize((900, 700)), other=photo),
        lambda: painter.paint(scene(), size=400),
    ):
        with pytest.raises(TooLarge, match="--size"):
            work()
    with pytest.raises(TooLarge):
        vqgan.decode(np.zeros((90, 90), int))


@pytest.mark.slow
def test_scored_codebooks_are_read_too(home, tmp_path, photo):
    shapes = official.vqgan(**official.SMALL_SIZES | {"code_width": 16}, scored=True)
    model = installed(tmp_path, shapes, name="imagenet")
    assert len(np.unique(model.tokens(photo))) > 3
    assert np.array_equal(np.asarray(model(photo)), np.asarray(model.decode(model.tokens(photo))))


@pytest.mark.slow
def test_a_file_of_ones_own_will_do(tmp_path, photo, vqgan):
    path = official.save("network", tmp_path / "mine.ckpt", deterministic.state_dict(SMALL))
    mine = ml4a.load("taming_transformers", path)
    assert np.array_equal(mine.tokens(photo), vqgan.tokens(photo))


@pytest.mark.slow
def test_networks_that_make_no_pictures_are_refused(home, tmp_path):
    for name, shapes in {
        "GPT": official.gpt(8, 32, 1, 32),
        "VQModel": official.vqgan(1, **official.SMALL_SIZES),
    }.items():
        path = official.save("network", tmp_path / f"{name}.ckpt", official.state_dict(shapes))
        with pytest.raises(BadWeights, match=f"{name}'s"):
            ml4a.load("taming_transformers", path)


# -- painting ----------------------------------------------------------------------------------------------------------


def test_weights_with_a_transformer_do_all_that_others_do(painter, photo):
    assert painter.writer.transformer.heads == 4
    assert painter(photo).size == photo.size
    assert np.array_equal(painter.decode(painter.tokens(photo)), painter(photo))


@pytest.mark.slow
def test_only_weights_for_labels_paint(vqgan, home, tmp_path):
    with pytest.raises(BadValue, match="'imagenet' do not paint"):
        vqgan.paint(scene())
    faces = official.net2net(SMALL, {}, official.gpt(64, 32, 1, 32))
    with pytest.raises(BadValue, match="'sflckr' do not paint"):
        installed(tmp_path, faces).paint(scene())


def test_every_way_to_say_the_same_paints_the_same(painter, tmp_path):
    said = segmentation.from_array(scene(), COCO)
    said.to_image().save(tmp_path / "colours.png")
    said.save(tmp_path / "indices.png")
    due = np.asarray(painter.paint(said, size=64, seed=1))
    assert due.shape == (64, 64, 3)
    assert due.std() > 5
    for way in (tmp_path / "colours.png", tmp_path / "indices.png", Image.fromarray(scene().astype(np.uint8))):
        assert np.array_equal(np.asarray(painter.paint(way, size=64, seed=1)), due)
    for array in (scene(), scene().astype(np.int16), scene().astype(np.uint8)):
        assert np.abs(painter.paint(array, size=64, seed=1) * 255 - due).max() <= 0.51


@pytest.mark.slow
def test_the_tokens_are_those_of_a_sampler_that_is_given_the_labels(painter, monkeypatch):
    given = []
    reader = painter.writer.cond_stage_model
    read = reader.tokens
    monkeypatch.setattr(reader, "tokens", lambda hot: given.append(hot) or read(hot))
    labels = scene()
    labels[:8] = -1
    painted = painter.paint(labels, size=64, seed=4, temperature=0.5, top_k=7)
    hot = given[0][0]
    assert hot.shape == (182, 64, 64)
    assert (hot.sum(0)[8:] == 1).all()
    assert (hot[:, :8] == 0).all()
    assert (hot.argmax(0).numpy()[8:] == labels[8:]).all()
    with torch.inference_mode():
        condition = read(given[0])[0]
    sampler = WindowSampler(painter.writer.transformer, condition, painter.codes, seed=4, temperature=0.5, top_k=7)
    list(sampler.rows())
    assert np.abs(np.asarray(painter.decode(sampler.tokens.numpy())) - np.rint(painted * 255)).max() <= 1


@pytest.mark.slow
def test_unknown_is_a_label_where_there_are_183(home, tmp_path):
    model = installed(
        tmp_path,
        official.net2net(
            SMALL, official.vqgan(183, **official.SMALL_SIZES, colorize=True), official.gpt(64, 32, 1, 32)
        ),
    )
    given = []
    reader = model.writer.cond_stage_model
    read = reader.tokens
    reader.tokens = lambda hot: given.append(hot) or read(hot)
    labels = scene()
    labels[:8] = -1
    model.paint(labels, size=64, seed=1)
    assert (given[0][0].argmax(0).numpy() == labels + 1).all()
    assert len(model.label_set) == 182


@pytest.mark.parametrize(
    ("shape", "size", "due"),
    quick([((30, 60), 70, (140, 70)), ((64, 64), 64, (64, 64)), ((60, 30), 100, (50, 100))], rows=True),
)
def test_the_result_has_the_shape_of_the_map(painter, shape, size, due, monkeypatch):
    monkeypatch.setattr(painter.writer.transformer, "follow", lambda tokens, cache: torch.zeros(1, 64))
    assert painter.paint(segmentation.from_array(scene(*shape), COCO), size=size, seed=1).size == due


def test_the_size_is_512_pixels_or_what_the_window_needs():
    assert _painted_size((300, 200), None, 256) == (512, 341)
    assert _painted_size((100, 20), None, 256) == (1280, 256)
    assert _painted_size((20, 100), None, 256) == (256, 1280)
    assert _painted_size((300, 200), 100, 256) == (150, 100)


@pytest.mark.slow
def test_the_seed_decides_and_strides_change_it(painter, caplog):
    wide = scene(64, 128)
    first = painter.paint(wide, size=64, seed=1)
    assert np.array_equal(painter.paint(wide, size=64, seed=1), first)
    assert np.abs(painter.paint(wide, size=64, seed=2) - first).max() > 0.05
    assert "another sampler" not in caplog.text
    assert np.abs(painter.paint(wide, size=64, seed=1, fast=True) - first).max() > 0.05
    assert "another sampler" in caplog.text
    painter.paint(scene(), size=64)
    drawn = painter.last_record
    assert drawn.seed is not None
    assert drawn.parameters == {"temperature": 1.0, "top_k": 100, "fast": False, "size": 64}


@pytest.mark.slow
def test_transparency_is_kept(painter):
    colors = segmentation.from_array(scene(), COCO).to_image()
    clear = colors.copy()
    clear.putalpha(Image.linear_gradient("L").resize(colors.size))
    made = painter.paint(clear, size=64, seed=1)
    assert np.array_equal(made.getchannel("A"), clear.getchannel("A"))
    assert np.array_equal(np.asarray(made)[:, :, :3], np.asarray(painter.paint(colors, size=64, seed=1)))


def test_ctrl_c_gives_what_there_is_and_labels_below(painter, monkeypatch):
    follow, calls = painter.writer.transformer.follow, []

    def pressed(tokens, cache):
        calls.append(1)
        if len(calls) == 11:
            raise KeyboardInterrupt
        return follow(tokens, cache)

    whole = painter.paint(scene(), size=64, seed=1)
    monkeypatch.setattr(painter.writer.transformer, "follow", pressed)
    with progress.interruptible() as switch:
        made = painter.paint(scene(), size=64, seed=1)
    assert switch.cancelled
    colors = image.to_array(segmentation.from_array(scene(), COCO).to_image())
    assert np.abs(made[32:] - colors[32:]).max() < 1e-6  # two of four rows were written
    assert np.abs(made[:32] - colors[:32]).max() > 0.1
    assert np.abs(made[:8] - whole[:8]).mean() < np.abs(made[:8] - colors[:8]).mean()
    calls[:] = [1] * 10
    with progress.interruptible() as switch, pytest.raises(KeyboardInterrupt):
        painter.paint(scene(), size=64, seed=1)
    assert not switch.cancelled


def test_rows_are_shown_as_they_are_written(painter):
    seen = []
    with progress.listening(seen.append):
        painter.paint(scene(), size=64, seed=1)
    assert [event.done for event in seen if event.preview is None] == list(range(16))
    shown = [event for event in seen if event.preview is not None]
    assert shown[0].done == 4
    assert shown[0].preview.shape == (64, 64, 3)


def test_configurations_say_how_many_heads_there_are(tmp_path):
    path = tmp_path / "some.yaml"
    path.write_text(official.CONFIG.format(heads=16))
    assert _read_heads(path) == 16
    path.write_text("model: none\n")
    assert _read_heads(path) is None


@pytest.mark.parametrize(
    ("content", "message"),
    [(b"n_head: 4\n n_head: 8\n", "4 and 8"), (b"  " * 60_000, "larger"), (b"\xff\xfe", "no text")],
    ids=["two", "large", "binary"],
)
def test_broken_configurations_are_refused(tmp_path, content, message):
    path = tmp_path / "some.yaml"
    path.write_bytes(content)
    with pytest.raises(BadWeights, match=rf"some\.yaml.*{message}"):
        _read_heads(path)


def test_labels_of_other_sets_are_taken_by_name(caplog):
    ade = segmentation.ADE20K
    labels = np.array([[ade["sky"].index, ade["cradle"].index, -1]])
    found = _label_maps.read(segmentation.from_array(labels, ade), COCO, np.asarray)
    assert found.labels.tolist() == [[COCO["sky"].index, -1, -1]]
    assert "no cradle" in caplog.text
