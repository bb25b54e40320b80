"""Names that Python, NumPy and Pillow have dropped are there while a script runs."""

from __future__ import annotations

import importlib
import subprocess
import sys
import warnings
from pathlib import Path

import pytest

from mrcnn import old_names
from mrcnn.standins.old_python import LooseVersion, module

BEFORE_2_0 = (
    *("bool", "int", "float", "complex", "object", "str", "unicode", "bool8", "int0", "uint0", "str0", "bytes0"),
    *("void0", "object0", "typeDict", "product", "cumproduct", "in1d", "trapz", "row_stack", "msort", "asscalar"),
    *("alen", "rank", "loads", "math", "AxisError", "ComplexWarning", "RankWarning", "VisibleDeprecationWarning"),
)


def run(folder: Path, text: str) -> str:
    """What a script prints under `maskwright run`."""
    (folder / "script.py").write_text(text)
    done = subprocess.run(
        [sys.executable, "-m", "maskwright", "run", "script.py"],
        capture_output=True,
        text=True,
        check=False,
        cwd=folder,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_every_name_that_numpy_says_it_has_dropped_is_there(tmp_path):
    pytest.importorskip("numpy._expired_attrs_2_0")
    script = f"""
import numpy as np
from numpy._expired_attrs_2_0 import __expired_attributes__ as gone
print([name for name in [*gone, *{BEFORE_2_0!r}] if name not in vars(np)])
"""
    assert run(tmp_path, script) in ("[]\n", "['bool', 'row_stack']\n", "['bool']\n")


def test_a_name_that_was_never_numpys_would_be_noticed(tmp_path):
    assert run(tmp_path, "import numpy as np\nprint(hasattr(np, 'no_such_name'))") == "False\n"


def test_old_names_of_numpy_mean_what_they_meant(tmp_path):
    script = """
import numpy as np
print(np.NaN, np.Inf, np.NINF, np.float_ is np.float64, np.unicode_ is np.str_, np.product([2, 3]), np.round_(1.5))
print(np.in1d([[1, 2]], [1]), np.asfarray([1]).dtype, np.asscalar(np.array([3])), np.alen([1, 2]), np.rank([[1]]))
print(np.sometrue([0, 1]), np.alltrue([0, 1]), np.cumproduct([2, 3]), np.trapz([1, 1]), np.msort([2, 1]))
print(np.find_common_type([np.float32], []), np.obj2sctype(int).__name__, np.issubsctype(np.float32, np.floating))
print(np.zeros(2).astype(np.bool).dtype, np.int(3), np.mat([[1]]).shape, np.cast[np.float32]([1]).dtype)
"""
    assert run(tmp_path, script).splitlines() == [
        "nan inf -inf True True 6 2.0",
        "[ True False] float64 3 2 2",
        "True False [2 6] 1.0 [1 2]",
        "float32 int64 True",
        "bool 3 (1, 1) float32",
    ]


def test_stacks_take_generators_and_what_they_took_before(tmp_path):
    script = """
import numpy as np
planes = np.zeros((3, 4, 4))
for stack in (np.concatenate, np.stack, np.hstack, np.vstack, np.dstack, np.column_stack):
    given = [stack(plane for plane in planes), stack(map(np.copy, planes)), stack(list(planes)), stack(planes)]
    print({each.shape for each in given}, stack.__name__)
print(np.concatenate([planes, planes], axis=1).shape)
print(np.stack({"a": planes, "b": planes}.values(), axis=-1).shape)
"""
    assert run(tmp_path, script).splitlines() == [
        "{(12, 4)} concatenate",
        "{(3, 4, 4)} stack",
        "{(4, 12)} hstack",
        "{(12, 4)} vstack",
        "{(4, 4, 3)} dstack",
        "{(4, 12)} column_stack",
        "(3, 8, 4)",
        "(3, 4, 4, 2)",
    ]


def test_an_argument_that_cannot_be_stacked_is_still_an_error():
    with pytest.raises(TypeError):
        old_names.taking_generators(len)(3)


def test_modules_below_are_there_without_an_import_of_their_own(tmp_path):
    script = """
import xml.etree, urllib, xml.etree.cElementTree as ET
from xml.etree import cElementTree
print(xml.etree.ElementTree.fromstring("<a><b>1</b></a>").find("b").text, urllib.parse.quote("a b"), ET is cElementTree)
"""
    assert run(tmp_path, script) == "1 a%20b True\n"


def test_what_python_and_pillow_have_dropped_is_there_again(tmp_path):
    script = """
import time, collections, base64, fractions
from collections import Iterable, Mapping
from PIL import Image
start = time.clock()
print(time.clock() >= start, issubclass(dict, Mapping), base64.decodestring(b"YQ=="), fractions.gcd(4, 6))
print(Image.new("L", (4, 4)).resize((2, 2), Image.ANTIALIAS).size)
"""
    assert run(tmp_path, script) == "True True b'a' 2\n(2, 2)\n"


def test_names_are_given_back_without_a_warning():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        old_names.give_back()
    assert importlib.import_module("time").clock() > 0


def test_versions_are_compared_by_number():
    assert LooseVersion("1.14.0") >= LooseVersion("1.3") and LooseVersion("2.0.8") < "2.2.4"
    assert module("distutils.version").LooseVersion("1.0") == "1.0"
    assert module("imp").reload is importlib.reload
