"""The Telegram driver, and a server that is as particular as the Bot API."""

from __future__ import annotations

import json
import re
from html import unescape
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dotagent.core.fit import utf16, visible
from dotagent.core.model import Message, Outcome, RejectDestination, RejectMessage, Retry, Sent
from dotagent.core.structure import structure
from dotagent.drivers import telegram
from dotagent.ports import Response
from tests.drivers.harness import kit, message, parcel
from tests.support.http_server import Answer, Received, StrictServer, received

_JSON = (("Content-Type", "application/json"),)
_KEYS = {"chat_id", "disable_notification", "parse_mode", "text"}
_OLD, _NEW, _CHANNEL = -5_550_001, -1_001_234_567_890, "@alerts"
_RESERVED = "_*[]()~`>#+-=|{}.!"


def refused(status: int, description: str, **parameters: int) -> Answer:
    """The Bot API's own form of an error."""
    told: dict[str, Any] = {"ok": False, "error_code": status, "description": description}
    if parameters:
        told["parameters"] = parameters
    return Answer(status=status, body=json.dumps(told).encode(), headers=_JSON)


def busy(seconds: int) -> Answer:
    return refused(429, f"Too Many Requests: retry after {seconds}", retry_after=seconds)


MIGRATED = refused(
    400,
    "Bad Request: group chat was upgraded to a supergroup chat",
    migrate_to_chat_id=_NEW,
)
BUSY = ((busy(37), 37_000), (busy(1), 1_000))


class Unparsable(ValueError):
    """The markup of a text is wrong."""


def parsed(text: str, mode: str | None) -> tuple[str, str]:
    """The text as Telegram shows it, and the part of it outside of blocks. Raises Unparsable."""
    match mode:
        case "HTML":
            return _html(text)
        case "MarkdownV2":
            return _markdown(text, _RESERVED)
        case "Markdown":
            return _markdown(text, "_*`[")
    return text, text


def _html(text: str) -> tuple[str, str]:
    outside = re.sub(r"<pre>([^<>]*)</pre>", "", text)
    if re.search(r"[<>]|&(?!(?:amp|lt|gt);)", outside):
        raise Unparsable("unsupported start tag")
    return unescape(re.sub(r"</?pre>", "", text)), unescape(outside)


def _markdown(text: str, reserved: str) -> tuple[str, str]:
    """Both kinds of Markdown, but for what this driver never makes: emphasis, links, quotes."""
    shown, outside, at, inside = "", "", 0, False
    while at < len(text):
        char = text[at]
        escaped = char == "\\" and at + 1 < len(text)
        if escaped and (reserved != _RESERVED and text[at + 1] not in reserved):
            escaped = False
        if escaped:
            at, char = at + 1, text[at + 1]
            if ord(char) > 126:
                raise Unparsable(f"{char} cannot be escaped")
        elif text.startswith("```", at) and reserved == _RESERVED:
            inside, at = not inside, at + 3
            continue
        elif char in ("`" if inside else reserved) or (char == "\\" and reserved == _RESERVED):
            raise Unparsable(f"Character '{char}' is reserved")
        shown += char
        outside += "" if inside else char
        at += 1
    if inside:
        raise Unparsable("can't find end of the entity")
    return shown, outside


class TelegramServer(StrictServer):
    """api.telegram.org for one bot, in one supergroup and one channel. Stricter in that a mention
    is refused, which the real one would obey."""

    mode: str | None = "MarkdownV2"

    def settings(self) -> dict[str, Any]:
        """Settings with which this server accepts messages."""
        token = {"bot_token": f"123456:{self.secret}", "base_url": self.url}
        return token | {"chat_id": _NEW, "parse_mode": self.mode}

    def judge(self, request: Received) -> Answer:
        if not re.fullmatch(r"/bot[^/?#]+/sendMessage", request.target):
            return refused(404, "Not Found")
        if request.target != f"/bot123456:{self.secret}/sendMessage":
            return refused(401, "Unauthorized")
        if request.method != "POST":
            # https://core.telegram.org/bots/api#making-requests: and GET, which has no body.
            return refused(404, "Not Found")
        try:
            payload = json.loads(request.body.decode())
        except ValueError:
            return refused(400, "Bad Request: can't parse JSON object")
        if request.header("content-type") != "application/json" or not set(payload) <= _KEYS:
            return refused(400, "Bad Request: unknown parameters")
        chat = payload.get("chat_id")
        if chat in (_OLD, str(_OLD)):
            return MIGRATED
        if chat not in (_NEW, str(_NEW), _CHANNEL):
            return refused(400, "Bad Request: chat not found")
        return self._read(payload, chat)

    def _read(self, payload: dict[str, Any], chat: int | str) -> Answer:
        mode = payload.get("parse_mode")
        if mode not in (None, "HTML", "MarkdownV2", "Markdown"):
            return refused(400, "Bad Request: unsupported parse_mode")
        try:
            shown, outside = parsed(payload.get("text", ""), mode)
        except Unparsable as error:
            return refused(400, f"Bad Request: can't parse entities: {error}")
        if not visible(shown):
            return refused(400, "Bad Request: message text is empty")
        if utf16(shown) > 4_096:
            return refused(400, "Bad Request: message is too long")
        if re.search(r"(?<!\w)@\w", outside) or re.search(r"[\x00-\x08\x0b-\x1f\x7f]", shown):
            return refused(400, "Bad Request: this would be a mention, or is no text")
        result = {"message_id": 4711 + len(self.accepted), "chat": {"id": chat}, "text": shown}
        told = {"ok": True, "result": result}
        return Answer(body=json.dumps(told).encode(), headers=_JSON)


SERVER = TelegramServer


def body(text: Message, plain: bool = False, **more: Any) -> str:
    config = telegram.Config(**({"bot_token": "1:x", "chat_id": "42"} | more))
    return telegram.request(config, text, plain).body.decode()


@pytest.mark.parametrize(
    ("more", "text", "expected"),
    [
        ({}, message("a/b: ok"), '{"chat_id":"42","text":"a/b: ok"}'),
        (
            {"chat_id": -100, "disable_notification": True, "parse_mode": "HTML"},
            message("a < b & c", "<b>x</b>\n"),
            '{"chat_id":-100,"disable_notification":true,"parse_mode":"HTML",'
            '"text":"a &lt; b &amp; c\\n<pre>&lt;b&gt;x&lt;/b&gt;</pre>"}',
        ),
        (
            {"parse_mode": "MarkdownV2"},
            message("a_b. \\x", "```\n*y*"),
            '{"chat_id":"42","parse_mode":"MarkdownV2","text":"a\\\\_b\\\\. \\\\\\\\x\\n'
            '```\\n\\\\`\\\\`\\\\`\\n\\\\*y\\\\*\\n```"}',
        ),
        (
            {"parse_mode": "Markdown"},
            message("a_b [x](y)", "`z`"),
            '{"chat_id":"42","parse_mode":"Markdown","text":"a\\\\_b \\\\[x](y)\\n\\\\`z\\\\`"}',
        ),
        (
            {"disable_notification": False},
            message("*a*", "<x>", link="https://x.example/7"),
            '{"chat_id":"42","text":"*a* https://x.example/7\\n<x>"}',
        ),
        (
            {},
            message("hi @everybody, me@x.example", "@bob"),
            '{"chat_id":"42","text":"hi @\u200beverybody, me@x.example\\n@\u200bbob"}',
        ),
    ],
)
def test_exact_request(more: dict[str, Any], text: Message, expected: str) -> None:
    """Compact JSON, keys sorted, only what is set; all text literal in the mode that is chosen."""
    assert expected == body(text, **more)


def test_address() -> None:
    """The contract's address, or a Bot API server of one's own."""
    usual = telegram.Config(bot_token="1:x", chat_id=1)
    own = telegram.Config(bot_token="1:x", chat_id=1, base_url="http://10.0.0.1:8081/")

    request = telegram.request(usual, message(), False)
    assert "https://api.telegram.org/bot1:x/sendMessage" == request.url
    assert (("Content-Type", "application/json"),) == request.headers
    assert "http://10.0.0.1:8081/bot1:x/sendMessage" == telegram.request(own, message(), False).url


def test_plain_request() -> None:
    """The plainer rendering has no markup, keeps the sound setting and is short."""
    text = message("a_b", "x" * 5_000 + "end")
    found = json.loads(body(text, True, parse_mode="MarkdownV2", disable_notification=True))

    assert {"chat_id", "disable_notification", "text"} == set(found)
    assert found["text"].startswith("a_b\n… ")
    assert found["text"].endswith("xend")
    assert 2_000 >= utf16(found["text"]) > 1_990


@settings(max_examples=100)
@given(
    text=st.text(st.sampled_from("\\`*_[]()~>#+-=|{}.!<&\"'@ab \n😀"), max_size=300),
    tail=st.text(st.sampled_from("\\`*_[]()~>#+-=|{}.!<&\"'@ab \n😀"), max_size=300),
    mode=st.sampled_from([None, "HTML", "MarkdownV2", "Markdown"]),
)
def test_every_mode_is_literal(text: str, tail: str, mode: str | None) -> None:
    """In every mode Telegram takes the text, and shows every character of it as it was."""
    server = TelegramServer()
    config = telegram.Config(**(server.settings() | {"parse_mode": mode}))
    line = f"a: {text}".replace("\n", " ")
    answer = server.judge(received(telegram.request(config, message(line, tail), False)))

    assert 200 == answer.status
    shown = json.loads(answer.body)["result"]["text"].replace("\u200b", "")
    assert " ".join(f"{line}\n{tail}".split()) == " ".join(shown.split())


@pytest.mark.parametrize("mode", [None, "HTML", "MarkdownV2", "Markdown"])
def test_limit(mode: str | None) -> None:
    """A long text fills the limit, counted as it is sent, and keeps its end."""
    text = json.loads(body(message("a", "😀." * 4_000 + "end"), parse_mode=mode))["text"]

    assert 4_096 >= utf16(text) > 4_080
    assert "end" in text[-12:]


@pytest.mark.parametrize(
    ("more", "key"),
    [
        ({"bot_token": ""}, "bot_token"),
        ({"bot_token": "1:x/../y?"}, "bot_token"),
        ({"chat_id": ""}, "chat_id"),
        ({"chat_id": "me and you"}, "chat_id"),
        ({"chat_id": True}, "chat_id"),
        ({"chat_id": 1.5}, "chat_id"),
        ({"parse_mode": "markdown"}, "parse_mode"),
        ({"base_url": "api.telegram.org"}, "base_url"),
        ({"base_url": "https://x.example/#a"}, "base_url"),
    ],
)
def test_settings_are_checked(more: dict[str, Any], key: str) -> None:
    """What Telegram would refuse is refused when the manifest is read, by its key."""
    table = {"bot_token": "1:x", "chat_id": "42"} | more
    found, problems = structure(table, telegram.Config, "notifiers[0]")

    assert found is None
    assert [f"notifiers[0].{key}"] == [problem.path for problem in problems]


D, P, R = RejectDestination, RejectMessage, Retry


@pytest.mark.parametrize(
    ("answer", "meaning"),
    [
        (Answer(body=b'{"ok":true}'), Sent),
        (Answer(body=b'{"ok":true,"result":[]}'), Sent),
        (Answer(body=b"ok"), R),
        (Answer(body=b"<html>Log in"), R),
        (refused(400, "Bad Request: can't parse entities: x"), P),
        (refused(400, "Bad Request: message is too long"), P),
        (refused(400, "Bad Request: message text is empty"), P),
        (refused(400, "Bad Request: chat not found"), D),
        (refused(400, "Bad Request: group chat was deactivated"), D),
        (refused(400, "Bad Request: not enough rights to send text messages to the chat"), D),
        (refused(400, "Bad Request: CHAT_WRITE_FORBIDDEN"), D),
        (refused(400, "Bad Request: have no rights to send a message"), D),
        (MIGRATED, D),
        (refused(401, "Unauthorized"), D),
        (refused(403, "Forbidden: bot was blocked by the user"), D),
        (refused(403, "Forbidden: bot was kicked from the supergroup chat"), D),
        (refused(403, "Forbidden: user is deactivated"), D),
        (refused(404, "Not Found"), D),
        (busy(5), R),
        (refused(500, "Internal Server Error"), R),
        (Answer(status=502, body=b"<html>"), R),
    ],
)
def test_answers(answer: Answer, meaning: type[Outcome]) -> None:
    """Each answer of the Bot API means what it says."""
    response = Response(status=answer.status, body=answer.body)

    assert isinstance(telegram.classify(response), meaning)


@pytest.mark.parametrize(
    ("told", "after_ms"), [(35, 35_000), (0, None), (-3, None), (True, None), ("9", None)]
)
def test_waits_as_told(told: Any, after_ms: int | None) -> None:
    """``retry_after`` is obeyed; nonsense is not."""
    said = {"ok": False, "parameters": {"retry_after": told}}
    outcome = telegram.classify(Response(status=429, body=json.dumps(said).encode()))

    assert isinstance(outcome, Retry)
    assert after_ms == outcome.after_ms


async def test_a_group_that_moved_is_followed() -> None:
    """The message goes to the supergroup that the group became, in the same send."""
    async with TelegramServer() as server, kit() as sender:
        load = server.settings() | {"chat_id": _OLD}
        outcome = await sender.send(parcel("telegram", load, message=message("a_b")))

    assert Sent(receipt=f"message 4711 in chat {_NEW}") == outcome
    old, new = (json.loads(request.body) for request in server.requests)
    assert old | {"chat_id": _NEW} == new


async def test_a_group_that_moves_for_ever() -> None:
    """A second move in one send is not followed."""
    async with TelegramServer() as server, kit() as sender:
        server.script(MIGRATED, MIGRATED)
        outcome = await sender.send(parcel("telegram", server.settings()))

    assert isinstance(outcome, RejectDestination)
    assert 2 == len(server.requests)


async def test_end_to_end() -> None:
    """A message arrives; the token shows in no outcome."""
    async with TelegramServer() as server, kit() as sender:
        load = server.settings()
        sent = await sender.send(parcel("telegram", load, message=message("a", "b")))
        channel = await sender.send(parcel("telegram", load | {"chat_id": _CHANNEL}))
        nobody = await sender.send(parcel("telegram", load | {"chat_id": 7}))
        wrong = await sender.send(parcel("telegram", load | {"bot_token": "123456:wrong"}))

    assert Sent(receipt=f"message 4711 in chat {_NEW}") == sent
    assert Sent(receipt=f"message 4712 in chat {_CHANNEL}") == channel
    said = "Telegram answered 400 Bad Request: Bad Request: chat not found"
    assert RejectDestination(why=said) == nobody
    assert RejectDestination(why="Telegram answered 401 Unauthorized: Unauthorized") == wrong
    assert {"Host", "Accept", "Content-Type", "Content-Length"} == {
        name for name, _ in server.accepted[0].headers
    }
