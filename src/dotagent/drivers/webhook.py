"""An address of your own: each message as a CloudEvent, signed if you like.

    [[notifiers]]
    driver = "webhook"
    url = "https://alerts.example/hook"
    method = "POST"                        # optional: POST, PUT or PATCH
    secret = "${WEBHOOK_SECRET}"           # optional: whsec_ and a random key in base64
    headers = { Authorization = "Bearer ${WEBHOOK_TOKEN}" }   # optional

The body is a CloudEvent 1.0 as JSON: ``id`` stays the same when a message is sent again, so that
you can drop a repeat; ``type`` is ``dotagent.`` and the event; ``data`` has the title, the message,
the output and the facts. With a ``secret`` the headers webhook-id, webhook-timestamp and
webhook-signature let you check where it came from (https://www.standardwebhooks.com has libraries).
Make one with: echo "whsec_$(openssl rand -base64 32)"; while you change it, write both, with a
space between.

Answer 2xx within ten seconds. 408, 429 and 5xx are tried again, and Retry-After is obeyed; 401,
403, 404 and 410 park the destination; any other 4xx gets a shorter message once.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import re
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, Literal
from urllib.parse import quote

from dotagent.core.compact import compact
from dotagent.core.fit import clean, fit, json_bytes, one_line, visible
from dotagent.core.model import Message, Outcome
from dotagent.drivers.kit.driver import Limit
from dotagent.drivers.kit.wire import by_status, link_of, plain_tail, title_of, url_problem
from dotagent.ports import Pace, Request, Response

EVENT = Limit(
    of="event",
    most=65_536,
    unit="bytes of JSON",
    source="https://github.com/cloudevents/spec/blob/v1.0.2/cloudevents/spec.md#size-limits",
)
LIMITS = (EVENT,)
PACE = Pace(parallel=16)
FOLDS = False  # a program reads it: one event each
TARGET = ("url",)
SECRETS = ("url", "headers", "secret")

_LINE, _TITLE, _FACTS = 8_000, 500, 16_000
"""Bytes of the event's other parts; the output gets the rest."""
# https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md
# #signature-scheme: 24 to 64 bytes.
_PREFIX, _SHORTEST, _LONGEST = "whsec_", 24, 64

# https://www.rfc-editor.org/rfc/rfc9110#name-tokens
_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_OURS = {"connection", "content-length", "content-type", "host", "te", "trailer", "upgrade"}
_OURS |= {"transfer-encoding", "expect", "webhook-id", "webhook-timestamp", "webhook-signature"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Config:
    url: str = field(repr=False)
    method: Literal["POST", "PUT", "PATCH"] = "POST"
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    secret: str | None = field(default=None, repr=False)

    def check(self) -> Iterator[tuple[str, str]]:
        if problem := url_problem(self.url):
            yield "url", problem
        for name, value in self.headers.items():
            if not _NAME.fullmatch(name):
                yield "headers", "a name holds a character that no header's name may hold"
            elif name.lower() in _OURS:
                yield "headers", f"{name} is set by dotagent itself"
            elif not (value.isascii() and value.isprintable()):
                yield "headers", f"the value of {name} holds a character that no header may hold"
        if len({name.lower() for name in self.headers}) < len(self.headers):
            yield "headers", "names one header twice"
        if self.secret is not None and not _keys(self.secret):
            size = f"{_SHORTEST} to {_LONGEST} bytes in base64"
            yield "secret", f"must be {_PREFIX} and {size} (see standardwebhooks.com)"


def _keys(secret: str) -> list[bytes]:
    """The keys inside a secret, or inside several with spaces between; none if one is wrong."""
    keys = []
    for each in secret.split():
        try:
            keys.append(base64.b64decode(each.removeprefix(_PREFIX), validate=True))
        except (binascii.Error, ValueError):
            return []
        if not (each.startswith(_PREFIX) and _SHORTEST <= len(keys[-1]) <= _LONGEST):
            return []
    return keys


def signature(key: bytes, name: str, stamp: str, body: bytes) -> str:
    """HMAC-SHA256 over id, time of the try and body, parted by full stops."""
    digest = hmac.digest(key, f"{name}.{stamp}.".encode() + body, hashlib.sha256)
    return f"v1,{base64.b64encode(digest).decode()}"


# ------------------------------------------------------------------------------------ the event


def _time(at: int) -> str:
    moment = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(milliseconds=at)
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _bytes(value: Any) -> bytes:
    return compact(value).encode("utf-8", "replace")


def _output(message: Message, plain: bool, room: int) -> str:
    tail = plain_tail(message) if plain else message.tail
    return fit("", tail, room, json_bytes) if visible(clean(tail)) else ""


def _data(message: Message, plain: bool) -> dict[str, Any]:
    return {
        "agent": one_line(message.agent),
        "schedule": one_line(message.schedule_id),
        "event": message.kind.value,
        "severity": message.severity.value,
        "title": title_of(message, None, _TITLE, json_bytes),
        "message": fit(message.line, "", _LINE, json_bytes),
        "link": link_of(message),
        "facts": {} if plain else dict(message.facts),
        "output": _output(message, plain, EVENT.most),
    }


def _event(message: Message, plain: bool) -> bytes:
    """A CloudEvent in structured mode, compact, whole at most ``EVENT.most``: facts that are too
    many, or no JSON, are left out, and of the output goes what there is room for."""
    data = _data(message, plain)
    names = (data["agent"], data["schedule"])
    place = "/".join(quote(name, safe="") for name in names if name)
    event = {
        "specversion": "1.0",
        "id": message.key,
        "source": f"/dotagent/{place}",
        "type": f"dotagent.{message.kind.value}",
        "time": _time(message.at),
        "datacontenttype": "application/json",
        "data": data,
    }
    with suppress(TypeError, ValueError):
        if len(whole := _bytes(event)) <= _FACTS:  # no part of it is too large then
            return whole
    data["facts"] = data["facts"] if _is_modest(data["facts"]) else {}
    over = len(_bytes(event)) - EVENT.most
    if over > 0:
        data["output"] = _output(message, plain, json_bytes(data["output"]) - over)
    return _bytes(event)


def _is_modest(facts: Mapping[str, Any]) -> bool:
    try:
        return len(_bytes(facts)) <= _FACTS
    except (TypeError, ValueError):
        return False


def request(config: Config, message: Message, plain: bool) -> Request:
    """``plain`` leaves output and facts away."""
    body = _event(message, plain)
    stamp = str(message.tried_at // 1_000)
    headers = [("Content-Type", "application/cloudevents+json; charset=utf-8")]
    headers += [("webhook-id", message.key), ("webhook-timestamp", stamp)]
    if config.secret is not None:
        signed = (signature(key, message.key, stamp, body) for key in _keys(config.secret))
        headers.append(("webhook-signature", " ".join(signed)))
    headers += config.headers.items()
    return Request(url=config.url, headers=tuple(headers), body=body, method=config.method)


def classify(response: Response) -> Outcome:
    """By the status alone."""
    return by_status("the webhook", response)
