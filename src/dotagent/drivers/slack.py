"""Slack, or anything that takes Slack's incoming webhooks.

    [[notifiers]]
    driver = "slack"
    webhook_url = "https://hooks.slack.com/services/T0000000/B0000000/${SLACK_SECRET}"
    channel = "#alerts"          # optional, older webhooks only
    username = "dotagent"        # optional, older webhooks only
    icon_emoji = ":robot_face:"  # optional, older webhooks only

Make one at https://api.slack.com/apps: create an app, switch on "Incoming Webhooks", add one to a
channel and copy its address. The address is the credential: whoever has it can post.

The output goes into a code block, and nothing in it can end the block, mention a person or wake a
channel. A webhook that was revoked, or whose channel is gone or archived, parks the destination.
Slack has no idempotency key, so a message whose answer was lost may come twice.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, field

from dotagent.core.fit import fit, utf16
from dotagent.core.model import Message, Outcome, RejectDestination, RejectMessage, Retry, Sent
from dotagent.drivers.kit.driver import Limit
from dotagent.drivers.kit.wire import (
    answered,
    by_status,
    json_of,
    link_of,
    plain_tail,
    text_of,
    url_problem,
)
from dotagent.ports import Pace, Request, Response

# https://docs.slack.dev/changelog/2018-04-truncating-really-long-messages: 4,000 characters are
# advised and longer ones split, which would tear the code block; more than 40,000 are truncated.
TEXT = Limit(
    of="text",
    most=3_500,
    unit="UTF-16 units, escaped",
    source="https://docs.slack.dev/changelog/2018-04-truncating-really-long-messages",
)
LIMITS = (TEXT,)
# https://docs.slack.dev/apis/web-api/rate-limits: one message a second, short bursts allowed.
PACE = Pace(burst=3, every_ms=1_000, parallel=1)
TARGET = ("webhook_url", "channel")
SECRETS = ("webhook_url",)

# https://api.slack.com/changelog/2016-05-17-changes-to-errors-for-incoming-webhooks, and what
# Slack has been seen to answer since.
_DEAD = {
    "account_inactive",
    "action_prohibited",
    "channel_is_archived",
    "channel_not_found",
    "invalid_token",
    "no_active_hooks",
    "no_service",
    "no_service_id",
    "no_team",
    "posting_to_general_channel_denied",
    "team_disabled",
    "token_revoked",
    "user_not_found",
}
_UNFIT = {
    "invalid_attachments",
    "invalid_blocks",
    "invalid_blocks_format",
    "invalid_payload",
    "missing_text_or_fallback_or_attachments",
    "msg_too_long",
    "no_text",
    "too_many_attachments",
}
_LATER = {"fatal_error", "internal_error", "rate_limited", "ratelimited", "rollup_error"}

_FENCE = re.compile("`(?=``)")


@dataclass(frozen=True, slots=True, kw_only=True)
class Config:
    webhook_url: str = field(repr=False)
    channel: str | None = None
    username: str | None = None
    icon_emoji: str | None = None

    def check(self) -> Iterator[tuple[str, str]]:
        if problem := url_problem(self.webhook_url):
            yield "webhook_url", problem


def escape(text: str) -> str:
    """Literal text: exactly ``& < >`` (docs.slack.dev/messaging/formatting-message-text), so that
    no ``<!channel>`` is one; and no three backticks in a row, so that the block stays closed."""
    text = text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    return _FENCE.sub("`\u200b", text)


def _block(text: str) -> str:
    return f"```\n{text}\n```"


def request(config: Config, message: Message, plain: bool) -> Request:
    """Contract §9: compact JSON, keys sorted. ``plain`` leaves all but the line away."""
    link = link_of(message)
    line = f"{message.line} {link}" if link and link not in message.line else message.line
    tail = plain_tail(message) if plain else message.tail
    payload = {"text": fit(line, tail, TEXT.most, utf16, escape, str if plain else _block)}
    extras = {} if plain else {"username": config.username, "icon_emoji": config.icon_emoji}
    for key, value in {"channel": config.channel, **extras}.items():
        if value:
            payload[key] = value
    body = json.dumps(payload, ensure_ascii=False, sort_keys=True, separators=(",", ":"))
    return Request(
        url=config.webhook_url,
        headers=(("Content-Type", "application/json"),),
        body=body.encode("utf-8", "replace"),
    )


def classify(response: Response) -> Outcome:
    """Only 200 with ``ok`` is a success: a proxy or a login page answers 200 as well."""
    told = json_of(response)
    word = str(told.get("error", "")) if told else text_of(response)
    if response.status == 200 and (word == "ok" or told.get("ok") is True):
        return Sent()
    why = answered("Slack", response, word or None)
    if word in _DEAD:
        return RejectDestination(why=why)
    if word in _UNFIT:
        return RejectMessage(why=why)
    if response.status < 300 or word in _LATER or response.status == 429:
        return Retry(why=why, after_ms=_wait(response, told.get("retry_after")))
    return by_status("Slack", response, word or None)


def _wait(response: Response, seconds: object) -> int | None:
    """The body's own wait; where there is a ``Retry-After`` header, that one counts."""
    if "retry-after" in response.headers or isinstance(seconds, bool):
        return None
    usable = isinstance(seconds, int | float) and 0 < seconds < 10**9
    return int(seconds * 1_000) if usable and isinstance(seconds, int | float) else None
