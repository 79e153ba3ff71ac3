"""Keeping secrets out of outcomes."""

from __future__ import annotations

from urllib.parse import quote

import pytest

from dotagent.core.model import Outcome, RejectMessage, Retry, Sent
from dotagent.drivers.kit.redact import redactor, seal

MASK = "[redacted]"
HOOK = "https://bob:hunter22hunter@hooks.example/services/T01234567/p%2Fq%2Br-long?key=k3y-k3y-k3y"


@pytest.mark.parametrize(
    "leak",
    [
        HOOK,
        "/services/T01234567/p%2Fq%2Br-long",
        "T01234567",
        "p%2Fq%2Br-long",
        "p/q+r-long",
        "hunter22hunter",
        "k3y-k3y-k3y",
        "key=k3y-k3y-k3y",
        quote(HOOK, safe=""),
    ],
)
def test_parts_of_an_address(leak: str) -> None:
    """An address counts whole, by its path, its parts, its query and its user."""
    assert f"a {MASK} b" == redactor((HOOK,)).text(f"a {leak} b")


@pytest.mark.parametrize("leak", ["a/b+c d=", "a%2Fb%2Bc%20d%3D", "a/b%2Bc%20d%3D"])
def test_encoded_token(leak: str) -> None:
    """A token is found in its percent-encoded forms too."""
    assert MASK == redactor(("a/b+c d=",)).text(leak)


@pytest.mark.parametrize(
    ("value", "leak"),
    [("Bearer t0k-0123456789", "t0k-0123456789"), ("123456:AAE-0123456789", "AAE-0123456789")],
)
def test_parts_of_a_credential(value: str, leak: str) -> None:
    """The telling half of a header's value, or of a bot's token, counts without the other."""
    assert f"a {MASK} b" == redactor((value,)).text(f"a {leak} b")


def test_host_stays_readable() -> None:
    """Neither the host of an address nor a plain word in it is a secret: reasons name them."""
    text = "no connection to the services of hooks.example"

    assert text == redactor((HOOK,)).text(text)


@pytest.mark.parametrize("value", ["", "a", "abc"])
def test_too_short_to_be_a_secret(value: str) -> None:
    """A value of one to three characters does not blacken every sentence."""
    assert "an abc of it" == redactor((value,)).text("an abc of it")


def test_longest_first() -> None:
    """A secret that contains another is hidden whole."""
    assert f"x{MASK}y" == redactor(("abcd", "abcdefgh")).text("xabcdefghy")


@pytest.mark.parametrize(
    ("outcome", "sealed"),
    [
        (Sent(), Sent()),
        (Sent(receipt="id-abcdefgh"), Sent(receipt=f"id-{MASK}")),
        (Sent(receipt="\x00"), Sent()),
        (Sent(receipt="id-abcdefgh", rest_ms=7), Sent(receipt=f"id-{MASK}", rest_ms=7)),
        (Retry(why="abcdefgh", least_ms=7), Retry(why=MASK, least_ms=7)),
        (Retry(why="no abcdefgh\nhere", after_ms=5), Retry(why=f"no {MASK} here", after_ms=5)),
        (RejectMessage(why=""), RejectMessage(why="no reason was given")),
        (RejectMessage(why="x" * 9_000), RejectMessage(why="x" * 499 + "…")),
    ],
)
def test_seal(outcome: Outcome, sealed: Outcome) -> None:
    """An outcome's words are made one clean, bounded line without secrets."""
    assert sealed == seal(outcome, ["abcdefgh"])


def test_not_an_address() -> None:
    """A secret that only looks like an address is hidden all the same."""
    assert MASK == redactor(("https://[bad",)).text("https://[bad")
