"""The checker of the built site notices what it is there for."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import pytest

spec = importlib.util.spec_from_file_location(
    "check_site", Path(__file__).resolve().parents[1] / "tools" / "check_site.py"
)
assert spec is not None and spec.loader is not None
check_site = importlib.util.module_from_spec(spec)
spec.loader.exec_module(check_site)


def site(folder: Path, body: str) -> Path:
    (folder / "other.html").write_text('<h1 id="start">Other</h1>', "utf-8")
    (folder / "index.html").write_text(body, "utf-8")
    return folder


@pytest.mark.parametrize(
    "body",
    ['<a href="other.html#start">x</a>', '<a href="https://example.org">x</a>', '<img src="data:image/png;base64,AA">',
     '<link rel="canonical" href="https://example.org/">', '<p id="here"></p><a href="#here">x</a>'],
)  # fmt: skip
def test_what_is_in_order_is_no_fault(tmp_path, body):
    assert list(check_site.faults(site(tmp_path, body))) == []


@pytest.mark.parametrize(
    ("body", "fault"),
    [
        ('<a href="absent.html">x</a>', "links to absent.html, which does not exist"),
        ('<a href="other.html#end">x</a>', "other.html has no such anchor"),
        ('<script src="https://cdn.example.org/x.js"></script>', "loads https://cdn.example.org/x.js"),
        ('<link rel="stylesheet" href="//fonts.example.org/x.css">', "loads //fonts.example.org/x.css"),
        ('<img src="absent.png">', "loads absent.png, which does not exist"),
    ],
)
def test_a_broken_link_and_an_outside_request_are_faults(tmp_path, body, fault):
    (only,) = check_site.faults(site(tmp_path, body))
    assert fault in only
