"""Tests of the file host: a stranger that trusts signatures and nothing else."""

from __future__ import annotations

import gzip
import hashlib
import io
import zipfile
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest

from reports_async._http import HTTPRequest
from reports_async.testing import Rules, Simulator

if TYPE_CHECKING:
    from reports_async.testing import Reply

START = datetime(2026, 1, 5, 8, tzinfo=UTC)


def whole(reply: Reply) -> bytes:
    return b"".join(reply.chunks())


def unzipped(body: bytes) -> bytes:
    with zipfile.ZipFile(io.BytesIO(body)) as file:
        (name,) = file.namelist()
        assert name.startswith("ItemMxReport_10001234567_2026-01-05T080000.csv")
        return file.read(name)


def test_file(caller: Any) -> None:
    """
    The link leads to a ZIP with one CSV, whose digest the simulator tells.
    """
    request_id = caller.ready()

    reply = caller.fetch(caller.url(request_id))

    body = whole(reply)
    assert (200, "application/zip", str(len(body))) == (
        reply.status,
        reply.headers["Content-Type"],
        reply.headers["Content-Length"],
    )
    csv = b"".join(caller.simulator.csv(request_id))
    assert csv == unzipped(body)
    assert hashlib.sha256(csv).hexdigest() == caller.simulator.digest(request_id)
    assert () == caller.simulator.violations


def test_requests_differ(caller: Any) -> None:
    """
    Each request has contents of its own.
    """
    one, other = caller.made("ITEM_MX"), caller.made("OTHER")

    assert caller.simulator.digest(one) != caller.simulator.digest(other)


@pytest.mark.parametrize(
    ("file_format", "kind", "ending"),
    [
        ("gzip", "application/gzip", ".csv.gz?"),
        ("plain", "text/csv; charset=utf-8", ".csv?"),
    ],
)
def test_formats(caller_of: Any, file_format: str, kind: str, ending: str) -> None:
    """
    Reports may come as gzip, or as they are, and with a byte order mark.
    """
    caller = caller_of(file_format=file_format, bom=True)
    request_id = caller.ready()
    url = caller.url(request_id)
    reply = caller.fetch(url)
    body = whole(reply)

    assert kind == reply.headers["Content-Type"]
    assert ending in url
    csv = gzip.decompress(body) if file_format == "gzip" else body
    assert csv.startswith(b"\xef\xbb\xbfID de la Tienda")
    assert hashlib.sha256(csv).hexdigest() == caller.simulator.digest(request_id)


@pytest.mark.parametrize(("descriptor", "zip64"), [(True, False), (False, True)])
def test_zip_switches(caller_of: Any, *, descriptor: bool, zip64: bool) -> None:
    """
    The ZIP may tell its sizes first or last, in small or large records.
    """
    caller = caller_of(descriptor=descriptor, zip64=zip64)
    request_id = caller.ready()
    body = whole(caller.fetch(caller.url(request_id)))

    assert b"".join(caller.simulator.csv(request_id)) == unzipped(body)
    assert zip64 == (b"PK\x06\x06" in body)
    assert descriptor == (b"PK\x07\x08" in body)


def test_long_report(caller: Any) -> None:
    """
    A long report is not held in memory: it comes in pieces, as long as was declared.
    """
    caller.simulator.rows("ITEM_MX", 20_000)
    request_id = caller.ready()

    reply = caller.fetch(caller.url(request_id))

    pieces = list(reply.chunks())
    assert b"" == reply.body
    assert 5 < len(pieces)
    assert max(map(len, pieces)) < 500_000
    assert int(reply.headers["Content-Length"]) == sum(map(len, pieces))
    assert b"".join(caller.simulator.csv(request_id)) == unzipped(b"".join(pieces))


def test_many_reports(caller: Any) -> None:
    """
    More reports than are kept at hand are made anew, the same as before.
    """
    requests = [caller.simulator.add_request(f"T{n}", START, status="READY") for n in range(20)]
    digests = [caller.simulator.digest(request_id) for request_id in requests]

    assert digests == [caller.simulator.digest(request_id) for request_id in requests]


def test_own_content(caller: Any) -> None:
    """
    A test may set the CSV of a report, for a type or a request, at any time.
    """
    caller.simulator.content("ITEM_MX", b"a,b\n1,2\n")
    request_id = caller.ready()
    url = caller.url(request_id)
    first = caller.fetch(url)
    caller.simulator.content(request_id, b"a,b\n3,4\n")
    second = caller.fetch(url)

    assert (b"a,b\n1,2\n", b"a,b\n3,4\n") == (unzipped(whole(first)), unzipped(whole(second)))
    assert first.headers["ETag"] != second.headers["ETag"]


@pytest.mark.parametrize("body", [b"", b"not a report"])
def test_raw_file(caller: Any, body: bytes) -> None:
    """
    A test may set the very bytes that come.
    """
    caller.simulator.raw_file("ITEM_MX", body)

    reply = caller.fetch(caller.url(caller.ready()))

    assert (200, body) == (reply.status, whole(reply))


def test_expired_link(caller_of: Any) -> None:
    """
    A link works until its time, and is then refused as cloud storage does.
    """
    caller = caller_of(link_lifetime=900)
    url = caller.url(caller.ready())
    caller.wait(899)
    assert 200 == caller.fetch(url).status
    caller.wait(1)

    reply = caller.fetch(url)

    assert (403, "AuthenticationFailed") == (reply.status, reply.headers["x-ms-error-code"])
    assert (
        b"<AuthenticationErrorDetail>Signature not valid after 2026-01-05T08:16:00Z" in reply.body
    )


def test_links_expired_by_order(caller: Any) -> None:
    """
    Links can be made useless at any time, and a new one works.
    """
    request_id = caller.ready()
    url = caller.url(request_id)
    caller.simulator.expire_links()

    assert 403 == caller.fetch(url).status
    assert 200 == caller.fetch(caller.url(request_id)).status


@pytest.mark.parametrize(
    ("old", "new"), [("sig=", "sig=x"), ("se=2026", "se=2027"), ("ItemMx", "Item"), ("?", "?x=1#")]
)
def test_forged_link(caller: Any, old: str, new: str) -> None:
    """
    A link with another path, time or signature is refused.
    """
    url = caller.url(caller.ready()).replace(old, new)

    assert 403 == caller.fetch(url).status


@pytest.mark.parametrize(
    ("headers", "told"),
    [
        ({"WM_SEC.ACCESS_TOKEN": "x"}, "wm_sec.access_token"),
        ({"wm_svc.name": "x", "WM_MARKET": "mx"}, "wm_market, wm_svc.name"),
        ({"Authorization": "Basic x"}, "authorization"),
        ({"Cookie": "ak_bmsc=1"}, "cookie"),
    ],
)
def test_strangers(caller: Any, headers: dict[str, str], told: str) -> None:
    """
    Whatever is Walmart's is refused by the file host, and noted.
    """
    url = caller.url(caller.ready())

    assert 400 == caller.fetch(url, headers).status
    assert (f"The file host was sent {told}.",) == caller.simulator.violations


def test_token_in_disguise(caller: Any) -> None:
    """
    The access token is recognized under any other name.
    """
    url = caller.url(caller.ready())

    assert 400 == caller.fetch(url, {"X-Key": f"Bearer {caller.token}"}).status
    assert ("The file host was sent an access token.",) == caller.simulator.violations


def test_methods(caller: Any) -> None:
    """
    The file host only reads.
    """
    assert 405 == caller.fetch(caller.url(caller.ready()), method="PUT").status


def test_file_is_gone(caller: Any) -> None:
    """
    A file that the server forgot, or that is older than 30 days, is not there, however well signed.
    """
    forgotten = caller.ready()
    url = caller.url(forgotten)
    caller.simulator.forget(forgotten)
    assert 404 == caller.fetch(url).status

    old = caller.simulator.add_request("A", caller.now - timedelta(days=30), status="READY")
    url = caller.url(old)
    caller.wait(1)

    assert 404 == caller.fetch(url).status


def test_same_host(caller_of: Any) -> None:
    """
    Links may lead to the API's own host, where a file is still the file host's.
    """
    caller = caller_of(same_host=True)
    caller.simulator.file_base_url = caller.base + "/"
    url = caller.url(caller.ready())

    assert url.startswith(caller.base + "/v3/reports/getReport/")
    assert 200 == caller.fetch(url).status
    assert 400 == caller.fetch(url, {"WM_SVC.NAME": "x"}).status


def test_calls_at_the_file_host(caller: Any) -> None:
    """
    A call that goes to the file host's name is refused and noted, whatever its path.
    """
    caller.login()
    caller.base = caller.simulator.file_base_url

    assert 400 == caller.list().status
    assert 1 == len(caller.simulator.violations)


def test_prepare(caller: Any) -> None:
    """
    Preparing measures a file ahead; for other calls, and files that are not there, it does nothing.
    """
    url = caller.url(caller.ready())
    for address in (url, caller.base + "/v3/token", url.replace("/getReport/", "/getReport/x")):
        caller.simulator.prepare(HTTPRequest(method="GET", url=address))

    assert 200 == caller.fetch(url).status


# ranges


@pytest.mark.parametrize(
    ("wanted", "status", "body", "told"),
    [
        ("bytes=0-3", 206, b"0123", "bytes 0-3/10"),
        ("bytes=4-", 206, b"456789", "bytes 4-9/10"),
        ("bytes=-2", 206, b"89", "bytes 8-9/10"),
        ("bytes=-20", 206, b"0123456789", "bytes 0-9/10"),
        ("bytes=8-100", 206, b"89", "bytes 8-9/10"),
        ("bytes=3-1", 200, b"0123456789", None),
        ("bytes=-", 200, b"0123456789", None),
        ("bytes=0-1,4-5", 200, b"0123456789", None),
        ("lines=0-3", 200, b"0123456789", None),
    ],
)
def test_ranges(caller_of: Any, wanted: str, status: int, body: bytes, told: str | None) -> None:
    """
    One range of bytes is sent as a part; what is no such range is ignored.
    """
    caller = caller_of(file_format="plain")
    caller.simulator.content("ITEM_MX", b"0123456789")

    reply = caller.fetch(caller.url(caller.ready()), {"Range": wanted})

    assert (status, body, told) == (
        reply.status,
        whole(reply),
        reply.headers.get("Content-Range"),
    )
    assert str(len(body)) == reply.headers["Content-Length"]


def test_range_behind_the_end(caller_of: Any) -> None:
    """
    A range behind the end is refused, with the size.
    """
    caller = caller_of(file_format="plain")
    caller.simulator.content("ITEM_MX", b"0123456789")

    reply = caller.fetch(caller.url(caller.ready()), {"Range": "bytes=10-"})

    assert (416, "bytes */10") == (reply.status, reply.headers["Content-Range"])


@pytest.mark.parametrize("header", ["ETag", "Last-Modified"])
def test_if_range(caller: Any, header: str) -> None:
    """
    A part is sent only of the file that the caller has already; else the whole of the new one.
    """
    url = caller.url(caller.ready())
    first = caller.fetch(url)
    wanted = {"Range": "bytes=5-", "If-Range": first.headers[header]}

    part = caller.fetch(url, wanted)

    assert (206, whole(first)[5:]) == (part.status, whole(part))
    assert 200 == caller.fetch(url, {**wanted, "If-Range": '"another"'}).status


def test_no_range(caller_of: Any) -> None:
    """
    Without ranges, length, ETag and date, the whole file comes, and nothing tells of it.
    """
    caller = caller_of(honour_range=False, send_length=False, etag=False, last_modified=False)

    reply = caller.fetch(caller.url(caller.ready()), {"Range": "bytes=5-", "If-Range": "None"})

    assert 200 == reply.status
    assert {"Content-Type", "Date", "Set-Cookie"} == reply.headers.keys()


def test_if_range_without_validators(caller_of: Any) -> None:
    """
    Without an ETag, a condition that names one is not met.
    """
    caller = caller_of(etag=False)
    headers = {"Range": "bytes=5-", "If-Range": '"anything"'}

    assert 200 == caller.fetch(caller.url(caller.ready()), headers).status


def test_range_of_a_long_report() -> None:
    """
    A part of a long report is the part of the same bytes.
    """
    simulator = Simulator(rules=Rules(file_format="plain"), rows=5000)
    request_id = simulator.add_request("ITEM_MX", START, status="READY")
    file = simulator._core.files
    csv = b"".join(simulator.csv(request_id))
    path, _ = simulator._core.links.sign(simulator.requests[0], now=START)
    url = simulator.file_base_url + path
    request = HTTPRequest(method="GET", url=url, headers={"Range": "bytes=400000-1000000"})

    reply = simulator.handle(request, START)

    assert file.default_rows == 5000
    assert csv[400000:1000001] == whole(reply)
