"""E-mail, handed to an SMTP server.

    [[notifiers]]
    driver = "email"
    host = "smtp.example.org"
    port = 587                    # default: 587, 465 for tls, 25 for none
    security = "starttls"         # or "tls" from the first byte on; "none" is not encrypted
    username = "alerts"           # optional, with password
    password = "${SMTP_PASSWORD}"
    from = "dotagent <alerts@example.org>"
    to = ["Ana <ana@example.org>", "ops@example.org"]

Host, port and security stand in your provider's help under "SMTP" or "outgoing mail"; where you log
in with a second factor, make an "app password" there. A server of your own with a private
certificate needs `ca_file`. With `proxy` an HTTP proxy is asked for a tunnel to the server, which
it must allow for that port; a proxy of the environment is not used. Unless `security = "none"` says
otherwise nothing is sent, no password either, before the connection is encrypted and the
certificate found right.

Messages about one schedule form a thread. Each recipient is refused or taken by itself: who has a
message does not get it again when it is repeated for another. A refusal for now (4yz) is tried
again; one for good (5yz) ends as a dead letter; where every address is unknown, or the login is
refused, the destination is parked. What the server took is on its way: nobody tells whether it was
delivered, and a refusal by a later server goes to the mailbox of `from`.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import Annotated, Literal

from dotagent.core.model import Message, Outcome, RejectMessage, Sent
from dotagent.core.shapes import Text, Whole
from dotagent.drivers.kit.driver import Limit
from dotagent.drivers.kit.mail import Addresses, Mailbox, compose
from dotagent.drivers.kit.smtp import Letter, Talk
from dotagent.ports import Pace, Tools

# A server must take 64K octets; base64 makes three bytes four, with line ends a little more.
BODY = Limit(
    of="body",
    most=40_000,
    unit="bytes of UTF-8",
    source="https://www.rfc-editor.org/rfc/rfc5321#section-4.5.3.1.7",
)
SUBJECT = Limit(
    of="subject",
    most=150,
    unit="characters",
    source="https://www.rfc-editor.org/rfc/rfc5322#section-2.1.1",
)
LIMITS = (BODY, SUBJECT)
# Servers limit by recipients and days, each as it likes (RFC 5321 §4.5.3.1.8 only asks for room for
# a hundred recipients): this is no more than a person with a mail program does.
PACE = Pace(burst=10, every_ms=1_000, parallel=2)
TARGET = ("host", "port", "to")
SECRETS = ("password",)

_PORTS = {"starttls": 587, "tls": 465, "none": 25}


@dataclass(frozen=True, slots=True, kw_only=True)
class Config:
    host: Text
    from_: Annotated[tuple[Mailbox, ...], Addresses(one=True)]
    to: Annotated[tuple[Mailbox, ...], Addresses()]
    port: Annotated[int, Whole(what="a port", low=1, high=65_535)] | None = None
    security: Literal["starttls", "tls", "none"] = "starttls"
    username: str | None = None
    password: str | None = field(default=None, repr=False)

    def check(self) -> Iterator[tuple[str, str]]:
        if (self.username is None) != (self.password is None):
            yield "password", "username and password go together; set both or neither"

    def caution(self) -> Iterator[tuple[str, str]]:
        if self.security == "none":
            what = "messages" if self.password is None else "messages AND THE PASSWORD"
            yield (
                "security",
                f'"none": {what} cross the network unencrypted; use "starttls" or "tls"',
            )


async def send(tools: Tools, config: Config, message: Message) -> Outcome:
    """One conversation with the server; only those who do not have the message yet get it."""
    missing = [each.address for each in config.to if not tools.arrived(each.address)]
    if not missing:
        return Sent(receipt="every recipient has it already")
    sender = config.from_[0]

    def written(plain: bool) -> bytes:
        return compose(message, sender, config.to, BODY.most, SUBJECT.most, plain)

    letter = Letter(
        sender=sender.address,
        recipients=missing,
        data=written(tools.plain),
        alone=len(missing) == len(config.to),
    )
    login = (config.username, config.password) if config.username and config.password else None
    talk = Talk(tools, config.host, config.security, login)
    connected = await tools.connect(config.host, config.port or _PORTS[config.security])
    outcome = await talk.hold(connected, letter)
    if isinstance(outcome, RejectMessage) and not tools.plain:
        return replace(outcome, final=written(True) == letter.data)
    return outcome
