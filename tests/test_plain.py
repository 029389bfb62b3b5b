"""The four calls of the API, plain, through the public face."""

from __future__ import annotations

from datetime import timedelta
from urllib.parse import parse_qsl, urlencode, urlsplit

import pytest
from attrs import evolve

from reports_async import (
    APIError,
    AuthenticationError,
    EnumFilter,
    Filters,
    InvalidArgument,
    InvalidRequest,
    JobStatus,
    RateLimited,
    ReportFailed,
    ReportNotReady,
    RequestNotFound,
    RequestStatus,
    ServerError,
    TransportError,
)
from reports_async.testing import LoopClock, Rules, Simulator, SimulatorTransport

pytestmark = pytest.mark.anyio

FILTERS = Filters(rows=[EnumFilter("PublishedStatus", ["PUBLISHED"])], exclude_columns=["UPC"])


class Tampering(SimulatorTransport):
    """
    A network that changes calls on their way: parameters (None takes one out) and headers.
    """

    parameters = None
    without = ""

    async def send(self, request, *, timeout):
        if not request.url.endswith("/v3/token"):
            parts = urlsplit(request.url)
            query = {**dict(parse_qsl(parts.query)), **(self.parameters or {})}
            text = urlencode({name: value for name, value in query.items() if value is not None})
            headers = {
                name: value for name, value in request.headers.items() if name != self.without
            }
            request = evolve(request, url=parts._replace(query=text).geturl(), headers=headers)
        return await super().send(request, timeout=timeout)


@pytest.fixture
async def client(new_client):
    async with new_client() as client:
        yield client


@pytest.fixture
def tampered(simulator, clock, new_client):
    """Make a client whose calls are changed on their way."""

    def make(*, parameters=None, without="", **arguments):
        transport = Tampering(simulator, clock)
        transport.parameters, transport.without = parameters, without
        return new_client(transport=transport, **arguments)

    return make


async def ids(client, **filters):
    return [request.request_id async for request in client.list_requests(**filters)]


# -- create ---------------------------------------------------------------------------------------


async def test_create(client, simulator, clock):
    """
    A create is one call, and tells the id, the status and the time.
    """
    request = await client.create_request("ITEM_MX")

    (made,) = simulator.requests
    assert made.request_id == request.request_id
    assert ("ITEM_MX", "v1", {}) == (made.report_type, made.version, made.payload)
    assert (RequestStatus.RECEIVED, "RECEIVED") == (request.status, request.raw_status)
    assert clock.now() == request.submitted_at
    assert ["token", "create"] == [call.endpoint for call in simulator.calls]


async def test_create_with_all_parameters(client, simulator):
    """
    Version and filters are sent as they are asked for.
    """
    await client.create_request("ITEM", version="v4", filters=FILTERS)

    (made,) = simulator.requests
    assert "v4" == made.version
    assert {
        "rowFilters": [
            {"type": "enumFilter", "columnName": "PublishedStatus", "values": ["PUBLISHED"]}
        ],
        "excludeColumns": ["UPC"],
    } == made.payload


async def test_create_the_newest_version(client, simulator):
    """
    Without a version it is the newest that is known of the type, v1 of an unknown one.
    """
    await client.create_request("ITEM")
    await client.create_request("BRAND_NEW")

    assert ["v6", "v1"] == [request.version for request in simulator.requests]


async def test_create_is_remembered(client, simulator, clock):
    """
    What a plain create makes is known to the hourly gate: it holds the hour and is joined.
    """
    request = await client.create_request("ITEM_MX")

    (record,) = await client.jobs()
    assert (request.request_id, JobStatus.RECEIVED) == (record.request_id, record.status)
    assert record.holds_until >= clock.now() + timedelta(hours=1)
    job = client.request_report("ITEM_MX")
    async for event in job.events():
        if event.request_id is not None:
            break
    assert request.request_id == job.request_id
    assert 1 == simulator.count("create")
    job.cancel()


async def test_create_in_a_taken_hour(client, simulator):
    """
    A create goes out whatever the store says, and is refused if the hour is taken.
    """
    await client.create_request("ITEM_MX")

    with pytest.raises(RateLimited) as caught:
        await client.create_request("ITEM_MX")

    assert (429, "ITEM_MX") == (caught.value.status, caught.value.report_type)
    assert 2 == simulator.count("create")
    assert 1 == len(await client.jobs())


@pytest.mark.parametrize("trouble", ["lose", "refuse", 503])
async def test_create_without_an_answer(client, simulator, trouble):
    """
    A create whose outcome is unknown is told as it is, and not repeated.
    """
    simulator.fail("create", trouble)

    with pytest.raises((TransportError, ServerError)) as caught:
        await client.create_request("ITEM_MX")

    assert "ITEM_MX" == caught.value.report_type
    assert 1 == simulator.count("create")


@pytest.mark.parametrize(
    ("arguments", "name"),
    [
        ({"report_type": ""}, "report_type"),
        ({"report_type": "IT EM"}, "report_type"),
        ({"report_type": "ITEM_MX", "version": " "}, "version"),
        ({"report_type": "ITEM_MX", "filters": {"rowFilters": []}}, "filters"),
    ],
)
async def test_create_nonsense(client, simulator, arguments, name):
    """
    What cannot be right is refused before a byte is sent.
    """
    with pytest.raises(InvalidArgument, match=name):
        await client.create_request(**arguments)

    assert () == simulator.calls


# -- status ---------------------------------------------------------------------------------------


async def test_get(client, simulator, clock):
    """
    A request is told as it stands.
    """
    simulator.generation("ITEM_MX", 600)
    made = await client.create_request("ITEM_MX", filters=FILTERS)
    assert RequestStatus.RECEIVED is (await client.get_request(made.request_id)).status
    await clock.sleep(900)

    request = await client.get_request(made.request_id)

    assert RequestStatus.READY is request.status
    assert ("ITEM_MX", "v1", "API") == (request.report_type, request.version, request.source)
    assert made.submitted_at == request.submitted_at
    assert made.submitted_at + timedelta(seconds=600) == request.generated_at
    assert made.submitted_at + timedelta(days=30) == request.expires_at
    assert ["UPC"] == request.payload["excludeColumns"]


async def test_get_unknown(client):
    """
    An id that is wrong is not found.
    """
    with pytest.raises(RequestNotFound) as caught:
        await client.get_request("wrong")

    assert ("CONTENT_NOT_FOUND", 404) == (caught.value.code, caught.value.status)
    assert "wrong" == caught.value.request_id


async def test_get_expired(client, clock):
    """
    A request older than 30 days is not found.
    """
    made = await client.create_request("ITEM_MX")
    await clock.sleep(timedelta(days=30, seconds=1).total_seconds())

    with pytest.raises(RequestNotFound):
        await client.get_request(made.request_id)


async def test_get_of_another_seller(client, simulator, clock):
    """
    Another seller's request is not found.
    """
    request_id = simulator.add_request("ITEM_MX", clock.now(), account="somebody else")

    with pytest.raises(RequestNotFound):
        await client.get_request(request_id)


@pytest.mark.parametrize("call", ["get_request", "get_download_url"])
async def test_blank_id(client, simulator, call):
    """
    An id that cannot be one is refused before a byte is sent.
    """
    with pytest.raises(InvalidArgument, match="request_id"):
        await getattr(client, call)(" ")

    assert () == simulator.calls


# -- list -----------------------------------------------------------------------------------------


@pytest.fixture
def history(simulator, clock):
    """Some requests of the last days: names to ids."""

    def make():
        return {
            "ready": simulator.add_request(
                "ITEM_MX", clock.now() - timedelta(days=3), status="READY"
            ),
            "failed": simulator.add_request(
                "INVENTORY_MX", clock.now() - timedelta(days=2), status="ERROR"
            ),
            "running": simulator.add_request(
                "ITEM_MX", clock.now() - timedelta(hours=2), status="INPROGRESS"
            ),
            "received": simulator.add_request("INVENTORY_MX", clock.now()),
        }

    return make


async def test_list_all(client, history):
    """
    Without a filter all requests come, newest first, those of other programs too.
    """
    made = history()

    assert list(reversed(made.values())) == await ids(client)


@pytest.mark.parametrize(
    ("filters", "expected"),
    [
        ({"report_type": "ITEM_MX"}, ["running", "ready"]),
        ({"report_type": "CPA"}, []),
        ({"status": "READY"}, ["ready"]),
        ({"status": RequestStatus.ERROR}, ["failed"]),
        ({"status": "INPROGRESS"}, ["running"]),
        ({"status": "RECEIVED"}, ["received"]),
        ({"report_type": "ITEM_MX", "status": "READY"}, ["ready"]),
    ],
    ids=str,
)
async def test_list_filtered(client, history, filters, expected):
    """
    Each filter narrows the list, alone and together.
    """
    made = history()

    assert [made[name] for name in expected] == await ids(client, **filters)


async def test_list_one(client, history):
    """
    A list can be narrowed to one id.
    """
    made = history()

    assert [made["failed"]] == await ids(client, request_id=made["failed"])
    assert [] == await ids(client, request_id="wrong")


async def test_list_dates(client, history, clock):
    """
    Both dates together narrow the list to what was submitted between them.
    """
    made, now = history(), clock.now()
    between = {
        "submitted_after": now - timedelta(days=2, hours=1),
        "submitted_before": now - timedelta(hours=1),
    }

    assert [made["running"], made["failed"]] == await ids(client, **between)
    everything = {"report_type": "ITEM_MX", "request_id": made["running"], "status": "INPROGRESS"}
    assert [made["running"]] == await ids(client, **everything, **between)


async def test_list_of_the_last_30_days(client, history, clock):
    """
    A list of the last 30 days, to the second, is not refused for being late.
    """
    made = history()
    await clock.sleep(1.7)
    start = clock.now() - timedelta(days=30)

    found = await ids(client, submitted_after=start, submitted_before=clock.now())

    assert set(made.values()) == set(found)


@pytest.mark.parametrize(
    ("dates", "reason"),
    [
        ({"submitted_after": -1.0}, "submitted_before is missing"),
        ({"submitted_before": 0.0}, "submitted_after is missing"),
        ({"submitted_after": -30.1, "submitted_before": 0.0}, "not be older than 30 days"),
        ({"submitted_after": 0.0, "submitted_before": -1.0}, "must not be later"),
    ],
    ids=["no end", "no start", "too old", "reversed"],
)
async def test_list_refused_dates(client, simulator, clock, dates, reason):
    """
    Dates that the API would refuse are refused at once, before a byte is sent.
    """
    given = {name: clock.now() + timedelta(days=days) for name, days in dates.items()}

    with pytest.raises(InvalidArgument, match=reason):
        client.list_requests(**given)

    assert () == simulator.calls


@pytest.mark.parametrize("name", ["submitted_after", "submitted_before"])
async def test_list_naive_dates(client, simulator, clock, name):
    """
    A date without a time zone is refused at once: nobody knows which instant it means.
    """
    dates = {"submitted_after": clock.now(), "submitted_before": clock.now()}
    dates[name] = dates[name].replace(tzinfo=None)

    with pytest.raises(InvalidArgument, match=f"{name} must be timezone-aware"):
        client.list_requests(**dates)

    assert () == simulator.calls


@pytest.mark.parametrize("status", ["SUBMITTED", "DONE", RequestStatus.UNKNOWN])
async def test_list_unknown_status(client, simulator, status):
    """
    A status that the API does not filter by is refused at once.
    """
    with pytest.raises(InvalidArgument, match="status must be one of"):
        client.list_requests(status=status)

    assert () == simulator.calls


async def test_list_pages(client, simulator, clock):
    """
    A list longer than a page comes whole, in order, a page at a time.
    """
    made = [
        simulator.add_request(f"TYPE_{number}", clock.now() - timedelta(minutes=number))
        for number in range(34)
    ]
    requests = client.list_requests()

    assert made[:10] == [(await anext(requests)).request_id for _ in range(10)]
    assert 1 == simulator.count("list")
    assert made[10:] == [request.request_id async for request in requests]
    assert 4 == simulator.count("list")


async def test_list_pages_keep_the_filter(client, simulator, clock):
    """
    The filters hold on every page.
    """
    for number in range(40):
        name = "ITEM_MX" if number % 2 else "INVENTORY_MX"
        simulator.add_request(name, clock.now() - timedelta(minutes=number), status="READY")
    dates = {
        "submitted_after": clock.now() - timedelta(days=1),
        "submitted_before": clock.now(),
    }

    found = [request async for request in client.list_requests(report_type="ITEM_MX", **dates)]

    assert 20 == len(found)
    assert {"ITEM_MX"} == {request.report_type for request in found}


# -- link -----------------------------------------------------------------------------------------


async def test_link(client, history, clock):
    """
    A READY report has a signed link, which is not shown by accident.
    """
    link = await client.get_download_url(history()["ready"])

    assert link.expires_at > clock.now()
    assert "?" in link.url
    secret = link.url.partition("?")[2]
    assert secret not in repr(link)
    assert secret not in str(link)


async def test_link_too_early(client, history):
    """
    A report that is not READY has no link, and the error says how to wait for it.
    """
    request_id = history()["running"]

    with pytest.raises(ReportNotReady, match="INPROGRESS, not READY") as caught:
        await client.get_download_url(request_id)

    assert request_id in str(caught.value)
    assert "resume_report" in str(caught.value)
    assert ("ITEM_MX", request_id) == (caught.value.report_type, caught.value.request_id)


async def test_link_too_early_as_an_error(clock, new_client):
    """
    Where the server calls it an error that a report is not READY, it is one.
    """
    simulator = Simulator(rules=Rules(unready_link="error"))
    request_id = simulator.add_request("ITEM_MX", clock.now())
    async with new_client(transport=SimulatorTransport(simulator, clock)) as client:
        with pytest.raises(InvalidRequest, match="not READY") as caught:
            await client.get_download_url(request_id)

    assert request_id == caught.value.request_id


async def test_link_of_a_failure(client, history):
    """
    A report that ended in ERROR has no link, ever.
    """
    request_id = history()["failed"]

    with pytest.raises(ReportFailed) as caught:
        await client.get_download_url(request_id)

    assert ("INVENTORY_MX", request_id) == (caught.value.report_type, caught.value.request_id)


async def test_link_of_nothing(client, clock, history):
    """
    A report that is unknown, or older than 30 days, is not found.
    """
    request_id = history()["ready"]
    with pytest.raises(RequestNotFound, match="CONTENT_NOT_FOUND"):
        await client.get_download_url("wrong")
    await clock.sleep(timedelta(days=28).total_seconds())

    with pytest.raises(RequestNotFound, match="CONTENT_NOT_FOUND"):
        await client.get_download_url(request_id)


# -- the error codes of the API -------------------------------------------------------------------


def every_call(client):
    """Each of the calls that ask for something, as a name and what to await."""

    async def listing():
        return await ids(client, report_type="ITEM_MX")

    return {
        "create": lambda: client.create_request("ITEM_MX"),
        "list": listing,
        "status": lambda: client.get_request("R1"),
        "link": lambda: client.get_download_url("R1"),
    }


@pytest.mark.parametrize("endpoint", ["create", "list", "status", "link"])
async def test_system_error(client, simulator, endpoint):
    """
    SYSTEM_ERROR: wait and try again; a safe call has done so, a create has not.
    """
    simulator.fail(endpoint, 500, times=9)

    with pytest.raises(ServerError) as caught:
        await every_call(client)[endpoint]()

    assert ("SYSTEM_ERROR", 500) == (caught.value.code, caught.value.status)
    assert (1 if endpoint == "create" else 4) == simulator.count(endpoint)


@pytest.mark.parametrize(
    ("parameters", "reason"),
    [
        ({"requestSubmissionEndDate": None}, "give both dates"),
        ({"requestSubmissionStartDate": None}, "give both dates"),
        ({"requestSubmissionStartDate": "05/01/2026"}, "Bad date format"),
        ({"requestSubmissionStartDate": "2025-11-05T08:00:00Z"}, "older than 30 days"),
        ({"requestStatus": "DONE"}, "no status"),
    ],
    ids=["end missing", "start missing", "format", "too old", "status"],
)
async def test_invalid_request_param(tampered, clock, parameters, reason):
    """
    INVALID_REQUEST_PARAM is told with its reason, for each of its causes.
    """
    async with tampered(parameters=parameters) as client:
        with pytest.raises(InvalidRequest, match=reason) as caught:
            await ids(
                client,
                submitted_after=clock.now() - timedelta(days=1),
                submitted_before=clock.now(),
            )

    assert ("INVALID_REQUEST_PARAM", 400) == (caught.value.code, caught.value.status)
    assert caught.value.errors[0].field


async def test_invalid_report_type(clock, new_client):
    """
    INVALID_REQUEST_PARAM for a report type that the market does not have: nothing was made.
    """
    simulator = Simulator(rules=Rules(report_types=["ITEM_MX"]))
    async with new_client(transport=SimulatorTransport(simulator, clock)) as client:
        with pytest.raises(InvalidRequest) as caught:
            await client.create_request("ITEM_MARS")
        assert [] == await client.jobs()

    assert "INVALID_REQUEST_PARAM" == caught.value.code
    assert "ITEM_MARS" == caught.value.report_type


async def test_start_date_by_the_server_s_clock(simulator, clock, new_client):
    """
    What is older than 30 days is decided by the server's clock, once it is known.
    """
    theirs = LoopClock(start=clock.now() + timedelta(hours=1))
    theirs.now()
    transport = SimulatorTransport(simulator, theirs)
    async with new_client(transport=transport) as client:
        await ids(client)
        dates = {
            "submitted_after": clock.now() - timedelta(days=30),
            "submitted_before": clock.now(),
        }
        assert [] == await ids(client, **dates)


@pytest.mark.parametrize("endpoint", ["create", "list", "status", "link"])
async def test_missing_request_header(tampered, endpoint):
    """
    MISSING_REQUEST_HEADER is told as it is, for every call.
    """
    async with tampered(without="WM_SVC.NAME") as client:
        with pytest.raises(InvalidRequest, match=r"WM_SVC\.NAME") as caught:
            await every_call(client)[endpoint]()

    assert ("MISSING_REQUEST_HEADER", 400) == (caught.value.code, caught.value.status)


async def test_missing_channel_type(clock, new_client):
    """
    Where the account needs a channel type, its absence is told, and its presence is enough.
    """
    simulator = Simulator(rules=Rules(channel_type=True))
    transport = SimulatorTransport(simulator, clock)
    async with new_client(transport=transport) as client:
        with pytest.raises(APIError, match=r"WM_CONSUMER\.CHANNEL\.TYPE") as caught:
            await client.create_request("ITEM_MX")
        assert "MISSING_REQUEST_HEADER" == caught.value.code
    async with new_client(transport=transport, channel_type="0f3e4dd4") as client:
        await client.create_request("ITEM_MX")

    assert 1 == simulator.creates()


async def test_missing_request_param(clock, new_client, tampered):
    """
    MISSING_REQUEST_PARAM is told as it is: a list that wants a type, a create without one.
    """
    simulator = Simulator(rules=Rules(strict_list=True))
    async with new_client(transport=SimulatorTransport(simulator, clock)) as client:
        with pytest.raises(InvalidRequest) as caught:
            await ids(client)
        assert "MISSING_REQUEST_PARAM" == caught.value.code
        assert [] == await ids(client, report_type="ITEM_MX")
    for name in ("reportType", "reportVersion"):
        async with tampered(parameters={name: None}) as client:
            with pytest.raises(InvalidRequest, match=name) as caught:
                await client.create_request("ITEM_MX")
            assert "MISSING_REQUEST_PARAM" == caught.value.code


async def test_bad_credentials(clock, new_client):
    """
    Wrong credentials are told at the first call.
    """
    simulator = Simulator(rules=Rules(credentials={"id": "another"}))
    async with new_client(transport=SimulatorTransport(simulator, clock)) as client:
        with pytest.raises(AuthenticationError, match="Check the client id and secret"):
            await client.get_request("R1")


# -- budgets --------------------------------------------------------------------------------------


@pytest.mark.parametrize("endpoint", ["list", "status", "link"])
async def test_budget_known_spent(clock, new_client, endpoint):
    """
    A call that the server would refuse is refused without being made, with the time to come back.
    """
    simulator = Simulator(rules=Rules(budget=1))
    request_id = simulator.add_request("ITEM_MX", clock.now(), status="READY")
    async with new_client(transport=SimulatorTransport(simulator, clock)) as client:
        calls = {
            "list": lambda: ids(client, request_id=request_id),
            "status": lambda: client.get_request(request_id),
            "link": lambda: client.get_download_url(request_id),
        }
        await calls[endpoint]()
        with pytest.raises(RateLimited, match="Nothing was sent") as caught:
            await calls[endpoint]()

        assert 1 == simulator.count(endpoint)
        assert request_id == caught.value.request_id
        await clock.sleep((caught.value.retry_at - clock.now()).total_seconds())
        await calls[endpoint]()

    assert 2 == simulator.count(endpoint, 200)


async def test_budget_spent_in_the_middle(clock, new_client):
    """
    A list that needs more calls than are left breaks off with the time to come back.
    """
    simulator = Simulator(rules=Rules(budget=2))
    for number in range(25):
        simulator.add_request(f"TYPE_{number}", clock.now())
    async with new_client(transport=SimulatorTransport(simulator, clock)) as client:
        requests = client.list_requests()
        for _ in range(20):
            await anext(requests)
        with pytest.raises(RateLimited):
            await anext(requests)

    assert 0 == simulator.count("list", 429)


# -- the end --------------------------------------------------------------------------------------


@pytest.mark.parametrize("call", ["create_request", "get_request", "get_download_url"])
async def test_closed(new_client, simulator, call):
    """
    A closed client calls nobody.
    """
    async with new_client() as client:
        pass

    with pytest.raises(RuntimeError, match="closed"):
        await getattr(client, call)("ITEM_MX")
    with pytest.raises(RuntimeError, match="closed"):
        client.list_requests()
    assert () == simulator.calls


async def test_local_time(simulator, clock, new_client):
    """
    What the server tells as an instant can be converted to our time, once its clock is known.
    """
    theirs = LoopClock(start=clock.now() + timedelta(hours=1))
    theirs.now()
    async with new_client(transport=SimulatorTransport(simulator, theirs)) as client:
        assert clock.now() == client.local_time(clock.now())
        request = await client.create_request("ITEM_MX")

        assert abs(client.local_time(request.submitted_at) - clock.now()) < timedelta(seconds=2)


async def test_report_types(new_client):
    """
    A client knows the types of its market.
    """
    async with new_client() as client:
        assert client.report_types == ("ITEM_MX", "INVENTORY_MX")
