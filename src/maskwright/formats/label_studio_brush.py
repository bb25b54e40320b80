"""Label Studio's brush: RGBA pixels as thi.ng's rle-pack stores them, bit by bit. Only alpha tells what was painted.

A head of 32 bits (how many values), 5 bits (bits of a value, less 1) and four times 4 bits (bits of a length, less 1);
then groups: one bit (1: one value many times, 0: values as they are), two bits (which of the four lengths), the length
less 1, and the values.

Source  @thi.ng/rle-pack, decode; label-studio-converter, brush.py: decode_rle
"""

from __future__ import annotations

from typing import Any

import numpy as np

_WORD = 8  # bits of a value: a channel of a pixel
_LENGTHS = (3, 4, 8, 16)  # bits of the lengths as Label Studio writes them
_HEAD = 32 + 5 + 4 * 4


def decode(rle: Any, size: tuple[int, int]) -> np.ndarray | str:
    """H×W bool of what was painted; what is wrong with it, in a few words, where it cannot be one of this size.

    >>> decode([0, 0, 0, 8, 58, 0, 0, 15, 63, 255], (1, 2))
    'the end in the middle'
    """
    try:
        data = bytes(rle) if isinstance(rle, list) else b""
    except (ValueError, TypeError):
        return "no bytes"
    pixels, total = size[0] * size[1], 8 * len(data)
    values = int.from_bytes(data[:4], "big")
    if total < _HEAD or values != 4 * pixels:
        return f"{values:,} values, of which an image of {size[1]} x {size[0]} has {4 * pixels:,}"
    data += bytes(8)
    word = _bits(data, 32)
    if word >> 59 != _WORD - 1:
        return f"values of {(word >> 59) + 1} bits"
    lengths = [(word >> (59 - 4 * number) & 15) + 1 for number in (1, 2, 3, 4)]
    painted = np.zeros(pixels, bool)
    first, at = 0, _HEAD
    while first < values:
        word = _bits(data, at)
        length = lengths[word >> 61 & 3]
        count = (word >> (61 - length) & (1 << length) - 1) + 1
        at += 3 + length
        last = first + count
        if last > values or at + (_WORD if word >> 63 else count * _WORD) > total:
            return "the end in the middle" if last <= values else "more values than it says"
        if word >> 63:
            if _bits(data, at) >> 64 - _WORD:
                painted[first // 4 : last // 4] = True
            at += _WORD
        else:
            channels = _bytes(data, at, count)
            painted[first // 4 : last // 4] = channels[4 * (first // 4) + 3 - first :: 4] > 0
            at += count * _WORD
        first = last
    return painted.reshape(size)


def encode(painted: np.ndarray) -> list[int]:
    """The inverse of `decode`: H×W bool as repeated values, 255 in all four channels where it is painted."""
    flat = painted.reshape(-1)
    edges = np.flatnonzero(np.diff(flat, prepend=~flat[:1], append=~flat[-1:]))
    bits = [f"{4 * flat.size:032b}", f"{_WORD - 1:05b}", *(f"{length - 1:04b}" for length in _LENGTHS)]
    for start, count in zip(edges[:-1].tolist(), (4 * np.diff(edges)).tolist(), strict=True):
        value = f"{255 * int(flat[start]):08b}"
        for first in range(0, count, 1 << _LENGTHS[-1]):
            length = min(count - first, 1 << _LENGTHS[-1]) - 1
            size = next(index for index, bit_count in enumerate(_LENGTHS) if length < 1 << bit_count)
            bits.append(f"1{size:02b}{length:0{_LENGTHS[size]}b}{value}")
    text = "".join(bits)
    text += "0" * (-len(text) % 8)
    return list(int(text, 2).to_bytes(len(text) // 8, "big"))


def _bits(data: bytes, at: int) -> int:
    """The 57 bits or more that begin at this one, as the highest of 64."""
    return (
        int.from_bytes(data[at >> 3 : (at >> 3) + 9], "big") >> 8 - (at & 7) & (1 << 64) - 1
        if at & 7
        else (int.from_bytes(data[at >> 3 : (at >> 3) + 8], "big"))
    )


def _bytes(data: bytes, at: int, count: int) -> np.ndarray:
    """So many bytes that begin at any bit."""
    found = np.frombuffer(data, np.uint8, count + 1, at >> 3).astype(np.uint16)
    return (found[:-1] << (at & 7) | found[1:] >> 8 - (at & 7)).astype(np.uint8)
