"""Connections that a thread reads from by the handful."""

from __future__ import annotations

import errno
import socket
import ssl
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from reports_async.transports._wire import EncryptedWire, Wire

LOCALHOST = Path(__file__).with_name("localhost.pem")


@pytest.fixture
def buffer():
    return memoryview(bytearray(1000))


@pytest.fixture
def plain():
    """A wire and the socket at its other end."""
    near, far = socket.socketpair()
    with near, far:
        yield Wire(near), far


@pytest.fixture
def encrypted():
    """A wire and the socket at its other end; hands are shaken."""
    near, far = socket.socketpair()
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.load_cert_chain(LOCALHOST)
    wire = EncryptedWire(near)
    with near, ThreadPoolExecutor(1) as pool:
        accepted = pool.submit(server.wrap_socket, far, server_side=True)
        wire.shake_hands(ssl.create_default_context(cafile=LOCALHOST), "localhost")
        with accepted.result() as other:
            yield wire, other


def test_fewer_than_wanted(plain, buffer):
    """Of what comes slowly, what there is after a moment is given."""
    wire, far = plain
    far.sendall(b"few")

    assert 3 == wire.receive(buffer, 1000)
    assert b"few" == buffer[:3]


def test_nothing(plain, buffer):
    """Who waits for nothing is told so, after the stall."""
    wire, _ = plain
    wire.stall = 0.001

    with pytest.raises(TimeoutError):
        wire.receive(buffer, 1000)


class GivenUp:
    """A socket of a connection that the system gives up: that is told once, then the end."""

    told = False

    def setsockopt(self, *_args):
        pass

    def settimeout(self, seconds):
        pass

    def recv_into(self, _buffer):
        if self.told:
            return 0
        self.told = True
        raise TimeoutError(errno.ETIMEDOUT, "Connection timed out")


def test_given_up(buffer):
    """A connection that the system gives up has broken, it has not ended."""
    with pytest.raises(TimeoutError, match="Connection timed out"):
        Wire(GivenUp()).receive(buffer, 1000)


@pytest.mark.parametrize("kind", ["plain", "encrypted"])
def test_both_ways(kind, request, buffer):
    """What is sent arrives, either way."""
    wire, far = request.getfixturevalue(kind)
    wire.sendall(b"hello")
    far.sendall(b"good day")

    assert b"hello" == far.recv(1000)
    assert b"good day" == wire.makefile("rb").read(8)
    far.shutdown(socket.SHUT_RDWR)
    assert 0 == wire.receive(buffer, 1000)


def test_farewell(encrypted, buffer):
    """What comes with the farewell is given first, then the end."""
    wire, far = encrypted
    far.sendall(b"good")
    # Returns when it has said farewell: it does not wait for ours.
    far.settimeout(0)
    with pytest.raises(ssl.SSLWantReadError):
        far.unwrap()

    assert 4 == wire.receive(buffer, 1000)
    assert 0 == wire.receive(buffer, 1000)


def test_damage(encrypted, buffer):
    """What comes before damage is given first; the damage is told, each time."""
    wire, far = encrypted
    far.sendall(b"good")
    socket.socket.sendall(far, b"\x17\x03\x03\x00\x20" + bytes(32))

    assert 4 == wire.receive(buffer, 1000)
    for _ in range(2):
        with pytest.raises(ssl.SSLError, match=r"(?i)\bmac\b"):
            wire.receive(buffer, 1000)
