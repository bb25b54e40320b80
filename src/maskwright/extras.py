"""The command that installs a missing package, matching how maskwright was installed."""

from __future__ import annotations

import importlib.metadata
import importlib.util
import json
import os
import re
import shutil
import sys
import warnings
from pathlib import Path
from urllib.parse import urlsplit
from urllib.request import url2pathname

PACKAGE = "maskwright"


def how_to_install(requirement: str) -> str:
    """The command that installs a requirement such as "pandas" or "maskwright[video]".

    Extras are installed from where maskwright was: a clone, an archive, a repository or the package index.

    >>> how_to_install("pandas")
    'pip install pandas'
    """
    extra = re.fullmatch(rf"{PACKAGE}\[(.+)\]", requirement)
    return f"{install_command()} {requirement if extra is None else _source(extra[1])}"


def install_command() -> str:
    """What installs into the environment that runs this code, up to the names of the packages.

    "pip install" where the pip on the PATH is that of this environment; otherwise its python is named. An environment
    without pip is one of uv's.
    """
    python = Path(sys.executable)
    if "pipx" in python.parts:
        return f"pipx runpip {PACKAGE} install"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # setuptools warns where it sees anybody look for pip after distutils
        has_pip = importlib.util.find_spec("pip") is not None
    if not has_pip:
        active = os.environ.get("VIRTUAL_ENV")
        mine = active is not None and Path(active).resolve() == Path(sys.prefix).resolve()
        return "uv pip install" if mine else f"uv pip install --python {_shown(python)}"
    pip = shutil.which("pip")
    if pip is not None and Path(pip).parent.resolve() == python.parent.resolve():
        return "pip install"
    return f"{_shown(python)} -m pip install"


def _shown(python: Path) -> str:
    """As short as it can be typed here, in quotes where it has a blank."""
    here = Path.cwd()
    text = str(python.relative_to(here) if python.is_relative_to(here) else python)
    return f'"{text}"' if " " in text else text


def how_to_reinstall() -> str:
    """The command that restores the files of the package."""
    if (clone := _clone()) is not None:
        return f'git -C "{clone}" checkout -- src/{PACKAGE}'
    return f"{install_command()} --force-reinstall --no-deps {_source('')}"


def _source(extra: str) -> str:
    if (clone := _clone()) is not None:
        return f"-e {_of_folder(clone, extra)}"
    facts = _direct_url()
    url = facts.get("url", "")
    requirement = f"{PACKAGE}[{extra}]" if extra else PACKAGE
    if "dir_info" in facts:
        folder = Path(url2pathname(urlsplit(url).path))
        editable = "-e " if facts["dir_info"].get("editable") else ""
        return editable + _of_folder(folder, extra) if folder.is_dir() else f'"{requirement}"'
    if "vcs_info" in facts:
        return f'"{requirement} @ {facts["vcs_info"].get("vcs", "git")}+{url}"'
    return f'"{requirement} @ {url}"' if url else f'"{requirement}"'


def _of_folder(folder: Path, extra: str) -> str:
    """The folder as an argument of pip, "." if it is the current one; quoted, because brackets are shell patterns."""
    here = folder.resolve() == Path.cwd().resolve()
    return f'"{"." if here else folder}{f"[{extra}]" if extra else ""}"'


def _clone() -> Path | None:
    """The clone that this code runs from; None if it is installed in an environment."""
    root = Path(__file__).resolve().parents[2]
    return root if (root / "pyproject.toml").is_file() and (root / "src" / PACKAGE).is_dir() else None


def _direct_url() -> dict:
    """pip's record of the origin of the package (PEP 610); {} if it is from an index or unknown."""
    try:
        text = importlib.metadata.distribution(PACKAGE).read_text("direct_url.json")
        facts = json.loads(text or "{}")
    except (importlib.metadata.PackageNotFoundError, OSError, ValueError):
        return {}
    return facts if isinstance(facts, dict) else {}
