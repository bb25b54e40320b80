"""TFRecord files and the protocol buffers in them: what TensorBoard's events and TensorFlow's examples share.

    file     record record record ...
    record   length (8 bytes) | its checksum (4) | body | the body's checksum (4), all little-endian
    body     one protocol buffer: fields, each a key (number << 3 | kind) and a value

The checksum is CRC-32C, turned and shifted ("masked"). Layout as in tensorflow/core/lib/io/record_writer.h and
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
"""Kinds of fields: a number of any length, 8 bytes, a length and as many bytes, 4 bytes."""


# --- checksum -----------------------------------------------------------------------------------
# The register is linear over XOR: the checksum of a long text is the XOR of what each byte leaves behind after all
# bytes that follow it. So a block of 64 bytes is 64 look-ups at once, and neighboring blocks are joined in pairs.
BLOCK = 64


def _step() -> np.ndarray:
    """256 uint32: what one byte leaves in an empty register (the Castagnoli polynomial, bits reversed)."""
    value = np.arange(256, dtype=np.uint32)
    for _ in range(8):
        value = (value >> 1) ^ np.where(value & 1, np.uint32(0x82F63B78), np.uint32(0))
    return value


@functools.cache
def _short_table() -> list[int]:
    return _step().tolist()


@functools.cache
def _in_block() -> np.ndarray:
    """BLOCK×256 uint32: what a byte at this place of a block leaves at the block's end."""
    step = _step()
    rows = [step]
    for _ in range(BLOCK - 1):
        rows.append(step[rows[-1] & 0xFF] ^ (rows[-1] >> 8))
    return np.stack(rows[::-1])


@functools.cache
def _past(level: int) -> np.ndarray:
    """4×256 uint32: what each byte of a register becomes when BLOCK << level zero bytes follow."""
    if level:
        return _moved(_past(level - 1), _past(level - 1))
    table = _step()
    value = np.arange(256, dtype=np.uint32) << np.array([[0], [8], [16], [24]], np.uint32)
    for _ in range(BLOCK):
        value = table[value & 0xFF] ^ (value >> 8)
    return value


def _moved(table: np.ndarray, values: np.ndarray) -> np.ndarray:
    parts = (table[index][(values >> 8 * index) & 0xFF] for index in range(4))
    return functools.reduce(np.bitwise_xor, parts)


def crc32c(data: bytes) -> int:
    """The Castagnoli checksum, about 100 MB a second.

    >>> hex(crc32c(b"123456789"))
    '0xe3069283'
    """
    if len(data) < BLOCK:
        table, value = _short_table(), 0xFFFFFFFF
        for byte in data:
            value = table[(value ^ byte) & 0xFF] ^ (value >> 8)
        return value ^ 0xFFFFFFFF
    lead = -len(data) % BLOCK  # zeros in front leave an empty register empty
    blocks = np.frombuffer(bytes(lead) + data, np.uint8).copy()
    blocks[lead : lead + 4] ^= 0xFF  # the register begins with ones
    # row by row: the table of one place stays in the processor's cache
    table, blocks = _in_block(), blocks.reshape(-1, BLOCK).T
    values = table[0][blocks[0]]
    for index in range(1, BLOCK):
        values ^= table[index][blocks[index]]
    level = 0
    while len(values) > 1:
        if len(values) % 2:
            values = np.concatenate([np.zeros(1, np.uint32), values])
        values = _moved(_past(level), values[::2]) ^ values[1::2]
        level += 1
    return int(values[0]) ^ 0xFFFFFFFF


def masked(data: bytes) -> bytes:
    value = crc32c(data)
    return struct.pack("<I", (((value >> 15) | (value << 17)) + 0xA282EAD8) & 0xFFFFFFFF)


# --- records ------------------------------------------------------------------------------------
def frame(body: bytes) -> bytes:
    """One record of a TFRecord file."""
    length = struct.pack("<Q", len(body))
    return length + masked(length) + body + masked(body)


def begins_like_records(head: bytes) -> bool:
    """The first 12 bytes of a file are a length and its checksum."""
    return len(head) >= 12 and masked(head[:8]) == head[8:12]


def read_records(path: Path) -> Iterator[bytes]:
    """The bodies, one after another; AnnotationError, with the record's number, where one is cut or changed."""
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
            raise _cut(path, number, "12 bytes of length and checksum", len(head))
        if not begins_like_records(head):
            raise AnnotationError(
                "a record's length does not have its checksum", file=path, record=f"record {number}",
                expected=masked(head[:8]).hex(), got=head[8:].hex(),
                fix="copy the file again; a compressed file is unpacked first (gunzip)",
            )  # fmt: skip
        length = struct.unpack("<Q", head[:8])[0]
        left -= 12
        if length + 4 > left:
            raise _cut(path, number, f"{length + 4:,} more bytes", left)
        body, checksum = stream.read(length), stream.read(4)
        left -= length + 4
        if masked(body) != checksum:
            raise AnnotationError(
                "a record does not have its checksum", file=path, record=f"record {number}",
                expected=masked(body).hex(), got=checksum.hex(), fix="the file was changed or damaged: copy it again",
            )  # fmt: skip
        yield body


def _cut(path: Path, number: int, expected: str, got: int) -> AnnotationError:
    return AnnotationError(
        "the file ends in the middle of a record", file=path, record=f"record {number}", expected=expected,
        got=f"the end after {got:,}", fix="copy or make the file again",
    )  # fmt: skip


# --- protocol buffers ---------------------------------------------------------------------------
def varint(value: int) -> bytes:
    """A number from 0 to 2**64 - 1, seven bits a byte, the lowest first.

    >>> varint(300).hex()
    'ac02'
    """
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes([*out, value])


def field(number: int, data: bytes) -> bytes:
    """A field of bytes: a text, or a message in the message."""
    return varint(number << 3 | BYTES) + varint(len(data)) + data


def read_varints(data: bytes) -> list[int]:
    """All numbers of a packed list; ValueError where the last one is cut or one has more than 64 bits."""
    numbers, position = [], 0
    while position < len(data):
        number, position = _varint_at(data, position)
        numbers.append(number)
    return numbers


def _varint_at(data: bytes, position: int) -> tuple[int, int]:
    value = 0
    for shift in range(0, 70, 7):
        if position >= len(data):
            raise ValueError("a number that is cut off")
        byte = data[position]
        position += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value & (2**64 - 1), position
    raise ValueError("a number of more than 64 bits")


def read_fields(message: bytes) -> Iterator[tuple[int, int, bytes]]:
    """(number, kind, value) of each field, a VARINT's value as its own bytes; ValueError where it is no message."""
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
            raise ValueError(f"a field of the unknown kind {kind}")
        if position > len(message):
            raise ValueError("a field that is cut off")
        yield key >> 3, kind, message[start:position]
