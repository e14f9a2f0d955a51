"""Seeds, latents, films and edits, the same for all generators: on a small StyleGAN2."""

from __future__ import annotations

import checkpoints
import containers
import deterministic
import numpy as np
import pytest
import torch
from checkpoints import stylegan

import ml4a
from ml4a import latents
from ml4a._core.errors import BadValue, TooLarge, UnknownName
from ml4a.media import provenance
from ml4a.media.audio import Sound
from ml4a.media.latents import Latents
from ml4a.models._generator_paths import Between

pytestmark = pytest.mark.xdist_group("generator")


@pytest.fixture(scope="module")
def gan(tmp_path_factory):
    return checkpoints.load("stylegan", tmp_path_factory.mktemp("stylegan"))


def frames(clip) -> np.ndarray:
    return np.stack(list(clip))


def same(one, other) -> bool:
    return np.array_equal(np.asarray(one), np.asarray(other))


def test_a_seed_is_a_picture_and_another_seed_another(gan):
    first = gan(seed=1)
    assert first.size == (gan.network.resolution,) * 2
    assert same(gan(seed=1), first)
    assert not same(gan(seed=2), first)
    assert not same(gan(seed=1, truncation=0.2), first)
    assert same(gan(seed=1, truncation=0), gan(seed=2, truncation=0))


def test_the_seed_is_that_of_the_original_program(gan):
    z = np.random.RandomState(7).randn(1, gan.network.z_dim)
    ws = gan.network.truncate(gan.network.map(torch.from_numpy(z).float()), 0.7)
    due = gan.network.synthesize(ws)[0].permute(1, 2, 0) * 127.5 + 128
    assert same(gan(seed=7), due.clamp(0, 255).to(torch.uint8).numpy())


def test_samples_are_of_seeds_in_a_row_and_each_repeats_alone(gan, tmp_path):
    several = gan.sample(3, seed=2**32 - 2, truncation=0.5)
    assert [provenance.record_of(each).seed for each in several] == [2**32 - 2, 2**32 - 1, 0]
    assert same(several[2], gan(seed=0, truncation=0.5))
    with pytest.raises(BadValue, match="count"):
        gan.sample(0)


def test_latents_of_every_space_are_drawn(gan):
    z = Latents(latents.random(2, gan.network.z_dim, seed=3))
    wide = gan.map(z)
    assert (wide.space, wide.values.shape) == ("w+", (2, gan.network.num_ws, gan.network.w_dim))
    from_z = gan.generate(z, truncation=1)
    from_wide = gan.generate(wide)
    from_w = gan.generate(Latents(wide.values[:, 0], "w"))
    for number in range(2):
        assert same(from_z[number], from_wide[number])
        assert same(from_w[number], from_wide[number])
    assert same(gan(wide[0], truncation=0.1), from_wide[0]), "w+ are not truncated"
    assert not same(from_wide[0], from_wide[1])


def test_truncation_moves_so_many_layers_to_the_average(gan):
    whole, cut = gan.map(seed=3).values, gan.map(seed=3, truncation=0.5, cutoff=2).values
    np.testing.assert_array_equal(cut[:, 2:], whole[:, 2:])
    average = gan.network.w_avg.numpy()
    np.testing.assert_allclose(cut[:, :2] - average, 0.5 * (whole[:, :2] - average), atol=1e-5)


def test_what_does_not_fit_is_refused(gan):
    with pytest.raises(BadValue, match=rf"takes N×{gan.network.z_dim}"):
        gan(np.zeros((1, gan.network.z_dim + 1), np.float32))
    with pytest.raises(BadValue, match=r"takes N×\d+×\d+ of w\+"):
        gan(np.zeros((1, 3, 5), np.float32))
    with pytest.raises(BadValue, match="one of 2 latents"):
        gan(np.zeros((2, gan.network.z_dim), np.float32))
    with pytest.raises(BadValue, match="know no classes"):
        gan(label=1)
    with pytest.raises(BadValue, match="there is no 99"):
        gan.mix(seed=1, layers=(99,))


def test_too_little_memory_is_told_of(gan, monkeypatch):
    monkeypatch.setenv("ML4A_MEMORY", "1000")
    with pytest.raises(TooLarge, match="GiB of memory"):
        gan(seed=1)


def test_a_mix_has_the_layers_of_both(gan):
    one, other = gan.map(seed=1, truncation=0.7).values, gan.map(seed=2, truncation=0.7).values
    due = one.copy()
    due[:, [1, 3]] = other[:, [1, 3]]
    assert same(gan.mix(seed=1, other_seed=2, layers=(1, 3)), gan(due))
    half = gan.network.num_ws // 2
    assert same(gan.mix(one, other=other), gan(np.concatenate([one[:, :half], other[:, half:]], axis=1)))


@pytest.mark.parametrize("mode", ["linear", "ease", "slerp", "spline"])
def test_a_loop_comes_back_and_meets_its_seeds(gan, mode):
    clip = gan.interpolate(seeds=(1, 2, 3), seconds=0.6, rate=10, mode=mode)
    film = frames(clip)
    assert (clip.count, clip.rate, clip.duration) == (6, 10, 0.6)
    met = [0] if mode == "spline" else [0, 2, 4]  # a spline goes at an even pace, wherever its points are
    for number, seed in zip(met, (1, 2, 3), strict=False):
        assert np.abs(255 * film[number] - np.asarray(gan(seed=seed))).max() <= 1
    assert np.abs(film[5] - film[0]).mean() < np.abs(film[3] - film[0]).mean()


def test_a_way_ends_at_the_last_point(gan):
    points = gan.map(Latents(latents.random(2, gan.network.z_dim, seed=3)))
    film = frames(gan.interpolate(points, seconds=0.5, rate=10, mode="linear", loop=False))
    assert len(film) == 5
    middle = gan((points.values[:1] + points.values[1:]) / 2)
    for frame, due in ((film[0], gan(points[0])), (film[2], middle), (film[-1], gan(points[1]))):
        assert np.abs(255 * frame - np.asarray(due)).max() <= 1


def test_z_is_gone_through_if_asked_for(gan):
    straight, detour = (
        frames(gan.interpolate(seeds=(1, 2), seconds=0.4, rate=10, mode="slerp", space=space)) for space in ("w", "z")
    )
    assert np.abs(straight[0] - detour[0]).max() < 1e-4
    assert np.abs(straight[1] - detour[1]).max() > 0.01


def test_one_point_is_no_way(gan):
    for wrong in ({"seeds": (1,)}, {}, {"latents": np.zeros((2, gan.network.z_dim)), "seeds": (1, 2)}):
        with pytest.raises(BadValue, match="to go"):
            gan.interpolate(**wrong)
    with pytest.raises(BadValue, match="three points"):
        gan.interpolate(seeds=(1, 2), mode="spline")


def test_a_walk_is_a_loop_of_its_seed(gan):
    film = frames(gan.walk(seconds=1, smoothing=0.1, rate=12, seed=5))
    again, other = (frames(gan.walk(seconds=1, smoothing=0.1, rate=12, seed=seed)) for seed in (5, 6))
    assert len(film) == 12
    assert np.array_equal(again, film)
    assert not np.array_equal(other, film)
    steps = np.abs(np.diff(np.concatenate([film, film[:1]]), axis=0)).mean(axis=(1, 2, 3))
    assert steps[-1] < 2 * steps[:-1].max(), "a seam"
    assert steps.min() > 0


def test_a_sound_drives_the_walk(gan):
    rate = 16_000
    time = np.arange(2 * rate) / rate
    tone = np.where(time < 1, 0, np.sin(2 * np.pi * 60 * time)).astype(np.float32)  # silence, then a deep hum
    clip = gan.walk(Sound(tone, rate), smoothing=0.2, rate=10, react=1, seed=5)
    film = frames(clip)
    assert (clip.count, clip.has_sound) == (20, True)
    steps = np.abs(np.diff(film, axis=0)).mean(axis=(1, 2, 3))
    assert steps[11:].mean() > 3 * steps[:8].mean()
    even = frames(gan.walk(Sound(tone, rate), smoothing=0.2, rate=10, react=0, seed=5))
    silent = frames(gan.walk(seconds=2, smoothing=0.2, rate=10, seed=5))
    assert np.abs(even - silent).max() < 1 / 255


def test_directions_change_the_picture_both_ways(gan):
    start = np.asarray(gan(seed=1), np.float32)
    there, back = (np.asarray(gan.edit(seed=1, direction="pca:1", amount=each), np.float32) for each in (2, -2))
    assert same(gan.edit(seed=1, amount=0), gan(seed=1))
    assert np.abs(there - start).mean() > 1
    assert np.abs(there - back).mean() > np.abs(there - start).mean()
    fine = np.asarray(gan.edit(seed=1, direction="pca:1", amount=2, layers=(gan.network.num_ws - 1,)), np.float32)
    assert 0 < np.abs(fine - start).mean() < np.abs(there - start).mean()
    with pytest.raises(BadValue, match="direction"):
        gan.edit(seed=1, direction="smile")
    for wrong in ("sefa:-1", "sefa:100000", "pca:x"):
        with pytest.raises(BadValue, match="direction"):
            gan.edit(seed=1, direction=wrong)


def test_directions_are_found_once(gan, monkeypatch):
    found = gan.directions("pca", 3)
    assert found.vectors.shape == (3, gan.network.w_dim)
    monkeypatch.setattr(gan.network, "map", None)  # nothing is drawn again
    assert np.array_equal(gan.directions("pca", 2).vectors, found.vectors[:2])
    with pytest.raises(UnknownName, match="kind of directions"):
        gan.directions("lda")


def test_a_direction_of_ones_own(gan):
    rng = np.random.default_rng(0)
    step = rng.standard_normal((1, gan.network.w_dim)).astype(np.float32)
    start = gan.map(seed=1, truncation=0.7).values
    assert same(gan.edit(seed=1, along=Latents(step, "w"), amount=1.5), gan(start + 1.5 * step))


def test_a_sheet_shows_what_directions_do(gan):
    sheet = gan.explore(seed=1, kind="sefa", count=2, columns=3, size=32)
    assert sheet.height > 2 * 32
    assert sheet.width > 3 * 32
    assert provenance.record_of(sheet).operation == "explore"
    middle = np.asarray(gan(seed=1).resize((32, 32)), np.float32)
    cell = np.asarray(sheet.crop((8 + 32 + 8, 8, 8 + 32 + 8 + 32, 40)), np.float32)
    assert np.abs(cell - middle).mean() < 12  # resampled by another filter


def test_records_tell_of_points(gan, tmp_path):
    found = gan.map(seed=3).save(tmp_path / "point.safetensors")
    record = provenance.record_of(gan.edit(found, amount=1.5))
    assert [(item.role, item.kind) for item in record.inputs] == [("latents", "file")]
    assert gan.interpolate(seeds=(1, 2), seconds=0.2, rate=10).record.parameters["seeds"] == (1, 2)
    assert gan.edit(latents.load(found)[0]).info  # from memory, by the hash of its numbers


def test_clips_say_how_long_they_are_before_they_are_made(gan):
    clip = gan.walk(seconds=3600, smoothing=5, seed=1)
    assert clip.duration == 3600
    assert clip.at(1800).shape == (gan.network.resolution, gan.network.resolution, 3)
    day = gan.interpolate(seeds=(1, 2), seconds=24 * 3600, mode="linear")
    assert np.abs(255 * day.at(12 * 3600) - np.asarray(gan(seed=2))).max() <= 1


def test_a_panorama_goes_from_one_to_the_next_and_may_go_on_at_the_left(gan):
    side = gan.network.resolution
    wide = np.asarray(gan.panorama(seeds=(1, 2, 3)), np.float32)
    assert wide.shape == (side, 3 * side, 3)
    assert np.asarray(gan.panorama(seeds=(1, 2), width=side + 8)).shape[1] == side + 8
    paper = np.asarray(gan.panorama(seeds=(1, 2, 3), tileable=True), np.float32)
    inside = np.abs(np.diff(paper, axis=1)).mean()
    assert np.abs(paper[:, 0] - paper[:, -1]).mean() < 2 * inside
    assert np.abs(wide[:, 0] - wide[:, -1]).mean() > np.abs(paper[:, 0] - paper[:, -1]).mean()


def test_the_discriminator_judges_pictures_of_any_size(gan):
    picture = gan(seed=1)
    score = gan.score(picture)
    assert score == pytest.approx(gan.score(picture.resize((2 * picture.width,) * 2, 0)), abs=0.2)
    assert gan.score(gan(seed=2)) != pytest.approx(score, abs=1e-3)


@pytest.mark.parametrize("mode", ["linear", "ease", "slerp", "spline"])
@pytest.mark.parametrize("loop", [True, False])
def test_any_part_of_a_way_is_that_of_the_whole(mode, loop):
    points = np.random.default_rng(0).standard_normal((3, 4, 5)).astype(np.float32)
    path = Between(points, 11, mode, loop=loop)
    whole = path[:]
    assert whole.shape == (11, 4, 5)
    np.testing.assert_array_equal(np.concatenate([path[0:4], path[4:5], path[5:11]]), whole)
    np.testing.assert_allclose(whole[0], points[0], atol=1e-5)
    if not loop:
        np.testing.assert_allclose(whole[-1], points[-1], atol=1e-5)


def test_easing_rests_at_each_point():
    points = np.array([[0.0], [1.0]], np.float32)
    even, eased = (Between(points, 9, mode, loop=False)[:][:, 0] for mode in ("linear", "ease"))
    np.testing.assert_allclose(even, np.linspace(0, 1, 9), atol=1e-6)
    assert eased[4] == pytest.approx(0.5)
    assert eased[1] < 0.5 * even[1]
    assert 1 - eased[7] < 0.5 * (1 - even[7])


def test_a_file_of_rosinality_s_is_read(tmp_path, home):
    state = deterministic.state_dict(stylegan.rosinality((6, 5, 4, 3), 11, 2))
    training = {"g_ema": containers.tensors(state), "latent_avg": torch.zeros(11), "args": {"size": 32}}
    path = containers.save_torch(tmp_path / "550000.pt", training)
    own = ml4a.load("stylegan", weights=path)
    assert (own.network.resolution, own.network.num_ws) == (32, 8)
    assert np.ptp(np.asarray(own(seed=1))) > 0
    assert provenance.record_of(own(seed=1)).weights == "550000.pt"
