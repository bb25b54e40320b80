"""The codes of issues: unique, in one form, with sentences that can be made, and all on their page."""

from __future__ import annotations

import re
import string
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tools"))
import issue_codes

KINDS = issue_codes.declared(issue_codes.PACKAGE)


def test_no_code_is_used_twice():
    codes = [kind.code for kind in KINDS]
    assert len(codes) > 50 and sorted(set(codes)) == codes


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.code)
def test_a_kind_is_called_like_its_code_and_has_a_known_severity(kind):
    assert re.fullmatch(r"[a-z][a-z0-9]*(_[a-z0-9]+)*", kind.code) and kind.name == kind.code.upper()
    assert kind.severity in ("error", "warning", "info")


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.code)
def test_the_plural_of_a_sentence_needs_no_other_values_and_a_count_decides(kind):
    names = {name for _, name, _, _ in string.Formatter().parse(kind.wording) if name}
    more = {name for _, name, _, _ in string.Formatter().parse(kind.plural) if name}
    assert all(name.isidentifier() for name in names | more)
    if kind.plural:
        assert "count" in more and more - {"count"} == names - {"count"}


def test_the_page_lists_every_code_as_the_source_declares_it():
    """python tools/issue_codes.py --write"""
    text = issue_codes.PAGE.read_text("utf-8")
    assert issue_codes.page(text) == text


def test_a_missing_code_would_be_noticed(tmp_path):
    (tmp_path / "a.py").write_text('CLIPPED = Kind("clipped", "warning", "{count} clipped|", fix="look")\n')
    (kind,) = issue_codes.declared(tmp_path)
    assert (kind.name, kind.code, kind.fix) == ("CLIPPED", "clipped", "look")
    assert issue_codes.table([kind]).splitlines()[-1] == r"| `clipped` | warning | {count} clipped\| |"
    (tmp_path / "b.py").write_text('def f(log):\n    log(Kind("hidden", "info", "x")())\n')
    with pytest.raises(ValueError, match="a constant of its module"):
        issue_codes.declared(tmp_path)
