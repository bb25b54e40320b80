"""What Pascal VOC says of an object besides its class and place, and of an image: where it comes from.

Looks like   <source><database>The VOC2007 Database</database></source> <owner><name>...</name></owner>
             <object><pose>Left</pose><truncated>1</truncated><difficult>0</difficult>
             <actions><jumping>1</jumping><phoning>0</phoning></actions>...</object>
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any
from xml.etree.ElementTree import Element, SubElement

from maskwright.formats.losses import ATTRIBUTES_LOST, IMAGE_ATTRIBUTES_LOST, Losses
from maskwright.types import Annotation

MARKS = ("pose", "truncated", "occluded", "difficult")
_ORIGIN = ("source", "owner")
_UNSAID = ("", "0", "false", "unspecified", "unknown")
_TEXT = re.compile(r"[^\x00-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff\ufffe\uffff]*")


def of_object(element: Element) -> Annotation | None:
    """The marks that say something."""
    found: dict[str, Any] = {}
    for name in MARKS:
        text = (element.findtext(name) or "").strip()
        if text.casefold() not in _UNSAID:
            found[name] = int(text) if text.isdecimal() and len(text) < 9 else text
    actions = {child.tag: (child.text or "").strip() for child in element.iterfind("actions/*")}
    said = {action: 1 for action, text in actions.items() if text.casefold() not in _UNSAID}
    if said:
        found["actions"] = said
    return Annotation(attributes=found) if found else None


def of_image(root: Element | None) -> dict[str, dict[str, str]]:
    """{"source": {"database": "..."}, "owner": {"name": "..."}}, as far as it says."""
    found: dict[str, dict[str, str]] = {}
    for name in _ORIGIN:
        children = () if root is None else root.iterfind(f"{name}/*")
        texts = {child.tag: (child.text or "").strip() for child in children}
        found[name] = {tag: text for tag, text in texts.items() if text.casefold() not in _UNSAID}
    return {name: texts for name, texts in found.items() if texts}


def write_of_object(note: Annotation | None, element: Element, losses: Losses) -> None:
    attributes = {} if note is None else note.attributes
    losses.add(ATTRIBUTES_LOST, sum(name not in (*MARKS, "actions") for name in attributes))
    for name in MARKS:
        value = attributes.get(name)
        if value is not None:
            SubElement(element, name).text = str(int(value) if isinstance(value, bool) else value)
    actions = attributes.get("actions", {})
    if not isinstance(actions, dict) or not all(done == 1 and _writable(name, "1") for name, done in actions.items()):
        losses.add(ATTRIBUTES_LOST)
    elif actions:
        parent = SubElement(element, "actions")
        for action in actions:
            SubElement(parent, action).text = "1"


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
