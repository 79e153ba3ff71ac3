"""Any of the hundred services that the Apprise library speaks to.

    [[notifiers]]
    driver = "apprise"
    url = "matrixs://${MATRIX_TOKEN}@matrix.example.org/#alerts"

Needs the extra: `pip install "dotagent[apprise]"`. Without it the message is rejected as
unsupported, once, and the destination is parked. The address of each service, and how to get its
credentials, are at https://appriseit.com/services/. The whole address is a secret.

Where there is a driver of our own for a service, prefer it: Apprise says only whether a message
went out, sometimes the status that the service answered, and never how long to wait. So a status
that means "gone" parks the destination, any other refusal is tried again, and a failure without a
status may have arrived and may come twice. It cuts a text to its service's limit by itself. What
an agent prints goes as plain text: Apprise writes it so that a service which reads markup shows it
as it stands, and it mentions nobody. `proxy` and `ca_file` are refused, for Apprise would go around
both: it takes the proxy of the environment and trusts what Python trusts.
"""

from __future__ import annotations

import logging
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, ClassVar

from dotagent.core.fit import fit, points
from dotagent.core.model import (
    Message,
    Outcome,
    RejectDestination,
    Sent,
    Severity,
    Unknown,
    Unsupported,
)
from dotagent.core.shapes import Text
from dotagent.drivers.kit.driver import Limit
from dotagent.drivers.kit.wire import by_status, link_of, plain_tail, title_of
from dotagent.ports import Pace, Response, Tools

# Apprise's own default for services that name no limit; it splits or cuts for the others.
BODY = Limit(
    of="body",
    most=32_768,
    unit="characters",
    source="https://appriseit.com/library/",
)
LIMITS = (BODY,)
# Nobody knows which service it is: about the pace of the strictest there are.
PACE = Pace(burst=2, every_ms=1_000, parallel=2)
TARGET = ("url",)
SECRETS = ("url",)

_TITLE = 200
_TYPES = {Severity.CRITICAL: "failure", Severity.WARNING: "warning", Severity.NOTICE: "success"}
_STATUS = re.compile(r"\berror=(\d{3})\b")
# https://github.com/caronc/apprise/wiki/URLBasics: a parameter that every service takes,
# of which Apprise reads the first two letters.
_UNCHECKED = re.compile(r"[?&]verify=(?:(?:de|di|fa|ne|no|of)[^&]*|[fn0])(?:&|$)", re.I)
# What services turn into a mention or a wake-up by themselves, also in plain text.
_PING = re.compile(r"(?<!\w)@(?=\w)|<(?=[!@#&])")
_LOUD = ("apprise", "urllib3", "requests", "requests_oauthlib", "oauthlib")
"""Loggers that write addresses, which are secret, into their debug messages."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Config:
    UNUSED: ClassVar = ("proxy", "ca_file")

    url: Text = field(repr=False)

    def check(self) -> Iterator[tuple[str, str]]:
        if re.match(r"[A-Za-z][A-Za-z0-9]*://.", self.url.strip()) is None:
            yield "url", "not an address of Apprise; it starts with the service, as in mailto://"

    def caution(self) -> Iterator[tuple[str, str]]:
        if _UNCHECKED.search(self.url):
            what = "whoever answers in the service's place gets messages AND CREDENTIALS"
            yield "url", f"verify=no: no certificate is checked, {what}; take it away"


async def send(tools: Tools, config: Config, message: Message) -> Outcome:
    """One message, in a thread of its own: Apprise waits for its sockets."""
    if tools.own_way:
        why = f"apprise would go around the {tools.own_way} that is set; take the key away"
        return Unsupported(why=why)
    link = link_of(message)
    tail = plain_tail(message) if tools.plain else message.tail
    body = fit(message.line, f"{tail}\n\n{link}" if link else tail, BODY.most, points)
    title = title_of(message, None, _TITLE)
    return await tools.aside(
        lambda: _notify(
            config.url.strip(), _quiet(title), _quiet(body), _TYPES.get(message.severity, "info")
        )
    )


def _quiet(text: str) -> str:
    return _PING.sub("\\g<0>\u200b", text)


def _notify(url: str, title: str, body: str, kind: str) -> Outcome:
    try:
        import apprise
    except ImportError:
        why = 'the apprise library is not installed; run: pip install "dotagent[apprise]"'
        return Unsupported(why=why)
    with _overheard() as said:
        service = apprise.Apprise.instantiate(url, suppress_exceptions=True)
        if service is None:
            return RejectDestination(why="Apprise cannot use this url; see its page of the service")
        # Without a format it takes the text for its own markup.
        if service.notify(body=body, title=title, notify_type=kind, body_format="text"):
            return Sent()
    return _failed(said)


def _failed(said: list[str]) -> Outcome:
    """The status that the service answered, where Apprise has logged one; its words may hold the
    address."""
    found = [int(number) for words in said for number in _STATUS.findall(words)]
    if not found:
        return Unknown(why="Apprise could not send it, and does not say why")
    return by_status("the service behind Apprise", Response(status=found[-1]))


@contextmanager
def _overheard() -> Iterator[list[str]]:
    """What Apprise says in this thread at ``warning`` and above; nobody else hears it."""
    said: list[str] = []
    me = threading.get_ident()

    class Ear(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            if record.thread == me:
                said.append(record.getMessage())

    for name in _LOUD:
        logger = logging.getLogger(name)
        logger.propagate = False
        logger.setLevel(logging.WARNING)
    ear: Any = Ear(level=logging.WARNING)
    log = logging.getLogger("apprise")
    log.addHandler(ear)
    try:
        yield said
    finally:
        log.removeHandler(ear)
