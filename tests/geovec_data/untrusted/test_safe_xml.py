from __future__ import annotations

import pytest

from geovec_data.untrusted.safe_xml import XmlFault, parse

BOMB = '<!DOCTYPE a [<!ENTITY x "aaaa"><!ENTITY y "&x;&x;">]><a>&y;</a>'
FILE = '<!DOCTYPE a [<!ENTITY x SYSTEM "file:///etc/hostname">]><a>&x;</a>'


@pytest.mark.parametrize("text", [BOMB, FILE])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-16", "utf-16-le", "utf-8-sig", "latin-1", "utf-32"])
def test_entities_are_refused_in_any_encoding(text: str, encoding: str) -> None:
    with pytest.raises(XmlFault):
        parse(text.encode(encoding))
    with pytest.raises(XmlFault):
        parse(f'<?xml version="1.0" encoding="{encoding}"?>{text}'.encode(encoding))


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "iso-8859-1", "windows-1252", "koi8-r"])
def test_ordinary_documents_are_read(encoding: str) -> None:
    declared = "utf-8" if encoding == "utf-8-sig" else encoding
    data = f'<?xml version="1.0" encoding="{declared}"?><!-- note --><a><b>x</b></a>'.encode(encoding)
    assert parse(data).findtext("b") == "x"


@pytest.mark.parametrize(
    "data", [b"", b"<a>", b"\xff\xfe\x00", b"<a></b>", b'<?xml version="1.0" encoding="nope"?><a/>']
)
def test_broken_documents_raise_what_callers_expect(data: bytes) -> None:
    with pytest.raises(XmlFault):
        parse(data)


def test_character_data_may_look_like_markup() -> None:
    assert parse(b"<a><![CDATA[<!DOCTYPE]]></a>").text == "<!DOCTYPE"
