"""Tests of ordered faults: each befalls the right call, once, before or after the server acts."""

from __future__ import annotations

import json
from typing import Any

import pytest

from reports_async._exceptions import InvalidArgument


def whole(reply: Any) -> bytes:
    return b"".join(reply.chunks())


def test_status_before_acting(caller: Any) -> None:
    """
    An error status comes in place of the action; the next call is as usual.
    """
    caller.simulator.fail("create", 503)

    assert 503 == caller.create().status
    assert () == caller.simulator.requests
    assert 200 == caller.create().status


def test_status_after_acting(caller: Any) -> None:
    """
    The server may act, and answer with an error all the same.
    """
    caller.simulator.fail("create", 502, after_acting=True)

    assert 502 == caller.create().status
    assert 1 == caller.simulator.creates("ITEM_MX")


def test_sequence(caller: Any) -> None:
    """
    Several answers come one per call, and are repeated as often as was asked.
    """
    caller.simulator.fail("list", 500, 504, times=2)

    assert [500, 504, 500, 504, 200] == [caller.list().status for _ in range(5)]


def test_other_endpoints(caller: Any) -> None:
    """
    A fault waits for its own endpoint.
    """
    caller.simulator.fail("list", 500)

    assert 404 == caller.status("unknown").status
    assert 500 == caller.list().status


@pytest.mark.parametrize("by_id", [True, False])
def test_only(caller: Any, *, by_id: bool) -> None:
    """
    A fault may be narrowed to a report type or a request.
    """
    one, other = caller.made("ITEM_MX"), caller.made("OTHER")
    caller.simulator.fail("status", 500, only=other if by_id else "OTHER")
    caller.simulator.fail("create", 500, only="THIRD")

    assert [200, 500, 200] == [caller.status(name).status for name in (one, other, other)]
    assert [429, 500] == [caller.create(name).status for name in ("ITEM_MX", "THIRD")]


def test_token_faults(caller: Any) -> None:
    """
    The token call can fail like any other.
    """
    caller.simulator.fail("token", 500)

    assert [500, 200] == [caller.login().status, caller.login().status]


def test_shape(caller: Any) -> None:
    """
    An ordered error may have another shape than the rules', at the file host, too.
    """
    url = caller.url(caller.ready())
    caller.simulator.fail("list", 502, shape="html")
    caller.simulator.fail("file", 503, 503, shape="html", times=1)
    caller.simulator.fail("file", 503)

    assert b"<!DOCTYPE html>" in caller.list().body
    assert b"<!DOCTYPE html>" in caller.fetch(url).body
    caller.fetch(url)
    assert b"<Code>ServerBusy</Code>" in caller.fetch(url).body


def test_refused(caller: Any) -> None:
    """
    A refused connection is marked, and the server has not acted.
    """
    caller.simulator.fail("create", "refuse")

    assert caller.create().refused
    assert () == caller.simulator.requests
    assert 1 == caller.simulator.count("create", 0)


@pytest.mark.parametrize(("answer", "mark"), [("lose", "lost"), ("hang", "silent")])
def test_lost(caller: Any, answer: str, mark: str) -> None:
    """
    A lost answer is marked, and the server has acted.
    """
    caller.simulator.fail("create", answer)

    assert getattr(caller.create(), mark)
    assert 1 == len(caller.simulator.requests)
    assert 1 == caller.simulator.count("create", 0)


@pytest.mark.parametrize(("answer", "mark"), [("cut", "cut_after"), ("stall", "stall_after")])
def test_broken_body(caller: Any, answer: str, mark: str) -> None:
    """
    A body breaks off or stops in the middle, or where it was asked to; its length is the real one.
    """
    caller.simulator.raw_file("ITEM_MX", b"0123456789")
    url = caller.url(caller.ready())
    caller.simulator.fail("file", answer)
    caller.simulator.fail("file", answer, at=3)
    middle, early = caller.fetch(url), caller.fetch(url)

    assert (5, 3) == (getattr(middle, mark), getattr(early, mark))
    assert "10" == middle.headers["Content-Length"]
    assert b"0123456789" == whole(middle)


@pytest.mark.parametrize("declared", [True, False])
def test_short_body(caller_of: Any, *, declared: bool) -> None:
    """
    A short body agrees with its declared length, where there is one: the quiet kind of loss.
    """
    caller = caller_of(send_length=declared)
    caller.simulator.raw_file("ITEM_MX", b"0123456789")
    url = caller.url(caller.ready())
    caller.simulator.fail("file", "short", at=4)

    reply = caller.fetch(url)

    assert b"0123" == whole(reply)
    assert ("4" if declared else None) == reply.headers.get("Content-Length")


@pytest.mark.parametrize(("at", "declared"), [(None, "11"), (90, "100")])
def test_wrong_length(caller: Any, at: int | None, declared: str) -> None:
    """
    A wrong length promises more than comes.
    """
    caller.simulator.raw_file("ITEM_MX", b"0123456789")
    url = caller.url(caller.ready())
    caller.simulator.fail("file", "length", at=at)

    reply = caller.fetch(url)

    assert (declared, 10) == (reply.headers["Content-Length"], reply.cut_after)


def test_corrupt(caller: Any) -> None:
    """
    A corrupt body has one wrong byte, also in a long report.
    """
    caller.simulator.rows("ITEM_MX", 10_000)
    url = caller.url(caller.ready())
    good = whole(caller.fetch(url))
    caller.simulator.fail("file", "corrupt")
    caller.simulator.fail("file", "corrupt", at=7)
    for place in (len(good) // 2, 7):
        bad = whole(caller.fetch(url))
        assert [place] == [
            at for at, pair in enumerate(zip(good, bad, strict=True)) if len({*pair}) > 1
        ]


def test_empty_and_html(caller: Any) -> None:
    """
    An empty body, and a page for people, come with 200 in place of the file.
    """
    url = caller.url(caller.ready())
    caller.simulator.fail("file", "empty", "html")
    empty, page = caller.fetch(url), caller.fetch(url)

    assert (200, b"", "0") == (empty.status, whole(empty), empty.headers["Content-Length"])
    assert (200, True) == (page.status, b"<!DOCTYPE html>" in page.body)


def test_redirect(caller: Any) -> None:
    """
    A redirect leads to the same file again, or wherever was asked.
    """
    url = caller.url(caller.ready())
    caller.simulator.fail("file", "redirect")
    caller.simulator.fail("file", "redirect", to="http://evil.invalid/")
    back, away = caller.fetch(url), caller.fetch(url)

    assert [302, 302] == [back.status, away.status]
    assert 200 == caller.fetch(back.headers["Location"]).status
    assert "http://evil.invalid/" == away.headers["Location"]


def test_redirect_of_the_api(caller: Any) -> None:
    """
    A redirect of the API leads to the file host: following it with the token is noted.
    """
    caller.simulator.fail("list", "redirect")
    reply = caller.list("reportType=A")
    place = reply.headers["Location"]

    assert "https://files.simulator.invalid/v3/reports/reportRequests?reportType=A" == place
    assert 403 == caller.fetch(place).status
    assert 400 == caller.fetch(place, {"WM_SEC.ACCESS_TOKEN": str(caller.token)}).status
    assert 1 == len(caller.simulator.violations)


def test_delay(caller: Any) -> None:
    """
    A late answer is a good one, and the server has acted at once.
    """
    caller.simulator.delay("create", 40, times=2)

    late = caller.create()

    assert (200, 40.0) == (late.status, late.delay)
    assert json.loads(late.body)["requestId"] == caller.simulator.requests[0].request_id
    assert [40.0, 0.0] == [caller.create("B").delay, caller.create("C").delay]


def test_heal(caller: Any) -> None:
    """
    Faults that have not come yet can be dropped.
    """
    caller.simulator.fail("list", 500, times=3)
    assert "3 faults to come" in repr(caller.simulator)

    caller.simulator.heal()

    assert 200 == caller.list().status


@pytest.mark.parametrize(
    ("endpoint", "answer", "message"),
    [
        ("lists", 500, "endpoint must be one of token, create"),
        ("list", 200, "answer must be an error status or a word, not 200"),
        ("list", "explode", "answer must be one of refuse, lose"),
    ],
)
def test_wrong_orders(caller: Any, endpoint: Any, answer: Any, message: str) -> None:
    """
    An order that makes no sense is refused at once, as a whole.
    """
    with pytest.raises(InvalidArgument, match=message):
        caller.simulator.fail(endpoint, 500, answer)
    assert "0 faults to come" in repr(caller.simulator)


def test_negative_place(caller: Any) -> None:
    """
    A place in the body is not negative.
    """
    with pytest.raises(InvalidArgument, match="at must not be negative"):
        caller.simulator.fail("file", "cut", at=-1)
