from __future__ import annotations

import numpy as np
import pytest
import tf_files

from ml4a.weights.formats.crc32c import crc32c, masked


def test_the_published_checksums_come_out():
    """RFC 3720, appendix B.4."""
    assert crc32c(b"") == 0
    assert crc32c(bytes(32)) == 0x8A9136AA
    assert crc32c(b"\xff" * 32) == 0x62A8AB43
    assert crc32c(bytes(range(32))) == 0x46DD794E
    assert crc32c(b"123456789") == 0xE3069283


@pytest.mark.parametrize("size", [1, 3, 4, 4095, 16383, 16384, 16385, 32768, 65537, 200_003])
def test_stretches_side_by_side_give_what_byte_after_byte_gives(size):
    data = np.random.default_rng(size).bytes(size)
    assert masked(crc32c(data)) == tf_files.masked_crc(data)
    assert crc32c(memoryview(data)[1:]) == crc32c(data[1:])


def test_every_bit_counts():
    data = bytearray(np.random.default_rng(0).bytes(50_000))
    whole = crc32c(bytes(data))
    for place in range(0, len(data), 997):
        data[place] ^= 1 << place % 8
        assert crc32c(bytes(data)) != whole
        data[place] ^= 1 << place % 8
