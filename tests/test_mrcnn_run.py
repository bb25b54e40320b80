"""maskwright run: old clones on the path, flat imports, stand-ins for what is absent."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

import mrcnn.utils
from maskwright.errors import InputError
from mrcnn import finders, runner
from mrcnn.keras_model import Optimizer
from mrcnn.standins import callbacks, keras, tensorflow
from mrcnn.standins.absent import Absent

ABSENT = ("tensorflow", "keras", "imgaug", "pycocotools")


@pytest.fixture(autouse=True)
def _clean() -> Iterator[None]:
    before = set(sys.modules)
    yield
    finders.remove()
    for name in set(sys.modules) - before:
        if name.partition(".")[0] in (*ABSENT, *finders.FLAT, *finders.SAMPLES, "samples"):
            del sys.modules[name]


def run(folder: Path, script: str, *arguments: str) -> dict[str, Any]:
    """Runs a script's text; what it left in `facts`."""
    facts: dict[str, Any] = {}
    (folder / "script.py").write_text("from builtins import facts\n" + script)
    import builtins

    builtins.facts = facts  # type: ignore[attr-defined]
    try:
        runner.run(folder / "script.py", arguments)
    finally:
        del builtins.facts  # type: ignore[attr-defined]
    return facts


def clone(folder: Path) -> Path:
    """An old clone: mrcnn that refuses to be imported, and a module of its own."""
    package = folder / "clone" / "mrcnn"
    package.mkdir(parents=True)
    (package / "__init__.py").write_text("")
    for name in ("model", "utils", "config", "visualize"):
        (package / f"{name}.py").write_text("raise ImportError('the old one was imported')")
    (package / "visualize_cars.py").write_text("from mrcnn import utils\nWHOSE = utils.__file__\n")
    return folder / "clone"


# --- the script as it is ----------------------------------------------------------------------------
def test_a_script_sees_its_name_arguments_and_folder(tmp_path):
    (tmp_path / "beside.py").write_text("VALUE = 5")
    facts = run(
        tmp_path, "import sys, beside\nfacts.update(name=__name__, argv=sys.argv[1:], v=beside.VALUE)", "--a", "b"
    )
    assert facts == {"name": "__main__", "argv": ["--a", "b"], "v": 5}
    assert not any(isinstance(finder, finders.Flat) for finder in sys.meta_path), "nothing is left behind"


def test_what_is_no_script_is_named(tmp_path):
    with pytest.raises(InputError, match="no such script"):
        runner.run(tmp_path / "no.py")
    (tmp_path / "a.ipynb").touch()
    with pytest.raises(InputError, match="%load_ext maskwright"):
        runner.run(tmp_path / "a.ipynb")


@pytest.mark.parametrize("how", ["sys.path.append", "lambda p: sys.path.insert(0, p)"])
def test_ours_is_imported_where_an_old_clone_lies_on_the_path(tmp_path, how, capsys):
    folder = clone(tmp_path)
    script = (
        f"import sys\n({how})({str(folder)!r})\nimport mrcnn.model as modellib\nfrom mrcnn import utils, visualize\n"
    )
    facts = run(
        tmp_path,
        script + "facts['file'] = utils.__file__\nfrom mrcnn import visualize_cars\nfacts['w'] = visualize_cars.WHOSE",
    )
    sys.modules.pop("mrcnn.visualize_cars", None)
    assert facts == {"file": mrcnn.utils.__file__, "w": mrcnn.utils.__file__}


def test_an_old_clone_is_named_once(tmp_path, monkeypatch, capsys):
    monkeypatch.syspath_prepend(str(clone(tmp_path)))
    finders.name_other_copies()
    finders.name_other_copies()
    told = capsys.readouterr().err
    assert told.count("not the one in") == 1 and str(tmp_path) in told


# --- flat modules -----------------------------------------------------------------------------------
def test_flat_imports_of_the_first_versions_are_ours(tmp_path):
    script = "import model as modellib, utils, visualize, config\nfrom config import Config\n"
    facts = run(tmp_path, script + "facts.update(m=modellib.__name__, u=utils.__name__, spec=utils.__spec__.name)")
    assert facts == {"m": "mrcnn.model", "u": "mrcnn.utils", "spec": "mrcnn.utils"}


def test_a_scripts_own_utils_stays_its_own(tmp_path):
    (tmp_path / "utils.py").write_text("MINE = True")
    assert run(tmp_path, "import utils\nfacts['mine'] = utils.MINE") == {"mine": True}


def test_an_old_utils_beside_the_script_is_replaced(tmp_path):
    (tmp_path / "utils.py").write_text("class Dataset: pass\ndef extract_bboxes(): pass\nraise ImportError('old')")
    assert run(tmp_path, "import utils\nfacts['name'] = utils.__name__") == {"name": "mrcnn.utils"}


def test_the_samples_can_be_imported_by_their_old_names(tmp_path):
    script = "import coco\nfrom samples.coco import coco as again\n"
    assert run(tmp_path, script + "facts.update(n=coco.CocoConfig.NUM_CLASSES, same=coco is again)") == {
        "n": 81,
        "same": True,
    }


# --- TensorFlow and Keras ---------------------------------------------------------------------------
SETTINGS = """
import tensorflow as tf
from keras import backend as K
from keras.backend.tensorflow_backend import set_session
from tensorflow.compat.v1 import ConfigProto
import tensorflow.compat.v1 as tf1
config = tf.ConfigProto()
config.gpu_options.allow_growth = True
set_session(tf.Session(config=config))
K.clear_session()
with tf.device("/cpu:0"):
    facts["x"] = tf.identity(3)
for gpu in tf.config.experimental.list_physical_devices("GPU"):
    tf.config.experimental.set_memory_growth(gpu, True)
tf.get_logger().setLevel("ERROR")
tf.logging.set_verbosity(tf.logging.ERROR)
facts.update(gpu=tf.test.is_gpu_available(), version=tf.__version__, one=tf1.ConfigProto is not None)
"""


@pytest.mark.skipif("tensorflow" in sys.modules, reason="TensorFlow is here")
def test_settings_of_sessions_and_gpus_have_no_effect_and_say_so_once(tmp_path, capsys):
    facts = run(tmp_path, SETTINGS)
    assert facts == {"x": 3, "gpu": False, "version": "1.14.0", "one": True}
    told = capsys.readouterr().err.splitlines()
    assert "maskwright run: tensorflow.ConfigProto has no effect here" in told
    assert len(told) == len(set(told))


def test_what_is_absent_can_be_touched_in_every_way():
    thing = Absent("keras.layers.Dense")
    with thing(3) as inner:
        inner.x.y = 4
    assert not thing and list(thing) == [] and thing["a"].b is not None

    class Built(thing):  # type: ignore[misc, valid-type]
        pass

    assert Built.__mro__[1] is object


def test_a_whole_keras_model_cannot_be_loaded():
    with pytest.raises(Exception, match="load_weights"):
        keras.module("keras.models").load_model("x.h5")


def test_images_come_as_keras_gives_them(tmp_path):
    from PIL import Image

    Image.new("RGB", (6, 4), (1, 2, 3)).save(tmp_path / "a.png")
    image = keras.load_img(tmp_path / "a.png", target_size=(8, 10))
    array = keras.img_to_array(image)
    assert array.shape == (8, 10, 3) and array.dtype == np.float32
    assert keras.array_to_img(array).size == (10, 8)


def test_images_are_found_by_every_way_of_import(tmp_path):
    script = "from keras.preprocessing import image\nfrom keras.preprocessing.image import load_img\nimport keras\n"
    script += "facts.update(a=image.load_img is load_img, b=keras.preprocessing.image.load_img is load_img)"
    assert run(tmp_path, script) == {"a": True, "b": True}


def test_tensorflow_has_no_devices_by_any_way_of_asking():
    assert tensorflow.module("tensorflow.python.client").device_lib.list_local_devices() == []


def test_keras_inside_tensorflow_is_the_same():
    assert tensorflow.module("tensorflow.keras.callbacks").EarlyStopping is callbacks.EarlyStopping
    assert tensorflow.module("tensorflow").keras.callbacks.Callback is callbacks.Callback


# --- callbacks --------------------------------------------------------------------------------------
def epochs(callback: Any, losses: list[float]) -> Any:
    """The model after these validation losses."""
    saved: list[str] = []
    model = SimpleNamespace(
        optimizer=Optimizer(1.0), stop_training=False, layers=[], save_weights=saved.append, saved=saved
    )
    callback.set_model(model)
    for epoch, loss in enumerate(losses):
        callback.on_epoch_begin(epoch)
        if not model.stop_training:
            callback.on_epoch_end(epoch, {"val_loss": loss})
    return model


def test_the_learning_rate_falls_on_a_plateau():
    assert float(epochs(callbacks.ReduceLROnPlateau(factor=0.5, patience=2), [3, 2, 2, 2, 2, 2]).optimizer.lr) == 0.25


def test_a_training_without_progress_stops():
    assert epochs(callbacks.EarlyStopping(patience=2), [3, 2, 2, 2]).stop_training
    assert not epochs(callbacks.EarlyStopping(patience=3), [3, 2, 2, 2]).stop_training


def test_the_best_weights_are_kept():
    model = epochs(callbacks.ModelCheckpoint("w_{epoch:02d}_{val_loss:.1f}.h5", save_best_only=True), [3, 4, 2])
    assert model.saved == ["w_01_3.0.h5", "w_03_2.0.h5"]


def test_a_schedule_sets_the_learning_rate():
    assert float(epochs(callbacks.LearningRateScheduler(lambda epoch: 1 / (epoch + 1)), [1, 1]).optimizer.lr) == 0.5


def test_the_backend_reads_and_sets_the_rate():
    optimizer = Optimizer(0.1)
    keras.set_value(optimizer.lr, keras.get_value(optimizer.lr) * 0.5)
    assert float(optimizer.learning_rate) == 0.05


def test_a_number_that_is_not_there_is_said(capsys):
    epochs(callbacks.EarlyStopping(monitor="val_acc"), [1])
    assert "there is no val_acc to watch" in capsys.readouterr().err


# --- pycocotools ------------------------------------------------------------------------------------
def test_coco_tools_are_hotcocos():
    import hotcoco

    from mrcnn.standins import pycocotools

    assert pycocotools.module("pycocotools.coco").COCO is hotcoco.COCO
    assert pycocotools.module("pycocotools").mask.encode is hotcoco.mask.encode
    with pytest.raises(ModuleNotFoundError):
        pycocotools.module("pycocotools.nothing")


# --- the command ------------------------------------------------------------------------------------
def command(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "maskwright", "run", *arguments], capture_output=True, text=True, check=False
    )


def test_the_command_hands_everything_on(tmp_path):
    (tmp_path / "a.py").write_text("import sys; from mrcnn.config import Config; print(sys.argv[1:]); sys.exit(3)")
    done = command(str(tmp_path / "a.py"), "train", "--weights=coco", "epochs=3", "--help")
    assert (done.returncode, done.stdout) == (3, "['train', '--weights=coco', 'epochs=3', '--help']\n")


def test_a_scripts_own_error_is_shown_as_python_shows_it(tmp_path):
    (tmp_path / "a.py").write_text("1 / 0")
    done = command(str(tmp_path / "a.py"))
    assert done.returncode == 1 and "Traceback" in done.stderr and "ZeroDivisionError" in done.stderr


# --- what is not installed --------------------------------------------------------------------------
def test_a_package_of_the_extra_that_is_absent_is_one_clear_error(tmp_path):
    (tmp_path / "a.py").write_text("import sys\nsys.modules['skimage'] = None\nimport skimage.draw\n")
    done = command(str(tmp_path / "a.py"))
    assert done.returncode != 0 and "Traceback" not in done.stderr
    assert "MissingExtra" in done.stderr and "skimage is not installed" in done.stderr
    assert "line 3: import skimage.draw" in done.stderr and "[matterport]" in done.stderr


@pytest.mark.parametrize(("name", "package"), [("no_such_thing", "no_such_thing"), ("no_such.part", "no_such")])
def test_any_other_absent_package_is_named_with_the_line_that_imports_it(tmp_path, name, package):
    (tmp_path / "a.py").write_text(f"\nimport {name}\n")
    done = command(str(tmp_path / "a.py"))
    assert done.returncode != 0 and "Traceback" not in done.stderr
    assert f"line 2: import {name}" in done.stderr and f"pip install {package}" in done.stderr


def test_a_part_of_a_package_that_is_not_there_is_the_scripts_own_error(tmp_path):
    (tmp_path / "a.py").write_text("import email.no_such_part")
    done = command(str(tmp_path / "a.py"))
    assert done.returncode == 1 and "Traceback" in done.stderr and "email.no_such_part" in done.stderr
