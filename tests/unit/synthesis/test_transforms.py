"""What is done to pictures by chance."""

from __future__ import annotations

import math

import pytest
import torch
from small_network import noise, small_network

from ml4a._core.errors import BadValue
from ml4a.synthesis import Adam, Pixels, Stage, Synthesis, layer
from ml4a.synthesis.transforms import affine, jitter, pad, random_resize, rotate, scale, standard

TRANSFORMS = {
    "jitter": jitter(4),
    "rotate": rotate(20),
    "scale": scale(0.8, 1.3),
    "affine": affine(15, (0.1, 0.2)),
    "affine, filled": affine(15, (0.1, 0.2), border="fill", fill=(0.485, 0.456, 0.406)),
    "affine, nearest": affine(15, (0.1, 0.2), border="fill", sampling="nearest"),
    "random_resize": random_resize(0.5, 1.2),
}


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def picture(height: int = 20, width: int = 24) -> torch.Tensor:
    return noise("picture", height, width)


def all_of(transforms, x: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
    for transform in transforms:
        x = transform(x, generator)
    return x


@pytest.mark.parametrize("name", TRANSFORMS)
def test_chance_is_of_the_generator(name):
    made = [TRANSFORMS[name](picture(), seeded(seed)) for seed in (1, 1, 5)]
    assert torch.equal(made[0], made[1])
    assert made[0].shape != made[2].shape or (made[0] - made[2]).abs().max() > 0.01
    assert made[0].shape != picture().shape or (made[0] - picture()).abs().max() > 0.01


@pytest.mark.parametrize("name", [name for name in TRANSFORMS if "nearest" not in name])
def test_the_gradient_is_the_slope(name):
    small = noise("gradient", 9, 8).double().requires_grad_()
    assert torch.autograd.gradcheck(lambda x: TRANSFORMS[name](x, seeded()), small)


@pytest.mark.parametrize("name", TRANSFORMS)
def test_the_pictures_of_a_batch_are_treated_alike(name):
    pair = torch.cat([picture(), 1 - picture()])
    together = TRANSFORMS[name](pair, seeded(3))
    for number in range(2):
        assert torch.allclose(together[number], TRANSFORMS[name](pair[number : number + 1], seeded(3))[0], atol=1e-6)


def test_jitter_cuts_off_here_or_there():
    generator, whole = seeded(), picture()
    seen = set()
    for _ in range(60):
        cut = jitter(2)(whole, generator)
        assert cut.shape == (1, 3, 18, 22)
        seen |= {
            (top, left)
            for top in range(3)
            for left in range(3)
            if torch.equal(cut, whole[..., top : top + 18, left : left + 22])
        }
    assert len(seen) == 9


def test_pad_mirrors_or_fills():
    mirrored, filled = pad(3)(picture(), seeded()), pad(3, "fill", (0.1, 0.2, 0.3))(picture(), seeded())
    assert mirrored.shape == filled.shape == (1, 3, 26, 30)
    assert torch.equal(mirrored[..., 3:-3, 2], picture()[..., :, 1])
    assert torch.allclose(filled[0, :, 0, 0], torch.tensor([0.1, 0.2, 0.3]))
    assert torch.allclose(filled[..., 3:-3, 3:-3], picture(), atol=1e-6)
    assert torch.equal(pad(0)(picture(), seeded()), picture())


def test_rotation_is_around_the_middle_and_keeps_circles():
    rows, columns = torch.meshgrid(torch.arange(31) - 15.0, torch.arange(41) - 20.0, indexing="ij")
    disc = (torch.hypot(rows, columns) < 10).float().expand(1, 3, -1, -1)
    turned = rotate(80, border="fill", fill=0)(disc, seeded(1))
    assert (turned - disc).abs().mean() < 0.02
    bar = ((rows.abs() < 3) & (columns.abs() < 12)).float().expand(1, 3, -1, -1)
    angle = _angle(rotate(80, border="fill", fill=0)(bar, seeded(1)), rows, columns)
    expected = 80 * (2 * float(torch.rand((), generator=seeded(1), dtype=torch.float64)) - 1)
    assert abs(expected) > 20
    assert angle == pytest.approx(-expected, abs=3)


def _angle(shown: torch.Tensor, rows: torch.Tensor, columns: torch.Tensor) -> float:
    """Of the longer axis of what is white, in degrees, downwards from the right."""
    weight = shown[0, 0]
    xx, yy, xy = ((weight * a * b).sum() for a, b in ((columns, columns), (rows, rows), (columns, rows)))
    return math.degrees(0.5 * math.atan2(2 * xy, xx - yy))


def test_a_shift_is_by_whole_pixels_and_reaches_its_bounds():
    whole, generator = picture(), seeded()
    found = set()
    for _ in range(200):
        moved = affine(translate=(0.1, 0.2), border="fill")(whole, generator)
        for right in range(-3, 4):
            for down in range(-5, 6):
                inside = moved[..., max(0, down) : 20 + min(0, down), max(0, right) : 24 + min(0, right)]
                due = whole[..., max(0, -down) : 20 + min(0, -down), max(0, -right) : 24 + min(0, -right)]
                if torch.allclose(inside, due, atol=1e-4):
                    found.add((right, down))
    assert {right for right, _ in found} == set(range(-2, 3))
    assert {down for _, down in found} == set(range(-4, 5))


def test_what_comes_in_from_outside_is_the_mirrored_picture_or_the_colour():
    white = torch.ones(1, 3, 20, 24)
    assert affine(30, (0.5, 0.5))(white, seeded()).min() > 0.999
    filled = affine(30, (0.5, 0.5), border="fill", fill=(0.2, 0.4, 0.6))(white, seeded())
    assert torch.allclose(filled.amin((0, 2, 3)), torch.tensor([0.2, 0.4, 0.6]))
    assert filled.max() > 0.999


def test_nothing_to_do_leaves_the_picture_as_it_is():
    for transform in (jitter(0), rotate(0), affine(), scale(1, 1), random_resize(1, 1)):
        assert torch.equal(transform(picture(), seeded()), picture())


def test_scale_keeps_proportions_and_random_resize_does_not():
    generator = seeded()
    sizes = [scale(0.5, 2)(picture(100, 200), generator).shape[2:] for _ in range(30)]
    assert all(abs(width - 2 * height) <= 1 for height, width in sizes)
    assert {height < 80 for height, _ in sizes} == {height > 150 for height, _ in sizes} == {True, False}
    sizes = [random_resize(0.5, 1.2)(picture(100, 200), generator).shape[2:] for _ in range(30)]
    assert all(50 <= height <= 120 and 100 <= width <= 240 for height, width in sizes)
    assert max(abs(width - 2 * height) for height, width in sizes) > 50
    assert random_resize(0.1, 0.2)(picture(2, 3), generator).shape == (1, 3, 1, 1)


def test_the_standard_row_gives_nearly_the_size_and_is_of_chance():
    generator = seeded()
    shapes = [all_of(standard(), picture(60, 80), generator).shape[2:] for _ in range(20)]
    assert all(60 <= height <= 80 and 80 <= width <= 102 for height, width in shapes)
    assert len(set(shapes)) > 5


def test_a_run_takes_a_list_of_them():
    def run(transforms):
        image = Pixels(picture())
        return Synthesis(
            image, layer("relu2_1"), small_network(), [Stage((24, 20), 5)], Adam(0.05), transforms=transforms, seed=1
        ).run("x")

    shaken = run([pad(2), jitter(3), rotate(10), scale(0.9, 1.1)])
    assert torch.equal(shaken, run([pad(2), jitter(3), rotate(10), scale(0.9, 1.1)]))
    assert (shaken - run([])).abs().mean() > 0.01


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: jitter(-1), "jitter takes a number of pixels of 0 or more, not -1"),
        (lambda: pad(-1), "pad takes"),
        (lambda: rotate(-5), "bounds of 0 or more, not -5 degrees"),
        (lambda: affine(5, (0.1, -0.1)), "bounds of 0 or more"),
        (lambda: scale(0, 1), "more than 0"),
        (lambda: random_resize(1.2, 0.5), "the lower factor first, not 1.2 to 0.5"),
        (lambda: jitter(20)(picture(), seeded()), "24x20 px has nothing left after jitter"),
        (lambda: pad(20)(picture(), seeded()), "cannot be mirrored by 20 px"),
    ],
)
def test_what_cannot_be_done_is_refused(make, words):
    with pytest.raises(BadValue, match=words.replace("(", r"\(")):
        make()
