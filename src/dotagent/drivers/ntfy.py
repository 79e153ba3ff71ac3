"""ntfy.sh, or an ntfy server of your own.

    [[notifiers]]
    driver = "ntfy"
    topic = "my-alerts-x7Kq"
    base_url = "https://ntfy.sh"   # optional
    token = "${NTFY_TOKEN}"        # optional
    priority = 4                   # optional, 1 (lowest) to 5
    title = "backup"               # optional, else the agent's name
    tags = ["warning", "skull"]    # optional; names of emoji become emoji

Choose a topic nobody can guess: on a public server whoever knows it can read along. Subscribe to it
in the ntfy app. A token (Account > Access tokens) is needed only for a topic that is protected.

A wrong token or a topic that is not yours parks the destination. A used-up daily quota waits for
the server's next day.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from urllib.parse import quote

from dotagent.core.fit import fit, utf8
from dotagent.core.model import Message, Outcome, RejectDestination, RejectMessage, Retry, Sent
from dotagent.core.retry_after import instant
from dotagent.drivers.kit.driver import Limit
from dotagent.drivers.kit.wire import (
    answered,
    by_status,
    header_text,
    is_page,
    json_of,
    link_of,
    plain_tail,
    title_of,
    url_problem,
)
from dotagent.ports import Pace, Request, Response

_CONFIG_GO = "https://github.com/binwiederhier/ntfy/blob/main/server/config.go"
# DefaultMessageSizeLimit: what is longer becomes an attachment, or 400/40014 where there are none.
MESSAGE = Limit(of="message", most=4_096, unit="bytes", source=_CONFIG_GO)
# Since 2.28 over these 400/40057 and 400/40058; counted after decoding the header.
TITLE = Limit(of="title", most=1_024, unit="bytes", source=_CONFIG_GO)
TAGS = Limit(of="tags", most=512, unit="bytes, joined by commas", source=_CONFIG_GO)
LIMITS = (MESSAGE, TITLE, TAGS)
# https://docs.ntfy.sh/publish/#limitations: a bucket of 60 requests, one more every 5 seconds.
PACE = Pace(burst=60, every_ms=5_000, parallel=4)
TARGET = ("base_url", "topic")
SECRETS = ("token",)

# topicRegex in https://github.com/binwiederhier/ntfy/blob/main/server/server.go
_TOPIC = re.compile(r"[-_A-Za-z0-9]{1,64}")
_DAY_MS = 24 * 3_600_000

# https://github.com/binwiederhier/ntfy/blob/main/server/errors.go
_TOPIC_REFUSED = {40009, 40010}
_QUOTA = {42902, 42905, 42908}
"""Daily: e-mails, attachments, messages. Reset at 00:00 UTC by default; no Retry-After is sent."""
_AUTH_FAILURES = 42909


@dataclass(frozen=True, slots=True, kw_only=True)
class Config:
    topic: str
    base_url: str = "https://ntfy.sh"
    token: str | None = field(default=None, repr=False)
    priority: int | None = None
    title: str | None = None
    tags: tuple[str, ...] = ()

    def check(self) -> Iterator[tuple[str, str]]:
        if not _TOPIC.fullmatch(self.topic):
            yield "topic", "must be 1 to 64 of the letters A-Z a-z, the digits, - and _"
        if problem := url_problem(self.base_url):
            yield "base_url", problem
        elif "?" in self.base_url or "#" in self.base_url:
            yield "base_url", "must end before any ? or #"
        if self.token and not (self.token.isascii() and self.token.isprintable()):
            yield "token", "holds a character that no token has"
        if self.priority is not None and not 1 <= self.priority <= 5:
            yield "priority", f"{self.priority} is not a priority; 1 (lowest) to 5 are"
        if any(not tag.strip() for tag in self.tags):
            yield "tags", "a tag is empty"
        elif utf8(",".join(self.tags)) > TAGS.most:
            yield "tags", f"are longer than {TAGS.most} bytes together"


def request(config: Config, message: Message, plain: bool) -> Request:
    """Contract §9. ``plain`` leaves the output, the tags and the link away."""
    headers: list[tuple[str, str]] = []
    if config.token:
        headers.append(("Authorization", f"Bearer {config.token}"))
    if config.priority is not None:
        headers.append(("X-Priority", str(config.priority)))
    headers.append(("X-Title", header_text(title_of(message, config.title, TITLE.most))))
    if config.tags and not plain:
        # One by one: older servers split at the commas before they decode.
        headers.append(("X-Tags", ",".join(header_text(tag) for tag in config.tags)))
    if (link := link_of(message)) and not plain:
        headers.append(("X-Click", link))
    tail = plain_tail(message) if plain else message.tail
    return Request(
        url=f"{config.base_url.rstrip('/')}/{quote(config.topic, safe='')}",
        headers=tuple(headers),
        body=fit(message.line, tail, MESSAGE.most, utf8).encode(),
    )


def classify(response: Response) -> Outcome:
    """By ntfy's own error codes, else by the status."""
    told = json_of(response)
    code = told.get("code")
    said = f"{told['error']} ({code})" if isinstance(told.get("error"), str) else None
    why = answered("ntfy", response, said)
    if 200 <= response.status < 300:
        if is_page(response):
            return Retry(why=why)
        receipt = told.get("id")
        return Sent(receipt=receipt if isinstance(receipt, str) else None)
    if response.status == 429:
        if code == _AUTH_FAILURES:
            return RejectDestination(why=why)
        wait = _until_reset(response) if code in _QUOTA else None
        # The bucket gains one request in 5 s; no Retry-After is sent, unless by a proxy in front.
        return Retry(why=why, after_ms=wait, least_ms=PACE.every_ms)
    if code in _TOPIC_REFUSED:
        return RejectDestination(why=why)
    if response.status == 413:
        return RejectMessage(why=why)
    return by_status("ntfy", response, said)


def _until_reset(response: Response) -> int:
    """From the server's own clock to its next midnight; an hour if it does not tell the time."""
    at = instant(response.headers.get("date"))
    return 3_600_000 if at is None else _DAY_MS - at % _DAY_MS
