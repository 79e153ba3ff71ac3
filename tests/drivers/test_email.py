"""E-mail, against a real SMTP server with STARTTLS and a login."""

from __future__ import annotations

import asyncio
import contextlib
import tempfile
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from dotagent.core.model import (
    Kind,
    Message,
    Outcome,
    RejectDestination,
    RejectMessage,
    Retry,
    Sent,
    Unknown,
    Unsupported,
)
from dotagent.core.problems import Findings
from dotagent.core.structure import inspect, structure
from dotagent.drivers.email import Config
from tests.drivers.harness import Stage, kit, message, parcel
from tests.support import certificate as certificates
from tests.support.connect_proxy import ConnectProxy
from tests.support.mail_server import MailServer

ANA, BOB = "ana@example.org", "bob@example.org"
NO_SUCH = "550 5.1.1 no such user"
LATER = "450 4.2.1 greylisted, come back"


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A certificate for the mail server."""
    return certificates.make(tmp_path_factory.mktemp("tls"))


def settings_for(server: MailServer, **more: Any) -> dict[str, Any]:
    return {
        "host": "127.0.0.1",
        "port": server.port,
        "username": "alerts",
        "password": server.secret,
        "from": "dotagent <alerts@example.org>",
        "to": [ANA],
    } | more


async def mailed(
    server: MailServer, settings: dict[str, Any] | None = None, **more: Any
) -> Outcome:
    """One send, trusting the server's certificate."""
    if server.certificate is not None:
        more = {"ca_file": str(server.certificate)} | more
    async with kit() as sender:
        load = parcel("email", settings or settings_for(server), **more)
        return await sender.send(load)


@asynccontextmanager
async def stage(secret: str, says: str = "", **more: Any) -> AsyncIterator[Stage]:
    with tempfile.TemporaryDirectory() as folder:
        cert = certificates.make(Path(folder))
        server = MailServer(cert, secret=secret, **more)
        async with server, kit() as sender:
            if says:
                server.says["DATA"].append(says)
            yield Stage(kit=sender, settings=settings_for(server), parcel={"ca_file": str(cert)})


@asynccontextmanager
async def gone(secret: str) -> AsyncIterator[Stage]:
    async with MailServer(secret=secret) as server:
        settings = settings_for(server)
    async with kit() as sender:
        yield Stage(kit=sender, settings=settings)


STAGES = {
    "well": stage,
    "hangs": lambda secret: stage(secret, hangs=True),
    "refuses": lambda secret: stage(secret, says=f"554 5.7.1 {secret} is spam"),
    "gone": gone,
}


# ------------------------------------------------------------------------------------ what arrives


async def test_arrives(certificate: Path) -> None:
    """Over STARTTLS, with a login: the message as a mail program shows it."""
    async with MailServer(certificate) as server:
        outcome = await mailed(
            server,
            settings_for(server, to='Ána "A" <ana@example.org>, bob@example.org'),
            message=message(
                "disk/daily: attempt 2 of 3 failed — ähm", "über\n.\n.dot\n" + "x" * 2_000
            ),
        )
    [mail] = server.mails
    seen = mail.message

    assert Sent(receipt="2.0.0 queued as 1") == outcome
    assert ("alerts@example.org", (ANA, BOB)) == (mail.sender, mail.recipients)
    assert "dotagent <alerts@example.org>" == seen["From"]
    assert [ANA, BOB] == [each.addr_spec for each in seen["To"].addresses]
    assert 'Ána "A' == seen["To"].addresses[0].display_name
    assert "disk/daily: attempt 2 of 3 failed — ähm" == seen["Subject"]
    assert "<01J0-delivery-1@example.org>" == seen["Message-ID"]
    assert "Mon, 21 Sep 2026 14:13:20 -0000" == str(seen["Date"])
    assert "auto-generated" == seen["Auto-Submitted"]
    assert "text/plain" == seen.get_content_type()
    assert mail.text.startswith("disk/daily: attempt 2 of 3 failed — ähm\nüber\n.\n.dot\nxxx")


async def test_ascii_stays_readable(certificate: Path) -> None:
    """A message of plain ASCII can be read in the raw bytes."""
    async with MailServer(certificate) as server:
        await mailed(server, message=message("a/b: failed", "No space left on device"))

    assert b"\r\n\r\na/b: failed\r\nNo space left on device\r\n" in server.mails[0].data


@pytest.mark.parametrize(
    ("text", "encoding"), [("plain", "quoted-printable"), ("ж" * 50, "base64")]
)
async def test_encoding(certificate: Path, text: str, encoding: str) -> None:
    """The encoding is the one that is easier to read, and every line is short enough."""
    async with MailServer(certificate) as server:
        await mailed(server, message=message("a/b: failed", (text + "\n") * 90))
    [mail] = server.mails

    assert encoding == mail.message["Content-Transfer-Encoding"]
    assert max(map(len, mail.data.split(b"\r\n"))) <= 78
    assert (text + "\n") * 90 == mail.text.partition("\n")[2] + "\n" * (encoding == "base64")


async def test_threads(certificate: Path) -> None:
    """Messages about one schedule form a thread; another schedule, and a home's own events, have
    their own."""
    async with MailServer(certificate) as server:
        for more in (
            {},
            {},
            {"schedule_id": "weekly"},
            {"agent": "", "schedule_id": ""},
        ):
            await mailed(server, message=message(**more))
    threads = [mail.message["References"] for mail in server.mails]

    assert threads[0] == threads[1] == server.mails[0].message["In-Reply-To"]
    assert 3 == len(set(threads))


async def test_nothing_can_be_injected(certificate: Path) -> None:
    """No text of an agent begins a header, adds a recipient or ends the message."""
    evil = "x\r\nBcc: eve@example.org\r\n\r\n.\r\nQUIT\r\nMAIL FROM:<eve@example.org>"
    async with MailServer(certificate) as server:
        await mailed(server, message=message(evil, evil, title=evil, agent=evil, schedule_id=evil))
        await mailed(
            server,
            message=Message(
                key=evil,
                kind=Kind.SUCCESS,
                severity=message().severity,
                at=0,
                title=evil,
                line=evil,
                tail=evil,
            ),
        )

    assert [(ANA,), (ANA,)] == [mail.recipients for mail in server.mails]
    assert [None, None] == [mail.message["Bcc"] for mail in server.mails]


async def test_tls_from_the_first_byte(certificate: Path) -> None:
    """``security = "tls"`` speaks TLS at once."""
    async with MailServer(certificate, implicit_tls=True) as server:
        settings = settings_for(server, security="tls")
        del settings["username"], settings["password"]
        outcome = await mailed(server, settings)

    assert isinstance(outcome, Sent)


async def test_unencrypted_if_wanted() -> None:
    """``security = "none"``, without a login, for a server on the same machine."""
    async with MailServer() as server:
        settings = settings_for(server, security="none")
        del settings["username"], settings["password"]
        outcome = await mailed(server, settings)

    assert isinstance(outcome, Sent)
    assert 1 == len(server.mails)


# ------------------------------------------------------------------------------------ recipients


async def test_one_of_two_is_refused_for_now(certificate: Path) -> None:
    """Only who was refused is asked again: nobody gets a message twice."""
    arrived: set[str] = set()
    async with MailServer(certificate) as server:
        server.says[BOB].append(LATER)
        settings = settings_for(server, to=[ANA, BOB])
        first = await mailed(server, settings)
        assert isinstance(first, Retry)
        arrived.update(first.arrived)
        second = await mailed(server, settings, arrived=arrived.__contains__)

    assert "127.0.0.1 took it for 1 of 2 recipients; bob@example.org answered 450" in first.why
    assert {ANA} == arrived
    assert isinstance(second, Sent)
    assert [(ANA,), (BOB,)] == [mail.recipients for mail in server.mails]


async def test_one_of_two_does_not_exist(certificate: Path) -> None:
    """Who does not exist gets a dead letter; the channel lives on for who does."""
    async with MailServer(certificate) as server:
        server.says[BOB].extend((NO_SUCH, NO_SUCH))
        settings = settings_for(server, to=[ANA, BOB])
        first = await mailed(server, settings)
        second = await mailed(server, settings, arrived={ANA}.__contains__, plain=True)

    assert isinstance(first, RejectMessage)
    assert (ANA,) == first.arrived
    assert isinstance(second, RejectMessage)
    assert [(ANA,)] == [mail.recipients for mail in server.mails]


async def test_everybody_has_it(certificate: Path) -> None:
    """Where all have it already the server is not even asked."""
    async with MailServer(certificate) as server:
        outcome = await mailed(server, arrived=lambda recipient: True)

    assert Sent(receipt="every recipient has it already") == outcome
    assert [] == server.asked


@pytest.mark.parametrize(
    ("answers", "kind"),
    [
        ((NO_SUCH, NO_SUCH), RejectDestination),
        ((NO_SUCH, LATER), Retry),
        ((NO_SUCH, "550 5.7.1 not from you"), RejectMessage),
        (("552 full", "552 full"), RejectMessage),
    ],
)
async def test_all_refused(certificate: Path, answers: tuple[str, str], kind: type[Any]) -> None:
    """Where nobody takes it, the kindest answer decides."""
    async with MailServer(certificate) as server:
        for address, answer in zip((ANA, BOB), answers, strict=True):
            server.says[address].append(answer)
        outcome = await mailed(server, settings_for(server, to=[ANA, BOB]))

    assert isinstance(outcome, kind)
    assert [] == server.mails


# ------------------------------------------------------------------------------- what goes wrong


@pytest.mark.parametrize(
    ("answer", "kind"),
    [
        ("451 4.3.0 try again", Retry),
        ("421 4.3.2 going down", Retry),
        ("552 5.3.4 too big", RejectMessage),
        ("554 5.7.1 spam", RejectMessage),
    ],
)
async def test_refused_after_the_message(certificate: Path, answer: str, kind: type[Any]) -> None:
    """4yz is for now, 5yz for this message; then the next one goes through."""
    async with MailServer(certificate) as server:
        server.says["DATA"].append(answer)
        first, second = await mailed(server), await mailed(server)

    assert isinstance(first, kind)
    assert answer.partition(" ")[2] in first.why
    assert isinstance(second, Sent)


async def test_wrong_password(certificate: Path) -> None:
    """A refused login parks the channel, and nothing was sent."""
    async with MailServer(certificate) as server:
        outcome = await mailed(server, settings_for(server, password="wrong-password"))

    assert isinstance(outcome, RejectDestination)
    assert "127.0.0.1 answered 535" in outcome.why
    assert [] == server.asked


async def test_login_missing(certificate: Path) -> None:
    """A server that wants a login parks a notifier without one."""
    async with MailServer(certificate) as server:
        settings = settings_for(server)
        del settings["username"], settings["password"]
        outcome = await mailed(server, settings)

    assert isinstance(outcome, RejectDestination)
    assert "530" in outcome.why


async def test_no_starttls() -> None:
    """Where a server, or somebody between, hides STARTTLS, nothing goes out."""
    async with MailServer() as server:
        outcome = await mailed(server)

    assert isinstance(outcome, RejectDestination)
    assert "127.0.0.1 offers no STARTTLS; nothing was sent" in outcome.why


async def test_no_login() -> None:
    """A login that nobody asks for is not given away."""
    async with MailServer() as server:
        outcome = await mailed(server, settings_for(server, security="none"))

    assert isinstance(outcome, RejectDestination)
    assert "offers no login" in outcome.why


@pytest.mark.parametrize("security", ["starttls", "tls"])
async def test_strange_certificate(certificate: Path, security: str) -> None:
    """A certificate that nobody vouches for: nothing is sent, and the way out is named."""
    async with MailServer(certificate, implicit_tls=security == "tls") as server:
        outcome = await mailed(server, settings_for(server, security=security), ca_file=None)

    assert isinstance(outcome, Retry)
    assert "is not trusted (self-signed certificate); set ca_file" in outcome.why
    assert [] == server.asked


async def test_tls_against_a_plain_server() -> None:
    """TLS where none is spoken is said so."""
    async with MailServer() as server:
        outcome = await mailed(server, settings_for(server, security="tls"))

    assert isinstance(outcome, Retry)
    assert "no secure connection with 127.0.0.1" in outcome.why


async def hung_up(writer: asyncio.StreamWriter, over: asyncio.Event) -> None:
    """End a connection, and say when it has ended."""
    writer.close()
    with contextlib.suppress(ConnectionError):
        await writer.wait_closed()
    over.set()


async def scripted(answer: Callable[[bytes], bytes | None]) -> Outcome:
    """What a server leads to that answers each line by ``answer``; None hangs up."""

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        said = answer(b"")
        while said is not None:
            writer.write(said)
            line = await reader.readline()
            said = answer(line) if line else None
        await hung_up(writer, over)

    over = asyncio.Event()
    async with await asyncio.start_server(talk, "127.0.0.1", 0) as server, kit() as sender:
        settings = {
            "host": "127.0.0.1",
            "port": server.sockets[0].getsockname()[1],
            "security": "none",
            "from": "a@example.org",
            "to": [ANA],
        }
        outcome = await sender.send(parcel("email", settings, timeout_ms=2_000))
        await over.wait()
        return outcome


@pytest.mark.parametrize(
    ("script", "kind"),
    [
        ({b"": b"554 go away\r\n"}, RejectDestination),
        ({b"": b"421 too many connections\r\n"}, Retry),
        ({b"": b"HTTP/1.1 400 Bad Request\r\n"}, Retry),
        ({b"": None}, Retry),
        ({b"MAIL": b"553 5.1.8 bad sender\r\n"}, RejectDestination),
        ({b"MAIL": None}, Retry),
        ({b"RCPT": None}, Retry),
        ({b"DATA": b"554 5.7.1 no\r\n"}, RejectMessage),
        ({b".": None}, Unknown),
        ({b".": b"450 4.0.0 later\r\n"}, Retry),
    ],
)
async def test_each_step(script: dict[bytes, bytes | None], kind: type[Any]) -> None:
    """A refusal or an end means what it means at that step; only once the message is handed over is
    an end unknown."""
    usual = {b"": b"220 hi\r\n", b"DATA": b"354 go on\r\n"} | script
    in_data = False

    def answer(line: bytes) -> bytes | None:
        nonlocal in_data
        if in_data:
            if line != b".\r\n":
                return b""
            in_data = False
            return usual.get(b".", b"250 ok\r\n")
        said = usual.get(line[:4].upper(), b"250 ok\r\n")
        in_data = line.startswith(b"DATA") and said == usual[b"DATA"] and b"354" in (said or b"")
        return said

    assert isinstance(await scripted(answer), kind)


async def test_late(certificate: Path) -> None:
    """A server that never answers: before the message a retry, after it nobody knows."""
    async with MailServer(certificate, hangs=True) as server:
        after = await mailed(server, timeout_ms=1_500)
    stuck, over = asyncio.Event(), asyncio.Event()

    async def hang(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await stuck.wait()
        await hung_up(writer, over)

    async with await asyncio.start_server(hang, "127.0.0.1", 0) as silent:
        port = silent.sockets[0].getsockname()[1]
        before = await mailed(server, settings_for(server, port=port), timeout_ms=200)
        stuck.set()
        await over.wait()

    assert Retry(why=f"127.0.0.1:{port} did not take the message within 0.2 s") == before
    assert Unknown(why=f"no answer from 127.0.0.1:{server.port} within 1.5 s") == after


async def test_through_a_proxy(certificate: Path) -> None:
    """The whole conversation goes through the proxy's tunnel, STARTTLS and login included: the
    server's name is the proxy's to find, and nobody connects to it directly."""
    async with MailServer(certificate) as server, ConnectProxy(login="bob:s3cr3t p") as proxy:
        proxy.names["127.0.0.1"] = server.port
        through = f"http://bob:s3cr3t%20p@127.0.0.1:{proxy.port}"
        settings = settings_for(server) | {"port": 2525}
        outcome = await mailed(server, settings, proxy=through)

    assert Sent(receipt="2.0.0 queued as 1") == outcome
    assert ["CONNECT 127.0.0.1:2525 HTTP/1.1"] == proxy.asked
    assert proxy.carried > len(server.mails[0].data)
    assert "disk/daily: attempt 2 of 3 failed" in server.mails[0].text


@pytest.mark.parametrize("security", ["tls", "none"])
async def test_through_a_proxy_otherwise_secured(certificate: Path, security: str) -> None:
    """TLS from the first byte, where the server does not speak first, and none at all."""
    server = MailServer(certificate if security == "tls" else None, implicit_tls=True)
    async with server, ConnectProxy() as proxy:
        proxy.names["127.0.0.1"] = server.port
        settings = {**settings_for(server), "security": security}
        del settings["username"], settings["password"]
        outcome = await mailed(server, settings, ca_file=str(certificate), proxy=proxy.url)

    assert Sent(receipt="2.0.0 queued as 1") == outcome
    assert [f"CONNECT 127.0.0.1:{server.port} HTTP/1.1"] == proxy.asked


@pytest.mark.parametrize(
    ("says", "why"),
    [
        (
            b"HTTP/1.1 403 Forbidden\r\n\r\ns3cr3t",
            "the proxy refused a connection to {} (status 403)",
        ),
        (None, "the proxy refused a connection to {} (status 407)"),
        (b"220 mail.example ESMTP\r\n\r\n", "what the proxy for {} answered is not HTTP"),
        (b"HTTP/1.1 200 OK\r\nX: " + b"x" * 40_000, "the proxy for {} closed the connection"),
        (b"HTTP/1.1 200 OK\r\n", "the proxy for {} closed the connection"),
    ],
)
async def test_proxy_refuses(certificate: Path, says: bytes | None, why: str) -> None:
    """Without a tunnel nothing has left: a retry, which does not repeat what the proxy said."""
    async with MailServer(certificate) as server, ConnectProxy(says=says, login="bob:x") as proxy:
        through = f"http://127.0.0.1:{proxy.port}"
        outcome = await mailed(server, proxy=through)

    assert Retry(why=why.format(f"127.0.0.1:{server.port}")) == outcome
    assert [] == server.asked


@pytest.mark.parametrize(
    ("proxy", "kind", "why"),
    [
        ("http://127.0.0.1:1", Retry, "the proxy for {} cannot be reached (Connection refused)"),
        ("http://x.invalid:1", Retry, "the proxy for {} cannot be reached ("),
        ("https://127.0.0.1:1", Unsupported, "the proxy that is set must start with http://"),
        ("socks5://127.0.0.1:1", Unsupported, "the proxy that is set must start with https:// or"),
    ],
)
async def test_proxy_of_no_use(certificate: Path, proxy: str, kind: type[Any], why: str) -> None:
    """A proxy that is away is tried again, one that cannot be used is not gone around."""
    async with MailServer(certificate) as server:
        outcome = await mailed(server, proxy=proxy)

    assert isinstance(outcome, kind)
    assert outcome.why.startswith(why.format(f"127.0.0.1:{server.port}"))
    assert [] == server.asked


async def test_late_in_the_tunnel(certificate: Path) -> None:
    """A proxy that never answers ends at the deadline, and nothing can have arrived."""
    async with MailServer(certificate) as server, ConnectProxy(hangs=True) as proxy:
        outcome = await mailed(server, proxy=proxy.url, timeout_ms=200)

    assert Retry(why=f"no connection to 127.0.0.1:{server.port} within 0.2 s") == outcome


# ---------------------------------------------------------------------------------------- settings

GOOD = {"host": "smtp.example.org", "from": "a@example.org", "to": [ANA]}


@pytest.mark.parametrize(
    ("change", "path"),
    [
        ({"to": []}, "to"),
        ({"to": "ana"}, "to"),
        ({"to": ["ana@example.org\r\nRCPT TO:<eve@example.org>"]}, "to"),
        ({"to": "ana@exämple.org"}, "to"),
        ({"to": 7}, "to"),
        ({"from": "a@example.org, b@example.org"}, "from"),
        ({"port": 0}, "port"),
        ({"security": "ssl"}, "security"),
        ({"username": "x"}, "password"),
    ],
)
def test_bad_settings(change: dict[str, Any], path: str) -> None:
    """What cannot work is found when the manifest is read, by its key."""
    _, problems = structure(GOOD | change, Config)

    assert [path] == [problem.path for problem in problems]


@pytest.mark.parametrize("login", [{}, {"username": "x", "password": "y"}])
def test_loud_warning(login: dict[str, str]) -> None:
    """No encryption is allowed, and said aloud, louder still where a password goes along."""
    findings = Findings()
    inspect(GOOD | login | {"security": "none"}, Config, "notifiers[0]", findings)

    [found] = findings.found
    assert ("notifiers[0].security", False) == (found.path, found.fatal)
    assert "unencrypted" in found.message
    assert ("AND THE PASSWORD" in found.message) == bool(login)


def test_references_wait() -> None:
    """Addresses that come from the secrets are judged once they are known."""
    findings = Findings()
    inspect(GOOD | {"to": "${ONCALL}", "from": "${SENDER}"}, Config, "notifiers[0]", findings)

    assert [] == findings.found
