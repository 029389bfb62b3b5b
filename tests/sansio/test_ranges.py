"""What to ask a file host for, and what its answer means."""

from __future__ import annotations

import pytest
from attrs import evolve
from hypothesis import given
from hypothesis import strategies as st

from reports_async._exceptions import BadArchive, DownloadError, LinkExpired, TruncatedDownload
from reports_async._sansio.ranges import (
    Hop,
    Resume,
    Setback,
    Take,
    Trouble,
    fitting,
    judge,
    next_request,
    resume_after,
)

URL = "https://files.example.com/a.zip?sig=secret"
ADDRESS = "https://files.example.com/a.zip?..."
DATE = "Wed, 05 Mar 2025 10:00:00 GMT"
RESUME = Resume(address=ADDRESS, offset=100, total=1000, validator='"v1"')


def test_whole_request():
    """A stranger is told nothing: no token, no cookie, no header of Walmart's."""
    request = next_request(URL, resume=None)

    assert ("GET", URL, b"") == (request.method, request.url, request.body)
    assert {
        "Accept": "*/*",
        "Accept-Encoding": "identity",
        "User-Agent": "reports-async",
    } == request.headers


def test_rest_request():
    """The rest is asked for on condition that the file is still the same."""
    headers = next_request(URL, resume=RESUME).headers

    assert ("bytes=100-", '"v1"') == (headers["Range"], headers["If-Range"])


@pytest.mark.parametrize(
    ("headers", "expected"),
    [
        ({"content-length": "1000", "etag": '"v1"'}, (1000, '"v1"')),
        ({"content-length": " 7 ", "etag": 'W/"v1"', "last-modified": DATE}, (7, DATE)),
        ({"etag": 'W/"v1"'}, (None, None)),
        ({"etag": '""', "accept-ranges": "bytes"}, (None, None)),
        ({"etag": '"v1"', "accept-ranges": "none"}, (None, None)),
        ({"content-length": "-5"}, (None, None)),
        ({"content-length": "5, 5"}, (None, None)),
        ({"content-length": "9" * 5000}, (None, None)),
        ({"content-encoding": "gzip"}, (None, None)),
        ({"content-encoding": "identity, x-gzip"}, (None, None)),
    ],
)
def test_whole(headers, expected):
    """A 200 is the whole file, of the declared length, with or without proof of its identity."""
    total, validator = expected

    assert Take(offset=0, total=total, validator=validator) == judge(200, headers, resume=None)


def test_whole_for_a_rest():
    """A host may answer a range with the whole file: it starts again from zero."""
    answer = judge(200, {"content-length": "900", "etag": '"v2"'}, resume=RESUME)

    assert Take(offset=0, total=900, validator='"v2"') == answer


@pytest.mark.parametrize(
    ("headers", "known", "expected"),
    [
        ({"content-range": "bytes 100-999/1000"}, 1000, 1000),
        ({"content-range": "Bytes 100-999/1000", "etag": '"v1"'}, 1000, 1000),
        ({"content-range": "bytes 100-500/1000"}, None, 1000),
        ({"content-range": "bytes 100-999/*"}, 1000, 1000),
        ({"content-range": "bytes 100-999/*"}, None, None),
    ],
)
def test_rest(headers, known, expected):
    """A 206 that begins at the asked byte of the same file goes on."""
    answer = judge(206, headers, resume=evolve(RESUME, total=known))

    assert Take(offset=100, total=expected, validator='"v1"') == answer


@pytest.mark.parametrize(
    ("status", "headers"),
    [
        (206, {}),
        (206, {"content-range": "bytes 0-999/1000"}),
        (206, {"content-range": "bytes 101-999/1000"}),
        (206, {"content-range": "bytes 100-999/1001"}),
        (206, {"content-range": "bytes 100-1000/1000"}),
        (206, {"content-range": "bytes 100-99/1000"}),
        (206, {"content-range": "bytes 100-999/1000", "etag": '"v2"'}),
        (206, {"content-range": "bytes 100-999"}),
        (206, {"content-range": f"bytes 100-{'9' * 5000}/*"}),
        (416, {"content-range": "bytes */1000"}),
    ],
)
def test_wrong_rest(status, headers):
    """Any other answer to a range is not believed: the file is fetched from the start."""
    answer = judge(status, headers, resume=RESUME)

    assert isinstance(answer, Setback)
    assert Trouble.RESTART is answer.trouble
    assert f"The file host cannot go on at byte 100 (HTTP {status})." == answer.reason


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_redirect(status):
    """A redirect tells where; its repr keeps the query."""
    answer = judge(status, {"location": "/b.zip?sig=secret"}, resume=RESUME)

    assert Hop(location="/b.zip?sig=secret") == answer
    assert "secret" not in repr(answer)


XML = b"<Error><Code>%s</Code></Error>"


@pytest.mark.parametrize(
    ("status", "head", "trouble"),
    [
        (403, b"", Trouble.EXPIRED),
        (401, b"", Trouble.EXPIRED),
        (404, XML % b"AuthenticationFailed", Trouble.EXPIRED),
        (410, b"Request has expired", Trouble.EXPIRED),
        (400, XML % b"ExpiredToken", Trouble.EXPIRED),
        (404, XML % b"BlobNotFound", Trouble.GONE),
        (410, b"", Trouble.GONE),
        (408, b"", Trouble.UNAVAILABLE),
        (429, b"", Trouble.UNAVAILABLE),
        (500, b"expired", Trouble.UNAVAILABLE),
        (503, b"", Trouble.UNAVAILABLE),
        (520, b"", Trouble.UNAVAILABLE),
        (400, b"", Trouble.REFUSED),
        (416, b"", Trouble.REFUSED),
        (206, b"", Trouble.REFUSED),
        (204, b"", Trouble.REFUSED),
        (302, b"", Trouble.REFUSED),
        (304, b"", Trouble.REFUSED),
    ],
)
def test_refusals(status, head, trouble):
    """Every other answer to a request for the whole file says what may help."""
    answer = judge(status, {}, resume=None, head=head)

    assert isinstance(answer, Setback)
    assert trouble is answer.trouble
    assert answer.reason.startswith(f"The file host answered HTTP {status}")


def test_reason_tells_the_code():
    """The code of a blob store's message is told."""
    answer = judge(404, {}, resume=None, head=XML % b"BlobNotFound")

    assert (
        Setback(trouble=Trouble.GONE, reason="The file host answered HTTP 404 (BlobNotFound).")
        == answer
    )


def test_reason_tells_of_the_link():
    """Where the link is to blame, the reason says so."""
    answer = judge(403, {}, resume=None, head=XML % b"AuthenticationFailed")

    told = "The file host answered HTTP 403 (AuthenticationFailed): the link is no longer good."
    assert Setback(trouble=Trouble.EXPIRED, reason=told) == answer


@pytest.mark.parametrize(("told", "expected"), [("7", 7.0), ("86400", 300.0), ("soon", 0.0)])
def test_retry_after(told, expected):
    """A busy host is left alone as long as it wishes, within reason."""
    answer = judge(503, {"retry-after": told}, resume=None)

    assert isinstance(answer, Setback)
    assert expected == answer.after


@pytest.mark.parametrize("status", [200, 206])
def test_unknown_encoding(status):
    """A content-encoding that nobody asked for and nobody can read is refused."""
    answer = judge(status, {"content-encoding": "br"}, resume=RESUME)

    assert (
        Setback(trouble=Trouble.REFUSED, reason="The file host encoded the file as br, unasked.")
        == answer
    )


def test_resume_after():
    """A body that broke off goes on if something came and its identity can be proved."""
    take = Take(offset=0, total=1000, validator='"v1"')

    assert RESUME == resume_after(take, url=URL, received=100)
    assert resume_after(take, url=URL, received=0) is None
    assert resume_after(evolve(take, validator=None), url=URL, received=100) is None
    assert "secret" not in repr(RESUME)


def test_fitting():
    """A new link goes on with the same file, not with another."""
    assert RESUME is fitting(RESUME, url="https://files.example.com/a.zip?sig=fresh")
    assert fitting(RESUME, url="https://files.example.com/b.zip?sig=fresh") is None
    assert fitting(None, url=URL) is None


@pytest.mark.parametrize(
    ("trouble", "error"),
    [
        (Trouble.EXPIRED, LinkExpired),
        (Trouble.GONE, DownloadError),
        (Trouble.UNAVAILABLE, DownloadError),
        (Trouble.CUT, TruncatedDownload),
        (Trouble.SHORT, TruncatedDownload),
        (Trouble.BAD, BadArchive),
        (Trouble.REFUSED, DownloadError),
    ],
)
def test_errors(trouble, error):
    """Each trouble has its error."""
    assert error is trouble.error


@given(
    status=st.integers(100, 599),
    names=st.dictionaries(
        st.sampled_from(["content-range", "content-length", "etag", "retry-after", "location"]),
        st.one_of(
            st.text(),
            st.from_regex(r"bytes \d{1,5}-\d{1,5}/(\d{1,5}|\*)", fullmatch=True),
            st.integers().map(str),
        ),
    ),
    offset=st.integers(1, 99999),
    total=st.none() | st.integers(1, 99999),
)
def test_any_answer(status, names, offset, total):
    """Whatever a host says, a body is only taken at the beginning or at the asked byte."""
    resume = evolve(RESUME, offset=offset, total=total)
    answer = judge(status, names, resume=resume)

    if isinstance(answer, Take):
        assert answer.offset == {200: 0, 206: offset}[status]
        assert status == 200 or total is None or answer.total == total
