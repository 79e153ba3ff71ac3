"""The Discord driver, and a server that is as particular as Discord."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import Any

import pytest

from dotagent import __version__
from dotagent.core.fit import utf16, visible
from dotagent.core.model import Message, Outcome, RejectDestination, RejectMessage, Retry, Sent
from dotagent.core.structure import structure
from dotagent.drivers import discord
from dotagent.ports import Response
from tests.drivers.harness import kit, message, parcel
from tests.support.http_server import Answer, Received, StrictServer

_JSON = (("Content-Type", "application/json"),)
_KEYS = {"allowed_mentions", "content"}
_HOOK = "1234567890"


def refused(status: int, code: int, words: str) -> Answer:
    """Discord's own form of an error."""
    body = json.dumps({"message": words, "code": code}).encode()
    return Answer(status=status, body=body, headers=_JSON)


def busy(retry_after: float, header: str | None = None) -> Answer:
    """Too many messages, as Discord's page on rate limits shows it."""
    told = {"message": "You are being rate limited.", "retry_after": retry_after, "global": False}
    headers = (("Retry-After", header),) if header else ()
    return Answer(status=429, body=json.dumps(told).encode(), headers=_JSON + headers)


BUSY = ((busy(64.57, "65"), 65_000), (busy(1.5), 1_500))


@dataclass(slots=True)
class DiscordServer(StrictServer):
    """discord.com for one webhook. Stricter in that markup it would obey is refused too."""

    remaining: int = 5
    """Messages that may still come before the bucket is empty; then 5 more."""

    def settings(self) -> dict[str, Any]:
        """Settings with which this server accepts messages."""
        return {"webhook_url": f"{self.url}/api/webhooks/{_HOOK}/{self.secret}"}

    def judge(self, request: Received) -> Answer:
        agent = request.header("user-agent") or ""
        if not re.fullmatch(r"DiscordBot \(https://\S+, \d+(\.\d+)*\).*", agent):
            # https://discord.com/developers/docs/reference#user-agent
            return Answer(status=403, body=b"error code: 1010")
        path, _, query = request.target.partition("?")
        if not path.startswith(f"/api/webhooks/{_HOOK}/"):
            return refused(404, 10015, "Unknown Webhook")
        if path != f"/api/webhooks/{_HOOK}/{self.secret}":
            return refused(401, 50027, "Invalid Webhook Token")
        if request.method != "POST" or request.header("content-type") != "application/json":
            return refused(400, 50109, "The request body contains invalid JSON.")
        try:
            payload = json.loads(request.body.decode())
        except ValueError:
            return refused(400, 50109, "The request body contains invalid JSON.")
        if set(payload) != _KEYS or payload["allowed_mentions"] != {"parse": []}:
            return refused(400, 50035, "Invalid Form Body")
        if (answer := self._read(payload["content"])) is not None:
            return answer
        return self._taken("wait=true" in query.split("&"))

    def _read(self, content: object) -> Answer | None:
        if not isinstance(content, str) or not visible(content):
            return refused(400, 50006, "Cannot send an empty message")
        if utf16(content) > 2_000 or re.search(r"[\x00-\x08\x0b-\x1f\x7f]", content):
            return refused(400, 50035, "Invalid Form Body")
        outside = re.sub(r"\n<https?://[^<>\s]*>\Z", "", content)
        outside = re.sub(r"(\A|\n)```\n(?:(?!```).)*\n```\Z", "", outside, flags=re.S)
        if re.search(r"(?<!\\)(?:\\\\)*[*_~`|<>\[\]@]|^[#+-]", outside, re.M):
            return refused(400, 50035, "Invalid Form Body")
        return None

    def _taken(self, wait: bool) -> Answer:
        self.remaining = (self.remaining or 5) - 1
        limits = (
            ("X-RateLimit-Limit", "5"),
            ("X-RateLimit-Remaining", str(self.remaining)),
            ("X-RateLimit-Reset-After", "0.25"),
        )
        if not wait:
            return Answer(status=204, headers=limits)
        told = {"id": f"90{len(self.accepted)}", "type": 0}
        return Answer(body=json.dumps(told).encode(), headers=_JSON + limits)


SERVER = DiscordServer
URL = "https://discord.com/api/webhooks/1/s3cr3t"


def content(text: Message, plain: bool = False) -> str:
    request = discord.request(discord.Config(webhook_url=URL), text, plain)
    found: str = json.loads(request.body)["content"]
    return found


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (message("a/b: ok"), "a/b: ok"),
        (message("a", "x < *y* @everyone\n"), "a\\n```\\nx < *y* @everyone\\n```"),
        (message("*a* @here é 😀"), "\\\\*a\\\\* \\\\@here é 😀"),
        (message("a", link="https://x.example/r_1?a=1&b=2"), "a\\n<https://x.example/r_1?a=1&b=2>"),
        (message("# a_b"), "\\\\# a\\\\_b"),
    ],
)
def test_exact_request(text: Message, expected: str) -> None:
    """Compact JSON, keys sorted; nobody is mentioned; the output in a code block."""
    request = discord.request(discord.Config(webhook_url=URL), text, False)

    assert f"{URL}?wait=true" == request.url
    agent = f"DiscordBot (https://github.com/avelino/dotagent, {__version__})"
    assert (("Content-Type", "application/json"), ("User-Agent", agent)) == request.headers
    assert f'{{"allowed_mentions":{{"parse":[]}},"content":"{expected}"}}' == request.body.decode()


def test_thread() -> None:
    """An address with a thread keeps it."""
    config = discord.Config(webhook_url=f"{URL}?thread_id=7")

    assert f"{URL}?thread_id=7&wait=true" == discord.request(config, message(), False).url


def test_plain_request() -> None:
    """The plainer rendering has no block and no link."""
    text = message("a", "boom", link="https://x.example/")

    assert "a\n(output left out: the service refused the full message)" == content(text, True)


def test_fences_stay_closed() -> None:
    """Backticks in line and output cannot open or close a code block."""
    text = content(message("a ``` b", "x\n```\n````` <@1>\n`"))

    assert 2 == text.count("```")
    assert text.startswith("a \\`\\`\\` b\n```\nx\n`\u200b``\n")
    assert text.endswith(" <@1>\n`\n```")


def test_long_text_is_cut_inside_the_block() -> None:
    """A long output loses its beginning; block and link are whole and inside the limit."""
    text = content(message("a/b: failed", "é" * 5_000 + "the end", link="https://x.example/"))

    assert 2_000 >= utf16(text) > 1_990
    assert re.match(r"a/b: failed\n```\n… [\d,]+ characters cut …\né", text)
    assert text.endswith("éthe end\n```\n<https://x.example/>")


@pytest.mark.parametrize("url", ["", "discord.com/api", "https://x.example/#a", "http://a b/"])
def test_address_is_checked(url: str) -> None:
    """What is no web address is refused when the manifest is read, by its key."""
    found, problems = structure({"webhook_url": url}, discord.Config, "notifiers[0]")

    assert found is None
    assert ["notifiers[0].webhook_url"] == [problem.path for problem in problems]


D, P, R = RejectDestination, RejectMessage, Retry


@pytest.mark.parametrize(
    ("answer", "meaning"),
    [
        (Answer(status=204), Sent),
        (Answer(body=b'{"id":"9"}'), Sent),
        (Answer(body=b"ok"), R),
        (Answer(body=b"<html>Log in"), R),
        (refused(400, 50006, "Cannot send an empty message"), P),
        (refused(400, 50035, "Invalid Form Body"), P),
        (refused(401, 50027, "Invalid Webhook Token"), D),
        (refused(403, 50013, "Missing Permissions"), D),
        (refused(404, 10015, "Unknown Webhook"), D),
        (busy(0.5), R),
        (Answer(status=429, body=b"error code: 1015"), R),
        (Answer(status=500), R),
        (Answer(status=502, body=b"<html>"), R),
    ],
)
def test_answers(answer: Answer, meaning: type[Outcome]) -> None:
    """Each answer means what Discord's pages say of it."""
    response = Response(status=answer.status, body=answer.body)

    assert isinstance(discord.classify(response), meaning)


def test_answer_is_quoted() -> None:
    """The reason names status, words and code."""
    response = Response(status=404, body=refused(404, 10015, "Unknown Webhook").body)

    assert RejectDestination(why="Discord answered 404 Not Found: Unknown Webhook (10015)") == (
        discord.classify(response)
    )


@pytest.mark.parametrize(
    ("header", "told", "after_ms"),
    [
        (None, "64.57", 64_570),
        ("65", "64.57", None),
        (None, "1336570", 3_600_000),
        (None, "1e400", 3_600_000),
        (None, "-1", None),
        (None, "0", None),
        (None, "true", None),
        (None, '"soon"', None),
    ],
)
def test_waits_as_told(header: str | None, told: str, after_ms: int | None) -> None:
    """Seconds with a fraction; the header goes first, and nothing absurd is believed."""
    headers = {"retry-after": header} if header else {}
    body = f'{{"message":"x","retry_after":{told}}}'.encode()
    outcome = discord.classify(Response(status=429, headers=headers, body=body))

    assert isinstance(outcome, Retry)
    assert after_ms == outcome.after_ms


@pytest.mark.parametrize(
    ("remaining", "reset", "rest_ms"),
    [("0", "1.25", 1_250), ("1", "1.25", 0), ("0", "x", 0), ("0", "nan", 0), ("0", "-1", 0)],
)
def test_rests_before_the_limit(remaining: str, reset: str, rest_ms: int) -> None:
    """The message that empties the bucket says how long there is no room for another."""
    headers = {"x-ratelimit-remaining": remaining, "x-ratelimit-reset-after": reset}
    outcome = discord.classify(Response(status=200, headers=headers, body=b'{"id":"9"}'))

    assert Sent(receipt="9", rest_ms=rest_ms) == outcome


async def test_end_to_end() -> None:
    """A message arrives, the last of the bucket is told apart, and so is a wrong address."""
    async with DiscordServer(remaining=2) as server, kit() as sender:
        load = server.settings()
        first = await sender.send(parcel("discord", load, message=message("a", "b")))
        last = await sender.send(parcel("discord", load))
        wrong = {"webhook_url": f"{server.url}/api/webhooks/{_HOOK}/revoked-long-ago"}
        gone = await sender.send(parcel("discord", wrong))

    assert (Sent(receipt="900"), Sent(receipt="901", rest_ms=250)) == (first, last)
    said = "Discord answered 401 Unauthorized: Invalid Webhook Token (50027)"
    assert RejectDestination(why=said) == gone
    assert {"Host", "User-Agent", "Accept", "Content-Type", "Content-Length"} == {
        name for name, _ in server.accepted[0].headers
    }
