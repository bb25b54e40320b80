"""Check a built site: no broken links or anchors, and no page loads anything from other hosts.

    python tools/check_site.py build/site

Prints one line a fault and exits with 1 where there is any. Links to other hosts are not followed: a reader may.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from functools import cache
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

LOADS = {("script", "src"), ("img", "src"), ("link", "href"), ("iframe", "src"), ("source", "src"), ("video", "src")}
NOT_LOADED = {"canonical", "prev", "next", "edit", "alternate"}  # links that a browser does not load


class Page(HTMLParser):
    """The ids of a page, where it links to, and what a browser loads for it."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.ids: set[str] = set()
        self.links: list[str] = []
        self.loads: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = {name: value or "" for name, value in attrs}
        self.ids |= {values[name] for name in ("id", "name") if name in values}
        if tag == "a" and "href" in values:
            self.links.append(values["href"])
        if NOT_LOADED.isdisjoint(values.get("rel", "").split()):
            self.loads += [value for name, value in values.items() if (tag, name) in LOADS]


@cache
def page_at(path: Path) -> Page:
    return Page(path.read_text(encoding="utf-8"))


def faults(site: Path) -> Iterator[str]:
    """One message per broken link and per URL that is loaded from another host."""
    for path in sorted(site.rglob("*.html")):
        page, name = page_at(path), path.relative_to(site).as_posix()
        for address in page.loads:
            if urlsplit(address).scheme not in ("", "data") or urlsplit(address).netloc:
                yield f"{name}: loads {address}"
            elif not address.startswith("data:") and not _target(site, path, address).is_file():
                yield f"{name}: loads {address}, which does not exist"
        for address in page.links:
            parts = urlsplit(address)
            if parts.scheme or parts.netloc:
                continue
            target = _target(site, path, address)
            if not target.is_file():
                yield f"{name}: links to {address}, which does not exist"
            elif parts.fragment and target.suffix == ".html" and unquote(parts.fragment) not in page_at(target).ids:
                yield f"{name}: links to {address}, but {target.name} has no such anchor"


def _target(site: Path, page: Path, address: str) -> Path:
    local = unquote(urlsplit(address).path)
    if not local:
        return page
    target = site / local.lstrip("/") if local.startswith("/") else page.parent / local
    return target / "index.html" if target.is_dir() else target


if __name__ == "__main__":
    folder = Path(sys.argv[1])
    pages = sum(1 for _ in folder.rglob("*.html"))
    found = list(faults(folder)) if pages else [f"{folder} holds no page"]
    print("\n".join(found) or f"{pages} pages, no broken link, nothing from elsewhere")
    sys.exit(bool(found))
