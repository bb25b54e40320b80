"""What Pascal VOC says of an object besides its class and place, and of an image: where it comes from.

Looks like   <source><database>The VOC2007 Database</database></source> <owner><name>...</name></owner>
             <object><pose>Left</pose><truncated>1</truncated><difficult>0</difficult>...</object>
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any
from xml.etree.ElementTree import Element, SubElement

from maskwright.formats.losses import IMAGE_ATTRIBUTES_LOST, Losses
from maskwright.types import Annotation

MARKS = ("pose", "truncated", "occluded", "difficult")
_ORIGIN = ("source", "owner")
_UNSAID = ("", "0", "false", "unspecified", "unknown")
_TEXT = re.compile(r"[^\x00-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff\ufffe\uffff]*")


def of_object(element: Element) -> Annotation | None:
    """The marks that say something."""
    found: dict[str, int | str] = {}
    for name in MARKS:
        text = (element.findtext(name) or "").strip()
        if text.casefold() not in _UNSAID:
            found[name] = int(text) if text.isdecimal() and len(text) < 9 else text
    return Annotation(attributes=found) if found else None


def of_image(root: Element | None) -> dict[str, dict[str, str]]:
    """{"source": {"database": "..."}, "owner": {"name": "..."}}, as far as it says."""
    found: dict[str, dict[str, str]] = {}
    for name in _ORIGIN:
        children = () if root is None else root.iterfind(f"{name}/*")
        texts = {child.tag: (child.text or "").strip() for child in children}
        found[name] = {tag: text for tag, text in texts.items() if text.casefold() not in _UNSAID}
    return {name: texts for name, texts in found.items() if texts}


def write_of_object(note: Annotation | None, element: Element) -> None:
    for name in MARKS:
        value = None if note is None else note.attributes.get(name)
        if value is not None:
            SubElement(element, name).text = str(int(value) if isinstance(value, bool) else value)


def write_of_image(attributes: Mapping[str, Any], root: Element, losses: Losses) -> None:
    for name, texts in attributes.items():
        if name not in _ORIGIN or not isinstance(texts, dict) or not all(map(_writable, texts, texts.values())):
            losses.add(IMAGE_ATTRIBUTES_LOST)
            continue
        element = SubElement(root, name)
        for tag, text in texts.items():
            SubElement(element, tag).text = text


def _writable(tag: str, text: object) -> bool:
    return re.fullmatch(r"[A-Za-z_]\w*", tag) is not None and isinstance(text, str) and bool(_TEXT.fullmatch(text))
