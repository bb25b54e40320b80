"""The field's standard terms are used everywhere: terms of our own that earlier versions had are absent."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
PLACES = ("docs", "examples", "README.md", "CONTRIBUTING.md", "src/maskwright")
ENDINGS = (".py", ".md", ".html", ".ipynb", ".toml")
SYNTH = "src/maskwright/synth/"  # a renderer paints on a canvas
CODE = "src/"

TERMS = {  # what is searched for -> the standard term
    r"films?": "video",
    r"verdicts?": "prediction, class label",
    r"strangers?": "detections of unknown classes",
    r"truths": "ground-truth objects",
    r"twins?": "duplicates",
    r"judg(?:e|ed|es|ing)": "evaluate",
    r"false finds?": "false positives",
    r"whole[- _]photos?": "image-level",
    r"photos?": "image",
    r"live_norms": "train_bn",
    r"warm_up": "warmup_steps",
    r"backbone_rate": "backbone_lr_scale",
    r"merit": "selection_metric",
    r"f32": "fp32",
    r"taught": "trained on",
    r"learnt": "learned, trained",
    r"canvas(?:es)?": "network input",
    r"colours?|greys?|licences?": "color, gray, license",
    r"the house": "General, Architecture",
    r"proposal_box": "rpn_box",
    r"maskwright[./](?:samples|photos|pictures|jobs|verbs|records|film)": "transforms, images, drawing, api",
    r"verbs": "models/base.py",
    r"(?:its|these|those|no|all|best|true|correct|missed) finds": "detections",
    r"taken up again": "resumed",
    r"ways? out": "how to fix it",
    r"soft masks?": "mask probabilities",
    r"stretched masks?": "paste_mode",
}
DOCS_TERMS = {r"rooms?|floors?": "packages, layers"}  # ordinary words in code: np.floor, the room of a scene
KEPT = (  # names that others gave
    r"animals and rooms",  # what images show
    r"</?canvas\b",  # of HTML
    r"coco_same_photo_two_ids|(?:intake|rel)-[\w-]+",  # folders of the shared data
    r"[\"']photos?[\"']|images\|photos",  # folder names that people use
    r"Photoshop|ground_truths|photometric\w*|PhotometricInterpretation|true_positive|dtype",
)


def findings(text: str, path: str) -> Iterator[str]:
    """Every term of our own in a text: "path:line: term -> standard term"."""
    for number, line in enumerate(text.splitlines(), 1):
        for kept in KEPT:
            line = re.sub(kept, "", line)
        for term, standard in (TERMS if path.startswith(CODE) else TERMS | DOCS_TERMS).items():
            if "canvas" in term and path.startswith(SYNTH):
                continue
            for found in re.finditer(rf"(?<![A-Za-z])(?:{term})(?![A-Za-z0-9])", line, re.IGNORECASE):
                yield f"{path}:{number}: {found[0]} -> {standard}"


def texts() -> Iterator[tuple[str, Path]]:
    for folder in PLACES:
        root = ROOT / folder
        for path in sorted(root.rglob("*")) if root.is_dir() else [root]:
            if path.suffix in ENDINGS:
                yield path.relative_to(ROOT).as_posix(), path


@pytest.mark.parametrize(("name", "path"), [pytest.param(*pair, id=pair[0]) for pair in texts()])
def test_a_file_uses_the_standard_terms(name, path):
    assert list(findings(path.read_text("utf-8"), name)) == []


def test_the_search_would_notice():
    assert list(findings("One photo,\nfilmed and judged.", "docs/x.md")) == [
        "docs/x.md:1: photo -> image",
        "docs/x.md:2: judged -> evaluate",
    ]
    assert list(findings("a canvas of a room", "src/maskwright/synth/scene.py")) == []
    assert len(list(findings("live_norms = 'photo'", "README.md"))) == 1
    assert list(findings("One of its finds; it finds objects.", "src/maskwright/api/x.py")) == [
        "src/maskwright/api/x.py:1: its finds -> detections"
    ]
    assert [list(findings("np.floor(x)", path)) for path in ("src/maskwright/x.py", "docs/x.md")] == [
        [],
        ["docs/x.md:1: floor -> packages, layers"],
    ]
