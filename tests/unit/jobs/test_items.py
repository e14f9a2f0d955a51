from __future__ import annotations

from pathlib import Path

import pytest

from ml4a._core.errors import BadValue, NotFound, OutputExists
from ml4a.jobs.items import plan


@pytest.fixture
def photos(tmp_path):
    folder = tmp_path / "photos"
    folder.mkdir()
    for name in ("b10.jpg", "b9.png", "clip.mp4", "notes.txt", ".hidden.png"):
        (folder / name).write_bytes(b"x")
    return folder


def names(items):
    return [(Path(item.source).name, item.target.name) for item in items]


def test_a_folder_becomes_a_folder_in_natural_order(photos, tmp_path):
    items = plan(photos, tmp_path / "out")
    assert names(items) == [("b9.png", "b9.png"), ("b10.jpg", "b10.jpg"), ("clip.mp4", "clip.mp4")]
    assert {item.target.parent for item in items} == {tmp_path / "out"}


def test_a_glob_takes_what_matches(photos, tmp_path):
    assert [name for name, _ in names(plan(str(photos / "b*"), tmp_path / "out"))] == ["b9.png", "b10.jpg"]


def test_a_file_named_like_a_glob_is_a_file(tmp_path):
    (tmp_path / "a[1].png").write_bytes(b"x")
    assert names(plan(str(tmp_path / "a[1].png"), tmp_path / "out.png")) == [("a[1].png", "out.png")]


def test_one_file_becomes_one_file_or_goes_into_a_folder_that_is_there(photos, tmp_path):
    assert plan(photos / "b9.png", tmp_path / "new.png")[0].target == tmp_path / "new.png"
    assert plan(photos / "b9.png", tmp_path)[0].target == tmp_path / "b9.png"
    assert plan(photos / "b9.png", f"{tmp_path}/fresh/")[0].target == tmp_path / "fresh" / "b9.png"


def test_samples_and_addresses_get_the_names_people_expect(tmp_path):
    sources = ["sample:astronaut", "https://example.com/a/photo.jpeg?size=large#top"]
    assert [target for _, target in names(plan(sources, tmp_path / "out"))] == ["astronaut.png", "photo.jpeg"]


def test_two_inputs_never_become_one_output(photos, tmp_path):
    (photos / "b9.bmp").write_bytes(b"x")
    with pytest.raises(BadValue, match=r"would both become .*b9\.png; rename one"):
        plan(photos, tmp_path / "out")


def test_an_existing_output_stops_the_job_before_it_begins(photos, tmp_path):
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "b10.jpg").write_bytes(b"old")
    with pytest.raises(OutputExists, match=r"b10\.jpg exists"):
        plan(photos, tmp_path / "out")
    assert len(plan(photos, tmp_path / "out", overwrite=True)) == 3


def test_the_input_is_never_the_output(photos):
    with pytest.raises(OutputExists, match="is the input itself"):
        plan(photos / "b9.png", photos / "b9.png", overwrite=True)


def test_an_empty_folder_and_a_glob_without_matches_are_named(tmp_path):
    with pytest.raises(NotFound, match="no pictures or films in"):
        plan(tmp_path, tmp_path / "out")
    with pytest.raises(NotFound, match="nothing matches"):
        plan(str(tmp_path / "*.png"), tmp_path / "out")


def test_a_folder_does_not_go_into_a_file(photos, tmp_path):
    (tmp_path / "out.png").write_bytes(b"old")
    with pytest.raises(OutputExists, match="several results need a folder"):
        plan(photos, tmp_path / "out.png", overwrite=True)


def test_an_address_longer_than_a_name_may_be_is_no_folder(tmp_path):
    address = f"https://example.org/{'x' * 300}.png"
    assert names(plan(address, tmp_path / "out.png")) == [(f"{'x' * 300}.png", "out.png")]
    (tmp_path / "out.png").touch()
    assert plan(address, tmp_path / "out.png", overwrite=True)[0].source == address
