"""Whether this runs in a notebook. IPython is never imported here: in its kernel it is there already."""

from __future__ import annotations

import importlib
import sys
from typing import Any


def ipython() -> Any | None:
    """The IPython shell that runs this code, in a notebook or a terminal; None in a script."""
    module = sys.modules.get("IPython")
    find = getattr(module, "get_ipython", None)
    return None if find is None else find()


def in_notebook() -> bool:
    """This code runs in the kernel of a notebook (Jupyter, VS Code, Colab), which can show pictures."""
    return getattr(ipython(), "kernel", None) is not None


def display(data: object, **options: Any) -> Any:
    """IPython's `display`, for code that knows that it is in a notebook."""
    return importlib.import_module("IPython.display").display(data, **options)
