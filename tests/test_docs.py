"""README, docs and examples say what is true: their Python runs, their commands parse, their tables are complete.

Each Python block stands alone unless its page says otherwise: the blocks of one page share their names, top to bottom.
A `text` (or `json`) block right behind a block is what it prints ("..." stands for anything). A comment before a block
says how it is tested:

    <!-- model -->       needs runs/party, here a copy of the bundled `balloons`; numbers within 20 %, counts within 1
    <!-- balloons -->    needs the bundled model and an image of the demo; the same tolerance
    <!-- slow -->        Python that takes more than a moment; compared exactly
    <!-- run -->         a shell block whose commands are run; the output is compared exactly
    <!-- fails -->       the same, of commands that end in an error; what is printed is its message
    <!-- run model -->   as `run`, with runs/party and the tolerance of `model`
    <!-- recorded -->    output of a real run that takes minutes, data that may not be passed on, or weights that are
                         not bundled: not run again by the tests
"""

from __future__ import annotations

import contextlib
import io
import re
import runpy
import shlex
import shutil
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import click
import numpy as np
import pytest

from maskwright.api.results import SAVED
from maskwright.cli.main import PLACES, commands, main
from maskwright.curate.published import PUBLISHED as DATA_SETS
from maskwright.formats.registry import FORMATS
from maskwright.models.base import LAYERS
from maskwright.synth import render_set
from maskwright.training.defaults import from_options
from maskwright.training.recipe import Recipe
from maskwright.training.recipe_io import write_recipe
from maskwright.transforms.augment import Augment
from maskwright.weights.sources import PUBLISHED, bundled_names, model_folder

ROOT = Path(__file__).resolve().parents[1]
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", ROOT / "CHANGELOG.md", *sorted((ROOT / "docs").rglob("*.md"))]
EXAMPLES = sorted((ROOT / "examples").glob("*.py"))

no_model = pytest.mark.skipif(not bundled_names(), reason="no model came with this copy of the package")
slow = pytest.mark.slow


@dataclass(frozen=True)
class Block:
    """A fenced block: what its comment asks for, its language, itself, and what the page says it prints."""

    page: str
    line: int
    needs: str
    language: str
    code: str
    printed: str | None

    def __str__(self) -> str:
        return f"{self.page}:{self.line}"


FENCED = re.compile(
    r"^(?:<!-- (?P<needs>[\w ]+) -->\n)?```(?P<language>\w+)\n(?P<code>.*?)^```\n"
    r"(?:\n```(?:text|json)\n(?P<printed>.*?)^```$)?",
    re.MULTILINE | re.DOTALL,
)


def blocks_of(text: str, page: str, language: str) -> list[Block]:
    found = []
    for item in FENCED.finditer(text):
        if item["language"] == language:
            line = text[: item.start()].count("\n") + 1
            found.append(Block(page, line, item["needs"] or "", language, item["code"], item["printed"]))
    return found


def blocks(language: str) -> list[Block]:
    return [block for page in PAGES for block in blocks_of(page.read_text("utf-8"), page.name, language)]


NUMBER = re.compile(r"(?<![\w.])-?\d+(?:\.\d*)?")
TOLERANCE = 0.2  # of metrics and boxes from a network: bf16 and fp32, and two processors, differ by less


def agree(printed: str, got: str, tolerance: float = 0.0) -> bool:
    """The same text up to white space, "..." for anything; numbers within `tolerance` or one unit of the last digit."""
    pattern = ""
    for word in printed.split():
        parts = [re.escape(part).replace(r"\.\.\.", ".*?") for part in NUMBER.split(word)]
        pattern += (r"\s*" if pattern else "") + f"({NUMBER.pattern})".join(parts)
    same = re.fullmatch(pattern, got.replace("\\", "/").strip(), re.DOTALL)  # Windows' paths
    if same is None:
        return False
    return all(close(one, other, tolerance) for one, other in zip(NUMBER.findall(printed), same.groups(), strict=True))


def close(printed: str, got: str, tolerance: float) -> bool:
    unit = 10.0 ** -len(printed.partition(".")[2]) if tolerance else 0.0
    return abs(float(printed) - float(got)) <= max(tolerance * abs(float(printed)), unit) + 1e-9


def test_an_empty_page_has_no_blocks():
    assert blocks_of("", "empty.md", "python") == []


def test_a_block_knows_its_needs_and_what_it_prints():
    page = "One.\n\n<!-- model -->\n```python\nprint(1)\n```\n\n```text\n1\n```\n\n```python\nprint(2)\n```\n"
    first, second = blocks_of(page, "page.md", "python")
    assert (first.needs, first.code, first.printed, str(first)) == ("model", "print(1)\n", "1\n", "page.md:3")
    assert (second.needs, second.printed) == ("", None)


def test_a_wrong_output_would_be_noticed():
    assert agree("{'balloon': 3}\n", "{'balloon': 3}\n")
    assert not agree("{'balloon': 3}\n", "{'balloon': 4}\n")
    assert not agree("{'balloon': 3}\n", "{'cake': 3}\n")
    assert not agree("3 balloons\n", "3 balloons, 2 cakes\n")
    assert agree("3 balloons ...\n", "3 balloons, 2 cakes\n")


def test_a_number_outside_the_tolerance_would_be_noticed():
    assert agree("AP 0.50 of 40", "AP 0.56 of 44", tolerance=0.2)
    assert not agree("AP 0.50", "AP 0.61", tolerance=0.2)
    assert agree("3 balloons", "4 balloons", tolerance=0.2)  # one object more or less
    assert not agree("3 balloons", "5 balloons", tolerance=0.2)
    assert not agree("3 balloons", "4 cakes", tolerance=0.2)


def test_every_output_on_a_page_is_tested_or_recorded():
    """A shell block followed by its output is run by a test, or says that the output was recorded from a real run."""
    loose = [str(block) for block in blocks("sh") if block.printed is not None and not block.needs]
    assert loose == []
    known = {"", "model", "balloons", "slow", "run", "run model", "fails", "recorded", "the default recipe"}
    assert {block.needs for language in ("sh", "python", "text") for block in blocks(language)} <= known


# --- python -------------------------------------------------------------------------------------
@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What the pages speak of: party/ (as `maskwright synth balloons party/ --count 12` makes it) and party.jpg."""
    folder = tmp_path_factory.mktemp("docs")
    party = render_set("balloons", 12, folder / "party")
    (folder / "party.jpg").write_bytes(party.records[0].image.read_bytes())
    return folder


@pytest.fixture(scope="module")
def model(place: Path) -> Path:
    """runs/party: the bundled balloons as if a run had trained them."""
    if "balloons" not in bundled_names():
        pytest.skip("no model came with this copy of the package")
    return shutil.copytree(model_folder("balloons"), place / "runs" / "party" / "best")


@pytest.fixture(scope="module")
def demo_image(place: Path) -> Path:
    """The one image of the demo that README names."""
    from PIL import Image

    from maskwright.api.demo import IMAGES, SIZE
    from maskwright.synth import render

    path = place / "runs" / "demo" / "party" / "val" / "balloons_00003.jpg"
    path.parent.mkdir(parents=True)
    seed = np.random.SeedSequence(2024).generate_state(IMAGES).tolist()[3]
    Image.fromarray(render("balloons", seed, SIZE).image).save(path, quality=90)
    return path


def printed_by(code: str, page: str, names: dict[str, object]) -> str:
    out = io.StringIO()
    with contextlib.redirect_stdout(out):
        exec(compile(code, page, "exec"), names)
    return out.getvalue()


def those(language: str, needs: str) -> list[object]:
    """For parametrize: the blocks with just this comment ("" for none)."""
    return [pytest.param(block, id=str(block)) for block in blocks(language) if block.needs == needs]


@pytest.mark.parametrize("block", those("python", ""))
def test_python_on_a_page_prints_what_the_page_says(block, place, monkeypatch):
    monkeypatch.chdir(place)
    got = printed_by(block.code, str(block), {})
    assert block.printed is None or agree(block.printed, got), got


@slow
def test_python_that_needs_a_model_runs_in_the_order_of_its_page(place, model, monkeypatch):
    monkeypatch.chdir(place)
    names: dict[str, dict[str, object]] = {}
    done = 0
    for block in blocks("python"):
        if block.needs in ("model", "slow"):
            got = printed_by(block.code, str(block), names.setdefault(block.page, {}))
            tolerance = TOLERANCE if block.needs == "model" else 0.0
            assert block.printed is None or agree(block.printed, got, tolerance), f"{block}\n{got}"
            done += 1
    assert done


@slow
@no_model
@pytest.mark.parametrize("block", those("python", "balloons"))
def test_python_that_needs_the_bundled_model_prints_what_the_page_says(block, place, demo_image, monkeypatch):
    monkeypatch.chdir(place)
    got = printed_by(block.code, str(block), {})
    assert block.printed is not None and agree(block.printed, got, TOLERANCE), got


# --- the command line ---------------------------------------------------------------------------
def lines_of(block: Block) -> Iterator[list[str]]:
    """The words behind `maskwright` of each line that calls it; remarks left out."""
    for line in block.code.splitlines():
        words = shlex.split(line, comments=True)
        words = words[: next((index for index, word in enumerate(words) if word in (">", ">>")), len(words))]
        if words[:1] == ["maskwright"]:
            yield words[1:]


def parsed(words: list[str]) -> click.Context:
    """As the program would read them, nothing is run."""
    with commands.make_context("maskwright", list(words)) as context:
        name, command, rest = commands.resolve_command(context, words)
        return command.make_context(name, list(rest), parent=context)


CALLS = [(block, words) for block in blocks("sh") for words in lines_of(block)]
NAMED = [pytest.param(words, id=f"{block} {' '.join(words)}"[:60]) for block, words in CALLS if block.needs != "fails"]


@pytest.mark.parametrize("words", NAMED)
def test_every_call_on_a_page_is_a_command_line(words):
    parsed(words)


@pytest.mark.parametrize("words", [["train", "party/", "--epoks", "3"], ["train", "party/", "--epochs", "many"]])
def test_a_wrong_option_or_value_would_be_noticed(words):
    with pytest.raises(click.UsageError):
        parsed(words)


def test_every_command_is_on_a_page():
    assert set(PLACES) - {words[0] for _, words in CALLS} <= {"demo"}  # which README calls by `make demo`


def test_options_in_the_text_exist():
    """`--something` anywhere on a page is an option of some command (of ours, or of pip, uv, pre-commit in sh; torchrun
    has its own)."""
    known = {"--help", "--version"}
    for name in PLACES:
        command = commands.get_command(click.Context(commands), name)
        assert command is not None
        known |= {opt for param in command.params for opt in (*param.opts, *param.secondary_opts)}
    for page in PAGES:
        prose = re.sub(r"^```.*?^```$", "", page.read_text("utf-8"), flags=re.MULTILINE | re.DOTALL)
        named = {
            word
            for code in re.findall(r"`(?!\.venv|tensorboard|torchrun |python |PYTHONPATH)([^`]+)`", prose)
            for word in code.split()
        }
        options = {word.split("=")[0] for word in named if re.fullmatch(r"--[a-z][\w-]*(=.*)?", word)}
        assert options <= known, page.name


def assert_output(block: Block, capsys: pytest.CaptureFixture[str], tolerance: float) -> None:
    for words in lines_of(block):
        with pytest.raises(SystemExit) as end:
            main(words)
        assert end.value.code == 0, capsys.readouterr().err
    got = capsys.readouterr().out
    assert block.printed is not None and agree(block.printed, got, tolerance), got


@pytest.mark.parametrize("block", those("sh", "run"))
def test_a_call_prints_what_the_page_says(block, place, monkeypatch, capsys):
    monkeypatch.chdir(place)
    assert_output(block, capsys, 0.0)


@pytest.mark.parametrize("block", those("sh", "fails"))
def test_an_error_on_a_page_is_the_error_that_people_get(block, place, monkeypatch, capsys):
    monkeypatch.chdir(place)
    (words,) = lines_of(block)
    with pytest.raises(SystemExit) as end:
        main(words)
    assert end.value.code
    got = capsys.readouterr().err
    assert block.printed is not None and agree(block.printed, got), got


@slow
@no_model
@pytest.mark.parametrize("block", those("sh", "run model"))
def test_a_call_with_a_model_prints_what_the_page_says(block, place, model, monkeypatch, capsys):
    monkeypatch.chdir(place)
    assert_output(block, capsys, TOLERANCE)


# --- tables -------------------------------------------------------------------------------------
def page(name: str) -> str:
    return (ROOT / "docs" / f"{name}.md").read_text("utf-8")


def first_column(text: str, heading: str) -> set[str]:
    """The `code` words in the first column of the first table behind a line."""
    table = re.search(rf"{re.escape(heading)}.*?\n(\|.*?)(?:\n\n|\Z)", text, re.DOTALL)
    assert table, heading
    return {word for row in table[1].splitlines()[2:] for word in re.findall(r"`([^`]+)`", row.split("|")[1])}


def test_the_default_recipe_on_the_page_is_the_default(tmp_path):
    write_recipe(from_options(), tmp_path / "recipe.toml")
    shown = re.search(r"<!-- the default recipe -->\n```toml\n(.*?)```", page("training"), re.DOTALL)
    assert shown and shown[1] == (tmp_path / "recipe.toml").read_text("utf-8")


def test_every_key_of_a_recipe_is_explained():
    assert first_column(page("training"), "An unknown key") == set(Recipe.__struct_fields__)


def test_every_augmentation_is_explained():
    assert first_column(page("training"), "## Augmentation") == set(Augment.__struct_fields__)


def test_every_name_of_layers_and_weights_is_explained():
    assert first_column(page("training"), "| `--layers`") | set(LAYERS) == set(LAYERS)
    weights = first_column(page("training"), "## Weights to start from")
    assert {"bundled", "imagenet", "coco", "last", "best", "none"} <= weights


def test_every_format_is_in_the_table_with_what_it_can():
    table = re.search(r"## What is read and written\n\n(.*?)\n\n", page("annotation-formats"), re.DOTALL)
    assert table
    rows = [[cell.strip() for cell in row.split("|")[1:-1]] for row in table[1].splitlines()[2:]]
    shown = {row[0].strip("`"): (row[3], row[4]) for row in rows}
    assert shown == {name: ("yes", "yes" if item.writes else "no") for name, item in FORMATS.items()}
    assert first_column(page("annotation-formats"), "## How a format is detected") == set(FORMATS)


def test_every_kind_of_result_is_explained():
    shown = first_column(page("prediction"), "## Output files")
    assert {f"--save-{kind}" for kind in SAVED} <= shown


def test_every_public_name_is_explained():
    import maskwright

    rows = re.findall(r"^\| (`maskwright\.[^|]+)\|", page("python-api"), re.MULTILINE)
    explained = {name for row in rows for name in re.findall(r"`(maskwright\.\w+)`", row)}
    assert explained == {f"maskwright.{name}" for name in maskwright._PUBLIC}


def test_data_sets_that_are_named_can_be_downloaded():
    named = {words[1] for _, words in CALLS if words[0] == "download" and len(words) > 1}
    files = {item.file for item in PUBLISHED.values()}
    assert named - {"--list", "coco", "imagenet"} - files <= set(DATA_SETS)


# --- links --------------------------------------------------------------------------------------
def anchors(text: str) -> set[str]:
    """Headings as GitHub names them."""
    heads = re.findall(r"^#+ (.+)$", re.sub(r"^```.*?^```$", "", text, flags=re.MULTILINE | re.DOTALL), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", head.lower()).replace(" ", "-") for head in heads}


@pytest.mark.parametrize("path", PAGES, ids=lambda path: path.name)
def test_every_link_leads_somewhere(path):
    text = path.read_text("utf-8")
    for target in re.findall(r"\]\(([^)\s]+)\)", text):
        if re.match(r"[a-z]+:", target):
            continue
        file, _, anchor = target.partition("#")
        there = path.parent / file if file else path
        assert there.exists(), target
        assert not anchor or anchor in anchors(there.read_text("utf-8")), target


def test_a_dead_anchor_would_be_noticed():
    assert anchors("# How to\n\n## n/a\n```sh\n# no heading\n```\n") == {"how-to", "na"}


def test_every_file_named_on_the_plan_stands():
    named = set(re.findall(r"`(\w+/\w+\.py)`", page("architecture"))) - {"tests/test_repository.py"}
    assert "prediction/predictor.py" in named
    assert [file for file in sorted(named) if not any((ROOT / "src" / "maskwright").glob(f"**/{file}"))] == []


# --- examples -----------------------------------------------------------------------------------
@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.name)
def test_an_example_says_how_it_is_called(path):
    compiled = compile(path.read_text("utf-8"), path.name, "exec", dont_inherit=True)
    assert f"python examples/{path.name} " in str(compiled.co_consts[0])
    assert len(path.read_text("utf-8").splitlines()) <= 40


def called(monkeypatch: pytest.MonkeyPatch, name: str, *arguments: str) -> None:
    monkeypatch.setattr(sys, "argv", [name, *arguments])
    runpy.run_path(str(ROOT / "examples" / name), run_name="__main__")


@slow
def test_splash_folder_draws_every_image(place, model, monkeypatch, capsys):
    monkeypatch.chdir(place)
    called(monkeypatch, "splash_folder.py", "party/val", "runs/party", "colored")
    assert sorted(path.name for path in Path("colored").iterdir()) == ["balloons_00002.jpg", "balloons_00009.jpg"]
    assert "balloons_00002.jpg: " in capsys.readouterr().out


@slow
def test_count_to_csv_writes_a_line_an_image(place, model, monkeypatch):
    monkeypatch.chdir(place)
    called(monkeypatch, "count_to_csv.py", "party/val", "runs/party", "counts.csv")
    first, *rows = Path("counts.csv").read_text("utf-8").splitlines()
    assert (first, len(rows)) == ("image,balloon", 2)


@slow
@no_model
def test_train_own_images_leaves_a_model(place, monkeypatch, capsys):
    monkeypatch.chdir(place)
    called(monkeypatch, "train_own_images.py", "party", "0.02")
    assert "the model is in " in capsys.readouterr().out


@slow
@no_model
def test_cross_validation_judges_every_image(place, monkeypatch, capsys):
    monkeypatch.chdir(place)
    called(monkeypatch, "cross_validation.py", "party", "2", "0.02")
    assert "together: 12 images" in capsys.readouterr().out


@slow
def test_sort_parts_leaves_nothing_on_the_belt(place, monkeypatch, capsys):
    import class_images
    from tiny_runs import classifier_folder

    classifier_folder(place / "runs" / "colors" / "best", ("green", "red"))
    for image in class_images.save(place / "made", 2).rglob("*.png"):
        (place / "belt").mkdir(exist_ok=True)
        image.rename(place / "belt" / image.name)
    monkeypatch.chdir(place)
    called(monkeypatch, "sort_parts.py", "runs/colors", "belt", "sorted", "3")
    assert list(Path("belt").iterdir()) == []
    assert sorted(path.name for path in Path("sorted").rglob("*.png")) == [
        "green_0.png", "green_1.png", "red_0.png", "red_1.png"]  # fmt: skip
    assert len(Path("sorted/predictions.jsonl").read_text("utf-8").splitlines()) == 4
    assert "-> sorted" in capsys.readouterr().out
