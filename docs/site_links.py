"""A hook of mkdocs: links to files outside docs/ (../examples/rust.ipynb) lead to the repository."""

import posixpath
import re

REPOSITORY = "https://github.com/maskwright/maskwright/blob/main/"


def on_page_markdown(markdown: str, page, config, files) -> str:
    folder = posixpath.join("docs", posixpath.dirname(page.file.src_uri))

    def absolute(link: re.Match[str]) -> str:
        path = posixpath.normpath(posixpath.join(folder, link[1]))
        return link[0] if path.startswith("docs/") else f"]({REPOSITORY}{path})"

    return re.sub(r"\]\((\.\./[^)#\s]+)\)", absolute, markdown)
