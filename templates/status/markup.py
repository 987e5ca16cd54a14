"""Writes XML of texts that people have typed."""

import re
from xml.etree import ElementTree as ET

_UNWRITABLE = re.compile("[^\t\n\r -\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
"""What XML 1.0 has no way to write (section 2.2)."""


def add(parent: ET.Element, name: str, text: str) -> ET.Element:
    """Add an element with a text."""
    child = ET.SubElement(parent, name)
    child.text = _UNWRITABLE.sub("", text)
    return child


def written(root: ET.Element) -> str:
    """Write a document."""
    ET.indent(root)
    return '<?xml version="1.0" encoding="utf-8"?>\n' + ET.tostring(root, encoding="unicode") + "\n"
