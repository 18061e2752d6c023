"""Headers in XML."""

from __future__ import annotations

from xml.etree import ElementTree as ET

from rawmmap.errors import DescriptionError
from rawmmap.formats.probe import Probe

__all__ = ["parse_xml"]

_LONGEST = 2**24


def parse_xml(probe: Probe) -> ET.Element:
    """Return the outermost element of a document of at most 16 MiB.

    Raises
    ------
    DescriptionError
        If it is longer, has a document type, or is not XML.
    """
    if probe.size > _LONGEST:
        raise DescriptionError(
            f"{probe.name}: {probe.size} bytes are too many for a header; at most {_LONGEST} are "
            "read"
        )
    with probe.open() as file:
        text = file.read(_LONGEST)
    # Entities, with which a small document can grow without bounds, need a document type.
    if b"<!" in text.replace(b"<!--", b"").replace(b"<![CDATA[", b""):
        raise DescriptionError(f"{probe.name}: a document type (<!...>) in a header is not read")
    try:
        return ET.fromstring(text)
    except (ET.ParseError, ValueError, LookupError) as error:
        raise DescriptionError(f"{probe.name}: not XML: {error}") from error
