"""An Internet message (RFC 5322) as bytes, and the addresses that people write. Pure.

Invariants: nothing that an agent prints can begin a header, add a recipient or end a part; every
line has at most 998 octets, all of them ASCII. The headers are written by hand: the standard
library decodes text that looks encoded, and then sends it as it is.
"""

from __future__ import annotations

import binascii
import hashlib
import re
from base64 import encodebytes
from collections.abc import Sequence
from dataclasses import dataclass
from email.utils import formatdate
from typing import Any

from dotagent.core.fit import fit, one_line, shorten, utf8
from dotagent.core.model import Message
from dotagent.core.values import Rule, Wrong, has_reference, refuse
from dotagent.drivers.kit.wire import header_text, link_of, plain_tail

_WORD_BYTES = 36
"""So that the first word fits beside the name of its header (RFC 2047 §2: 76 characters)."""

# What HTML calls a valid e-mail address: no blanks, quotes, commas or anything that is not ASCII.
_ADDRESS = re.compile(
    r"[a-zA-Z0-9.!#$%&'*+/=?^_`{|}~-]{1,64}@[a-zA-Z0-9](?:[a-zA-Z0-9.-]{0,251}[a-zA-Z0-9])?"
)
_NAMED = re.compile(r"([^<>]*)<([^<>]*)>")


@dataclass(frozen=True, slots=True, kw_only=True)
class Mailbox:
    """``Ana <ana@example.org>``."""

    name: str
    address: str

    def written(self) -> str:
        """As a header has it."""
        name = header_text(self.name, _WORD_BYTES)
        if not name:
            return self.address
        if name.startswith("=?"):
            return f"{name} <{self.address}>".replace("?= =?", "?=\r\n =?")
        quoted = name.replace("\\", "\\\\").replace('"', '\\"')
        return f'"{quoted}" <{self.address}>'


@dataclass(frozen=True, slots=True, kw_only=True)
class Addresses(Rule):
    """One address or more, as a text with commas or a list. They may hold ``${NAME}``."""

    one: bool = False

    def take(self, value: Any) -> tuple[Mailbox, ...]:
        entries = value.split(",") if isinstance(value, str) else value
        if not isinstance(entries, list) or not all(isinstance(each, str) for each in entries):
            raise refuse(value, "text" if self.one else "text or a list of texts")
        if has_reference(value):
            return ()
        found = tuple(_mailbox(each) for each in entries if each.strip())
        if not found:
            raise Wrong("empty; an address is needed")
        if self.one and len(found) > 1:
            raise Wrong("more than one address")
        return found


def _mailbox(text: str) -> Mailbox:
    named = _NAMED.fullmatch(text.strip())
    name, address = (named[1].strip().strip('"'), named[2]) if named else ("", text.strip())
    if not address.isascii():
        local, _, _ = address.partition("@")
        what = "before the @" if not local.isascii() else "after the @: write that in its xn-- form"
        raise Wrong(f"holds a character that is not ASCII {what}, or take another address")
    if _ADDRESS.fullmatch(address) is None or not name.isprintable():
        raise Wrong("not an e-mail address; write ana@example.org or Ana <ana@example.org>")
    return Mailbox(name=one_line(name), address=address)


def compose(
    message: Message,
    sender: Mailbox,
    recipients: Sequence[Mailbox],
    room: int,
    subject_room: int,
    plain: bool,
) -> bytes:
    """The whole message. Its identity is the delivery's, so that a repeat can be seen to be one."""
    link = link_of(message)
    tail = plain_tail(message) if plain else message.tail
    body = fit(message.line, f"{tail}\n\n{link}" if link else tail, room, utf8)
    encoding, data = _encoded(body.encode("utf-8", "replace"))
    domain = sender.address.rpartition("@")[2]
    thread = f"<{_thread(message)}@{domain}>"
    headers = (
        ("From", sender.written()),
        ("To", ",\r\n ".join(each.written() for each in recipients)),
        ("Subject", _words(shorten(message.line, subject_room) or message.kind)),
        ("Date", formatdate(message.at / 1_000)),
        ("Message-ID", f"<{_atom(message.key)}@{domain}>"),
        ("In-Reply-To", thread),
        ("References", thread),
        ("Auto-Submitted", "auto-generated"),  # RFC 3834: no holiday notes, please
        ("MIME-Version", "1.0"),
        ("Content-Type", "text/plain; charset=utf-8"),
        ("Content-Transfer-Encoding", encoding),
    )
    head = "".join(f"{name}: {value}\r\n" for name, value in headers)
    return head.encode("ascii") + b"\r\n" + data


def _words(text: str) -> str:
    return header_text(text, _WORD_BYTES).replace("?= =?", "?=\r\n =?")


def _atom(text: str) -> str:
    return re.sub(r"[^A-Za-z0-9.-]", "-", text)


def _thread(message: Message) -> str:
    """What all messages about one schedule refer to; of this home only, which its key begins with.
    What is about no schedule hangs together by its kind."""
    about = (message.agent, message.schedule_id) if message.schedule_id else (message.kind,)
    home = message.key.rpartition("-")[0]
    return hashlib.sha256("\0".join((home, *about)).encode("utf-8", "replace")).hexdigest()[:32]


def _encoded(text: bytes) -> tuple[str, bytes]:
    """Readable as it stands where most of it is ASCII; no line is longer than 76 characters."""
    strange = sum(byte > 126 for byte in text)
    if strange * 6 > len(text):
        return "base64", encodebytes(text).replace(b"\n", b"\r\n")
    lines = binascii.b2a_qp(text, istext=True).replace(b"\n", b"\r\n")
    return "quoted-printable", lines + b"\r\n"
