"""The strict server serves tests that have an event loop, and tests that have none."""

from __future__ import annotations

import http.client

import pytest

from tests.support.http_server import Answer, StrictServer
from tests.support.serving import serving


def post(server: StrictServer, body: bytes) -> tuple[int, bytes]:
    """One request by another client than ours."""
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=10)
    connection.request("POST", "/x", body)
    answer = connection.getresponse()
    said = answer.status, answer.read()
    connection.close()
    return said


def test_serves_from_a_thread() -> None:
    """Started from a plain function, it answers, keeps what it accepted, and waits for more."""
    with serving(StrictServer()) as server:
        server.script(Answer(status=503, body=b"busy"))
        answers = [post(server, body) for body in (b"one", b"two", b"three")]

        assert [(503, b"busy"), (200, b"ok"), (200, b"ok")] == answers
        assert [b"two", b"three"] == [each.body for each in server.wait_for(2)]
        assert [b"one", b"two", b"three"] == [each.body for each in server.requests]


def test_waits_no_longer_than_asked() -> None:
    """What does not arrive is an error that says how much did."""
    with (
        serving(StrictServer()) as server,
        pytest.raises(AssertionError, match="0 of 1 messages arrived"),
    ):
        server.wait_for(1, patience=0.01)


async def test_comes_back_on_the_same_port() -> None:
    """A server that was stopped can be started again where it was: an outage that ends."""
    server = StrictServer()
    await server.start()
    first = server.port
    await server.stop()
    await server.stop()
    await server.start()
    second = server.port
    await server.stop()

    assert first == second
