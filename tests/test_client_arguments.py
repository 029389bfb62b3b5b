"""Wrong arguments are refused before a byte is sent, by an error that names them and the rule."""

from __future__ import annotations

import os
import stat
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from reports_async import (
    Credentials,
    EnumFilter,
    Filters,
    InvalidArgument,
    Limits,
    MemoryStore,
    PollSchedule,
    ReportsClient,
    ReportSpec,
    Timeouts,
    WebhookError,
)

pytestmark = pytest.mark.anyio

NAIVE = datetime(2026, 1, 2)  # noqa: DTZ001 -- naive, that is the point
NOW = datetime(2026, 1, 5, 8, tzinfo=UTC)

REQUESTS = {
    "report_type must not be empty or blank": {"report_type": ""},
    "report_type must not be empty or blank: ": {"report_type": " "},
    "report_type must not contain spaces": {"report_type": "ITEM MX"},
    "report_type must not contain spaces or": {"report_type": "ITEM\n"},
    "report_type must be a string": {"report_type": None},
    "version must not be empty": {"version": ""},
    "max_age must not be negative": {"max_age": -1},
    "max_age must not be negative, but": {"max_age": timedelta(hours=-1)},
    "max_age must be seconds or a timedelta": {"max_age": "1h"},
    "max_age must be less than 100 years": {"max_age": float("inf")},
    "on_limit must be one of wait, raise, reuse": {"on_limit": "retry"},
    "filters must be a Filters value": {"filters": {"excludeColumns": []}},
    "fresh must be True or False, not 'no'": {"fresh": "no"},
    "path must name a file": {"path": ""},
    "path must name a file, but is 'new/'": {"path": "new/"},
    "path must name a file, but is 7": {"path": 7},
}


@pytest.mark.parametrize("message", REQUESTS)
@pytest.mark.parametrize("method", ["request_report", "fetch_report"])
async def test_request(new_client, simulator, tmp_path, message, method):
    """
    A wrong argument of a request is named, with the rule it breaks; nothing is sent.
    """
    arguments = {"report_type": "ITEM_MX", **REQUESTS[message]}
    async with new_client() as client:
        with pytest.raises(InvalidArgument, match=message.rstrip(": ")):
            await getattr(client, method)(arguments.pop("report_type"), **arguments)

    assert () == simulator.calls
    assert [] == list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("taken", "path must name a file, but .*taken is a directory"),
        ("file/report.csv", "path must lie in a directory that can be used. .* is not"),
        ("pipe", "path must name a file, but .*pipe is a device, pipe or socket"),
        ("a\0b", "path must name a file, but '.*' cannot: .*embedded null"),
        ("a\0b/report.csv", "path must lie in a directory that can be used. .* is not: .*embedded"),
        ("a" * 250, "path must name a file, but .* cannot: File name too long"),
        ("a" * 300, "path must name a file, but .* cannot: File name too long"),
    ],
)
async def test_path(new_client, simulator, tmp_path, name, message):
    """
    A path that cannot become a file is refused at once, not after 45 minutes.
    """
    (tmp_path / "taken").mkdir()
    (tmp_path / "file").touch()
    os.mkfifo(tmp_path / "pipe")
    async with new_client() as client:
        with pytest.raises(InvalidArgument, match=message):
            client.request_report("ITEM_MX", path=tmp_path / name)
        with pytest.raises(InvalidArgument, match=message):
            client.resume_report("id", path=tmp_path / name)

    assert () == simulator.calls
    assert stat.S_ISFIFO((tmp_path / "pipe").stat().st_mode)


async def test_path_of_a_link(new_client, tmp_path):
    """
    A link is replaced by the file; what it leads to stays.
    """
    (tmp_path / "other").write_text("theirs")
    (tmp_path / "link.csv").symlink_to(tmp_path / "other")
    async with new_client() as client:
        report = await client.fetch_report("ITEM_MX", path=tmp_path / "link.csv")

    assert not report.path.is_symlink()
    assert "theirs" == (tmp_path / "other").read_text()


@pytest.mark.parametrize("request_id", ["", "  ", "a b", "a\n", None])
async def test_request_id(new_client, simulator, request_id):
    """
    A request id that cannot be one is refused by every call that takes one.
    """
    async with new_client() as client:
        with pytest.raises(InvalidArgument, match="request_id must"):
            client.resume_report(request_id)
        with pytest.raises(InvalidArgument, match="request_id must"):
            await client.get_request(request_id)
        with pytest.raises(InvalidArgument, match="request_id must"):
            await client.get_download_url(request_id)

    assert () == simulator.calls


LISTS = {
    "submitted_before is missing": {"submitted_after": NOW},
    "submitted_after is missing": {"submitted_before": NOW},
    "submitted_after must be timezone-aware": {"submitted_after": NAIVE, "submitted_before": NOW},
    "submitted_before must be timezone-aware": {"submitted_after": NOW, "submitted_before": NAIVE},
    "submitted_after must be a datetime": {"submitted_after": "today", "submitted_before": NOW},
    "submitted_after must not be older than 30 days": {
        "submitted_after": NOW - timedelta(days=31),
        "submitted_before": NOW,
    },
    "submitted_after must not be later than": {
        "submitted_after": NOW,
        "submitted_before": NOW - timedelta(days=1),
    },
    "status must be one of": {"status": "DONE"},
    "report_type must not be empty": {"report_type": ""},
    "request_id must not contain spaces": {"request_id": "a b"},
}


@pytest.mark.parametrize("message", LISTS)
async def test_list(new_client, simulator, message):
    """
    A wrong filter of the list is refused when it is given, before the iteration begins.
    """
    async with new_client() as client:
        with pytest.raises(InvalidArgument, match=message):
            client.list_requests(**LISTS[message])

    assert () == simulator.calls


CLIENTS = {
    "market must be one of us, mx": {"market": "moon"},
    "market must be one of us": {"market": ""},
    "base_url must begin with https://": {"base_url": "http://marketplace.walmartapis.com"},
    "base_url must begin with https": {"base_url": "ftp://127.0.0.1"},
    "base_url must not contain a user": {"base_url": "https://id:secret@host.example"},
    "base_url must not contain a query": {"base_url": "https://host.example/?a=b"},
    "base_url must be an absolute address": {"base_url": ""},
    "service_name must be printable ASCII": {"service_name": "a\nb"},
    "channel_type must be printable ASCII": {"channel_type": " "},
    "schedule must be of type PollSchedule, not NoneType": {"schedule": None},
    "timeouts must be of type Timeouts, not int": {"timeouts": 5},
    "downloads must be of type Downloads, not NoneType": {"downloads": None},
    "directory must be a path, not None": {"directory": None},
    "directory must be a directory .* but '.*' is not: .*embedded null": {"directory": "a\0b"},
    "directory must be a directory .* is not: .*surrogates": {"directory": "\ud800"},
    "store must have the methods of reports_async.abc.Store, not be str": {"store": "x.db"},
    "store must have .* not be the class MemoryStore": {"store": MemoryStore},
    "transport must have the methods of .*Transport, not be str": {"transport": "x"},
    "clock must have the methods of reports_async.abc.Clock, not be int": {"clock": 5},
}


@pytest.mark.parametrize("message", CLIENTS)
def test_client(new_client, message):
    """
    A client is not made with a wrong argument.
    """
    with pytest.raises(InvalidArgument, match=message):
        new_client(**CLIENTS[message])


@pytest.mark.parametrize(
    "base_url", ["http://127.0.0.1:8080", "http://localhost", "http://[::1]:1", "https://a.example"]
)
async def test_base_url(new_client, base_url):
    """
    Plain HTTP is for the machine itself only.
    """
    assert base_url in repr(new_client(base_url=base_url)._api)


def test_directory(new_client, tmp_path):
    """
    A directory that is a file is refused when the client is made.
    """
    file = tmp_path / "file"
    file.touch()
    for directory in (file, file / "below"):
        with pytest.raises(InvalidArgument, match="directory must be a directory"):
            new_client(directory=directory)


def test_no_credentials():
    """
    What is no pair of credentials is refused, and not shown.
    """
    with pytest.raises(InvalidArgument, match="credentials must be of type Credentials, not str"):
        ReportsClient("secret")


@pytest.mark.parametrize("limit", [{"ratio": -1}, {"floor": "x"}, {"total": 1.5}, {"ratio": True}])
def test_limits(limit):
    """
    How far an archive may grow is told in whole numbers.
    """
    (name,) = limit
    with pytest.raises(InvalidArgument, match=f"{name} must be a whole number, not below zero"):
        Limits(**limit)


def test_credentials():
    """
    Credentials that no header can carry are refused, and not shown.
    """
    for pair, message in {
        ("i:d", "secret"): "client_id must not contain a colon",
        ("id\n", "secret"): "client_id must not contain newlines",
        ("id", "se\ncret"): "client_secret must not contain newlines",
        ("", "secret"): "client_id must be a string and not blank",
        ("id", " "): "client_secret must be a string and not blank",
    }.items():
        with pytest.raises(InvalidArgument, match=message) as excinfo:
            Credentials(*pair)
        assert "se\ncret" not in str(excinfo.value)


@pytest.mark.parametrize("name", ["quota", "generation", "call", "link", "stall"])
def test_timeouts(name):
    """
    Each limit is a duration that is not negative.
    """
    for value in (-1, timedelta(seconds=-1), float("nan"), "soon"):
        with pytest.raises(InvalidArgument, match=f"{name} must"):
            Timeouts(**{name: value})


def test_schedule():
    """
    The pace is checked when it is made.
    """
    with pytest.raises(InvalidArgument, match="first must be more than zero"):
        PollSchedule(first=0)
    with pytest.raises(InvalidArgument, match="cap must not be less than first"):
        PollSchedule(cap=1)


def test_filters():
    """
    Filters know the API's rules: both dates or none, aware, and in their order.
    """
    for arguments, message in (
        ({"data_start": NOW}, "data_start and data_end must be given together"),
        ({"data_end": NOW}, "data_start and data_end must be given together"),
        ({"data_start": NAIVE, "data_end": NOW}, "data_start must be timezone-aware"),
        (
            {"data_start": NOW, "data_end": NOW - timedelta(days=1)},
            "data_end must not be before data_start",
        ),
        ({"rows": EnumFilter("A", ["b"])}, "rows must be a list"),
        ({"exclude_columns": "SKU"}, "exclude_columns must be a list of strings"),
    ):
        with pytest.raises(InvalidArgument, match=message):
            Filters(**arguments)


def test_spec_path():
    """
    A spec keeps its path as a `Path`, and knows no path that is empty.
    """
    assert Path("a.csv") == ReportSpec("ITEM", path="a.csv").path
    with pytest.raises(InvalidArgument, match="path must name a file"):
        ReportSpec("ITEM", path="")


async def test_notify(new_client, simulator):
    """
    A webhook body that is no mapping is refused; one that tells of nothing we know is ignored.
    """
    async with new_client() as client:
        for body in (None, [], b"{}", "READY"):
            with pytest.raises(WebhookError, match="A webhook body is a JSON object"):
                client.notify(body)
        for body in ({}, {"payload": None}, {"payload": {"requestId": "unknown"}}):
            client.notify(body)

    assert () == simulator.calls
