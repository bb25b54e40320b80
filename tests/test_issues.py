"""Issues: one record for everything that is reported; a sentence for people, code and values for programs."""

from __future__ import annotations

import json
import warnings
from pathlib import Path

import pytest

from maskwright.errors import ImageError
from maskwright.issues import Issue, Issues, IssueWarning, Kind, as_json, warn

CLIPPED = Kind("outlines_clipped", "warning", "{count} outline was clipped", "{count:,} outlines were clipped")
ABSENT = Kind(
    "images_absent", "warning", "{count} images are absent: {names!q:2}[ (in {where})]; {fix}", fix="add them"
)
EPOCH = Kind("epoch", "info", "epoch {number:>3}  loss {loss:.3f}")
FAILED = Kind("image_failed", "error", "{error}")


def test_an_issue_becomes_a_sentence_singular_or_plural_by_its_count():
    assert str(CLIPPED(count=1)) == "1 outline was clipped"
    assert str(CLIPPED("party", count=0)) == "party: 0 outlines were clipped"
    assert str(CLIPPED(count=1300)) == "1,300 outlines were clipped"


def test_a_number_brings_its_noun():
    kind = Kind("divided", "info", "{train:image} to train on, {val} held back")
    assert str(kind(train=1, val=2)) == "1 image to train on, 2 held back"
    assert str(kind(train=1300, val=2)) == "1,300 images to train on, 2 held back"
    assert str(Kind("lost", "info", "{count:class id} cannot be kept")(count=2)) == "2 class ids cannot be kept"


def test_a_list_is_joined_and_shortened_and_a_part_without_value_left_out():
    names = ["a.jpg", "b.jpg", "c.jpg"]
    assert str(ABSENT(count=3, names=names, where="")) == '3 images are absent: "a.jpg", "b.jpg", ...; add them'
    assert str(ABSENT(count=1, names=names[:1], where="val", fix="look")) == (
        '1 images are absent: "a.jpg" (in val); look'
    )


def test_values_never_become_part_of_the_wording():
    issue = ABSENT(count=1, names=["{count} [x]"], where="[{names}]")
    assert str(issue) == '1 images are absent: "{count} [x]" (in [{names}]); add them'


def test_whatever_a_terminal_would_obey_is_escaped_in_the_sentence_and_kept_in_the_values():
    issue = ABSENT("\x1b[31m", count=1, names=["a\n.jpg"], where="\x07")
    assert "\x1b" not in str(issue) and "\n" not in str(issue) and "\x07" not in str(issue)
    assert as_json(issue)["values"]["names"] == ["a\n.jpg"]


def test_numbers_are_formatted_as_the_wording_asks():
    assert str(EPOCH(number=7, loss=0.51249)) == "epoch   7  loss 0.512"


def test_an_error_that_ends_nothing_shows_all_its_parts_and_gives_them_to_programs():
    error = ImageError("truncated", file="a.jpg", fix="copy it again")
    issue = FAILED(error=error, images=[Path("party") / "a.jpg"])
    assert str(issue) == str(error)
    assert as_json(issue) == {
        "code": "image_failed",
        "severity": "error",
        "subject": "",
        "values": {"error": {"error": "ImageError", "message": "truncated", "file": "a.jpg", "fix": "copy it again"}},
        "images": ["party/a.jpg"],
        "fix": "",
    }


def test_json_can_be_written_and_holds_six_names():
    facts = as_json(ABSENT("party", count=1, names=("a",), where=Path("x") / "y", images=["a"]))
    assert list(json.loads(json.dumps(facts))) == ["code", "severity", "subject", "values", "images", "fix"]
    assert facts["values"]["where"] == "x/y"


def test_the_wording_is_no_part_of_what_makes_two_issues_equal():
    assert CLIPPED("party", count=2) == Issue("outlines_clipped", "warning", "party", {"count": 2})
    assert len({CLIPPED("party", count=2), CLIPPED("party", count=2), CLIPPED("party", count=3)}) == 2


def test_a_part_names_the_whole_it_belongs_to():
    assert str(CLIPPED("train", count=1).within("party")) == "party: train: 1 outline was clipped"
    assert CLIPPED(count=1).within("party").subject == "party"


def test_a_list_of_issues_is_a_log_and_kinds_find_their_own():
    issues = Issues()
    issues(CLIPPED(count=1))
    issues(EPOCH(number=1, loss=1.0))
    assert CLIPPED.among(issues) == issues[:1] and ABSENT.among(issues) == []


def test_in_python_an_issue_is_a_warning_that_begins_with_its_code():
    with pytest.warns(IssueWarning, match="^outlines_clipped: party: 2 outlines were clipped$") as caught:
        warn(CLIPPED("party", count=2))
    message = caught[0].message
    assert isinstance(message, IssueWarning) and message.issue.values == {"count": 2}
    assert caught[0].filename == __file__  # where maskwright was called, not where it warns


def test_warnings_can_be_filtered_by_code():
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        warnings.filterwarnings("ignore", message="outlines_clipped", category=IssueWarning)
        warn(CLIPPED(count=2))
        warn(ABSENT(count=1, names=["a"], where=""))
    assert [str(warning.message).partition(":")[0] for warning in caught] == ["images_absent"]


def test_progress_is_no_warning():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        warn(EPOCH(number=1, loss=0.5))
