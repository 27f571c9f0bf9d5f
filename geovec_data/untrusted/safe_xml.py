"""XML from strangers: no entities, no external references. The usual file takes the fast parser.

defusedxml must call Python for every element. A document that cannot hold a DTD has nothing to defuse, so the C parser
of the standard library may read it: one without ``<!DOCTYPE`` or ``<!ENTITY`` in an encoding in which those words
cannot hide.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING
from xml.etree import ElementTree as Plain

from defusedxml import ElementTree as Defused
from defusedxml.common import DefusedXmlException

if TYPE_CHECKING:
    from xml.etree.ElementTree import Element

_DTD = re.compile(rb"<!(?!--|\[CDATA\[)")
_ENCODING = re.compile(rb"^[^>]{0,100}?encoding\s*=\s*[\"']([A-Za-z0-9._-]+)[\"']")
_TRANSPARENT = frozenset({b"utf-8", b"us-ascii", b"ascii", b"iso-8859-1"})

# what `parse` raises for a document that is no XML, or one that asks for more than it should
XmlFault = (Plain.ParseError, DefusedXmlException, ValueError, LookupError)


def parse(data: bytes) -> Element:
    """Parse an XML document.

    Raises:
        One of `XmlFault`: not well-formed, of an unknown encoding, or with a DTD that declares entities.
    """
    named = _ENCODING.match(data)
    plain = b"\0" not in data and not _DTD.search(data) and (not named or named[1].lower() in _TRANSPARENT)
    root: Element = Plain.fromstring(data) if plain else Defused.fromstring(data)
    return root
