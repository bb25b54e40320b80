"""TFRecord files and the protocol buffers in them, used by TensorBoard's events and TensorFlow's examples.

    file     record record record ...
    record   length (8 bytes) | its checksum (4) | body | the body's checksum (4), all little-endian
    body     one protocol buffer: fields, each a key (number << 3 | kind) and a value

The checksum is CRC-32C, rotated and shifted ("masked"). Layout as in tensorflow/core/lib/io/record_writer.h and
protobuf.dev/programming-guides/encoding.
"""

from __future__ import annotations

import functools
import os
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

import numpy as np

from maskwright.errors import AnnotationError

VARINT, FIXED64, BYTES, FIXED32 = 0, 1, 2, 5
"""Wire types of fields: variable-length number, 8 bytes, length-delimited bytes, 4 bytes."""


# --- checksum -----------------------------------------------------------------------------------
# CRC is linear over XOR: the checksum of a message is the XOR of the contributions of its bytes, each advanced over the
# bytes that follow it. A block of 64 bytes is therefore 64 table look-ups at once; adjacent blocks are joined in pairs.
BLOCK = 64


def _byte_table() -> np.ndarray:
    """256 uint32: the register after one byte, from 0 (Castagnoli polynomial, bits reversed)."""
    value = np.arange(256, dtype=np.uint32)
    for _ in range(8):
        value = (value >> 1) ^ np.where(value & 1, np.uint32(0x82F63B78), np.uint32(0))
    return value


@functools.cache
def _byte_list() -> list[int]:
    return _byte_table().tolist()


@functools.cache
def _block_table() -> np.ndarray:
    """BLOCK×256 uint32: contribution of a byte at each index of a block to the register at the end of the block."""
    step = _byte_table()
    rows = [step]
    for _ in range(BLOCK - 1):
        rows.append(step[rows[-1] & 0xFF] ^ (rows[-1] >> 8))
    return np.stack(rows[::-1])


@functools.cache
def _advance_table(level: int) -> np.ndarray:
    """4×256 uint32: each byte of a register, advanced over BLOCK << level zero bytes."""
    if level:
        return _apply(_advance_table(level - 1), _advance_table(level - 1))
    table = _byte_table()
    value = np.arange(256, dtype=np.uint32) << np.array([[0], [8], [16], [24]], np.uint32)
    for _ in range(BLOCK):
        value = table[value & 0xFF] ^ (value >> 8)
    return value


def _apply(table: np.ndarray, values: np.ndarray) -> np.ndarray:
    parts = (table[index][(values >> 8 * index) & 0xFF] for index in range(4))
    return functools.reduce(np.bitwise_xor, parts)


def crc32c(data: bytes) -> int:
    """The CRC-32C (Castagnoli) checksum, at about 100 MB/s.

    >>> hex(crc32c(b"123456789"))
    '0xe3069283'
    """
    if len(data) < BLOCK:
        table, value = _byte_list(), 0xFFFFFFFF
        for byte in data:
            value = table[(value ^ byte) & 0xFF] ^ (value >> 8)
        return value ^ 0xFFFFFFFF
    lead = -len(data) % BLOCK  # leading zeros leave a register of 0 unchanged
    blocks = np.frombuffer(bytes(lead) + data, np.uint8).copy()
    blocks[lead : lead + 4] ^= 0xFF  # the initial register is all ones
    # Row by row: the table of one index stays in the processor's cache.
    table, blocks = _block_table(), blocks.reshape(-1, BLOCK).T
    values = table[0][blocks[0]]
    for index in range(1, BLOCK):
        values ^= table[index][blocks[index]]
    level = 0
    while len(values) > 1:
        if len(values) % 2:
            values = np.concatenate([np.zeros(1, np.uint32), values])
        values = _apply(_advance_table(level), values[::2]) ^ values[1::2]
        level += 1
    return int(values[0]) ^ 0xFFFFFFFF


def masked(data: bytes) -> bytes:
    """The masked checksum, 4 bytes."""
    value = crc32c(data)
    return struct.pack("<I", (((value >> 15) | (value << 17)) + 0xA282EAD8) & 0xFFFFFFFF)


# --- records ------------------------------------------------------------------------------------
def frame(body: bytes) -> bytes:
    """One record of a TFRecord file."""
    length = struct.pack("<Q", len(body))
    return length + masked(length) + body + masked(body)


def begins_like_records(head: bytes) -> bool:
    """Whether the first 12 bytes of a file are a length and its checksum."""
    return len(head) >= 12 and masked(head[:8]) == head[8:12]


def read_records(path: Path) -> Iterator[bytes]:
    """The bodies of all records; AnnotationError names a record that is truncated or damaged."""
    try:
        with path.open("rb") as stream:
            yield from _records(stream, path)
    except OSError as error:
        raise AnnotationError(f"cannot be read ({error.strerror or error})", file=path) from error


def _records(stream: BinaryIO, path: Path) -> Iterator[bytes]:
    left = os.fstat(stream.fileno()).st_size
    number = 0
    while left:
        number += 1
        head = stream.read(12)
        if len(head) < 12:
            raise _truncated(path, number, "12 bytes of length and checksum", len(head))
        if not begins_like_records(head):
            raise AnnotationError(
                "the checksum of a record's length is wrong", file=path, record=f"record {number}",
                expected=masked(head[:8]).hex(), got=head[8:].hex(),
                fix="copy the file again; decompress a compressed file first (gunzip)",
            )  # fmt: skip
        length = struct.unpack("<Q", head[:8])[0]
        left -= 12
        if length + 4 > left:
            raise _truncated(path, number, f"{length + 4:,} more bytes", left)
        body, checksum = stream.read(length), stream.read(4)
        left -= length + 4
        if masked(body) != checksum:
            raise AnnotationError(
                "the checksum of a record is wrong", file=path, record=f"record {number}",
                expected=masked(body).hex(), got=checksum.hex(), fix="the file was changed or damaged: copy it again",
            )  # fmt: skip
        yield body


def _truncated(path: Path, number: int, expected: str, got: int) -> AnnotationError:
    return AnnotationError(
        "the file ends in the middle of a record", file=path, record=f"record {number}", expected=expected,
        got=f"the end after {got:,}", fix="copy or create the file again",
    )  # fmt: skip


# --- protocol buffers ---------------------------------------------------------------------------
def varint(value: int) -> bytes:
    """A number from 0 to 2**64 - 1 as a varint: seven bits per byte, lowest first.

    >>> varint(300).hex()
    'ac02'
    """
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes([*out, value])


def field(number: int, data: bytes) -> bytes:
    """A length-delimited field: text, or an embedded message."""
    return varint(number << 3 | BYTES) + varint(len(data)) + data


def read_varints(data: bytes) -> list[int]:
    """All numbers of a packed list; ValueError if the last is truncated or one has more than 64 bits."""
    numbers, position = [], 0
    while position < len(data):
        number, position = _varint_at(data, position)
        numbers.append(number)
    return numbers


def _varint_at(data: bytes, position: int) -> tuple[int, int]:
    value = 0
    for shift in range(0, 70, 7):
        if position >= len(data):
            raise ValueError("a truncated number")
        byte = data[position]
        position += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value & (2**64 - 1), position
    raise ValueError("a number of more than 64 bits")


def read_fields(message: bytes) -> Iterator[tuple[int, int, bytes]]:
    """(number, wire type, value) of each field, the value as bytes; ValueError if it is not a message."""
    position = 0
    while position < len(message):
        key, position = _varint_at(message, position)
        kind, start = key & 7, position
        if kind == VARINT:
            _, position = _varint_at(message, position)
        elif kind == BYTES:
            length, start = _varint_at(message, position)
            position = start + length
        elif kind in (FIXED64, FIXED32):
            position += 8 if kind == FIXED64 else 4
        else:
            raise ValueError(f"a field of the unknown wire type {kind}")
        if position > len(message):
            raise ValueError("a truncated field")
        yield key >> 3, kind, message[start:position]
