"""How to install what is missing: the command that fits the way this copy of maskwright was installed."""

from __future__ import annotations

import importlib.metadata
import json
import re
from pathlib import Path
from urllib.parse import urlsplit
from urllib.request import url2pathname

PACKAGE = "maskwright"


def how_to_install(requirement: str) -> str:
    """The command for a requirement, "pandas" or "maskwright[video]".

    Extras of a clone are installed from the clone, those of an archive or a repository from there: an index may hold
    another maskwright, or none.

    >>> how_to_install("pandas")
    'pip install pandas'
    """
    own = re.fullmatch(rf"{PACKAGE}\[(.+)\]", requirement)
    return f"pip install {requirement}" if own is None else f"pip install {_source(own[1])}"


def how_to_reinstall() -> str:
    """The command that brings back what came with the package."""
    if (clone := _clone()) is not None:
        return f'git -C "{clone}" checkout -- src/{PACKAGE}'
    return f"pip install --force-reinstall --no-deps {_source('')}"


def _source(extra: str) -> str:
    if (clone := _clone()) is not None:
        return f"-e {_of_folder(clone, extra)}"
    facts = _direct_url()
    url = facts.get("url", "")
    named = f"{PACKAGE}[{extra}]" if extra else PACKAGE
    if "dir_info" in facts:
        folder = Path(url2pathname(urlsplit(url).path))
        editable = "-e " if facts["dir_info"].get("editable") else ""
        return editable + _of_folder(folder, extra) if folder.is_dir() else f'"{named}"'
    if "vcs_info" in facts:
        return f'"{named} @ {facts["vcs_info"].get("vcs", "git")}+{url}"'
    return f'"{named} @ {url}"' if url else f'"{named}"'


def _of_folder(folder: Path, extra: str) -> str:
    """The folder as a person in it, or elsewhere, names it; in quotes, for shells read brackets as patterns."""
    here = folder.resolve() == Path.cwd().resolve()
    return f'"{"." if here else folder}{f"[{extra}]" if extra else ""}"'


def _clone() -> Path | None:
    """The clone that this very code runs from; None where it was copied into an environment."""
    root = Path(__file__).resolve().parents[2]
    return root if (root / "pyproject.toml").is_file() and (root / "src" / PACKAGE).is_dir() else None


def _direct_url() -> dict:
    """What pip noted of where the package came from (PEP 610); {} where it came from an index, or nobody knows."""
    try:
        noted = importlib.metadata.distribution(PACKAGE).read_text("direct_url.json")
        facts = json.loads(noted or "{}")
    except (importlib.metadata.PackageNotFoundError, OSError, ValueError):
        return {}
    return facts if isinstance(facts, dict) else {}
