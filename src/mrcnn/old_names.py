"""Restores names that Python, NumPy and Pillow have removed since scripts for matterport were written.

A name that is still there is left as it is. What cannot be given back are methods of arrays (`a.itemset`, `a.ptp`,
`a.tostring`): their type is closed.
"""

from __future__ import annotations

import ast
import base64
import collections
import collections.abc
import importlib
import inspect
import math
import pickle
import sys
import time
import warnings
from collections.abc import Callable
from types import ModuleType
from typing import Any

import numpy as np

TOO = (  # what TensorFlow and matplotlib had imported by then, so that `import xml.etree` alone was enough
    "concurrent.futures",
    "importlib.util",
    "logging.handlers",
    "multiprocessing.pool",
    "urllib.parse",
    "urllib.request",
    "xml.dom.minidom",
    "xml.etree.ElementTree",
)

ALIASES = {  # old name of NumPy's -> today's
    **dict.fromkeys(("Inf", "Infinity", "infty", "PINF"), "inf"),
    **dict.fromkeys(("NaN", "NAN"), "nan"),
    "float_": "float64",
    **dict.fromkeys(("complex_", "cfloat"), "complex128"),
    **dict.fromkeys(("clongfloat", "longcomplex"), "clongdouble"),
    "singlecomplex": "complex64",
    "longfloat": "longdouble",
    "string_": "bytes_",
    "unicode_": "str_",
    "bool8": "bool_",
    "int0": "intp",
    "uint0": "uintp",
    "object0": "object_",
    "void0": "void",
    "str0": "str_",
    "bytes0": "bytes_",
    "typeDict": "sctypeDict",
    "product": "prod",
    "cumproduct": "cumprod",
    "sometrue": "any",
    "alltrue": "all",
    "round_": "round",
    "row_stack": "vstack",
    "trapz": "trapezoid",
    "mat": "asmatrix",
    "rank": "ndim",
    "compare_chararrays": "char.compare_chararrays",
    "format_parser": "rec.format_parser",
    "DataSource": "lib.npyio.DataSource",
    "byte_bounds": "lib.array_utils.byte_bounds",
    "tracemalloc_domain": "lib.tracemalloc_domain",
    "add_newdoc": "lib.add_newdoc",
    **{
        name: f"exceptions.{name}"
        for name in ("AxisError", "ComplexWarning", "RankWarning", "TooHardError", "VisibleDeprecationWarning")
    },
    "ModuleDeprecationWarning": "exceptions.ModuleDeprecationWarning",
}

STACKS = ("concatenate", "stack", "hstack", "vstack", "dstack", "column_stack")


def give_back() -> None:
    """All of them, where they are missing."""
    for name in TOO:
        importlib.import_module(name)
    _add(time, {"clock": time.perf_counter})
    _add(inspect, {"getargspec": inspect.getfullargspec})
    _add(importlib.import_module("fractions"), {"gcd": math.gcd})
    _add(base64, {"encodestring": base64.encodebytes, "decodestring": base64.decodebytes})
    _add(collections, {name: getattr(collections.abc, name) for name in collections.abc.__all__})
    sys.modules.setdefault("xml.etree.cElementTree", sys.modules["xml.etree.ElementTree"])
    _add(sys.modules["xml.etree"], {"cElementTree": sys.modules["xml.etree.ElementTree"]})
    image = importlib.import_module("PIL.Image")
    _add(image, {"ANTIALIAS": image.Resampling.LANCZOS})
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # some of the names below are deprecated in NumPy
        numpy_names()
    for name in STACKS:
        if not hasattr(getattr(np, name), "takes_generators"):
            setattr(np, name, taking_generators(getattr(np, name)))


def numpy_names() -> None:
    """Names removed by NumPy 1.20, 1.24, 2.0 and later."""
    _add(np, {"bool": bool, "int": int, "float": float, "complex": complex, "object": object, "str": str})
    of_size: dict[str, list[Any]] = {
        kind: [np.dtype(f"{kind}{bits}").type for bits in (8, 16, 32, 64)] for kind in ("int", "uint")
    }
    of_size["float"] = [np.float16, np.float32, np.float64, np.longdouble]
    of_size["complex"] = [np.complex64, np.complex128, np.clongdouble]
    of_size["others"] = [bool, object, bytes, str, np.void]
    types = list(dict.fromkeys(np.sctypeDict.values()))
    _add(np, {"sctypes": of_size, "unicode": str, "math": math, "NINF": -np.inf, "PZERO": 0.0, "NZERO": -0.0})
    _add(np, {"nbytes": {kind: np.dtype(kind).itemsize for kind in types}})
    _add(np, {"cast": {kind: lambda x, kind=kind: np.asarray(x, dtype=kind) for kind in types}})
    _add(np, _FUNCTIONS)
    for old, new in ALIASES.items():
        found: Any = np
        for part in new.split("."):
            found = getattr(found, part, None)
        if found is not None:
            _add(np, {old: found})
    _add(np.random, {"random_integers": _random_integers})


def taking_generators(function: Callable[..., Any]) -> Callable[..., Any]:
    """The function, which makes a list of a generator first, as NumPy did before 1.16.

    >>> taking_generators(np.dstack)(plane for plane in np.zeros((3, 4, 4))).shape
    (4, 4, 3)
    """

    def stacked(arrays: Any, *args: Any, **kwargs: Any) -> Any:
        return function(arrays if hasattr(arrays, "__getitem__") else list(arrays), *args, **kwargs)

    def named(*args: Any, **kwargs: Any) -> Any:
        return stacked(*args, **kwargs) if args else function(**kwargs)

    named.__name__, named.__doc__ = function.__name__, function.__doc__
    named.takes_generators = True  # type: ignore[attr-defined]
    return named


def _add(module: ModuleType, values: dict[str, Any]) -> None:
    for name, value in values.items():
        if name not in dir(module):
            setattr(module, name, value)


# --- functions without a successor of the same arguments ------------------------------------------------------------
def _in1d(ar1: Any, ar2: Any, assume_unique: bool = False, invert: bool = False, **rest: Any) -> np.ndarray:
    return np.isin(np.asarray(ar1).ravel(), ar2, assume_unique=assume_unique, invert=invert, **rest)


def _asfarray(a: Any, dtype: Any = np.float64) -> np.ndarray:
    return np.asarray(a, dtype if np.issubdtype(dtype, np.inexact) else np.float64)


def _type_of(rep: Any, default: Any = None) -> Any:
    try:
        return rep if isinstance(rep, type) and issubclass(rep, np.generic) else np.dtype(rep).type
    except TypeError:
        return default


def _is_subclass(arg1: Any, arg2: Any) -> bool:
    return isinstance(arg1, type) and issubclass(arg1, arg2)


def _largest(t: Any) -> Any:
    kind = {"i": np.int64, "u": np.uint64, "f": np.longdouble, "c": np.clongdouble}
    return kind.get(np.dtype(t).kind, np.dtype(t).type)


def _read_records(fname: Any, **kwargs: Any) -> Any:
    return np.genfromtxt(fname, **{"dtype": None, "encoding": "utf-8", **kwargs}).view(np.recarray)


def _read_csv_records(fname: Any, **kwargs: Any) -> Any:
    return _read_records(fname, **{"delimiter": ",", "names": True, "case_sensitive": "lower", **kwargs})


def _random_integers(low: int, high: int | None = None, size: Any = None) -> Any:
    return np.random.randint(*((1, low + 1) if high is None else (low, high + 1)), size=size)


def _deprecate(*args: Any, **kwargs: Any) -> Any:
    """As it was, but for the warning."""
    return args[0] if args and callable(args[0]) else lambda function: function


def _nothing(*args: Any, **kwargs: Any) -> None:
    """For settings without effect."""


_FUNCTIONS: dict[str, Any] = {
    "in1d": _in1d,
    "asfarray": _asfarray,
    "obj2sctype": _type_of,
    "issctype": lambda rep: _type_of(rep) is not None and isinstance(rep, type | np.dtype),
    "issubclass_": _is_subclass,
    "issubsctype": lambda arg1, arg2: issubclass(_type_of(arg1), _type_of(arg2)),
    "sctype2char": lambda sctype: np.dtype(_type_of(sctype)).char,
    "maximum_sctype": _largest,
    "recfromtxt": _read_records,
    "recfromcsv": _read_csv_records,
    "msort": lambda a: np.sort(a, axis=0),
    "asscalar": lambda a: np.asarray(a).item(),
    "alen": lambda a: len(np.array(a, ndmin=1)),
    "loads": pickle.loads,
    "safe_eval": ast.literal_eval,
    "fastCopyAndTranspose": lambda a: np.array(a).T.copy(),
    "disp": lambda mesg, device=None, linefeed=True: print(mesg, file=device, end="\n" if linefeed else ""),
    "find_common_type": lambda array_types, scalar_types: np.result_type(*array_types, *scalar_types),
    "source": lambda thing, output=None: print(inspect.getsource(thing), file=output),
    "deprecate": _deprecate,
    "deprecate_with_doc": _deprecate,
    "get_array_wrap": lambda *args: next((a.__array_wrap__ for a in args if hasattr(a, "__array_wrap__")), None),
    "geterrobj": lambda: [np.getbufsize(), 0, np.geterrcall()],
    **dict.fromkeys(
        (
            "add_docstring",
            "add_newdoc_ufunc",
            "lookfor",
            "set_numeric_ops",
            "set_string_function",
            "seterrobj",
            "who",
        ),
        _nothing,
    ),
}
