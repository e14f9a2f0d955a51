"""What is no film is refused in one line, and nothing that a file names is opened."""

from __future__ import annotations

import os
import struct

import av
import numpy as np
import pytest
from film_files import film_threads, numbered, tones, write_film

from ml4a._core import limits
from ml4a._core.errors import BadMedia, NotFound, TooLarge
from ml4a.media import video


def refused(path, match, error=BadMedia):
    with pytest.raises(error, match=match) as caught:
        video.open(path)
    assert "\n" not in str(caught.value)


def test_what_is_not_there(tmp_path):
    refused(tmp_path / "no.mp4", "does not exist", NotFound)
    refused(tmp_path, "is a folder")
    (tmp_path / "empty.mp4").touch()
    refused(tmp_path / "empty.mp4", "is empty")


def test_pipes_and_devices_are_refused_without_waiting(tmp_path):
    os.mkfifo(tmp_path / "pipe.mp4")
    refused(tmp_path / "pipe.mp4", "is a pipe or a device")
    refused("/dev/zero", "is a pipe or a device")


@pytest.mark.parametrize(
    "text",
    [
        "#EXTM3U\n#EXTINF:10,\n{target}\n#EXT-X-ENDLIST\n",
        "ffconcat version 1.0\nfile '{target}'\n",
        "v=0\no=- 0 0 IN IP4 127.0.0.1\nc=IN IP4 127.0.0.1\nm=video 5004 RTP/AVP 96\n",
        "<MPD><BaseURL>{target}</BaseURL></MPD>",
        "[playlist]\nFile1={target}\n",
        "[Reference]\nRef1={target}\n",
    ],
)
@pytest.mark.parametrize("name", ["film.mp4", "film.mkv", "film.avi", "film.gif"])
def test_playlists_posing_as_films_are_never_followed(tmp_path, name, text):
    secret = write_film(tmp_path / "secret.mp4", numbered(3))
    (tmp_path / name).write_text(text.format(target=secret))
    assert video.is_film(tmp_path / name)  # so that the complaint is one about films
    refused(tmp_path / name, "is a playlist")


def test_a_playlist_inside_a_real_container_name_is_still_no_film(tmp_path):
    padded = b"\0\0\0\x18ftypisom\0\0\0\0isomiso2\n#EXTM3U\n#EXTINF:1,\n/etc/passwd\n"
    (tmp_path / "film.mp4").write_bytes(padded)
    refused(tmp_path / "film.mp4", "is broken, or its index is missing|nothing to see")


def test_films_that_refer_to_another_file_do_not_open_it(tmp_path):
    path = write_film(tmp_path / "film.mov", numbered(3))
    data = path.read_bytes()
    inside = b"\0\0\0\x0curl \0\0\0\x01"  # "the data are in this file", in the data reference box
    elsewhere = str(tmp_path / "elsewhere.mov").encode() + b"\0"
    outside = struct.pack(">I4sI", 12 + len(elsewhere), b"url ", 0) + elsewhere
    assert data.count(inside) == 1
    (tmp_path / "elsewhere.mov").write_bytes(data)
    changed = data.replace(inside, outside)
    grown = len(outside) - len(inside)
    for box in (b"moov", b"trak", b"mdia", b"minf", b"dinf", b"dref"):
        at = changed.index(box) - 4
        size = struct.unpack_from(">I", changed, at)[0]
        changed = changed[:at] + struct.pack(">I", size + grown) + changed[at + 4 :]
    path.write_bytes(changed)
    opened = []
    original = os.open

    def watch(name, *args, **kwargs):
        opened.append(os.fsdecode(name))
        return original(name, *args, **kwargs)

    os.open = watch
    try:
        list(video.open(path))
    except BadMedia:
        pass
    finally:
        os.open = original
    assert opened
    assert not any("elsewhere" in name for name in opened)


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        (b"Dear diary, nothing moved today. " * 20, "is text, whatever its name says"),
        (b"\x7fELF\x02\x01\x01" + bytes(400), "is a program"),
        (b"%PDF-1.7\n" + bytes(range(256)), "is a PDF"),
        (b"<html><body>quota exceeded</body></html>", "is text"),
        (np.random.default_rng(0).bytes(5000), "is no film"),
    ],
)
def test_other_files_are_named(tmp_path, content, complaint):
    (tmp_path / "film.mp4").write_bytes(content)
    refused(tmp_path / "film.mp4", complaint)


def test_a_single_picture_is_sent_to_image_load(tmp_path):
    from PIL import Image

    Image.fromarray(numbered(1)[0]).save(tmp_path / "picture.png")
    refused(tmp_path / "picture.png", "is a single picture; load it with image.load")


@pytest.mark.parametrize("name", ["sound.mp4", "sound.mkv", "sound.m4a"])
def test_sound_alone_is_no_film(tmp_path, name):
    with av.open(str(tmp_path / name), "w", format="mp4" if name != "sound.mkv" else "matroska") as output:
        track = output.add_stream("aac", rate=48_000)
        track.layout = "stereo"
        frame = av.AudioFrame.from_ndarray(tones(0.5), format="fltp", layout="stereo")
        frame.sample_rate = 48_000
        output.mux(track.encode(frame))
        output.mux(track.encode(None))
    refused(tmp_path / name, "holds sound, but no film")


def test_a_cover_picture_is_no_film(tmp_path):
    source = write_film(tmp_path / "film.mkv", numbered(3), sound=tones(0.5))
    with av.open(str(source)) as song, av.open(str(tmp_path / "song.mkv"), "w") as output:
        heard = output.add_stream_from_template(song.streams.audio[0])
        output.add_attachment("cover.jpg", "image/jpeg", _jpeg())
        for packet in song.demux(audio=0):
            if packet.dts is not None:
                packet.stream = heard
                output.mux(packet)
    refused(tmp_path / "song.mkv", "holds a cover picture and sound, but no film")


def _jpeg():
    import io

    from PIL import Image

    buffer = io.BytesIO()
    Image.fromarray(numbered(1)[0]).save(buffer, "JPEG")
    return buffer.getvalue()


def test_a_film_without_frames(tmp_path):
    path = write_film(tmp_path / "film.mkv", numbered(5))
    data = path.read_bytes()
    path.write_bytes(data[: data.index(b"\x1f\x43\xb6\x75")])  # the first cluster
    refused(path, "is broken, or its index is missing")
    path = write_film(tmp_path / "film.mov", numbered(3), codec="mjpeg", pixels="yuvj420p", options={})
    data = bytearray(path.read_bytes())
    start, end = data.index(b"mdat") + 4, data.index(b"moov") - 4
    data[start:end] = bytes(end - start)
    path.write_bytes(data)
    refused(path, "holds no frame that can be decoded")


def test_a_film_whose_index_is_missing(tmp_path):
    path = write_film(tmp_path / "film.mp4", numbered(30))
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    refused(path, "is broken, or its index is missing")


@pytest.mark.parametrize("name", ["film.mp4", "film.mkv", "film.avi", "film.ts", "film.gif", "film.webp", "film.png"])
def test_any_film_may_be_cut_anywhere(tmp_path, name):
    source = write_film(tmp_path / "source.mp4", numbered(8))
    whole = tmp_path / name
    if name.endswith((".avi", ".ts")):
        write_film(whole, numbered(8))
    else:
        video.open(source).save(whole)
    data = whole.read_bytes()
    for end in np.linspace(1, len(data) - 1, 40).astype(int):
        whole.write_bytes(data[:end])
        try:
            for frame in video.open(whole):
                assert frame.shape[:2] == (48, 64)
        except BadMedia as error:
            assert str(whole) in str(error)


@pytest.mark.parametrize("name", ["film.mp4", "film.mkv", "film.avi", "film.gif", "film.webp", "film.png"])
def test_any_byte_may_be_wrong(tmp_path, name):
    source = write_film(tmp_path / "source.mp4", numbered(8), sound=tones(0.3))
    path = tmp_path / name
    if name == "film.avi":
        write_film(path, numbered(8))
    else:
        video.open(source).save(path)
    data = path.read_bytes()
    rng = np.random.default_rng(1)
    for _ in range(40):
        broken = bytearray(data)
        for position in rng.integers(12, len(data), 6):
            broken[position] = rng.integers(256)
        path.write_bytes(broken)
        try:
            for frame in video.open(path):
                assert frame.ndim == 3
        except BadMedia:
            pass


def test_more_streams_than_a_film_may_have(tmp_path):
    path = tmp_path / "film.mkv"
    with av.open(str(path), "w") as output:
        tracks = [output.add_stream("libx264", rate=10) for _ in range(limits.FILM_STREAMS + 3)]
        for track in tracks:
            track.width, track.height, track.pix_fmt = 16, 16, "yuv420p"
            output.mux(track.encode(av.VideoFrame.from_ndarray(numbered(1, 16, 16)[0], format="rgb24")))
        for track in tracks:
            output.mux(track.encode(None))
    refused(path, "more than 32 streams|is broken", (TooLarge, BadMedia))


def test_a_header_that_claims_days(tmp_path):
    path = write_film(tmp_path / "film.mkv", numbered(3))
    data = bytearray(path.read_bytes())
    struct.pack_into(">d", data, data.index(b"\x44\x89\x88") + 3, 1e9)  # milliseconds
    path.write_bytes(data)
    refused(path, "claims to last .* hours; the most a film may last is 24", TooLarge)


def test_more_pixels_than_a_picture_may_have(tmp_path, monkeypatch):
    path = write_film(tmp_path / "film.mp4", numbered(3))
    monkeypatch.setattr(limits, "PICTURE_PIXELS", 3000)
    refused(path, "64x48 px and the limit is 3,000 pixels", TooLarge)


def test_refusing_leaves_no_threads_and_no_open_files(tmp_path):
    (tmp_path / "film.mp4").write_bytes(b"#EXTM3U\n")
    files = len(os.listdir("/proc/self/fd"))
    for _ in range(20):
        refused(tmp_path / "film.mp4", "playlist")
    assert film_threads() == 0
    assert len(os.listdir("/proc/self/fd")) == files
