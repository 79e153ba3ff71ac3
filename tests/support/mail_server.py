"""A real SMTP server (aiosmtpd) on the loopback, which takes only what a strict one takes.

It wants STARTTLS and a login, has its own word for each recipient where a test says so, and refuses
a message that is not an Internet message as RFC 5322 has it.
"""

from __future__ import annotations

import asyncio
import logging
from collections import defaultdict, deque
from dataclasses import dataclass, field
from email import policy
from email.message import EmailMessage
from email.parser import BytesParser
from pathlib import Path
from typing import Any, Self

from aiosmtpd.smtp import SMTP, AuthResult, LoginPassword

from tests.support.certificate import served

# What the server notes for its own use is no log of ours.
logging.getLogger("mail.log").disabled = True

ONCE = ("From", "To", "Subject", "Date", "Message-ID", "MIME-Version", "Content-Type")
USER = b"alerts"


@dataclass(frozen=True, slots=True, kw_only=True)
class Mail:
    """What arrived: the envelope, the bytes, and what a mail program makes of them."""

    sender: str
    recipients: tuple[str, ...]
    data: bytes

    @property
    def message(self) -> EmailMessage:
        return BytesParser(policy=policy.default).parsebytes(self.data)

    @property
    def text(self) -> str:
        """The body as it is read, line breaks as Unix has them."""
        return str(self.message.get_content()).replace("\r\n", "\n")


@dataclass(slots=True)
class MailServer:
    """It offers a login over STARTTLS only, without ``certificate`` no TLS either. ``says``: its
    next answers to RCPT for an address, or to ``DATA``."""

    certificate: Path | None = None
    secret: str = "s3cr3t-0123456789abcdef"
    implicit_tls: bool = False
    hangs: bool = False
    """It reads the message and never answers."""
    says: defaultdict[str, deque[str]] = field(default_factory=lambda: defaultdict(deque))
    mails: list[Mail] = field(default_factory=list)
    asked: list[str] = field(default_factory=list)
    """Every recipient that was named, in order."""
    port: int = 0
    _server: asyncio.Server | None = None
    _sessions: list[SMTP] = field(default_factory=list)

    async def __aenter__(self) -> Self:
        loop = asyncio.get_running_loop()
        tls = served(self.certificate) if self.certificate and self.implicit_tls else None
        self._server = await loop.create_server(self._session, "127.0.0.1", 0, ssl=tls)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *_: object) -> None:
        assert self._server is not None
        self._server.close()
        for session in self._sessions:
            for transport in (session.transport, session._original_transport):
                if isinstance(transport, asyncio.WriteTransport):
                    transport.abort()
        await self._server.wait_closed()
        tasks = [each._handler_coroutine for each in self._sessions if each._handler_coroutine]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        for _turn in range(5):  # the layers of a TLS connection end one after the other
            await asyncio.sleep(0)

    def _session(self) -> SMTP:
        starttls = self.certificate is not None and not self.implicit_tls
        session = SMTP(
            self,
            hostname="mail.example",
            ident="strict",
            tls_context=served(self.certificate) if self.certificate and starttls else None,
            require_starttls=starttls,
            authenticator=self._check,
            auth_required=starttls,
            loop=asyncio.get_running_loop(),
        )
        self._sessions.append(session)
        return session

    def _check(self, _server: Any, _session: Any, _envelope: Any, _how: str, data: Any) -> Any:
        assert isinstance(data, LoginPassword)
        right = (data.login, data.password) == (USER, self.secret.encode())
        return AuthResult(success=right, handled=False)

    async def handle_RCPT(  # noqa: N802
        self, _server: Any, _session: Any, envelope: Any, address: str, _options: Any
    ) -> str:
        self.asked.append(address)
        if self.says[address]:
            return self.says[address].popleft()
        envelope.rcpt_tos.append(address)
        return "250 2.1.5 fine"

    async def handle_DATA(self, _server: Any, _session: Any, envelope: Any) -> str:  # noqa: N802
        if self.hangs:
            await asyncio.Event().wait()
        if self.says["DATA"]:
            return self.says["DATA"].popleft()
        mail = Mail(
            sender=envelope.mail_from,
            recipients=tuple(envelope.rcpt_tos),
            data=bytes(envelope.original_content),
        )
        if (problem := judge(mail)) is not None:
            return f"550 5.6.0 {problem}"
        self.mails.append(mail)
        return f"250 2.0.0 queued as {len(self.mails)}"


def judge(mail: Mail) -> str | None:
    """What is wrong with a message (RFC 5322, RFC 2047)."""
    lines = mail.data.split(b"\r\n")
    if any(b"\n" in line or b"\r" in line for line in lines):
        return "a line break that is none"
    if not mail.data.isascii() or b"\0" in mail.data:
        return "a byte that is not ASCII"
    if any(len(line) > 998 for line in lines):
        return "a line that is too long"
    message = mail.message
    if wrong := [name for name in ONCE if len(message.get_all(name, [])) != 1]:
        return f"not once: {wrong[0]}"
    if message.defects or any(header.defects for header in message.values()):
        return "defects"
    head = mail.data.partition(b"\r\n\r\n")[0]
    if any(b"=?" in line and len(line) > 76 for line in head.split(b"\r\n")):
        return "an encoded line that is too long"
    return None if mail.text.strip() else "no text"
