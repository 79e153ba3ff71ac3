"""Pushover: to the phones and desktops of one person, or of a group.

    [[notifiers]]
    driver = "pushover"
    token = "${PUSHOVER_TOKEN}"
    user = "${PUSHOVER_USER}"
    priority = 2                            # optional, -2 (no alert at all) to 2 (emergency)
    retry = 60                              # optional, only with priority 2: every so many seconds
    expire = 3600                           # optional, only with priority 2: for so many seconds
    title = "backup"                        # optional, else the agent's name
    base_url = "https://api.pushover.net"   # optional

Both keys are 30 letters and digits. ``user`` is your user key (or a group's) on the front page of
https://pushover.net; ``token`` belongs to an application, which you make at
https://pushover.net/apps/build. Priority 2 repeats until somebody confirms it.

A key that Pushover does not know parks the destination. When the month's messages are used up,
the destination rests until Pushover counts anew, and is parked if that is more than a day away.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from urllib.parse import urlencode

from dotagent.core.fit import fit, points
from dotagent.core.model import Message, Outcome, RejectDestination, RejectMessage, Retry, Sent
from dotagent.core.retry_after import instant
from dotagent.drivers.kit.driver import Limit
from dotagent.drivers.kit.wire import (
    answered,
    by_status,
    json_of,
    link_of,
    plain_tail,
    title_of,
    url_problem,
)
from dotagent.ports import Pace, Request, Response

_API = "https://pushover.net/api#limits"
MESSAGE = Limit(of="message", most=1_024, unit="characters", source=_API)
TITLE = Limit(of="title", most=250, unit="characters", source=_API)
URL = Limit(of="url", most=512, unit="characters", source=_API)
URL_TITLE = Limit(of="url_title", most=100, unit="characters", source=_API)
LIMITS = (MESSAGE, TITLE, URL, URL_TITLE)
# https://pushover.net/api#friendly: no more than two connections at a time; better one message
# after the other over the same one.
PACE = Pace(parallel=1)
TARGET = ("base_url", "token", "user")
SECRETS = ("token", "user")

# https://pushover.net/api#priority
_EMERGENCY = 2
_RETRY_S = 60
_LEAST_RETRY_S = 30
_EXPIRE_S = 3_600
_MOST_EXPIRE_S = 10_800
# https://pushover.net/api#friendly: after a failure on Pushover's side, not sooner than this.
_REST_MS = 5_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Config:
    token: str = field(repr=False)
    user: str = field(repr=False)
    priority: int | None = None
    retry: int | None = None
    expire: int | None = None
    title: str | None = None
    base_url: str = "https://api.pushover.net"

    def check(self) -> Iterator[tuple[str, str]]:
        for key in ("token", "user"):
            if not getattr(self, key).strip():
                yield key, "is empty"
        if self.priority is not None and not -2 <= self.priority <= _EMERGENCY:
            yield "priority", f"{self.priority} is not a priority; -2 (lowest) to 2 are"
        for key in ("retry", "expire"):
            if getattr(self, key) is not None and self.priority != _EMERGENCY:
                yield key, "goes only with priority = 2"
        if self.retry is not None and not _LEAST_RETRY_S <= self.retry <= _MOST_EXPIRE_S:
            yield "retry", f"must be {_LEAST_RETRY_S} to {_MOST_EXPIRE_S} seconds"
        if self.expire is not None and not _LEAST_RETRY_S <= self.expire <= _MOST_EXPIRE_S:
            yield "expire", f"must be {_LEAST_RETRY_S} to {_MOST_EXPIRE_S} seconds"
        if problem := url_problem(self.base_url):
            yield "base_url", problem
        elif "?" in self.base_url or "#" in self.base_url:
            yield "base_url", "must end before any ? or #"


def request(config: Config, message: Message, plain: bool) -> Request:
    """Contract §9: a form, in this order. ``plain`` leaves the output and the link away."""
    tail = plain_tail(message) if plain else message.tail
    form: list[tuple[str, str | int]] = [
        ("token", config.token),
        ("user", config.user),
        ("message", fit(message.line, tail, MESSAGE.most, points)),
    ]
    if config.priority is not None:
        form.append(("priority", config.priority))
    form.append(("title", title_of(message, config.title, TITLE.most, points)))
    if config.priority == _EMERGENCY:
        form.append(("retry", config.retry or _RETRY_S))
        form.append(("expire", config.expire or _EXPIRE_S))
    link = link_of(message)
    if link and len(link) <= URL.most and not plain:
        form += [("url", link), ("url_title", "Open the run")]
    return Request(
        url=f"{config.base_url.rstrip('/')}/1/messages.json",
        headers=(("Content-Type", "application/x-www-form-urlencoded"),),
        body=urlencode(form).encode(),
    )


def classify(response: Response) -> Outcome:
    """Only 200 with ``status`` 1 is a success (https://pushover.net/api#response)."""
    told = json_of(response)
    errors = told.get("errors")
    listed = errors if isinstance(errors, list) else [errors]
    said = "; ".join(each for each in listed if isinstance(each, str)) or None
    why = answered("Pushover", response, said)
    if response.status == 200 and told.get("status") == 1:
        receipt = told.get("receipt") or told.get("request")
        return Sent(receipt=receipt if isinstance(receipt, str) else None)
    if "invalid" in (told.get("token"), told.get("user")):
        return RejectDestination(why=why)
    if response.status == 429:
        return Retry(why=why, after_ms=_until_reset(response), least_ms=_REST_MS)
    if 200 <= response.status < 300:
        if "status" in told:
            return RejectMessage(why=why)
        return Retry(why=why, least_ms=_REST_MS)
    outcome = by_status("Pushover", response, said)
    return Retry(why=why, least_ms=_REST_MS) if isinstance(outcome, Retry) else outcome


def _until_reset(response: Response) -> int | None:
    """https://pushover.net/api#limits: a 429 means that the month's messages are used up, and a
    header names the second from which there are new ones; measured by Pushover's own clock."""
    reset = response.headers.get("x-limit-app-reset", "").strip()
    now = instant(response.headers.get("date"))
    if not (reset.isascii() and reset.isdigit() and len(reset) < 13) or now is None:
        return None
    wait = int(reset) * 1_000 - now
    return wait if wait > 0 else None
