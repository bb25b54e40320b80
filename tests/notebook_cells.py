"""Runs the code cells of a notebook in this interpreter, like Jupyter, and writes its metrics beside it.

    python tests/notebook_cells.py examples/coco_demo.ipynb

Without Jupyter: `%load_ext` is done here, other magics are left out. The networks are narrow: seconds are enough.
"""

from __future__ import annotations

import ast
import importlib
import json
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

FORMATTER = SimpleNamespace(for_type_by_name=lambda module, name, function: None)
SHELL = SimpleNamespace(
    display_formatter=SimpleNamespace(
        formatters=dict.fromkeys(("text/html", "image/png", "image/jpeg"), FORMATTER),
    )
)


def cells(notebook: Path) -> list[str]:
    """The code of each code cell."""
    read = json.loads(notebook.read_text("utf-8"))
    return ["".join(cell["source"]) for cell in read["cells"] if cell["cell_type"] == "code"]


def run(notebook: Path) -> None:
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    from mrcnn.config import Config

    plt.show = lambda *args, **kwargs: None
    Config.BACKBONE, Config.TOP_DOWN_PYRAMID_SIZE, Config.FPN_CLASSIF_FC_LAYERS_SIZE = "resnet50", 16, 32
    Config.POST_NMS_ROIS_TRAINING = Config.POST_NMS_ROIS_INFERENCE = 50
    names: dict[str, Any] = {"__name__": "__main__"}
    for number, code in enumerate(cells(notebook), start=1):
        for word in [line.split()[1] for line in code.splitlines() if line.startswith("%load_ext")]:
            importlib.import_module(word).load_ipython_extension(SHELL)
        plain = "\n".join("" if line.startswith("%") else line for line in code.splitlines())
        execute(plain, f"{notebook.name}, code cell {number}", names)
        for metric in map(plt.figure, plt.get_fignums()):
            metric.savefig(f"cell_{number:02d}_{metric.number}.png", dpi=50)
        plt.close("all")


def execute(code: str, name: str, names: dict[str, Any]) -> None:
    """Runs a cell, and prints what its last expression gives."""
    tree = ast.parse(code, name)
    last = tree.body.pop() if tree.body and isinstance(tree.body[-1], ast.Expr) else None
    exec(compile(tree, name, "exec"), names)
    if isinstance(last, ast.Expr):
        result = eval(compile(ast.Expression(last.value), name, "eval"), names)
        if result is not None:
            print(repr(result))


if __name__ == "__main__":
    run(Path(sys.argv[1]))
