"""What a body is, and what its file is called."""

from __future__ import annotations

import io
import re
import zipfile

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reports_async._exceptions import BadArchive, LinkExpired, TruncatedDownload
from reports_async._sansio.archive import (
    TAIL,
    Kind,
    Limits,
    check_end,
    check_page,
    choose,
    error_code,
    file_name,
    is_expiry,
    kind,
)

REQUEST_ID = "9f1c7f0e-6f4b-4f3c-9d5e-0a1b2c3d4e5f"


@pytest.mark.parametrize(
    ("head", "expected"),
    [
        (b"PK\x03\x04rest", Kind.ZIP),
        (b"PK\x05\x06rest", Kind.ZIP),
        (b"\x1f\x8b\x08", Kind.GZIP),
        (b"\xef\xbb\xbfSKU,PRICE\n", Kind.PLAIN),
        (b"PK,SKU\n", Kind.PLAIN),
        (b"", Kind.PLAIN),
    ],
)
def test_kind(head, expected):
    """The first bytes tell how a body is packed."""
    assert expected is kind(head)


@pytest.mark.parametrize("head", [b"P", b"PK", b"PK\x03", b"PK\x05", b"\x1f"])
def test_kind_of_a_piece(head):
    """A piece of a mark is a body that broke off, not a short CSV."""
    with pytest.raises(TruncatedDownload, match=f"after {len(head)} bytes"):
        kind(head)


def test_end():
    """A ZIP ends with a whole end record, and the comment that the record announces."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("a.csv", "x")
        archive.comment = b"made by hand"
    body = file.getvalue()

    check_end(body[-TAIL:])
    for missing in (1, 12, 20, 34):
        with pytest.raises(TruncatedDownload, match="before its end record"):
            check_end(body[:-missing])


@pytest.mark.parametrize(
    "head",
    [
        b"\xef\xbb\xbf \r\n<!DOCTYPE html><html>",
        b"<html><body>Sign in</body></html>",
        b"<!-- proxy --><html>",
    ],
)
def test_html_page(head):
    """An HTML page is not a report, whatever its status was."""
    with pytest.raises(BadArchive, match="an HTML page in place of the report"):
        check_page(head)


def test_xml_message():
    """An XML message is not a report; its code is told."""
    with pytest.raises(BadArchive, match=r"an XML message \(BlobNotFound\)"):
        check_page(b"<?xml version='1.0'?><Error><Code>BlobNotFound</Code></Error>")
    with pytest.raises(BadArchive, match=r"an XML message \(None\)"):
        check_page(b"<Error/>")


@pytest.mark.parametrize(
    "body",
    [
        b'{"errors": [{"code": "SYSTEM_ERROR"}]}',
        b'{\n  "message": "Internal", "status": 500}',
        b'[{"code": "X"}]',
        b'[ "gone" ]',
    ],
)
def test_json_message(body):
    """A JSON message is not a report."""
    with pytest.raises(BadArchive, match="a JSON message"):
        check_page(body)


@pytest.mark.parametrize("body", [bytes(1000), b"7z\xbc\xaf\x27\x1c\0\x04", b"SKU\0,PRICE\n"])
def test_no_text(body):
    """What has bytes of zero is no report, unless it begins as wide text does."""
    with pytest.raises(BadArchive, match="no text"):
        check_page(body)
    check_page("SKU,PRICE\n".encode("utf-16"))
    check_page(b"\xfe\xff" + "SKU,PRICE\n".encode("utf-16-be"))


@pytest.mark.parametrize("code", ["AuthenticationFailed", "ExpiredToken"])
def test_expired_message(code):
    """A blob store's message about the signature means that the link has expired."""
    body = b'\xef\xbb\xbf<?xml version="1.0"?><Error><Code>%s</Code></Error>' % code.encode()

    with pytest.raises(LinkExpired, match=code):
        check_page(body)


@pytest.mark.parametrize("head", [b"", b"SKU,PRICE\n", b"<SKU>,PRICE\n", b"{a},b\n", b"[a],b\n"])
def test_no_page(head):
    """Anything else may be a CSV."""
    check_page(head)


def test_error_code():
    """The code of a blob store's message is found, and known when it is about the signature."""
    assert "InvalidRange" == error_code(b"<Error><Code> InvalidRange </Code></Error>")
    assert error_code(b"none here") is None
    assert is_expiry("authenticationFailed")
    assert not is_expiry("InvalidRange")
    assert not is_expiry(None)


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        (["a.csv"], 0),
        (["only.txt"], 0),
        (["folder/", "folder/a.csv"], 1),
        (["__MACOSX/._a.csv", "a.csv", ".DS_Store", "folder/.hidden.csv"], 1),
        (["readme.txt", "REPORT.CSV", "notes.md"], 1),
    ],
)
def test_choose(names, expected):
    """The one file is the report, or the one CSV among several."""
    assert expected == choose(names)


@pytest.mark.parametrize(
    ("names", "told"),
    [
        ([], "holds nothing"),
        (["folder/"], "holds nothing"),
        (["a.csv", "b.csv"], r"holds 'a.csv', 'b.csv'\."),
        (["a.csv", "a.csv"], "holds 'a.csv', 'a.csv'"),
        (["a.txt", "b.txt"], "holds 'a.txt', 'b.txt'"),
        ([f"{number}.csv" for number in range(7)], r"'4.csv', and more\."),
    ],
)
def test_no_choice(names, told):
    """An archive that does not hold one report is refused, and what it holds is told."""
    with pytest.raises(BadArchive, match=told):
        choose(names)


def test_limits():
    """An archive may grow far, but not beyond its ratio once it is large, nor beyond the total."""
    Limits().check(64 * 1024 * 1024, packed=1)
    Limits().check(10**12, packed=10**9)
    with pytest.raises(BadArchive, match="more than 1000 times its size"):
        Limits().check(64 * 1024 * 1024 + 1, packed=1)
    with pytest.raises(BadArchive, match="more than the 10 bytes allowed"):
        Limits(total=10).check(11, packed=11)


def test_file_name():
    """A file is named by type, version and request id, as they are."""
    assert f"ITEM_MX_v1_{REQUEST_ID}.csv" == file_name("ITEM_MX", "v1", REQUEST_ID)


@pytest.mark.parametrize(
    ("request_id", "expected"),
    [
        ("../../etc/passwd", r"ITEM_v1__etc_passwd|ITEM_v1_____etc_passwd"),
        ("", "ITEM_v1__"),
        ("..", "ITEM_v1__"),
        (".hidden", "ITEM_v1_hidden"),
        ("dotted.", "ITEM_v1_dotted"),
        ("-rf", "ITEM_v1_rf"),
        ("CON", "ITEM_v1__CON"),
        ("nul.txt", "ITEM_v1__nul.txt"),
        ("x" * 500, "ITEM_v1_" + "x" * 80),
        ("a\x00b", "ITEM_v1_a_b"),
        ("\ud800", "ITEM_v1__"),
    ],
)
def test_hostile_names(request_id, expected):
    """A name from the server never leaves the directory; what was altered is marked."""
    name = file_name("ITEM", "v1", request_id)

    assert re.fullmatch(rf"({expected})~[0-9a-f]{{12}}\.csv", name)


def test_device_as_type():
    """A type that is a device on Windows is a file all the same."""
    assert file_name("CON.x", "v1", "1").startswith("_CON.x~")


@given(st.text(), st.text(), st.text())
def test_any_name(report_type, version, request_id):
    """Every name is a plain one that all file systems take, with room for endings."""
    name = file_name(report_type, version, request_id)

    assert re.fullmatch(r"[A-Za-z0-9_][A-Za-z0-9._~-]*\.csv", name)
    assert ".." not in name
    assert len(name) <= 220


@given(st.text(alphabet="aA/_.~-0"), st.text(alphabet="aA/_.~-0"))
def test_two_ids(one, other):
    """Two ids never share a file."""
    same = file_name("ITEM", "v1", one) == file_name("ITEM", "v1", other)

    assert same == (one == other)
