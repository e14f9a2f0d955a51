"""Picture files made byte by byte, where Pillow and OpenCV cannot or where the bytes matter."""

from __future__ import annotations

import struct
import zlib

import numpy as np
from PIL import TiffImagePlugin

P3_RED_OF_SRGB = (234, 51, 35)
"""What Display P3 calls sRGB's purest red."""


def scene(width: int, height: int, channels: int = 3, seed: int = 0) -> np.ndarray:
    """Smooth colours with some noise, uint8, no two rows or columns alike; an alpha channel goes from 0 to 255."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[0:height, 0:width]
    planes = [127 + 90 * np.sin(x / (5 + c) + c) * np.cos(y / (7 - c)) + rng.normal(0, 8, x.shape) for c in range(3)]
    if channels == 4:
        planes.append(np.broadcast_to(np.linspace(0, 255, width), x.shape))
    return np.stack(planes[:channels], axis=-1).clip(0, 255).astype(np.uint8)


def deep_scene(width: int, height: int, channels: int = 3, seed: int = 0) -> np.ndarray:
    """The same in uint16, all low bytes in use."""
    noise = np.random.default_rng(seed).integers(0, 256, (height, width, channels))
    return (scene(width, height, channels, seed).astype(np.uint16) * 256 + noise).astype(np.uint16)


def stored(upright: np.ndarray, orientation: int) -> np.ndarray:
    """What a camera held in this EXIF orientation has stored of a scene that is `upright` in truth."""
    flipped = {2: upright[:, ::-1], 3: upright[::-1, ::-1], 4: upright[::-1]}
    turned = {
        5: upright.swapaxes(0, 1),
        6: np.rot90(upright, 1),
        7: upright[::-1, ::-1].swapaxes(0, 1),
        8: np.rot90(upright, -1),
    }
    return np.ascontiguousarray({1: upright, **flipped, **turned}[orientation])


def png_chunk(kind: bytes, body: bytes) -> bytes:
    """One chunk, its checksum right."""
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


def png(array: np.ndarray, *chunks: bytes) -> bytes:
    """A PNG of an H×W×C uint8 or uint16 array, C = 1 to 4, with more chunks before its pixels."""
    height, width, channels = array.shape
    colour = {1: 0, 2: 4, 3: 2, 4: 6}[channels]
    depth = array.dtype.itemsize * 8
    header = struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, 0)
    rows = b"".join(b"\0" + row.astype(f">u{depth // 8}").tobytes() for row in array)
    parts = [png_chunk(b"IHDR", header), *chunks, png_chunk(b"IDAT", zlib.compress(rows)), png_chunk(b"IEND", b"")]
    return b"\x89PNG\r\n\x1a\n" + b"".join(parts)


def png_icc(profile: bytes) -> bytes:
    """The chunk that embeds a colour profile."""
    return png_chunk(b"iCCP", b"profile\0\0" + zlib.compress(profile))


def png_bomb(side: int = 30000) -> bytes:
    """A few kilobytes that claim to be `side`×`side` pixels, and hold as many as fit into them."""
    header = struct.pack(">IIBBBBB", side, side, 8, 2, 0, 0, 0)
    pixels = zlib.compress(bytes(10_000_000), 9)
    parts = [png_chunk(b"IHDR", header), png_chunk(b"IDAT", pixels), png_chunk(b"IEND", b"")]
    return b"\x89PNG\r\n\x1a\n" + b"".join(parts)


def exif(orientation: int) -> bytes:
    """A TIFF header with nothing but the orientation tag, as EXIF data are."""
    return b"II*\0\x08\0\0\0" + struct.pack("<HHHIHHI", 1, 0x0112, 3, 1, orientation, 0, 0)


def tiff(array: np.ndarray, **tags: object) -> bytes:
    """An uncompressed little-endian TIFF of an H×W×C array; tags are given as `tag338=1`."""
    height, width, channels = array.shape
    directory = TiffImagePlugin.ImageFileDirectory_v2(prefix=b"II")
    defaults = {
        256: width, 257: height, 258: (array.dtype.itemsize * 8,) * channels, 259: 1, 262: 2 if channels >= 3 else 1,
        273: 0, 277: channels, 278: height, 279: array.nbytes, 339: ({"u": 1, "f": 3}[array.dtype.kind],) * channels,
    }  # fmt: skip
    for tag, value in {**defaults, **{int(name[3:]): value for name, value in tags.items()}}.items():
        directory[tag] = value
    return b"II*\0" + struct.pack("<I", 8) + directory.tobytes(8) + array.tobytes()


def matrix_profile(red: tuple, green: tuple, blue: tuple, curve: bytes) -> bytes:
    """An ICC display profile of three D50 XYZ primaries and one tone curve."""
    xyz = [b"XYZ \0\0\0\0" + struct.pack(">3i", *(round(v * 65536) for v in c)) for c in (red, green, blue)]
    names = (b"rXYZ", b"gXYZ", b"bXYZ", b"rTRC", b"gTRC", b"bTRC", b"wtpt")
    white = b"XYZ \0\0\0\0" + struct.pack(">3i", 63190, 65536, 54061)
    return _profile(b"mntr", b"RGB ", b"XYZ ", dict(zip(names, [*xyz, curve, curve, curve, white], strict=True)))


def display_p3() -> bytes:
    """Display P3: DCI's primaries, D65 adapted to D50, sRGB's curve."""
    values = (2.4, 1 / 1.055, 0.055 / 1.055, 1 / 12.92, 0.04045)
    curve = b"para\0\0\0\0\0\3\0\0" + struct.pack(">5i", *(round(v * 65536) for v in values))
    return matrix_profile((0.51512, 0.24120, -0.00105), (0.29198, 0.69225, 0.04189), (0.15710, 0.06657, 0.78407), curve)


def grey_profile(gamma: float) -> bytes:
    """An ICC profile of a grey scale with this gamma."""
    white = b"XYZ \0\0\0\0" + struct.pack(">3i", 63190, 65536, 54061)
    curve = b"curv\0\0\0\0" + struct.pack(">IH", 1, round(gamma * 256))
    return _profile(b"mntr", b"GRAY", b"XYZ ", {b"kTRC": curve, b"wtpt": white})


def pink_ink_profile() -> bytes:
    """A CMYK printer that has pink in its cyan cartridge; all other inks print black, and more ink is darker."""
    grid = []
    for corner in range(16):  # C is the slowest
        cyan, others = corner & 8, corner & 7
        grid += [0, 128, 128] if others else [150, 128 + 70, 128] if cyan else [255, 128, 128]
    straight = bytes(range(256))
    identity = struct.pack(">9i", *(65536 * int(i % 4 == 0) for i in range(9)))
    table = b"mft1\0\0\0\0" + bytes([4, 3, 2, 0]) + identity + straight * 4 + bytes(grid) + straight * 3
    white = b"XYZ \0\0\0\0" + struct.pack(">3i", 63190, 65536, 54061)
    return _profile(b"prtr", b"CMYK", b"Lab ", {b"A2B0": table, b"wtpt": white})


def _profile(kind: bytes, space: bytes, connection: bytes, tags: dict[bytes, bytes]) -> bytes:
    table, body, offset = struct.pack(">I", len(tags)), b"", 132 + 12 * len(tags)
    for name, data in tags.items():
        padded = data + b"\0" * (-len(data) % 4)
        table += name + struct.pack(">II", offset + len(body), len(data))
        body += padded
    header = struct.pack(">I4sI4s4s4s", offset + len(body), b"\0" * 4, 0x02400000, kind, space, connection)
    header += struct.pack(">6H", 2020, 1, 1, 0, 0, 0) + b"acsp" + b"\0" * 28 + struct.pack(">3i", 63190, 65536, 54061)
    return header.ljust(128, b"\0") + table + body
