"""CRC-32C (Castagnoli), the checksum of TensorFlow's files, at the speed of NumPy.

Python has only the other CRC-32. A checksum is computed byte after byte; here many stretches of the data are computed
side by side, four bytes a step, and then joined: the checksum of A + B is that of A, moved on over as many zero bytes
as B has, XOR that of B. Moving on is linear over single bits, so it is 32 × 32 bits that can be squared.
"""

from __future__ import annotations

import numpy as np

_POLYNOMIAL = 0x82F63B78  # bits reversed
_ALL = 0xFFFFFFFF
_LANES = 4096
_COLUMNS = 64  # turned over at a time, so that memory is read in order
_SMALL = 1 << 14  # bytes; below this, byte after byte is faster


def _byte_table() -> np.ndarray:
    table = np.arange(256, dtype=np.uint32)
    for _ in range(8):
        table = np.where(table & 1, (table >> 1) ^ np.uint32(_POLYNOMIAL), table >> 1).astype(np.uint32)
    return table


_TABLE = _byte_table()
_LIST: list[int] = _TABLE.tolist()


def _pair_table(following: int) -> np.ndarray:
    """Of two bytes at once, which so many zero bytes follow."""
    pairs = np.arange(1 << 16, dtype=np.uint32)
    for _ in range(2 + following):
        pairs = (pairs >> 8) ^ _TABLE[pairs & 255]
    return pairs


def crc32c(data: bytes | memoryview) -> int:
    """The checksum of `data`."""
    lanes = _LANES if len(data) >= _SMALL else 0
    length = len(data) // (4 * lanes) * 4 if lanes else 0
    if length == 0:
        return _update(_ALL, data) ^ _ALL
    state = _joined(_stretches(np.frombuffer(data, "<u4", lanes * length // 4).reshape(lanes, -1)), length)
    return _update(state, data[lanes * length :]) ^ _ALL


def masked(checksum: int) -> int:
    """As LevelDB stores it: a checksum of data that holds checksums should not look like its own."""
    return ((checksum >> 15 | checksum << 17) + 0xA282EAD8) & _ALL


def _update(state: int, data: bytes | memoryview) -> int:
    for byte in bytes(data):
        state = (state >> 8) ^ _LIST[(state ^ byte) & 255]
    return state


def _stretches(words: np.ndarray) -> np.ndarray:
    """The states after each row; only the first begins with all bits set, as the whole does."""
    low, high = _pair_table(2), _pair_table(0)
    states = np.zeros(len(words), np.uint32)
    states[0] = _ALL
    for start in range(0, words.shape[1], _COLUMNS):
        for column in np.ascontiguousarray(words[:, start : start + _COLUMNS].T):
            states ^= column
            states = low[states & 0xFFFF] ^ high[states >> 16]
    return states


def _joined(states: np.ndarray, length: int) -> int:
    """One state out of a power of two of them, each after `length` bytes: neighbours are joined, again and again."""
    step = _zeros(length)
    while len(states) > 1:
        states = _moved(step, states[::2]) ^ states[1::2]
        step = _moved(step, step)
    return int(states[0])


def _zeros(length: int) -> np.ndarray:
    """What `length` zero bytes make of each single bit."""
    power = (np.uint32(1) << np.arange(32, dtype=np.uint32)).astype(np.uint32)
    one = (power >> 8) ^ _TABLE[power & 255]
    while length:
        if length & 1:
            power = _moved(one, power)
        one = _moved(one, one)
        length >>= 1
    return power


def _moved(step: np.ndarray, states: np.ndarray) -> np.ndarray:
    bits = (states[:, None] >> np.arange(32, dtype=np.uint32)) & 1
    return np.bitwise_xor.reduce(np.where(bits, step, np.uint32(0)), axis=1)
