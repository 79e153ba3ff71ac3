"""The ntfy driver, and a server that is as particular as ntfy."""

from __future__ import annotations

import json
import re
from email.header import decode_header, make_header
from typing import Any

import pytest

from dotagent.core.model import Message, Outcome, RejectDestination, RejectMessage, Retry, Sent
from dotagent.core.structure import structure
from dotagent.drivers import ntfy
from dotagent.ports import Response
from tests.drivers.harness import kit, message, parcel
from tests.support.http_server import Answer, Received, StrictServer

_ERRORS = {
    40007: (400, "invalid priority parameter"),
    40010: (400, "invalid request: topic name is not allowed"),
    40014: (400, "invalid request: attachments not allowed"),
    40057: (400, "invalid request: title too large"),
    40058: (400, "invalid request: tags too large"),
    40101: (401, "unauthorized"),
    40301: (403, "forbidden"),
    40401: (404, "page not found"),
    41301: (413, "attachment too large, or bandwidth limit reached"),
    42901: (429, "limit reached: too many requests"),
    42908: (429, "limit reached: daily message quota reached"),
    42909: (429, "limit reached: too many auth failures"),
    50001: (500, "internal server error"),
    50701: (507, "cannot publish to UnifiedPush topic without previously active subscriber"),
}
_RESERVED = {"docs", "static", "file", "app", "metrics", "account", "settings", "signup", "login"}
_JSON = (("Content-Type", "application/json"),)


def error(code: int, *headers: tuple[str, str]) -> Answer:
    """ntfy's own answer for one of its error codes."""
    status, text = _ERRORS[code]
    told = {"code": code, "http": status, "error": text}
    return Answer(status=status, body=json.dumps(told).encode(), headers=_JSON + headers)


class NtfyServer(StrictServer):
    """An ntfy server without attachments; the topic ``alerts`` is protected.

    The rules are those of server/server.go, server/util.go and server/errors.go. Stricter in one
    thing: a header with raw bytes beyond ASCII, which proxies mangle, is refused.
    """

    def settings(self) -> dict[str, Any]:
        """Settings with which this server accepts messages."""
        return {"topic": "alerts", "base_url": self.url, "token": self.secret}

    def judge(self, request: Received) -> Answer:
        if not re.fullmatch(r"/[-_A-Za-z0-9]{1,64}", request.target):
            return error(40401)
        if request.method not in ("POST", "PUT") or request.target[1:] in _RESERVED:
            return error(40010)
        if (refused := self._refuse_user(request)) is not None:
            return error(refused)
        if any(not value.isascii() for _, value in request.headers):
            return Answer(status=400, body=b"Bad Request")
        return self._publish(request)

    def _refuse_user(self, request: Received) -> int | None:
        user = request.header("authorization")
        if user is None:
            return 40301 if request.target == "/alerts" else None
        return None if user == f"Bearer {self.secret}" else 40101

    def _publish(self, request: Received) -> Answer:
        if not re.fullmatch(r"[1-5]?", request.header("x-priority") or ""):
            return error(40007)
        title = decoded(request, "x-title")
        tags = decoded(request, "x-tags")
        if len(title.encode()) > 1_024 or len(tags.encode()) > 512:
            return error(40057 if len(title.encode()) > 1_024 else 40058)
        try:
            text = request.body.decode().strip()
        except UnicodeDecodeError:
            return error(40014)
        if len(request.body) > 4_096:
            return error(40014)
        told = {
            "id": f"m{len(self.accepted):011d}",
            "event": "message",
            "topic": request.target[1:],
            "title": title,
            "message": text or "triggered",
            "tags": [tag.strip() for tag in tags.split(",") if tag],
        }
        return Answer(body=json.dumps(told).encode(), headers=_JSON)


def decoded(request: Received, name: str) -> str:
    """A header as ntfy reads it: RFC 2047 words decoded, trimmed."""
    return str(make_header(decode_header(request.header(name) or ""))).strip()


SERVER = NtfyServer
BUSY = (
    (error(42908, ("Date", "Mon, 21 Sep 2026 13:33:20 GMT")), 37_600_000),
    (error(42901, ("Retry-After", "60")), 60_000),
)


def built(text: Message, plain: bool = False, **settings: Any) -> tuple[str, dict[str, str], bytes]:
    request = ntfy.request(ntfy.Config(**({"topic": "alerts"} | settings)), text, plain)
    return request.url, dict(request.headers), request.body


@pytest.mark.parametrize(
    ("settings", "text", "url", "headers", "body"),
    [
        ({}, message("a/b: ok"), "https://ntfy.sh/alerts", {"X-Title": "disk"}, b"a/b: ok"),
        (
            {
                "base_url": "http://push.example:8080/ntfy//",
                "token": "tk_1",
                "priority": 4,
                "title": "backup",
                "tags": ("warning,skull", "ok"),
            },
            message("a/b: failed", "boom\n"),
            "http://push.example:8080/ntfy/alerts",
            {
                "Authorization": "Bearer tk_1",
                "X-Priority": "4",
                "X-Title": "backup",
                "X-Tags": "warning,skull,ok",
            },
            b"a/b: failed\nboom",
        ),
        (
            {"title": "Größe 😀", "tags": ("café", "ok")},
            message("é"),
            "https://ntfy.sh/alerts",
            {
                "X-Title": "=?utf-8?B?R3LDtsOfZSDwn5iA?=",
                "X-Tags": "=?utf-8?B?Y2Fmw6k=?=,ok",
            },
            "é".encode(),
        ),
        (
            {"title": "a\r\nX-Actions: http"},
            message("x", link="https://x.example/run/7"),
            "https://ntfy.sh/alerts",
            {"X-Title": "a X-Actions: http", "X-Click": "https://x.example/run/7"},
            b"x",
        ),
        (
            {},
            message("x", title="", agent="=?utf-8?B?eA==?=", link="javascript:alert(1)"),
            "https://ntfy.sh/alerts",
            {"X-Title": "=?utf-8?B?PT91dGYtOD9CP2VBPT0/PQ==?="},
            b"x",
        ),
    ],
)
def test_exact_request(
    settings: dict[str, Any], text: Message, url: str, headers: dict[str, str], body: bytes
) -> None:
    """The address, the X- headers of the contract and the raw body."""
    assert (url, headers, body) == built(text, **settings)


def test_plain_request() -> None:
    """The plainer rendering keeps line and title, and says that the output is missing."""
    text = message("a", "boom", link="https://x.example/")
    _, headers, body = built(text, True, tags=("x",))

    assert {"X-Title": "disk"} == headers
    assert b"a\n(output left out: the service refused the full message)" == body


def test_limits_are_bytes() -> None:
    """A message of emoji fills 4,096 bytes, not characters; a title is cut at 1,024."""
    _, headers, body = built(message("a", "😀" * 4_000), title="ü" * 2_000)
    title = str(make_header(decode_header(headers["X-Title"])))

    assert 4_096 >= len(body) > 4_090
    assert body.decode().endswith("😀")
    assert 1_024 >= len(title.encode()) > 1_020
    assert title.endswith("ü…")


def test_long_titles_are_several_words() -> None:
    """No RFC 2047 word is longer than 75 characters, and the words read as one text."""
    value = built(message(), title="ü" * 60)[1]["X-Title"]

    assert all(len(word) <= 75 for word in value.split(" "))
    assert "ü" * 60 == str(make_header(decode_header(value)))


@pytest.mark.parametrize(
    ("settings", "key"),
    [
        ({"topic": ""}, "topic"),
        ({"topic": "a/../b?x"}, "topic"),
        ({"topic": "a b"}, "topic"),
        ({"topic": "x" * 65}, "topic"),
        ({"base_url": "ntfy.sh"}, "base_url"),
        ({"base_url": "https://ntfy.sh?x=1"}, "base_url"),
        ({"priority": 0}, "priority"),
        ({"priority": 9}, "priority"),
        ({"tags": [" "]}, "tags"),
        ({"tags": ["x" * 600]}, "tags"),
        ({"token": "tk\n1"}, "token"),
    ],
)
def test_settings_are_checked(settings: dict[str, Any], key: str) -> None:
    """What ntfy would refuse is refused when the manifest is read, by its key."""
    found, problems = structure({"topic": "alerts"} | settings, ntfy.Config, "notifiers[2]")

    assert found is None
    assert [f"notifiers[2].{key}"] == [problem.path for problem in problems]


D, P, R = RejectDestination, RejectMessage, Retry


@pytest.mark.parametrize(
    ("answer", "meaning"),
    [
        (error(40007), P),
        (error(40010), D),
        (error(40014), P),
        (error(40057), P),
        (error(40101), D),
        (error(40301), D),
        (error(40401), D),
        (error(41301), P),
        (error(42901), R),
        (error(42908), R),
        (error(42909), D),
        (error(50001), R),
        (error(50701), R),
        (Answer(status=200, body=b"anything"), Sent),
        (Answer(status=204), Sent),
        (Answer(status=200, body=b"<!doctype html><title>Log in"), R),
        (Answer(status=301), D),
        (Answer(status=429, body=b"Too Many Requests"), R),
        (Answer(status=502, body=b"<html>"), R),
    ],
)
def test_answers(answer: Answer, meaning: type[Outcome]) -> None:
    """Each of ntfy's error codes means what its source says."""
    response = Response(status=answer.status, body=answer.body)

    assert isinstance(ntfy.classify(response), meaning)


def test_receipt() -> None:
    """A success carries ntfy's own id."""
    assert Sent(receipt="abc") == ntfy.classify(Response(status=200, body=b'{"id":"abc"}'))
    assert Sent() == ntfy.classify(Response(status=200, body=b'{"id":7}'))


def test_answer_is_quoted() -> None:
    """The reason names status, words and code."""
    response = Response(status=403, body=error(40301).body)

    assert RejectDestination(why="ntfy answered 403 Forbidden: forbidden (40301)") == ntfy.classify(
        response
    )


@pytest.mark.parametrize(
    ("code", "headers", "after_ms"),
    [
        (42901, {}, None),
        (42901, {"retry-after": "60"}, None),
        (42908, {"date": "Mon, 21 Sep 2026 13:33:20 GMT"}, 37_600_000),
        (42908, {}, 3_600_000),
        (42908, {"date": "whenever"}, 3_600_000),
    ],
)
def test_waits(code: int, headers: dict[str, str], after_ms: int | None) -> None:
    """The bucket gains one in 5 s; the quota ends at the server's midnight, by its own clock."""
    response = Response(status=429, headers=headers, body=error(code).body)
    outcome = ntfy.classify(response)

    assert isinstance(outcome, Retry)
    assert (after_ms, 5_000) == (outcome.after_ms, outcome.least_ms)


async def test_end_to_end() -> None:
    """A message arrives with exactly the headers of the contract; wrong tokens are told apart."""
    async with NtfyServer() as server, kit() as sender:
        settings = server.settings() | {"priority": 5, "tags": ["skull"], "title": "Größe"}
        sent = await sender.send(parcel("ntfy", settings, message=message("a", "b")))
        wrong = await sender.send(parcel("ntfy", settings | {"token": "tk_wrong"}))
        anonymous = await sender.send(parcel("ntfy", {"topic": "alerts", "base_url": server.url}))

    assert Sent(receipt="m00000000000") == sent
    assert RejectDestination(why="ntfy answered 401 Unauthorized: unauthorized (40101)") == wrong
    assert RejectDestination(why="ntfy answered 403 Forbidden: forbidden (40301)") == anonymous
    request = server.accepted[0]
    assert {
        "Host",
        "Accept",
        "Authorization",
        "X-Priority",
        "X-Title",
        "X-Tags",
        "Content-Length",
    } == {name for name, _ in request.headers}
    assert ("/alerts", b"a\nb", "Größe") == (
        request.target,
        request.body,
        decoded(request, "x-title"),
    )
