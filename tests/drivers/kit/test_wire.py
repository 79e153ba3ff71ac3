"""Reading answers, and text for headers."""

from __future__ import annotations

from email.header import decode_header, make_header

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dotagent.core.fit import one_line
from dotagent.core.model import Outcome, RejectDestination, RejectMessage, Retry, Sent, Unknown
from dotagent.drivers.kit.wire import (
    answered,
    by_status,
    header_text,
    json_of,
    link_of,
    moved,
    plain_tail,
    title_of,
    url_problem,
)
from dotagent.ports import Response
from tests.drivers.harness import message


@pytest.mark.parametrize(
    ("status", "meaning"),
    [
        (100, Unknown),
        (200, Sent),
        (202, Sent),
        (299, Sent),
        (304, RejectDestination),
        (400, RejectMessage),
        (401, RejectDestination),
        (404, RejectDestination),
        (405, RejectDestination),
        (407, Retry),
        (408, Retry),
        (410, RejectDestination),
        (413, RejectMessage),
        (418, RejectMessage),
        (422, RejectMessage),
        (425, Retry),
        (429, Retry),
        (500, Retry),
        (599, Retry),
    ],
)
def test_by_status(status: int, meaning: type[Outcome]) -> None:
    """What a status means by itself."""
    assert isinstance(by_status("X", Response(status=status)), meaning)


@pytest.mark.parametrize(
    ("response", "said"),
    [
        (Response(status=404), "X answered 404 Not Found"),
        (Response(status=404, body=b" no\nsuch\x1b[1m "), "X answered 404 Not Found: no such"),
        (Response(status=599, body=b"\xff"), "X answered 599: \ufffd"),
        (Response(status=502, body=b"\n<html>oh"), "X answered 502 Bad Gateway"),
        (
            Response(status=200, body=b"<!doctype html>Log in"),
            "X answered 200 OK with a web page; is a network's login page in between?",
        ),
    ],
)
def test_answered(response: Response, said: str) -> None:
    """Status and a short, clean quotation; a web page is not quoted."""
    assert said == answered("X", response)


def test_quotation_is_short() -> None:
    """A long body does not make a long reason."""
    assert 200 > len(answered("X", Response(status=500, body=b"y" * 60_000)))


@pytest.mark.parametrize(
    ("location", "place"),
    [
        ("https://new.example/a/secret?x=1", "to host new.example"),
        ("/elsewhere", "away"),
        ("", "away"),
        ("https://[bad", "away"),
        ("https://exämple/", "away"),
    ],
)
def test_moved(location: str, place: str) -> None:
    """A redirect names the new host and nothing more of the address."""
    outcome = moved("X", Response(status=301, headers={"location": location}))

    assert (
        f"X answered 301 Moved Permanently: the address has moved {place}; "
        "put the new address into the configuration"
    ) == outcome.why


@pytest.mark.parametrize("body", [b"", b"[]", b"1", b"\xff", b"{", b"[" * 100_000])
def test_no_json(body: bytes) -> None:
    """What is no JSON object reads as an empty one."""
    assert {} == json_of(Response(status=200, body=body))


@settings(max_examples=200)
@given(st.text(st.characters(codec=None), max_size=200))
def test_any_header(text: str) -> None:
    """Any text becomes one printable ASCII value that reads as the same line."""
    value = header_text(text)

    assert value.isascii()
    assert value.isprintable()
    assert all(len(word) <= 75 for word in value.split(" ") if word.startswith("=?"))
    assert one_line(text).split() == str(make_header(decode_header(value))).split()


@pytest.mark.parametrize(
    ("url", "problem"),
    [
        ("https://a.example/x?y#z", None),
        ("http://[::1]:8080/", None),
        ("http://user:pass@a.example", None),
        ("a.example", "must start with https:// or http://"),
        ("httpx://a", "must start with https:// or http://"),
        ("HTTPS://A.EXAMPLE", None),
        ("http://", "has no host"),
        ("http:///path", "has no host"),
        ("http://a.example/x y", "holds a space or a control character"),
        ("http://a.example/\x7f", "holds a space or a control character"),
        ("http://a:99999/", "is not a valid address"),
        ("http://[::1/", "is not a valid address"),
    ],
)
def test_url_problem(url: str, problem: str | None) -> None:
    """What is wrong with an address, without repeating it."""
    assert problem == url_problem(url)


@pytest.mark.parametrize(
    ("link", "shown"),
    [
        ("https://a.example/run/7", "https://a.example/run/7"),
        ("javascript:alert(1)", None),
        ("https://a b", None),
        ("https://ä.example", None),
        ("https://a.example/" + "x" * 1_000, None),
        ("", None),
        (None, None),
        (7, None),
    ],
)
def test_link(link: str | None, shown: str | None) -> None:
    """Only a plain web address is offered to be tapped."""
    assert shown == link_of(message(link=link))


def test_title() -> None:
    """The configured title, else the message's, else the agent's name, else our own."""
    assert "a" == title_of(message(), "a", 10)
    assert "disk" == title_of(message(), "\x00 ", 10)
    assert "agent" == title_of(message(title="", agent="agent"), None, 10)
    assert "dotagent" == title_of(message(title="", agent=""), None, 10)
    assert "üü…" == title_of(message(), "üüüüüü", 8)


def test_plain_tail() -> None:
    """Only a message that had output says that it is missing."""
    assert "" == plain_tail(message())
    assert plain_tail(message(tail="x")).startswith("(output left out")
