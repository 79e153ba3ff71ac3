"""A channel of a Discord server, by a webhook.

    [[notifiers]]
    driver = "discord"
    webhook_url = "https://discord.com/api/webhooks/1234567890/${DISCORD_SECRET}"

Make one in the channel's settings under Integrations > Webhooks and copy its address. The address
is the credential: whoever has it can post. ``?thread_id=…`` at its end posts into a thread.

The output goes into a code block, and nothing in it can end the block or mention anybody. A webhook
that was removed parks the destination at once: Discord locks out who goes on asking for it.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, field

from dotagent import __version__
from dotagent.core.fit import fit, utf16
from dotagent.core.model import Message, Outcome, Retry, Sent
from dotagent.drivers.kit.driver import Limit
from dotagent.drivers.kit.wire import (
    answered,
    by_status,
    json_of,
    link_of,
    plain_tail,
    url_problem,
)
from dotagent.ports import Pace, Request, Response

# The page says "characters"; the larger unit is safe however they are counted.
CONTENT = Limit(
    of="content",
    most=2_000,
    unit="UTF-16 units, escaped",
    source="https://discord.com/developers/docs/resources/webhook#execute-webhook",
)
LIMITS = (CONTENT,)
# https://discord.com/developers/docs/topics/rate-limits: not to be hard coded, the headers tell;
# so this only keeps to one at a time, that they can be heeded, and off the very first limit.
PACE = Pace(burst=5, every_ms=400, parallel=1)
TARGET = ("webhook_url",)
SECRETS = ("webhook_url",)

# https://discord.com/developers/docs/reference#user-agent: without one in this form a request may
# be blocked before it reaches Discord.
AGENT = f"DiscordBot (https://github.com/avelino/dotagent, {__version__})"

# https://github.com/discord/discord-api-docs/issues/4722: a path has been seen to tell milliseconds
# as seconds; no rate limit of a webhook is longer than this.
_LONGEST_S = 3_600.0

# https://support.discord.com/hc/en-us/articles/210298617: inline anywhere, and where a line begins.
_MARKUP = re.compile(r"[\\*_~`|<>\[\]@]|^[#+-]")
_FENCE = re.compile("`(?=``)")


@dataclass(frozen=True, slots=True, kw_only=True)
class Config:
    webhook_url: str = field(repr=False)

    def check(self) -> Iterator[tuple[str, str]]:
        if problem := url_problem(self.webhook_url):
            yield "webhook_url", problem
        elif "#" in self.webhook_url:
            yield "webhook_url", "must end before any #"


def escape(text: str) -> str:
    """Literal text outside of a block."""
    return _MARKUP.sub(r"\\\g<0>", text)


def _inside(text: str) -> str:
    """Inside a block nothing is markup but its end."""
    return _FENCE.sub("`\u200b", text)


def _content(message: Message, plain: bool) -> str:
    link = link_of(message)
    # An address in <> shows no preview (https://discord.com/safety/using-webhooks-and-embeds).
    end = f"\n<{link}>" if link and not plain and not re.search(r"[<>]", link) else ""
    tail = plain_tail(message) if plain else message.tail
    block = str if plain else "```\n{}\n```".format
    room = CONTENT.most - utf16(end)
    inside = None if plain else _inside
    return fit(message.line, tail, room, utf16, escape, block, inside) + end


def request(config: Config, message: Message, plain: bool) -> Request:
    """``allowed_mentions`` with an empty ``parse`` mentions nobody, whatever the text says
    (https://discord.com/developers/docs/resources/message#allowed-mentions-object)."""
    payload = {"allowed_mentions": {"parse": []}, "content": _content(message, plain)}
    body = json.dumps(payload, ensure_ascii=False, sort_keys=True, separators=(",", ":"))
    address = config.webhook_url
    return Request(
        # With wait the answer comes after the message is kept, and carries its id.
        url=f"{address}{'&' if '?' in address else '?'}wait=true",
        headers=(("Content-Type", "application/json"), ("User-Agent", AGENT)),
        body=body.encode(),
    )


def classify(response: Response) -> Outcome:
    """By the status; the code in the body says more to people."""
    told = json_of(response)
    said = told["message"] if isinstance(told.get("message"), str) else None
    if said and isinstance(told.get("code"), int):
        said = f"{said} ({told['code']})"
    why = answered("Discord", response, said)
    if response.status == 204 or (response.status == 200 and isinstance(told.get("id"), str)):
        return Sent(receipt=told.get("id"), rest_ms=_rest(response))
    if response.status == 429:
        # The header counts: it is there unless a proxy took it, and always in seconds.
        header = "retry-after" in response.headers
        wait = None if header else _ms(told.get("retry_after"))
        return Retry(why=why, after_ms=wait)
    if response.status < 300:
        return Retry(why=why)
    return by_status("Discord", response, said)


def _rest(response: Response) -> int:
    """How long until there is room again, where this message took the last."""
    if response.headers.get("x-ratelimit-remaining") != "0":
        return 0
    try:
        seconds = float(response.headers.get("x-ratelimit-reset-after", ""))
    except ValueError:
        return 0
    return _ms(seconds) or 0


def _ms(seconds: object) -> int | None:
    if isinstance(seconds, bool) or not isinstance(seconds, int | float) or not seconds > 0:
        return None
    return int(min(seconds, _LONGEST_S) * 1_000 + 0.5)
