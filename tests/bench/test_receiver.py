"""The receiver takes every request, says when it came, and answers at once or never."""

from __future__ import annotations

import http.client
import socket
import time

from bench.peers import receiver


def test_arrivals_are_counted_and_dated() -> None:
    """Requests on a kept connection; the time of one lies between asking and answering."""
    with receiver() as target:
        connection = http.client.HTTPConnection("127.0.0.1", target.port)
        before = time.monotonic_ns()
        answers = [post(connection, body) for body in (b"x", b"y" * 100_000)]
        arrivals = [target.nth(1), target.nth(2)]
        after = time.monotonic_ns()
        connection.close()
        count = target.reset()

    assert [(200, b"ok")] * 2 == answers
    assert [before, *arrivals, after] == sorted([before, *arrivals, after])
    assert 2 == count


def post(connection: http.client.HTTPConnection, body: bytes) -> tuple[int, bytes]:
    """Status and body of the answer."""
    connection.request("POST", "/", body)
    answer = connection.getresponse()
    return answer.status, answer.read()


def test_one_that_hangs_takes_everything_and_answers_nothing() -> None:
    """The request has arrived, and no byte comes back."""
    with (
        receiver(hangs=True) as target,
        socket.create_connection(("127.0.0.1", target.port)) as connection,
    ):
        connection.sendall(b"POST / HTTP/1.1\r\nContent-Length: 1\r\n\r\nx")
        target.nth(1)
        connection.shutdown(socket.SHUT_WR)
        left = connection.recv(100)

    assert b"" == left
