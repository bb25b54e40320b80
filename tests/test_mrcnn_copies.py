"""Clones and copies of the original: ours answers, what they have beyond it is kept, another network is refused."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

UTILS = "class Dataset:\n    pass\ndef extract_bboxes(mask):\n    pass\n"
CONFIG = "class Config:\n    IMAGES_PER_GPU = 2\n"
VISUALIZE = "def display_instances(image):\n    pass\ndef random_colors(N):\n    pass\n"
MODEL = (
    "import keras.layers as KL, keras.engine as KE\nclass ProposalLayer(KE.Layer): pass\nclass MaskRCNN:\n    pass\n"
)
APPEND = "import os, sys\nsys.path.append(os.path.dirname(os.path.abspath(__file__)))\n"


def clone(folder: Path, **files: str) -> None:
    """A clone's mrcnn in this folder: these files, the others as in the original."""
    usual = {"utils": UTILS, "config": CONFIG, "visualize": VISUALIZE, "model": MODEL, "__init__": ""}
    folder.mkdir(parents=True)
    for name, text in {**usual, **files}.items():
        (folder / f"{name}.py").write_text(text)


def run(folder: Path, text: str) -> subprocess.CompletedProcess[str]:
    (folder / "script.py").write_text(text)
    return subprocess.run(
        [sys.executable, "-m", "maskwright", "run", "script.py"],
        capture_output=True,
        text=True,
        check=False,
        cwd=folder,
    )


def printed(folder: Path, text: str) -> str:
    done = run(folder, text)
    assert done.returncode == 0, done.stderr
    return done.stdout


# --- a clone in another package ---------------------------------------------------------------------
NESTED = """
from {package}.mrcnn import model as modellib, utils
from {package}.mrcnn.config import Config
import {package}.mrcnn.visualize
import mrcnn.model
print(modellib is mrcnn.model, modellib.MaskRCNN.__module__, Config().BATCH_SIZE, utils.__name__)
"""


@pytest.mark.parametrize("package", ["Mask_RCNN", "lib.third_party"])
@pytest.mark.parametrize("init", [True, False])
def test_ours_answers_whatever_package_an_old_clone_lies_in(tmp_path, package, init):
    at = tmp_path / package.replace(".", "/")
    clone(at / "mrcnn", model="raise RuntimeError('the old one')\nclass ProposalLayer: pass\nclass MaskRCNN: pass\n")
    for folder in (at, at.parent) if init else ():
        (folder / "__init__.py").touch()
    done = run(tmp_path, NESTED.format(package=package))
    assert done.stdout == "True mrcnn.model 2 mrcnn.utils\n", done.stderr
    assert f"not the one in {at / 'mrcnn'}" in done.stderr


def test_modules_that_only_a_nested_clone_has_are_found_and_import_ours(tmp_path):
    clone(
        tmp_path / "Mask_RCNN" / "mrcnn", cars="from . import utils\nfrom .config import Config\nWHOSE = utils.__name__"
    )
    script = "from Mask_RCNN.mrcnn import cars\nimport Mask_RCNN.mrcnn.cars as again\nprint(cars.WHOSE, again is cars)"
    assert printed(tmp_path, script) == "mrcnn.utils True\n"


def test_a_nested_clone_that_is_not_there_is_ours_too(tmp_path):
    assert printed(tmp_path, "from Mask_RCNN.mrcnn.config import Config\nprint(Config().BATCH_SIZE)") == "2\n"


def test_a_nested_package_of_that_name_which_is_no_clone_stays_its_own(tmp_path):
    package = tmp_path / "lib" / "mrcnn"
    package.mkdir(parents=True)
    (package / "model.py").write_text("MINE = 1")
    assert printed(tmp_path, "from lib.mrcnn.model import MINE\nprint(MINE)") == "1\n"


def test_a_flat_clone_inside_a_package_is_ours(tmp_path):
    clone(tmp_path / "maskrcnn")
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "utils.py").write_text("MINE = 1")
    script = "from maskrcnn import utils\nfrom maskrcnn.model import MaskRCNN\nfrom other.utils import MINE\n"
    assert (
        printed(tmp_path, script + "print(utils.__name__, MaskRCNN.__module__, MINE)") == "mrcnn.utils mrcnn.model 1\n"
    )


# --- what a copy has beyond ours --------------------------------------------------------------------
def test_a_function_that_only_a_flat_copy_has_is_kept_and_the_copy_is_named(tmp_path):
    (tmp_path / "utils.py").write_text(UTILS + "def rle_encode(mask):\n    return mask.size\n")
    done = run(
        tmp_path, "import numpy as np\nfrom utils import Dataset, rle_encode\nprint(Dataset, rle_encode(np.ones(4)))"
    )
    assert done.stdout == "<class 'mrcnn.dataset.Dataset'> 4\n"
    line = f"mrcnn: maskwright's mrcnn.utils is used, not {tmp_path / 'utils.py'}; kept from it: rle_encode"
    assert done.stderr.splitlines().count(line) == 1


@pytest.mark.parametrize("before", [True, False])
def test_what_only_a_clone_has_is_kept_whenever_it_is_imported(tmp_path, before):
    more = VISUALIZE + "from mrcnn import utils\ndef save_boxes(boxes):\n    return len(boxes), utils.__name__\n"
    clone(tmp_path / "clone" / "mrcnn", visualize=more)
    append = "import sys\nsys.path.insert(0, 'clone')\n"
    script = append + "from mrcnn import visualize\nfrom mrcnn.visualize import save_boxes\nprint(save_boxes([1, 2]))"
    if not before:
        script = "from mrcnn import visualize, model\n" + append
        script += "try:\n    model.MaskRCNN('inference', 1, '.')\nexcept Exception:\n    pass\n"
        script += "print(visualize.save_boxes([1, 2]))"
    assert printed(tmp_path, script) == "(2, 'mrcnn.utils')\n"


def test_further_settings_and_other_values_of_a_copys_config_are_kept(tmp_path):
    text = "import numpy as np\nclass Config(object):\n    IMAGES_PER_GPU = 4\n    MINE = [1, 2]\n"
    text += "    BBOX_STD_DEV = np.array([0.1, 0.1, 0.2, 0.2])\n    LEARNING_RATE = 0.002\n"
    text += "    def __init__(self):\n        self.SIDE = self.IMAGES_PER_GPU * 10\n        self.BATCH_SIZE = 77\n"
    clone(tmp_path / "mrcnn", config=text)
    script = APPEND + "from mrcnn.config import Config\nclass Mine(Config):\n    NAME = 'mine'\nc = Mine()\n"
    done = run(tmp_path, script + "print(c.BATCH_SIZE, c.MINE, c.LEARNING_RATE, c.SIDE, c.NUM_CLASSES)\nc.display()")
    assert done.stdout.startswith("4 [1, 2] 0.002 40 1\n") and "MINE  " in done.stdout
    kept = "Config.IMAGES_PER_GPU, Config.MINE, Config.LEARNING_RATE, Config.SIDE"
    assert f"kept from it: {kept}\n" in done.stderr


def test_further_methods_of_a_copys_dataset_are_kept(tmp_path):
    text = UTILS.replace("    pass\ndef", "    def count(self):\n        return len(self.image_info)\ndef", 1)
    clone(tmp_path / "mrcnn", utils=text)
    assert printed(tmp_path, APPEND + "from mrcnn import utils\nprint(utils.Dataset().count())") == "0\n"


def test_a_copys_function_that_takes_or_gives_more_is_the_one_that_answers(tmp_path):
    given = "image, boxes, masks, class_ids, class_names, scores=None, title='', figsize=(16, 16), ax=None"
    given += ", show_mask=True, show_bbox=True, colors=None, captions=None"
    more = f"def display_instances({given}, making_image=False):\n    return making_image\n"
    more += "def random_colors(N):\n    pass\n"
    clone(tmp_path / "mrcnn", visualize=more)
    script = APPEND + "from mrcnn import visualize\n"
    script += "print(visualize.display_instances(1, 2, 3, 4, 5, making_image=True), len(visualize.random_colors(3)))"
    assert printed(tmp_path, script) == "True 3\n"


def test_what_was_kept_is_there_after_a_reload(tmp_path):
    clone(tmp_path / "mrcnn", visualize=VISUALIZE + "def save():\n    return 3\n")
    script = APPEND + "from importlib import reload\nfrom mrcnn import visualize\nreload(visualize)\n"
    done = run(tmp_path, script + "print(visualize.save())")
    assert done.stdout == "3\n" and done.stderr.count("kept from it") == 1


def test_settings_that_only_a_copys_init_works_out_are_kept(tmp_path):
    text = CONFIG + "    def __init__(self):\n        self.SIDE = self.IMAGES_PER_GPU * 10\n"
    clone(tmp_path / "mrcnn", config=text)
    script = APPEND + "from mrcnn.config import Config\nimport mrcnn.model\nprint(Config().SIDE, Config().BATCH_SIZE)"
    assert printed(tmp_path, script) == "20 2\n"


def test_a_function_of_a_graph_is_refused_by_name_only_when_it_is_called(tmp_path):
    text = MODEL + "def mobilenet_graph(x):\n    return KL.Conv2D(1, 1)(x)\ndef count(x):\n    return len(x)\n"
    clone(tmp_path / "mrcnn", model=text)
    done = run(tmp_path, APPEND + "from mrcnn import model\nprint(model.count([1]))\nmodel.mobilenet_graph(1)")
    assert done.stdout == "1\n" and done.returncode != 0 and "Traceback" not in done.stderr
    assert "model.py has mobilenet_graph, maskwright's has not" in done.stderr


def test_a_copy_that_cannot_be_run_today_is_named_when_it_is_needed(tmp_path):
    clone(tmp_path / "mrcnn", utils=UTILS + "raise OSError('no camera')\ndef more():\n    pass\n")
    done = run(tmp_path, APPEND + "from mrcnn import utils\nprint(utils.Dataset.__module__)\nutils.more()")
    assert done.stdout == "mrcnn.dataset\n" and "OSError: no camera" in done.stderr and "Traceback" not in done.stderr
    assert "utils.py has more, maskwright's has not" in done.stderr


def test_a_clone_like_the_original_is_never_run(tmp_path):
    old = {"utils": UTILS, "config": CONFIG, "visualize": VISUALIZE, "model": MODEL}
    clone(tmp_path / "mrcnn", **{name: f"{text}raise ValueError('run')\n" for name, text in old.items()})
    done = run(tmp_path, APPEND + "from mrcnn import utils, config, visualize, model\nprint('well')")
    assert done.stdout == "well\n" and "kept from it" not in done.stderr


# --- another network --------------------------------------------------------------------------------
@pytest.mark.parametrize(
    "head", ["build_fpn_keypoint_graph", "keypoint_mrcnn_mask_loss_graph", "mrcnn_depth_loss_graph"]
)
@pytest.mark.parametrize("flat", [True, False])
def test_a_fork_with_another_head_is_refused_by_name(tmp_path, head, flat):
    text = MODEL + f"def {head}(x):\n    return x\n"
    folder = tmp_path / ("old" if flat else "mrcnn")
    clone(folder, model=text)
    script = "import sys\nsys.path.insert(0, 'old')\nimport model" if flat else APPEND + "import mrcnn.model"
    done = run(tmp_path, script)
    assert done.returncode != 0 and "Traceback" not in done.stderr
    assert f"{folder / 'model.py'}: this model.py is another network than matterport's Mask R-CNN" in done.stderr
    assert head in done.stderr
