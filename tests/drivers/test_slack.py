"""The Slack driver, and a server that is as particular as Slack."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest

from dotagent.core.fit import utf16, visible
from dotagent.core.model import Message, Outcome, RejectDestination, RejectMessage, Retry, Sent
from dotagent.core.structure import structure
from dotagent.drivers import slack
from dotagent.ports import Response
from tests.drivers.harness import kit, message, parcel
from tests.support.http_server import Answer, Received, StrictServer

_KEYS = {"channel", "icon_emoji", "text", "username"}
_HTML = (("Content-Type", "text/html"),)  # Slack's type for its one-word answers


def _say(status: int, word: str) -> Answer:
    return Answer(status=status, body=word.encode(), headers=_HTML)


class SlackServer(StrictServer):
    """hooks.slack.com for one webhook. Stricter in that markup it would obey is refused too."""

    def settings(self) -> dict[str, Any]:
        """Settings with which this server accepts messages."""
        return {"webhook_url": f"{self.url}/services/T01ABCDEF/B01ABCDEF/{self.secret}"}

    def judge(self, request: Received) -> Answer:
        if request.target != f"/services/T01ABCDEF/B01ABCDEF/{self.secret}":
            return _say(404, "no_service")
        if request.method != "POST":
            return _say(405, "method_not_allowed")
        if request.header("content-type") != "application/json":
            return _say(400, "invalid_payload")
        try:
            payload = json.loads(request.body.decode())
        except ValueError:
            return _say(400, "invalid_payload")
        if not isinstance(payload, dict) or not set(payload) <= _KEYS:
            return _say(400, "invalid_payload")
        if payload.get("channel") == "#gone":
            return _say(404, "channel_not_found")
        return self._read(payload.get("text"))

    def _read(self, text: object) -> Answer:
        if not isinstance(text, str) or not visible(text):
            return _say(400, "no_text")
        if utf16(text) > 4_000:
            return _say(400, "msg_too_long")
        if re.search(r"[<>]|&(?!(?:amp|lt|gt);)|[\x00-\x08\x0b-\x1f\x7f]", text):
            return _say(400, "invalid_payload")
        if text.count("```") not in (0, 2) or (("```" in text) and not text.endswith("\n```")):
            return _say(400, "invalid_payload")
        return _say(200, "ok")


SERVER = SlackServer
BUSY = (
    (Answer(status=429, body=b'{"retry_after":3,"ok":false,"error":"rate_limited"}'), 3_000),
    (Answer(status=429, body=b"rate_limited", headers=(("Retry-After", "30"),)), 30_000),
)
URL = "https://hooks.slack.com/services/T01ABCDEF/B01ABCDEF/s3cr3t"


def config(**settings: Any) -> slack.Config:
    return slack.Config(**({"webhook_url": URL} | settings))


def body(text: Message, plain: bool = False, **settings: Any) -> bytes:
    return slack.request(config(**settings), text, plain).body


@pytest.mark.parametrize(
    ("settings", "text", "expected"),
    [
        ({}, message("a/b: ok"), '{"text":"a/b: ok"}'),
        (
            {"username": "dotagent", "icon_emoji": ":robot_face:", "channel": "#alerts"},
            message("a/b: ok"),
            '{"channel":"#alerts","icon_emoji":":robot_face:","text":"a/b: ok",'
            '"username":"dotagent"}',
        ),
        (
            {},
            message("a/b: failed", "x < y && <!channel>\n"),
            '{"text":"a/b: failed\\n```\\nx &lt; y &amp;&amp; &lt;!channel&gt;\\n```"}',
        ),
        ({}, message("é 😀 “x”"), '{"text":"é 😀 “x”"}'),
        (
            {},
            message("a", link="https://x.example/r?a=1&b=2"),
            '{"text":"a https://x.example/r?a=1&amp;b=2"}',
        ),
        ({"channel": "", "username": ""}, message("a"), '{"text":"a"}'),
    ],
)
def test_exact_request(settings: dict[str, str], text: Message, expected: str) -> None:
    """Compact JSON, keys sorted, only what is set, text escaped; the output in a code block."""
    request = slack.request(config(**settings), text, False)

    assert expected == request.body.decode()
    assert (URL, "POST", (("Content-Type", "application/json"),)) == (
        request.url,
        request.method,
        request.headers,
    )


def test_plain_request() -> None:
    """The plainer rendering keeps the channel and the line, and says that the output is missing."""
    request = body(message("a", "boom"), True, channel="#x", username="u", icon_emoji=":i:")

    assert {
        "channel": "#x",
        "text": "a\n(output left out: the service refused the full message)",
    } == json.loads(request)


def test_fences_stay_closed() -> None:
    """Backticks in line and output cannot open or close a code block."""
    text = json.loads(body(message("a ``` b", "x\n```\n````` <@U1>")))["text"]

    assert 2 == text.count("```")
    assert "x\n`\u200b``\n" in text


def test_long_text_is_cut_inside_the_block() -> None:
    """A long output loses its beginning, and the block is whole."""
    text = json.loads(body(message("a/b: failed", "&" * 5_000 + "the end")))["text"]

    assert slack.TEXT.most >= utf16(text) > slack.TEXT.most - 10
    assert re.match(r"a/b: failed\n```\n… [\d,]+ characters cut …\n&amp;", text)
    assert text.endswith("&amp;the end\n```")


@pytest.mark.parametrize("url", ["", "hooks.slack.com/x", "ftp://x/y", "https://", "http://a b/"])
def test_address_is_checked(url: str) -> None:
    """What is no web address is refused when the manifest is read, by its key."""
    found, problems = structure({"webhook_url": url}, slack.Config, "notifiers[0]")

    assert found is None
    assert ["notifiers[0].webhook_url"] == [problem.path for problem in problems]


def test_address_is_required() -> None:
    """Without an address there is no Slack."""
    _, problems = structure({}, slack.Config, "notifiers[0]")

    assert ["notifiers[0].webhook_url: missing; it must be set"] == [
        f"{problem.path}: {problem.message}" for problem in problems
    ]


D, P, R = RejectDestination, RejectMessage, Retry


@pytest.mark.parametrize(
    ("status", "said", "meaning"),
    [
        (200, "ok", Sent),
        (200, "ok\n", Sent),
        (200, '{"ok":true}', Sent),
        (200, "", R),
        (200, "<html><body>Log in to the café's network", R),
        (200, "okay", R),
        (200, '{"ok":false,"error":"channel_not_found"}', D),
        (200, '{"ok":false,"error":"invalid_blocks"}', P),
        (201, "ok", R),
        (302, "", D),
        (400, "invalid_payload", P),
        (400, "no_text", P),
        (400, "invalid_blocks", P),
        (400, "user_not_found", D),
        (400, "invalid_token", D),
        (400, "something new", P),
        (403, "action_prohibited", D),
        (403, "invalid_token", D),
        (404, "channel_not_found", D),
        (404, "no_service", D),
        (404, "no_team", D),
        (410, "channel_is_archived", D),
        (413, "", P),
        (429, "", R),
        (500, "rollup_error", R),
        (500, "no_service", D),
        (503, "<html>", R),
    ],
)
def test_answers(status: int, said: str, meaning: type[Outcome]) -> None:
    """Each answer Slack is known to give means what its page says, whatever its status."""
    assert isinstance(slack.classify(Response(status=status, body=said.encode())), meaning)


def test_answer_is_quoted() -> None:
    """The reason names status and word."""
    outcome = slack.classify(Response(status=404, body=b"no_service"))

    assert RejectDestination(why="Slack answered 404 Not Found: no_service") == outcome


@pytest.mark.parametrize(
    ("headers", "said", "after_ms"),
    [
        ({}, '{"retry_after":3,"ok":false,"error":"rate_limited"}', 3_000),
        ({}, '{"retry_after":0.5,"ok":false,"error":"rate_limited"}', 500),
        ({}, '{"retry_after":-1,"error":"rate_limited"}', None),
        ({}, '{"retry_after":true,"error":"rate_limited"}', None),
        ({}, '{"retry_after":1e400,"error":"rate_limited"}', None),
        ({"retry-after": "9"}, '{"retry_after":3,"error":"rate_limited"}', None),
    ],
)
def test_wait_of_the_body(headers: dict[str, str], said: str, after_ms: int | None) -> None:
    """The body's wait counts where no header tells one; nonsense does not."""
    outcome = slack.classify(Response(status=429, headers=headers, body=said.encode()))

    assert isinstance(outcome, Retry)
    assert after_ms == outcome.after_ms


async def test_end_to_end() -> None:
    """A message arrives with the headers of the contract, a wrong address is told apart."""
    async with SlackServer() as server, kit() as sender:
        settings = server.settings() | {"username": "dotagent"}
        sent = await sender.send(parcel("slack", settings, message=message("a", "b")))
        wrong = {"webhook_url": f"{server.url}/services/T01ABCDEF/B01ABCDEF/revoked-long-ago"}
        gone = await sender.send(parcel("slack", wrong))

    assert Sent() == sent
    assert RejectDestination(why="Slack answered 404 Not Found: no_service") == gone
    assert {"Host", "Accept", "Content-Type", "Content-Length"} == {
        name for name, _ in server.accepted[0].headers
    }
    assert "*/*" == server.accepted[0].header("Accept")
    assert b'{"text":"a\\n```\\nb\\n```","username":"dotagent"}' == server.accepted[0].body
