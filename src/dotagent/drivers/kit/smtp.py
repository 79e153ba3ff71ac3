"""A conversation with an SMTP server (RFC 5321 §3.3), and what each way it may end means.

Invariants: no login and no message goes out before the connection is as secure as is wanted; until
the message is handed over an end is a plain retry, after that nobody knows.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from socket import AF_INET6, socket
from ssl import SSLCertVerificationError, SSLError
from typing import TYPE_CHECKING

from dotagent.core.fit import shorten
from dotagent.core.model import (
    Outcome,
    RejectDestination,
    RejectMessage,
    Retry,
    Sent,
    Unknown,
)
from dotagent.ports import Tools

if TYPE_CHECKING:
    from aiosmtplib import SMTP

_EXCERPT = 160
# RFC 4954 §6: no login, one that is too weak, a wrong one, one that needs encryption.
_LOGIN = {530, 534, 535, 538}
# RFC 3463: an address that is wrong (5.1.x) or a mailbox that is disabled (5.2.1).
_NO_SUCH = re.compile(r"5\.(1\.\d+|2\.1)\b")

Refusals = dict[str, tuple[int, str]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Letter:
    """What is to be sent to whom. ``alone``: nobody has it by an earlier try."""

    sender: str
    recipients: Sequence[str]
    data: bytes = field(repr=False)
    alone: bool = True


class Talk:
    """One conversation. ``security`` is ``starttls``, ``tls`` or ``none``."""

    def __init__(
        self, tools: Tools, host: str, security: str, login: tuple[str, str] | None
    ) -> None:
        self._tools = tools
        self._trust = tools.trust()
        self._host = host
        self._security = security
        self._login = login
        self._greeted = False
        self._handed_over = False

    async def hold(self, connected: socket, letter: Letter) -> Outcome:
        """The whole of it, over a connected socket, which is closed with it."""
        from aiosmtplib import SMTP, SMTPException, SMTPResponseException

        client = SMTP(
            hostname=self._host,
            sock=connected,
            timeout=None,  # the deadline is the kit's
            use_tls=self._security == "tls",
            start_tls=False,
            tls_context=self._trust,
            local_hostname=_literal(connected),
        )
        try:
            await self._begin(client)
            return await self._deliver(client, letter)
        except SMTPResponseException as error:
            return self._refused(error.code, error.message)
        except (SMTPException, OSError) as error:
            return self._ended(error)
        finally:
            if client.is_connected and client.protocol is not None:
                client.protocol.write(b"QUIT\r\n")  # its answer is of no use to anybody
            client.close()

    async def _begin(self, client: SMTP) -> None:
        await client.connect()
        await client.ehlo()
        if self._security == "starttls":
            await client.starttls()
            await client.ehlo()
        self._greeted = True
        if self._login is not None:
            await client.login(*self._login)

    async def _deliver(self, client: SMTP, letter: Letter) -> Outcome:
        from aiosmtplib import SMTPRecipientRefused

        await client.mail(letter.sender)
        refusals: Refusals = {}
        for address in letter.recipients:
            try:
                await client.rcpt(address)
            except SMTPRecipientRefused as error:
                refusals[address] = (error.code, error.message)
        taken = [each for each in letter.recipients if each not in refusals]
        receipt = ""
        if taken:
            self._tools.handing_over()
            self._handed_over = True
            receipt = (await client.data(letter.data)).message
        if refusals:
            return partly(self._host, taken, refusals, alone=letter.alone)
        return Sent(receipt=shorten(receipt, _EXCERPT) or None)

    def _refused(self, code: int, text: str) -> Outcome:
        why = answered(self._host, code, text)
        if code < 400:
            return Retry(why=f"what {self._host} answered is not SMTP")
        if code < 500:
            return Retry(why=why)
        if code in _LOGIN or not self._greeted or _NO_SUCH.match(text):
            return RejectDestination(why=why)
        return RejectMessage(why=why)

    def _ended(self, error: Exception) -> Outcome:
        host, cause = self._host, _tls_error(error)
        if self._handed_over:
            return Unknown(why=f"{host} closed the connection before it took the message")
        if isinstance(cause, SSLCertVerificationError):
            why = f"the certificate of {host} is not trusted ({cause.verify_message})"
            return Retry(why=f"{why}; set ca_file if it is your own")
        if cause is not None:
            return Retry(why=f"no secure connection with {host} ({_reason(cause)})")
        if isinstance(error, OSError):
            return Retry(why=f"{host} closed the connection")
        if not self._greeted:
            why = f"{host} offers no STARTTLS; nothing was sent, for it would not be encrypted"
            return RejectDestination(why=why)
        return RejectDestination(why=f"{host} offers no login that dotagent knows")


def partly(host: str, taken: Sequence[str], refusals: Refusals, *, alone: bool) -> Outcome:
    """Some or all recipients were refused. Those who have it do not get it again; where it is for
    good, it is a dead letter of those who have it not, and the channel lives on for the others."""
    told = "; ".join(answered(who, code, text) for who, (code, text) in refusals.items())
    why = f"{host} took it for {len(taken)} of {len(taken) + len(refusals)} recipients; {told}"
    if any(400 <= code < 500 for code, _ in refusals.values()):
        return Retry(why=why, arrived=tuple(taken))
    unknown = all(_NO_SUCH.match(text) for _, text in refusals.values())
    if unknown and alone and not taken:
        return RejectDestination(why=why)
    return RejectMessage(why=why, arrived=tuple(taken))


def answered(who: str, code: int, text: str) -> str:
    """``smtp.example.org answered 550: 5.1.1 no such user``."""
    words = shorten(text, _EXCERPT)
    return f"{who} answered {code}: {words}" if words else f"{who} answered {code}"


def _literal(connected: socket) -> str:
    """Who we are (RFC 5321 §4.1.3): the address, for a name would have to be looked up."""
    host = connected.getsockname()[0].partition("%")[0]
    return f"[IPv6:{host}]" if connected.family == AF_INET6 else f"[{host}]"


def _tls_error(error: BaseException | None) -> SSLError | None:
    while error is not None and not isinstance(error, SSLError):
        error = error.__cause__ or error.__context__
    return error


def _reason(error: SSLError) -> str:
    return (error.reason or "TLS error").replace("_", " ").lower()
