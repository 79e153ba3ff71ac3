"""Telegram, by a bot of yours, to a person, a group or a channel.

    [[notifiers]]
    driver = "telegram"
    bot_token = "${TELEGRAM_BOT_TOKEN}"
    chat_id = "-1001234567890"             # or a number, or "@channel"
    parse_mode = "HTML"                    # optional: HTML, MarkdownV2 or Markdown
    disable_notification = true            # optional: arrives without a sound
    base_url = "https://api.telegram.org"  # optional, else a Bot API server of your own

Ask @BotFather for a bot: the token is what it answers. Write to the bot once, or put it into the
group; then https://api.telegram.org/bot<token>/getUpdates shows the chat's id. Groups have ids that
begin with a minus.

With HTML and MarkdownV2 the output stands in a block of its own; without a mode all is plain text.
What an agent prints is never markup and mentions nobody. A wrong token, a chat that is not there
and a bot that was blocked or removed park the destination. A group that Telegram has turned into
a supergroup is followed; the receipt shows its new id, which should go into ``chat_id``.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import Any, Literal

from dotagent.core.fit import fit, utf16
from dotagent.core.model import Message, Outcome, RejectDestination, RejectMessage, Retry, Sent
from dotagent.drivers.kit.driver import Limit
from dotagent.drivers.kit.wire import answered, by_status, json_of, link_of, url_problem
from dotagent.ports import Pace, Request, Response

# Counted after the markup is read; whether in UTF-16 units or in characters is not said. Counting
# the escaped text in the larger unit is safe in either case.
TEXT = Limit(
    of="text",
    most=4_096,
    unit="UTF-16 units, escaped",
    source="https://core.telegram.org/bots/api#sendmessage",
)
LIMITS = (TEXT,)
# https://core.telegram.org/bots/faq#my-bot-is-hitting-limits-how-do-i-avoid-this: about one message
# a second to one chat, and no more than 20 in a minute to a group.
PACE = Pace(burst=2, every_ms=3_400, parallel=1)
TARGET = ("base_url", "bot_token", "chat_id")
SECRETS = ("bot_token",)

_PLAIN_ROOM = 2_000
_TOKEN = re.compile(r"[0-9A-Za-z:_-]+")
_CHAT = re.compile(r"-?[0-9]{1,19}|@[A-Za-z][A-Za-z0-9_]{3,31}")

# What Telegram answers with 400 where it is the chat, not the message, that will not do.
_NO_CHAT = (
    "chat not found",
    "chat_id is empty",
    "chat_write_forbidden",
    "group chat was",
    "have no rights",
    "need administrator rights",
    "not enough rights",
    "peer_id_invalid",
    "supergroup",
    "topic_closed",
    "topic_deleted",
    "user not found",
)

# https://core.telegram.org/bots/api#markdownv2-style: these, and the backslash itself; any
# character may be escaped anywhere, so that the same text is literal inside a block too.
_MARKDOWN_V2 = re.compile(r"[\\_*\[\]()~`>#+\-=|{}.!]")
# https://core.telegram.org/bots/api#markdown-style: exactly these, and only outside of blocks.
_MARKDOWN = re.compile(r"[_*`\[]")
# Telegram makes these mentions by itself, also in plain text.
_MENTION = re.compile(r"(?<!\w)@(?=\w)")


@dataclass(frozen=True, slots=True, kw_only=True)
class Config:
    bot_token: str = field(repr=False)
    chat_id: str | int
    parse_mode: Literal["HTML", "MarkdownV2", "Markdown"] | None = None
    disable_notification: bool = False
    base_url: str = "https://api.telegram.org"

    def check(self) -> Iterator[tuple[str, str]]:
        if not _TOKEN.fullmatch(self.bot_token):
            yield "bot_token", "is no token: these are digits, a colon, letters, digits, - and _"
        if not _CHAT.fullmatch(str(self.chat_id)):
            yield "chat_id", "is no chat: write its number, or the @name of a channel"
        if problem := url_problem(self.base_url):
            yield "base_url", problem
        elif "?" in self.base_url or "#" in self.base_url:
            yield "base_url", "must end before any ? or #"


def _literal(text: str) -> str:
    return _MENTION.sub("@\u200b", text)


def _html(text: str) -> str:
    return _literal(text).replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def _markdown_v2(text: str) -> str:
    return _MARKDOWN_V2.sub(r"\\\g<0>", _literal(text))


def _markdown(text: str) -> str:
    return _MARKDOWN.sub(r"\\\g<0>", _literal(text))


def _text(config: Config, message: Message, plain: bool) -> str:
    link = link_of(message)
    line = f"{message.line} {link}" if link and link not in message.line else message.line
    mode = None if plain else config.parse_mode
    room = _PLAIN_ROOM if plain else TEXT.most
    match mode:
        case "HTML":
            return fit(line, message.tail, room, utf16, _html, lambda tail: f"<pre>{tail}</pre>")
        case "MarkdownV2":
            block = "```\n{}\n```".format
            return fit(line, message.tail, room, utf16, _markdown_v2, block)
        case "Markdown":
            return fit(line, message.tail, room, utf16, _markdown)
    return fit(line, message.tail, room, utf16, _literal)


def request(config: Config, message: Message, plain: bool) -> Request:
    """Contract §9: compact JSON, keys sorted. ``plain`` has no markup and is short."""
    payload: dict[str, Any] = {"chat_id": config.chat_id, "text": _text(config, message, plain)}
    if config.disable_notification:
        payload["disable_notification"] = True
    if config.parse_mode and not plain:
        payload["parse_mode"] = config.parse_mode
    return Request(
        url=f"{config.base_url.rstrip('/')}/bot{config.bot_token}/sendMessage",
        headers=(("Content-Type", "application/json"),),
        body=_json(payload),
    )


def _json(payload: dict[str, Any]) -> bytes:
    text = json.dumps(payload, ensure_ascii=False, sort_keys=True, separators=(",", ":"))
    return text.encode()


def again(request: Request, response: Response) -> Request | None:
    """A group that became a supergroup has a new id (``ResponseParameters`` of the Bot API)."""
    new_id = _parameter(response, "migrate_to_chat_id")
    if response.status != 400 or not isinstance(new_id, int):
        return None
    return replace(request, body=_json(json.loads(request.body) | {"chat_id": new_id}))


def _parameter(response: Response, name: str) -> object:
    parameters = json_of(response).get("parameters")
    return parameters.get(name) if isinstance(parameters, dict) else None


def classify(response: Response) -> Outcome:
    """By ``ok`` and the description (https://core.telegram.org/bots/api#making-requests)."""
    told = json_of(response)
    said = told["description"] if isinstance(told.get("description"), str) else None
    why = answered("Telegram", response, said)
    if 200 <= response.status < 300:
        return Sent(receipt=_receipt(told)) if told.get("ok") is True else Retry(why=why)
    if response.status == 429:
        return Retry(why=why, after_ms=_wait(response))
    if response.status == 400:
        gone = any(each in (said or "").lower() for each in _NO_CHAT)
        return RejectDestination(why=why) if gone else RejectMessage(why=why)
    return by_status("Telegram", response, said)


def _receipt(told: Any) -> str | None:
    result = told.get("result")
    if not isinstance(result, dict) or not isinstance(result.get("message_id"), int):
        return None
    chat = result.get("chat")
    where = f" in chat {chat['id']}" if isinstance(chat, dict) and "id" in chat else ""
    return f"message {result['message_id']}{where}"


def _wait(response: Response) -> int | None:
    seconds = _parameter(response, "retry_after")
    if isinstance(seconds, bool) or not isinstance(seconds, int) or not 0 < seconds < 10**9:
        return None
    return seconds * 1_000
