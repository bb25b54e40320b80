"""Links in a dataset: one rule for files and for folders.

A link whose target stays inside the folder that the user named is followed. One that leads out is not: it may bring
the images of somebody else into a copy of the data. Its name is told, and who means it says so (`follow_links`).
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from pathlib import Path

from maskwright.issues import Issue, Kind

LINKS_NOT_FOLLOWED = Kind(
    "links_not_followed", "warning", "{count} link leads out of the folder, not followed: {links:3} ({fix})",
    "{count} links lead out of the folder, not followed: {links:3} ({fix})", fix="--follow-links follows them",
)  # fmt: skip


@dataclass
class Scope:
    """What the user named, while it is read.

    folder    the folder, or the one of the file that was named
    whole     the folder itself was named: all that is in it belongs together
    follow    links that lead out are followed, too
    left_out  those that were not, by their way down from `folder`
    """

    folder: Path
    whole: bool = True
    follow: bool = False
    left_out: dict[str, None] = field(default_factory=dict)
    folders: dict[Path, Path] = field(default_factory=dict, repr=False)  # resolved so far: see `real_path`

    @property
    def issue(self) -> Issue | None:
        """Which were not followed; None where there are none."""
        return LINKS_NOT_FOLLOWED(count=len(self.left_out), links=[*self.left_out]) if self.left_out else None


_scope: ContextVar[Scope | None] = ContextVar("scope", default=None)


def scope() -> Scope | None:
    """The scope of the reading that is under way."""
    return _scope.get()


@contextmanager
def within(folder: Path, *, whole: bool = True, follow: bool = False) -> Iterator[Scope]:
    """While this is open, links below `folder` that lead out of it are evaluated by this rule."""
    opened = Scope(folder, whole, follow)
    token = _scope.set(opened)
    try:
        yield opened
    finally:
        _scope.reset(token)


def stays(path: Path, folder: Path) -> bool:
    """The path, with all links on its way, ends inside the folder that was named (without one: inside `folder`).

    A link that leads in a circle, or nowhere that can be found out, does not stay.
    """
    current = scope()
    if current is not None and folder != current.folder and current.folder not in folder.parents:
        current = None
    base = folder if current is None else current.folder
    try:
        folders = {} if current is None else current.folders
        real = real_path(path, folders)
        if resolved(path.parent, folders).is_relative_to(real):  # it leads to a folder that holds it
            return False
        if (current is not None and current.follow) or real.is_relative_to(resolved(base, folders)):
            return True
    except (OSError, RuntimeError):
        return False
    if current is not None:
        current.left_out.setdefault(_linked(path, base))
    return False


def real_path(path: Path, folders: dict[Path, Path]) -> Path:
    """path.resolve(), with each folder resolved once: thousands of files share one.

    folders  those that were resolved, kept as long as one reading or writing takes: later a link may lead elsewhere
    """
    if os.name == "nt" or path.name in ("", "..") or os.path.islink(path):  # noqa: PTH114 (never raises)
        return path.resolve()  # also Windows, where a name is found in other case
    return resolved(path.parent, folders) / path.name


def resolved(folder: Path, folders: dict[Path, Path]) -> Path:
    """folder.resolve(), once for each; OSError or RuntimeError as there."""
    if (real := folders.get(folder)) is None:
        real = folders[folder] = folder.resolve()
    return real


def _linked(path: Path, base: Path) -> str:
    """The link on the way down to `path`, as people find it: images -> "images/", images/a.jpg -> "images/a.jpg"."""
    try:
        parts = path.relative_to(base).parts
    except ValueError:
        return str(path)
    for count in range(1, len(parts) + 1):
        link = base.joinpath(*parts[:count])
        if os.path.islink(link):  # noqa: PTH114 (never raises)
            return "/".join(parts[:count])
    return "/".join(parts)
