"""Which pictures are kept back to test with."""

from __future__ import annotations

import numpy as np
import pytest

from ml4a.dataset import split

CONTENTS = [f"{number:064x}" for number in range(2000)]


def chosen(share: float, seed: int = 0, contents=CONTENTS) -> set[str]:
    return {content for content in contents if split.by_content(content, seed, share)}


@pytest.mark.parametrize("share", [0.1, 0.5])
def test_about_the_share_is_chosen_by_content(share):
    assert abs(len(chosen(share)) / len(CONTENTS) - share) < 0.03


def test_others_that_come_or_go_move_nobody():
    few = chosen(0.2, contents=CONTENTS[::7])
    assert few == chosen(0.2) & set(CONTENTS[::7])
    assert few


def test_a_larger_share_keeps_what_a_smaller_one_has():
    assert chosen(0.1) < chosen(0.2)
    assert not chosen(0)
    assert len(chosen(1)) == len(CONTENTS)


def test_another_seed_chooses_others():
    assert chosen(0.2) != chosen(0.2, seed=1)


def test_the_last_part_of_every_minute_of_a_film():
    seconds = np.arange(0, 180, 0.5)
    test = np.array([split.by_time(second, 180, 0.1) for second in seconds])
    assert test.mean() == pytest.approx(0.1, abs=0.005)
    assert np.count_nonzero(np.diff(test.astype(int)) == 1) == 3  # as many stretches as minutes
    assert not split.by_time(53.9, 180, 0.1)
    assert split.by_time(54, 180, 0.1)


def test_the_last_part_of_a_short_film():
    assert [split.by_time(second, 10, 0.2) for second in range(10)] == [False] * 8 + [True] * 2
    assert not split.by_time(0, 0, 0.2)


def test_regular_spacing():
    assert split.regular(10, 0.3) == [2, 5, 9]
    assert split.regular(4, 0.1) == []
