"""RealESRGAN beyond its network: sizes, kinds of pictures, seamless textures, denoising, 16 bits."""

from __future__ import annotations

import threading

import checkpoints
import numpy as np
import pytest
from PIL import Image
from tiers import quick

import ml4a
from ml4a import image, weights
from ml4a._core import limits
from ml4a._core.errors import BadValue, TooLarge
from ml4a.cli import main
from ml4a.media import provenance


def photo(name: str, box: tuple[int, int, int, int]) -> np.ndarray:
    return np.asarray(image.sample(name).crop(box), np.float32) / 255


def install(weights: str, folder) -> None:
    checkpoints.install("real_esrgan", weights, checkpoints.write("real_esrgan", weights, folder, small=True))


@pytest.fixture(scope="module")
def cartoons():
    return ml4a.load("real_esrgan", "animevideo", dtype="float32")


@pytest.fixture(scope="module")
def eye() -> Image.Image:
    return image.sample("eye").crop((30, 30, 61, 53))


@pytest.fixture
def doubling(home, tmp_path):
    install("x2plus", tmp_path)
    return ml4a.load("real_esrgan", "x2plus", dtype="float32")


@pytest.fixture
def general(home, tmp_path):
    install("general", tmp_path)
    return ml4a.load("real_esrgan", "general", dtype="float32")


# -- Sizes and kinds of pictures ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("scale", [0.25, 0.3, 1, 1.7, 3, 4, 5.5, 8])
def test_any_size_is_exact_and_the_picture_keeps_its_place(cartoons, eye, scale):
    result = cartoons(eye, scale=scale)
    assert result.size == (round(31 * scale), round(23 * scale))
    due = eye.resize(result.size, Image.Resampling.LANCZOS)
    assert np.abs(np.asarray(result, np.float32) - np.asarray(due, np.float32)).mean() < 12


@pytest.mark.parametrize("size", quick([(1, 1), (3, 200), (2, 1), (2, 300), (17, 33)], 2))
def test_tiny_thin_and_odd_pictures(cartoons, doubling, size):
    picture = image.sample("chelsea").resize(size)
    assert cartoons(picture).size == (4 * size[0], 4 * size[1])
    result = doubling(picture, scale=2)
    assert result.size == (2 * size[0], 2 * size[1])
    assert np.abs(np.asarray(result.resize(size), np.float32) - np.asarray(picture, np.float32)).mean() < 20


def test_grey_palette_and_cmyk_pictures_are_enlarged_as_the_same_in_rgb(cartoons, eye):
    for mode in ("L", "P", "CMYK", "1"):
        picture = eye.convert(mode)
        result = cartoons(picture)
        assert result.mode == "RGB"
        assert np.array_equal(np.asarray(result), np.asarray(cartoons(image.to_picture(picture))))


def test_transparency_is_enlarged_with_the_picture(cartoons, eye):
    disc = Image.radial_gradient("L").resize(eye.size).point(lambda value: 255 if value < 128 else 0)
    cut_out = eye.copy()
    cut_out.putalpha(disc)
    alpha = np.asarray(cartoons(cut_out, scale=3).getchannel("A"), np.float32)
    nearest = np.asarray(disc.resize((93, 69), Image.Resampling.NEAREST), np.float32)
    assert 0.5 < np.abs(alpha - nearest).mean() < 12  # it has been drawn anew, and is where it was


def test_one_level_of_transparency_stays_that_level(cartoons, eye):
    pale = eye.copy()
    pale.putalpha(77)
    assert set(cartoons(pale).getchannel("A").tobytes()) == {77}


def test_a_result_too_large_is_refused_before_the_work(cartoons, eye, monkeypatch):
    monkeypatch.setattr(limits, "PICTURE_PIXELS", 31 * 23 * 30)
    monkeypatch.setattr(cartoons, "run", None)
    with pytest.raises(TooLarge, match=r"31x23 px would become 186x138 px.*--scale 5\.48"):
        cartoons(eye, scale=6)


# -- 16 bits -----------------------------------------------------------------------------------------------------------


def test_arrays_keep_more_than_8_bits(cartoons, tmp_path):
    ramp = np.linspace(0.2, 0.8, 64 * 24, dtype=np.float32).reshape(24, 64, 1).repeat(3, axis=2)
    image.save(ramp, tmp_path / "ramp.png", bits=16)
    result = cartoons(image.load(tmp_path / "ramp.png", as_array=True))
    image.save(result, tmp_path / "big.tif", bits=16)
    assert len(np.unique(image.load(tmp_path / "big.tif", as_array=True))) > 10_000


@pytest.mark.parametrize(
    ("source", "target", "deep"), [("png", "png", True), ("tif", "tif", True), ("png", "jpg", False)]
)
def test_a_16_bit_file_becomes_one_on_the_command_line(tmp_path, source, target, deep):
    ramp = np.linspace(0.2, 0.8, 64 * 24, dtype=np.float32).reshape(24, 64, 1).repeat(4, axis=2)
    image.save(ramp[:, :, : 4 if deep else 3], tmp_path / f"ramp.{source}", bits=16)
    out = tmp_path / f"out.{target}"
    assert (
        main(["upscale", str(tmp_path / f"ramp.{source}"), "--weights", "animevideo", "-o", str(out), "--quiet"]) == 0
    )
    result = image.load(out, as_array=True)
    assert result.shape == (96, 256, 4 if deep else 3)
    for channel in range(result.shape[2]):
        assert (len(np.unique(result[:, :, channel])) > 256) == deep


# -- Textures ----------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def texture() -> np.ndarray:
    """It repeats itself, and its borders run right through the picture: 40×36."""
    quarter = photo("coffee", (230, 90, 250, 108))
    whole = np.concatenate([quarter, quarter[:, ::-1]], axis=1)
    return np.roll(np.concatenate([whole, whole[::-1]]), (9, 10), (0, 1))


def steps(array: np.ndarray, axis: int) -> np.ndarray:
    """How different neighbouring rows or columns are, the last and the first at the end."""
    difference = np.abs(np.roll(array, -1, axis) - array)
    return difference.mean(axis=(1 - axis, 2))


@pytest.mark.parametrize("options", [{}, {"tile": 32}, {"scale": 2.5}, {"scale": 8}, {"scale": 0.5}])
def test_a_seamless_texture_can_begin_anywhere(cartoons, texture, options):
    scale = options.get("scale", 4)
    shift = (8, -12)
    result = cartoons(texture, seamless=True, **options)
    shifted = cartoons(np.roll(texture, shift, (0, 1)), seamless=True, **options)
    due = np.roll(result, (round(shift[0] * scale), round(shift[1] * scale)), (0, 1))
    assert np.abs(shifted - due).max() <= 1 / 255
    assert np.abs(cartoons(texture, **options) - result).max() > 4 / 255


def test_a_seamless_texture_has_no_seam(cartoons, texture):
    seamless, plain = cartoons(texture, seamless=True), cartoons(texture)
    for axis in (0, 1):
        *inside, seam = steps(seamless, axis)
        assert seam <= np.percentile(inside, 95)
        assert steps(plain, axis)[-1] > 1.3 * seam


@pytest.mark.parametrize("size", [(1, 1), (5, 3), (40, 2)])
def test_textures_smaller_than_what_the_network_sees(cartoons, texture, size):
    small = np.ascontiguousarray(texture[: size[1], : size[0]])
    shifted = np.roll(small, (1, 2), (0, 1))
    result = cartoons(small, seamless=True)
    assert result.shape == (4 * size[1], 4 * size[0], 3)
    assert np.abs(cartoons(shifted, seamless=True) - np.roll(result, (4, 8), (0, 1))).max() <= 1 / 255
    again = cartoons(np.tile(small, (2, 2, 1)), seamless=True)
    assert np.abs(again - np.tile(result, (2, 2, 1))).max() <= 1 / 255


def test_transparency_of_a_texture_is_seamless_too(cartoons, texture):
    cut = np.concatenate([texture, texture[:, :, :1] > np.median(texture[:, :, 0])], axis=2).astype(np.float32)
    result = cartoons(cut, seamless=True, scale=3)
    shifted = cartoons(np.roll(cut, (4, 6), (0, 1)), seamless=True, scale=3)
    assert result[:, :, 3].std() > 0.1
    assert np.abs(shifted - np.roll(result, (12, 18), (0, 1))).max() <= 1 / 255


def test_odd_textures_by_a_network_that_takes_even_sides(doubling, texture):
    odd = np.ascontiguousarray(texture[:21, :15])
    assert doubling(odd, scale=2, seamless=True).shape == (42, 30, 3)
    even = np.ascontiguousarray(texture[:20, :16])
    result = doubling(even, seamless=True)
    assert np.abs(doubling(np.roll(even, 6, 0), seamless=True) - np.roll(result, 24, 0)).max() <= 1 / 255


# -- Denoising ---------------------------------------------------------------------------------------------------------


def test_denoise_blends_the_two_networks(general, eye):
    picture = np.asarray(eye, np.float32) / 255
    files = weights.fetch("real_esrgan/general")
    for denoise, role in ((1, "network"), (0, "noisy")):
        alone = ml4a.load("esrgan", files[role])(picture)
        assert np.array_equal(general(picture, denoise=denoise), alone)
    assert np.abs(general(picture, denoise=0) - picture.repeat(4, 0).repeat(4, 1)).max() < 1e-6  # it adds nothing
    states = [ml4a.load("esrgan", files[role]).network.state_dict() for role in ("network", "noisy")]
    for key, value in general._network_of(0.3).state_dict().items():
        np.testing.assert_allclose(value, 0.3 * states[0][key] + 0.7 * states[1][key], rtol=1e-5, atol=1e-7)
    results = [general(picture, denoise=denoise) for denoise in (0, 0.2, 0.6, 1)]
    differences = [np.abs(result - results[0]).mean() for result in results]
    assert differences == sorted(set(differences))


def test_denoise_is_half_unless_told(general, eye):
    result = general(eye)
    assert provenance.record_of(result).parameters["denoise"] == 0.5
    assert set(provenance.record_of(result).digests) == {"network", "noisy"}
    assert np.array_equal(np.asarray(result), np.asarray(general(eye, denoise=0.5)))
    assert not np.array_equal(np.asarray(result), np.asarray(general(eye, denoise=0.45)))


def test_a_blend_is_made_once(general):
    assert general._network_of(0.25) is general._network_of(0.25)


def test_two_threads_with_two_values_do_not_disturb_each_other(general):
    picture = photo("rocket", (200, 100, 240, 130))
    alone = {denoise: general(picture, denoise=denoise) for denoise in (0.1, 0.9)}
    together = {denoise: [] for denoise in alone}

    def work(denoise: float) -> None:
        for _ in range(5):
            together[denoise].append((general(picture, denoise=denoise), general.last_record.parameters["denoise"]))

    workers = [threading.Thread(target=work, args=(denoise,)) for denoise in alone]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    for denoise, results in together.items():
        assert len(results) == 5
        for result, recorded in results:
            assert np.array_equal(result, alone[denoise])
            assert recorded == denoise


def test_denoise_is_refused_where_there_is_nothing_to_blend(cartoons, eye):
    with pytest.raises(BadValue, match=r"denoise=0\.5 needs other weights than animevideo: general"):
        cartoons(eye, denoise=0.5)
    assert provenance.record_of(cartoons(eye)).parameters["denoise"] is None
