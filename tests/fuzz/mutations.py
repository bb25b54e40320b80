"""Mutations of a file: bytes, words, JSON, location in the folder; all sampled from one `Random`."""

from __future__ import annotations

import json
import os
import re
import shutil
from pathlib import Path
from random import Random
from typing import Any

NUMBERS = (0, -1, 1, 2, 0.5, -0.0, 255, 256, 65536, 2**31 - 1, 2**31, -(2**31), 2**63, 2**64, 10**30, 1e-320, 1e308)
RAW_NUMBERS = ("NaN", "Infinity", "-Infinity", "1e999", "9" * 5000, "0x10", "1_000", "1,5", "٣", "-", "+1", "1e", "01")
TEXTS = (
    "", " ", "\0", "\n", "\ud800", "\u202e", "\x1b[2J", "é", "e\u0301", "../../a.jpg", "/etc/hostname", "C:\\a.jpg",
    "a.jpg", "CON", ".", "..", "~", "a" * 300, "a/" * 200, "x" * 50_000, "http://127.0.0.1:9/a.jpg", "=1+1", "%00",
    "true", "null", "0", "1e5", "{}", "[]", "'", '"',
)  # fmt: skip
BYTES = (
    b"\0" * 8, b"\xff" * 4, b"\xff" * 8, b"\x7f\xff\xff\xff", b"\x80\0\0\0", b"\0\0\0\x80", b"\xff\xff\xff\x7f",
    b"\xef\xbb\xbf", b"\xff\xfe", b"\xc3\x28", b"\r", b"\n\n", b'"', b",", b"<", b"&x;", b"%", b"\x1a",
)  # fmt: skip


def flipped(data: bytes, random: Random) -> bytes:
    """One or a few of: bytes changed, inserted, removed, repeated, truncated."""
    changed = bytearray(data)
    for _ in range(random.choice((1, 1, 1, 2, 3, 8))):
        start = random.randrange(len(changed) + 1)
        stop = min(len(changed), start + random.choice((1, 2, 4, 8, 30, 300)))
        how = random.randrange(7)
        if how == 0:
            changed[start:stop] = bytes(random.randrange(256) for _ in range(stop - start))
        elif how == 1:
            for index in range(start, min(stop, start + 1)):
                changed[index] ^= 1 << random.randrange(8)
        elif how == 2:
            value = random.choice(BYTES)
            changed[start : start + len(value)] = value
        elif how == 3:
            changed[start:start] = random.choice(BYTES)
        elif how == 4:
            del changed[start:stop]
        elif how == 5:
            changed[start:start] = changed[start:stop] * random.choice((1, 2, 50))
        elif random.random() < 0.3:
            del changed[start:]
    return bytes(changed)


def reworded(data: bytes, random: Random) -> bytes:
    """Words, numbers and lines of a text replaced, moved or repeated; sometimes another encoding."""
    text = data.decode("utf-8", "surrogateescape")
    for _ in range(random.choice((1, 1, 2, 4))):
        words = list(re.finditer(r"[\w.+-]+|[^\w\s]", text))
        lines = text.split("\n")
        how = random.randrange(6)
        if how <= 2 and words:
            word = random.choice(words)
            value = random.choice((*RAW_NUMBERS, *map(str, NUMBERS), *TEXTS, random.choice(words).group()))
            text = text[: word.start()] + value + text[word.end() :]
        elif how == 3:
            line = random.randrange(len(lines))
            lines[line : line + 1] = [lines[line]] * random.choice((0, 2, 2, 200))
            text = "\n".join(lines)
        elif how == 4:
            one, other = random.randrange(len(lines)), random.randrange(len(lines))
            lines[one], lines[other] = lines[other], lines[one]
            text = "\n".join(lines)
        elif words:
            word = random.choice(words)
            text = text[: word.start()] + word.group() * random.choice((2, 100, 5000)) + text[word.end() :]
    encoding = random.choice(("utf-8",) * 8 + ("utf-16", "utf-8-sig", "utf-16-be", "cp1252", "gb2312"))
    if encoding != "utf-8":
        return text.encode(encoding, "replace")
    return text.encode("utf-8", "surrogateescape" if random.random() < 0.5 else "replace")


def restructured(data: bytes, random: Random) -> bytes:
    """JSON with values replaced by those of other types, huge ones, deep ones; keys lost, records doubled."""
    try:
        whole = json.loads(data)
    except ValueError:
        return flipped(data, random)
    raw: dict[str, str] = {}
    for _ in range(random.choice((1, 1, 1, 2, 3))):
        whole = changed_value(whole, random, raw)
    try:
        text = json.dumps(whole, ensure_ascii=random.random() < 0.5)
    except RecursionError:
        return data
    for mark, value in raw.items():
        text = text.replace(f'"{mark}"', value)
    return text.encode("utf-8", "surrogatepass")


def changed_value(whole: Any, random: Random, raw: dict[str, str] | None = None) -> Any:
    """One value somewhere in a tree of lists and dictionaries, changed in place; gives the tree.

    raw  takes what JSON cannot say by itself: a mark -> the characters to stand for it
    """
    spots: list[tuple[Any, Any]] = []
    waiting = [whole]
    while waiting and len(spots) < 2000:
        node = waiting.pop()
        keys = list(node) if isinstance(node, dict) else range(len(node)) if isinstance(node, list) else ()
        for key in keys:
            spots.append((node, key))
            waiting.append(node[key])
    if not spots or random.random() < 0.02:
        return _value(whole, random, raw)
    node, key = random.choice(spots)
    how = random.randrange(10)
    if how == 0:
        del node[key]
    elif how == 1:
        other, place = random.choice(spots)
        node[key] = json.loads(json.dumps(other.get(place) if isinstance(other, dict) else node[key]))
    elif how == 2 and isinstance(node, list):
        node[key:key] = [node[key]] * random.choice((1, 1, 3, 1000))
    elif how == 2 or (how == 3 and isinstance(node, dict)):
        node[random.choice(TEXTS) if isinstance(node, dict) else key] = node[key]
    elif how == 3:
        del node[key:]
    else:
        node[key] = _value(node[key], random, raw)
    return whole


def _value(old: Any, random: Random, raw: dict[str, str] | None) -> Any:
    how = random.randrange(12)
    if how == 0 and raw is not None:
        mark = f"raw value {len(raw)}"
        raw[mark] = random.choice((*RAW_NUMBERS[:5], "[" * 3000 + "]" * 3000, '{"a":' * 1500 + "1" + "}" * 1500))
        return mark
    if how <= 3:
        return random.choice(NUMBERS)
    if how <= 5:
        return random.choice(TEXTS)
    if how == 6:
        return random.choice((None, True, False, [], {}, [[]], [None], {"": None}, [[[[]]]], [0] * 3, ["a"] * 3))
    if how == 7:
        return [old]
    if how == 8:
        return {"a": old}
    if how == 9:
        return str(old) if not isinstance(old, (dict, list)) else old
    if isinstance(old, (int, float)) and not isinstance(old, bool):
        return random.choice((-old, old + 1, old * 1000, old / 3, float(old), str(old)))
    if isinstance(old, str):
        return old[: len(old) // 2] + random.choice(TEXTS)
    return [old, old]


TEXT = {".json", ".csv", ".xml", ".txt", ".toml", ".pbtxt", ".jsonl"}


def break_file(path: Path, random: Random) -> None:
    """The content of one file changed in a way that fits it."""
    data = path.read_bytes()
    if path.suffix == ".json" and random.random() < 0.7:
        path.write_bytes(restructured(data, random))
    elif path.suffix in TEXT and random.random() < 0.7:
        path.write_bytes(reworded(data, random))
    else:
        path.write_bytes(flipped(data, random))


def break_folder(folder: Path, random: Random) -> None:
    """A file lost, emptied, renamed, moved, doubled, exchanged with another, or a folder or a link in its place."""
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    if not files:
        return
    path, other = random.choice(files), random.choice(files)
    how = random.randrange(9)
    name = random.choice(("A.JPG", "a.jpg.jpg", ".hidden", "ä.png", "a b.png", "train.txt", "x" * 200, "1", "mask.png"))
    if how == 0:
        path.unlink()
    elif how == 1:
        path.write_bytes(b"")
    elif how == 2:
        path.rename(path.with_name(name))
    elif how == 3 and path != other:
        one, two = path.read_bytes(), other.read_bytes()
        path.write_bytes(two)
        other.write_bytes(one)
    elif how == 4:
        path.unlink()
        path.mkdir()
    elif how == 5:
        shutil.copy(path, path.with_name(name))
    elif how == 6:
        deeper = path.parent / random.choice(("train", "val", "masks", "images", "deep/er"))
        if not deeper.is_file():
            deeper.mkdir(parents=True, exist_ok=True)
            path.rename(deeper / path.name)
    elif how == 7 and os.name == "posix":
        path.unlink()
        path.symlink_to(random.choice((path.name, "nowhere", "..", "/dev/null", str(other.name))))
    else:
        shutil.copytree(path.parent, folder / random.choice(("copy", "val")), dirs_exist_ok=True, symlinks=True,
                        ignore=shutil.ignore_patterns("copy", "val"))  # fmt: skip
