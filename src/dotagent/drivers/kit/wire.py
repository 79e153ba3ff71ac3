"""What driver files share: reading an answer, and text that may go into a header. Pure.

Invariant: no address gets further than its host name, and no character that could end a header
gets into one.
"""

from __future__ import annotations

import json
from base64 import b64encode
from collections.abc import Mapping
from dataclasses import replace
from http import HTTPStatus
from typing import Any
from urllib.parse import urlsplit

from dotagent.core.fit import Size, one_line, shorten, utf8
from dotagent.core.model import (
    Message,
    Outcome,
    RejectDestination,
    RejectMessage,
    Retry,
    Sent,
    Unknown,
)
from dotagent.core.retry_after import instant, parse
from dotagent.ports import Response

_EXCERPT = 160
_WORD_BYTES = 45
"""RFC 2047 §2: an encoded word has at most 75 characters; this many bytes make 72 of them."""
_GONE = {401, 402, 403, 404, 405, 410, 451}
"""The address or the credentials are wrong: no other message would fare better."""
_LATER = {407, 408, 409, 421, 423, 425, 429}


# ------------------------------------------------------------------------------------- answers


def phrase(status: int) -> str:
    """``404 Not Found``."""
    try:
        return f"{status} {HTTPStatus(status).phrase}"
    except ValueError:
        return str(status)


def text_of(response: Response) -> str:
    """The body as text; empty for a web page. Not by its type: Slack says ``ok`` as HTML."""
    text = response.body.decode("utf-8", "replace").strip()
    return "" if is_page(response) else text


def is_page(response: Response) -> bool:
    """Whether the body is a web page: a proxy's, or a network's login page."""
    return response.body.lstrip().startswith(b"<")


def json_of(response: Response) -> Mapping[str, Any]:
    """The body as a JSON object; empty if it is none."""
    try:
        found = json.loads(response.body)
    except (ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}


def answered(service: str, response: Response, said: str | None = None) -> str:
    """``Slack answered 404 Not Found: no_service``. ``said`` stands in for the body's text. A web
    page is no answer of a service, whatever its status: a login page answers 200."""
    words = shorten(text_of(response) if said is None else said, _EXCERPT)
    head = f"{service} answered {phrase(response.status)}"
    if words:
        return f"{head}: {words}"
    if is_page(response) and response.status < 300:
        return f"{head} with a web page; is a network's login page in between?"
    return head


def by_status(service: str, response: Response, said: str | None = None) -> Outcome:
    """What a status means where a service says nothing of its own about it."""
    status = response.status
    if 200 <= status < 300:
        return Sent()
    why = answered(service, response, said)
    if 300 <= status < 400:
        return moved(service, response)
    if status in _GONE:
        return RejectDestination(why=why)
    if status in _LATER or status >= 500:
        return Retry(why=why)
    return RejectMessage(why=why) if status >= 400 else Unknown(why=why)


def moved(service: str, response: Response) -> RejectDestination:
    """A redirect is never followed: it would carry message and secrets to an unchosen host."""
    try:
        host = urlsplit(response.headers.get("location", "")).hostname or ""
    except ValueError:
        host = ""
    place = f"to host {host[:100]}" if host.isascii() and host.isprintable() and host else "away"
    why = f"{service} answered {phrase(response.status)}: the address has moved {place}"
    return RejectDestination(why=f"{why}; put the new address into the configuration")


def with_wait(outcome: Outcome, response: Response, now: int) -> Outcome:
    """The outcome with the wait that ``Retry-After`` asks for, where a retry names none itself.
    A date is measured against the service's own clock if it shows one: ours may be wrong.
    """
    if not isinstance(outcome, Retry) or outcome.after_ms is not None:
        return outcome
    there = instant(response.headers.get("date"))
    wait = parse(response.headers.get("retry-after"), now if there is None else there)
    return replace(outcome, after_ms=wait)


# ------------------------------------------------------------------------------------ requests


def header_text(text: str, word_bytes: int = _WORD_BYTES) -> str:
    """``text`` as one header value: RFC 2047 words of at most ``word_bytes`` of it each, if it is
    not plain ASCII, or looks encoded."""
    line = one_line(text).replace("\t", " ")
    if line.isascii() and "=?" not in line:
        return line
    chunks, size = [""], 0
    for char in line:
        size += len(char.encode())
        if size > word_bytes:
            chunks.append("")
            size = len(char.encode())
        chunks[-1] += char
    return " ".join(f"=?utf-8?B?{b64encode(chunk.encode()).decode()}?=" for chunk in chunks)


def url_problem(url: str) -> str | None:
    """Why ``url`` cannot be an address to send to; None if it can."""
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname, parts.port
    except ValueError:
        return "is not a valid address"
    if parts.scheme not in ("http", "https"):
        return "must start with https:// or http://"
    if not host:
        return "has no host"
    if not url.isprintable() or " " in url:
        return "holds a space or a control character"
    return None


def link_of(message: Message) -> str | None:
    """The message's link if it is a web address that is safe to show and to tap."""
    link = message.link
    if not isinstance(link, str) or len(link) > 1_000 or not link.isascii():
        return None
    return None if url_problem(link) else link


def plain_tail(message: Message) -> str:
    """What stands for the output once a service has refused the full message."""
    return "(output left out: the service refused the full message)" if message.tail else ""


def title_of(message: Message, title: str | None, room: int, size: Size = utf8) -> str:
    """The configured title, else the message's, else the agent's name: at most ``room``."""
    for text in (title, message.title, message.agent):
        if found := shorten(text or "", room, size):
            return found
    return "dotagent"
