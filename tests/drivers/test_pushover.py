"""The Pushover driver, and a server that is as particular as Pushover."""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import parse_qsl

import pytest

from dotagent.core.fit import visible
from dotagent.core.model import Message, Outcome, RejectDestination, RejectMessage, Retry, Sent
from dotagent.core.structure import structure
from dotagent.drivers import pushover
from dotagent.ports import Response
from tests.drivers.harness import kit, message, parcel
from tests.support.http_server import Answer, Received, StrictServer

_JSON = (("Content-Type", "application/json; charset=utf-8"),)
_REQUEST = "647d2300-702c-4b38-8b2f-d56326ae460b"
_USER = "user identifier is not a valid user, group, or subscribed user key"
_TOKEN = "application token is invalid, see https://pushover.net/api"
_KEYS = ("token", "user", "message", "priority", "title", "retry", "expire", "url", "url_title")


def refused(key: str, state: str, error: str, status: int = 400) -> Answer:
    """Pushover's own answer to input that will not do."""
    told = {key: state, "errors": [error], "status": 0, "request": _REQUEST}
    return Answer(status=status, body=json.dumps(told).encode(), headers=_JSON)


OVER_QUOTA = refused("message", "limit", "application is over its message limit", 429)


def over_quota(wait_s: int) -> Answer:
    """The month's messages are used up; there are new ones in so many seconds."""
    headers = (
        ("Date", "Mon, 21 Sep 2026 13:33:20 GMT"),
        ("X-Limit-App-Limit", "10000"),
        ("X-Limit-App-Remaining", "0"),
        ("X-Limit-App-Reset", str(1_789_997_600 + wait_s)),
    )
    return Answer(status=429, body=OVER_QUOTA.body, headers=_JSON + headers)


BUSY = ((over_quota(7_200), 7_200_000),)


class PushoverServer(StrictServer):
    """api.pushover.net for one user. Stricter in that unknown and disordered keys are refused."""

    def settings(self) -> dict[str, Any]:
        """Settings with which this server accepts messages."""
        return {"base_url": self.url, "token": self.secret, "user": self.secret, "priority": 2}

    def judge(self, request: Received) -> Answer:
        if (request.method, request.target) != ("POST", "/1/messages.json"):
            return Answer(status=404, body=b"{}")
        if request.header("content-type") != "application/x-www-form-urlencoded":
            return refused("token", "invalid", _TOKEN)
        pairs = parse_qsl(request.body.decode("ascii"), keep_blank_values=True, errors="strict")
        form = dict(pairs)
        if form.get("token") != self.secret:
            return refused("token", "invalid", _TOKEN)
        if form.get("user") != self.secret:
            return refused("user", "invalid", _USER)
        if [key for key, _ in pairs] != [key for key in _KEYS if key in form]:
            return refused("message", "invalid", "unknown or disordered parameters")
        return self._read(form)

    def _read(self, form: dict[str, str]) -> Answer:
        if not visible(form.get("message", "")):
            return refused("message", "cannot be blank", "message cannot be blank")
        for key, most in {"message": 1_024, "title": 250, "url": 512, "url_title": 100}.items():
            value = form.get(key, "")
            if len(value) > most or any(ord(char) < 32 and char not in "\n\t" for char in value):
                return refused(key, "is too long", f"{key} is too long (maximum is {most})")
        if form.get("priority", "0") not in ("-2", "-1", "0", "1", "2"):
            return refused("priority", "is invalid", "priority is invalid, see the API")
        if form.get("priority") != "2":
            told = {"status": 1, "request": _REQUEST}
            return Answer(body=json.dumps(told).encode(), headers=_JSON)
        for key, low, high in (("retry", 30, 10_800), ("expire", 1, 10_800)):
            if not low <= int(form.get(key, "0")) <= high:
                return refused(key, "must be supplied", f"{key} must be supplied with priority=2")
        told = {"receipt": "rLqVuqTRh62UzxtmqiaLzQmVcPgiCy", "status": 1, "request": _REQUEST}
        return Answer(body=json.dumps(told).encode(), headers=_JSON)


SERVER = PushoverServer


def form_of(text: Message, plain: bool = False, **settings: Any) -> str:
    config = pushover.Config(**({"token": "t0k", "user": "u5r"} | settings))
    return pushover.request(config, text, plain).body.decode()


@pytest.mark.parametrize(
    ("settings", "text", "expected"),
    [
        ({}, message("a/b: ok"), "token=t0k&user=u5r&message=a%2Fb%3A+ok&title=disk"),
        (
            {"priority": -2, "title": "Größe & more"},
            message("x", "boom\n"),
            "token=t0k&user=u5r&message=x%0Aboom&priority=-2&title=Gr%C3%B6%C3%9Fe+%26+more",
        ),
        (
            {"priority": 0},
            message("x=1&y", link="https://x.example/run/7?a=1&b=2"),
            "token=t0k&user=u5r&message=x%3D1%26y&priority=0&title=disk"
            "&url=https%3A%2F%2Fx.example%2Frun%2F7%3Fa%3D1%26b%3D2&url_title=Open+the+run",
        ),
        (
            {"priority": 2},
            message("x"),
            "token=t0k&user=u5r&message=x&priority=2&title=disk&retry=60&expire=3600",
        ),
        (
            {"priority": 2, "retry": 30, "expire": 10_800},
            message("x"),
            "token=t0k&user=u5r&message=x&priority=2&title=disk&retry=30&expire=10800",
        ),
        (
            {},
            message("x", link="https://x.example/" + "y" * 600),
            "token=t0k&user=u5r&message=x&title=disk",
        ),
    ],
)
def test_exact_request(settings: dict[str, Any], text: Message, expected: str) -> None:
    """A form in the contract's order; retry and expire exactly with priority 2."""
    assert expected == form_of(text, **settings)


def test_address() -> None:
    """The contract's address, or one below ``base_url``; the keys are in the body only."""
    usual = pushover.request(pushover.Config(token="t", user="u"), message(), False)
    own = pushover.Config(token="t", user="u", base_url="http://127.0.0.1:8/p//")

    assert "https://api.pushover.net/1/messages.json" == usual.url
    assert (("Content-Type", "application/x-www-form-urlencoded"),) == usual.headers
    assert "http://127.0.0.1:8/p/1/messages.json" == pushover.request(own, message(), False).url


def test_plain_request() -> None:
    """The plainer rendering keeps the line and says that the output is missing."""
    form = dict(parse_qsl(form_of(message("a", "boom", link="https://x.example/"), True)))

    assert {
        "token": "t0k",
        "user": "u5r",
        "message": "a\n(output left out: the service refused the full message)",
        "title": "disk",
    } == form


def test_limits_are_characters() -> None:
    """1,024 emoji are 1,024 characters, as are 250 in the title."""
    form = dict(parse_qsl(form_of(message("a", "😀" * 4_000), title="😀" * 300)))

    assert 1_024 >= len(form["message"]) > 1_020
    assert form["message"].endswith("😀")
    assert "😀" * 249 + "…" == form["title"]


@pytest.mark.parametrize(
    ("settings", "key"),
    [
        ({"token": " "}, "token"),
        ({"user": ""}, "user"),
        ({"priority": 3}, "priority"),
        ({"priority": -3}, "priority"),
        ({"priority": 1, "retry": 60}, "retry"),
        ({"expire": 60}, "expire"),
        ({"priority": 2, "retry": 29}, "retry"),
        ({"priority": 2, "expire": 10_801}, "expire"),
        ({"base_url": "api.pushover.net"}, "base_url"),
        ({"base_url": "https://x.example/?a"}, "base_url"),
    ],
)
def test_settings_are_checked(settings: dict[str, Any], key: str) -> None:
    """What Pushover would refuse is refused when the manifest is read, by its key."""
    table = {"token": "t", "user": "u"} | settings
    found, problems = structure(table, pushover.Config, "notifiers[0]")

    assert found is None
    assert [f"notifiers[0].{key}"] == [problem.path for problem in problems]


D, P, R = RejectDestination, RejectMessage, Retry


@pytest.mark.parametrize(
    ("answer", "meaning"),
    [
        (Answer(body=b'{"status":1,"request":"x"}'), Sent),
        (Answer(body=b'{"status":0,"errors":["x"]}'), P),
        (Answer(body=b'{"token":"invalid","status":0}'), D),
        (Answer(body=b"ok"), R),
        (Answer(body=b"<html>Log in to the network"), R),
        (Answer(status=204), R),
        (refused("user", "invalid", _USER), D),
        (refused("token", "invalid", _TOKEN), D),
        (refused("message", "cannot be blank", "message cannot be blank"), P),
        (refused("retry", "must be supplied", "retry must be supplied with priority=2"), P),
        (Answer(status=401), D),
        (Answer(status=413), P),
        (OVER_QUOTA, R),
        (Answer(status=500), R),
        (Answer(status=502, body=b"<html>"), R),
    ],
)
def test_answers(answer: Answer, meaning: type[Outcome]) -> None:
    """Each answer means what Pushover's page says of it."""
    response = Response(status=answer.status, body=answer.body)

    assert isinstance(pushover.classify(response), meaning)


def test_answer_is_quoted() -> None:
    """The reason names the status and Pushover's own words."""
    response = Response(status=400, body=refused("user", "invalid", _USER).body)

    assert RejectDestination(why=f"Pushover answered 400 Bad Request: {_USER}") == (
        pushover.classify(response)
    )


@pytest.mark.parametrize("status", [429, 500, 503])
def test_rests_five_seconds_at_least(status: int) -> None:
    """After a failure on its side Pushover is asked again after five seconds, not sooner."""
    outcome = pushover.classify(Response(status=status))

    assert isinstance(outcome, Retry)
    assert (None, 5_000) == (outcome.after_ms, outcome.least_ms)


@pytest.mark.parametrize(
    ("headers", "after_ms"),
    [
        ({"x-limit-app-reset": "1789998000"}, 400_000),
        ({"x-limit-app-reset": "1792000000"}, 2_002_400_000),
        ({"x-limit-app-reset": "1789997599"}, None),
        ({"x-limit-app-reset": "soon"}, None),
        ({"x-limit-app-reset": "9" * 40}, None),
        ({}, None),
    ],
)
def test_quota(headers: dict[str, str], after_ms: int | None) -> None:
    """A used-up month waits for its end, by Pushover's own clock."""
    date = {"date": "Mon, 21 Sep 2026 13:33:20 GMT"}
    outcome = pushover.classify(Response(status=429, headers=date | headers))

    assert isinstance(outcome, Retry)
    assert after_ms == outcome.after_ms


def test_quota_without_a_clock() -> None:
    """An instant says nothing where the time of the answer is not told."""
    outcome = pushover.classify(Response(status=429, headers={"x-limit-app-reset": "1789998000"}))

    assert isinstance(outcome, Retry)
    assert outcome.after_ms is None


async def test_end_to_end() -> None:
    """An emergency arrives and gives its receipt; keys of nobody are told apart."""
    async with PushoverServer() as server, kit() as sender:
        settings = server.settings()
        sent = await sender.send(parcel("pushover", settings, message=message("a", "b")))
        normal = await sender.send(parcel("pushover", settings | {"priority": 1}))
        wrong = await sender.send(parcel("pushover", settings | {"user": "nobody-0123456789"}))

    assert Sent(receipt="rLqVuqTRh62UzxtmqiaLzQmVcPgiCy") == sent
    assert Sent(receipt=_REQUEST) == normal
    assert RejectDestination(why=f"Pushover answered 400 Bad Request: {_USER}") == wrong
    assert {"Host", "Accept", "Content-Type", "Content-Length"} == {
        name for name, _ in server.accepted[0].headers
    }
