"""The access token: made once for all callers, renewed before it expires."""

from __future__ import annotations

import anyio
import pytest

from reports_async import AuthenticationError, TransportError
from reports_async._auth import TokenKeeper
from reports_async._sansio.replies import Token

pytestmark = pytest.mark.anyio


class TokenServer:
    """
    Makes tokens; fails as it is told, an answer for each call.
    """

    def __init__(self, *failures, lifetime=900.0):
        self.calls = 0
        self.failures = list(failures)
        self.lifetime = lifetime
        self.gate = None

    async def __call__(self):
        self.calls += 1
        number = self.calls
        await anyio.lowlevel.checkpoint()
        if self.gate is not None:
            await self.gate.wait()
        if self.failures and (failure := self.failures.pop(0)) is not None:
            raise failure
        return Token(value=f"token-{number}", expires_in=self.lifetime)


def refusal():
    return AuthenticationError("Wrong credentials.", status=400, code="INVALID_TOKEN")


@pytest.fixture
def server():
    return TokenServer()


@pytest.fixture
def keeper(server, clock):
    return TokenKeeper(server, clock=clock)


async def outcomes(keeper, callers):
    """What so many concurrent callers get: tokens or errors."""
    got = []

    async def call():
        try:
            got.append(await keeper.token())
        except Exception as exc:  # noqa: BLE001 -- whatever comes is told
            got.append(exc)

    async with anyio.create_task_group() as group:
        for _ in range(callers):
            group.start_soon(call)
    return got


async def test_cached(keeper, server):
    """
    A token is made once and kept.
    """
    assert ["token-1"] * 3 == [await keeper.token() for _ in range(3)]
    assert 1 == server.calls


async def test_renewed_early(keeper, server, clock):
    """
    A token is renewed a minute before it expires, not earlier.
    """
    await keeper.token()
    await clock.sleep(839)
    assert "token-1" == await keeper.token()
    await clock.sleep(1)
    assert "token-2" == await keeper.token()


async def test_age_counts_from_the_question(keeper, server, clock):
    """
    How long the token call took is taken off the token's life.
    """
    server.gate = anyio.Event()
    async with anyio.create_task_group() as group:
        group.start_soon(keeper.token)
        await clock.sleep(30)
        server.gate.set()
    await clock.sleep(810)

    assert "token-2" == await keeper.token()


async def test_short_lived(clock):
    """
    A token that lives less than two minutes is used for half its life.
    """
    server = TokenServer(lifetime=100.0)
    keeper = TokenKeeper(server, clock=clock)
    await keeper.token()
    await clock.sleep(49)
    assert "token-1" == await keeper.token()
    await clock.sleep(1)
    assert "token-2" == await keeper.token()


async def test_one_call_for_all(keeper, server):
    """
    A hundred callers without a token cost one token call.
    """
    assert ["token-1"] * 100 == await outcomes(keeper, 100)
    assert 1 == server.calls


async def test_one_renewal_for_all(keeper, server, clock):
    """
    A hundred callers with a token that expires cost one renewal.
    """
    await keeper.token()
    await clock.sleep(850)

    assert ["token-2"] * 100 == await outcomes(keeper, 100)


async def test_refused_for_all(clock):
    """
    A hundred callers with bad credentials cost one token call, and each gets an error of its own.
    """
    server = TokenServer(refusal())
    errors = await outcomes(TokenKeeper(server, clock=clock), 100)

    assert 1 == server.calls
    assert {AuthenticationError} == {type(error) for error in errors}
    assert 100 == len({id(error) for error in errors})
    assert {("Wrong credentials.", 400, "INVALID_TOKEN")} == {
        (str(error), error.status, error.code) for error in errors
    }


async def test_refused_then_asked_anew(clock):
    """
    A refusal holds for those who waited for it; who asks later asks the server.
    """
    server = TokenServer(refusal())
    keeper = TokenKeeper(server, clock=clock)
    with pytest.raises(AuthenticationError):
        await keeper.token()

    assert "token-2" == await keeper.token()


async def test_failure_for_all(clock):
    """
    A broken connection is told to all who waited for it, with its cause, for one call.
    """
    cause = OSError("reset")
    broken = TransportError("No answer.")
    broken.__cause__ = cause
    server = TokenServer(broken)
    errors = await outcomes(TokenKeeper(server, clock=clock), 10)

    assert 1 == server.calls
    assert {TransportError} == {type(error) for error in errors}
    assert {cause} == {error.__cause__ for error in errors}


async def test_errors_are_not_shared(clock):
    """
    What one caller notes on its error, its request id, is not found on another's.
    """
    keeper = TokenKeeper(TokenServer(refusal()), clock=clock)
    got = []

    async def call(number):
        try:
            await keeper.token()
        except AuthenticationError as exc:
            exc.request_id = exc.request_id or f"R{number}"
            got.append(exc.request_id)

    async with anyio.create_task_group() as group:
        for number in range(3):
            group.start_soon(call, number)

    assert ["R0", "R1", "R2"] == sorted(got)


async def test_failures_are_told_once(clock):
    """
    Who waits behind a second leader, who gives up, does not get the first one's failure.
    """
    server = TokenServer(refusal())
    keeper = TokenKeeper(server, clock=clock)
    with pytest.raises(AuthenticationError):
        await keeper.token()
    server.gate = anyio.Event()
    leader, got = anyio.CancelScope(), []

    async def lead():
        with leader:
            await keeper.token()

    async def follow():
        got.append(await keeper.token())

    async with anyio.create_task_group() as group:
        group.start_soon(lead)
        await anyio.wait_all_tasks_blocked()
        group.start_soon(follow)
        await anyio.wait_all_tasks_blocked()
        leader.cancel()
        server.gate.set()

    assert ["token-3"] == got


async def test_defect(clock):
    """
    A defect is raised to who met it; the next caller tries for itself.
    """
    server = TokenServer(ValueError("broken"))
    got = await outcomes(TokenKeeper(server, clock=clock), 2)

    assert ValueError is type(got[0])
    assert "token-2" == got[1]


async def test_cancelled_leader(keeper, server):
    """
    When the caller who renews is cancelled, the next one in the line takes over.
    """
    server.gate = anyio.Event()
    leader, got = anyio.CancelScope(), []

    async def lead():
        with leader:
            await keeper.token()

    async def follow():
        got.append(await keeper.token())

    async with anyio.create_task_group() as group:
        group.start_soon(lead)
        await anyio.wait_all_tasks_blocked()
        group.start_soon(follow)
        group.start_soon(follow)
        await anyio.wait_all_tasks_blocked()
        leader.cancel()
        await anyio.wait_all_tasks_blocked()
        assert 2 == server.calls
        server.gate.set()

    assert ["token-2"] * 2 == got


async def test_invalidated(keeper, server):
    """
    A token that the API refused is renewed, once: a second complaint is about the old one.
    """
    old = await keeper.token()
    keeper.invalidate(old)
    new = await keeper.token()
    keeper.invalidate(old)

    assert ["token-2"] * 2 == [new, await keeper.token()]


async def test_repr(keeper, clock):
    """
    It tells how long its token is good for, and never the token.
    """
    assert "<TokenKeeper no token>" == repr(keeper)
    await keeper.token()
    await clock.sleep(40)
    assert "<TokenKeeper token good for 800 s>" == repr(keeper)
    await clock.sleep(4000)
    assert "<TokenKeeper token good for 0 s>" == repr(keeper)
