"""Apprise, the real library, against a local server for its ``json://``."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from dotagent.core.model import (
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
from dotagent.drivers.apprise import Config
from tests.drivers.harness import Stage, kit, message, parcel
from tests.support.http_server import Answer, Fault, Received, Script, StrictServer


class JsonServer(StrictServer):
    """What Apprise's ``json://`` posts to; it wants the password and a text."""

    def judge(self, request: Received) -> Answer:
        if request.header("authorization") is None:
            return Answer(status=401)
        told = json.loads(request.body)
        return Answer(status=200 if told["message"].strip() else 400)

    def address(self) -> dict[str, Any]:
        return {"url": f"json://alerts:{self.secret}@127.0.0.1:{self.port}/hook"}


@asynccontextmanager
async def stage(secret: str, script: Script | None = None) -> AsyncIterator[Stage]:
    async with JsonServer(secret=secret) as server, kit() as sender:
        if script is not None:
            server.script(script)
        yield Stage(kit=sender, settings=server.address())


@asynccontextmanager
async def gone(secret: str) -> AsyncIterator[Stage]:
    async with JsonServer(secret=secret) as server:
        settings = server.address()
    async with kit() as sender:
        yield Stage(kit=sender, settings=settings)


STAGES = {
    "well": stage,
    "hangs": lambda secret: stage(secret, Fault.SILENT),
    "refuses": lambda secret: stage(secret, Answer(status=503, body=secret.encode())),
    "gone": gone,
}


async def test_arrives() -> None:
    """Title, text and gravity reach the service."""
    async with JsonServer() as server, kit() as sender:
        load = parcel("apprise", server.address(), message=message("a/b: failed", "<b> & tail"))
        outcome = await sender.send(load)
    told = json.loads(server.accepted[0].body)

    assert Sent() == outcome
    assert ("disk", "a/b: failed\n<b> & tail", "warning") == (
        told["title"],
        told["message"],
        told["type"],
    )


@pytest.mark.parametrize(
    ("script", "kind"),
    [
        (Answer(status=404), RejectDestination),
        (Answer(status=403), RejectDestination),
        (Answer(status=400), RejectMessage),
        (Answer(status=429), Retry),
        (Answer(status=500), Retry),
        (Fault.RESET, Unknown),
    ],
)
async def test_failures(script: Script, kind: type[Outcome]) -> None:
    """The status that Apprise has seen means what it means elsewhere; without one nobody knows."""
    async with JsonServer() as server, kit() as sender:
        server.script(script)
        outcome = await sender.send(parcel("apprise", server.address()))

    assert isinstance(outcome, kind)


async def test_output_is_no_markup() -> None:
    """A service that reads HTML gets the output escaped, and nothing in it mentions anybody; an
    e-mail address stays one."""
    text = message("a/b: <!channel> & bob@x.example", "<b>bold</b> @everyone <@U1>")
    async with JsonServer() as server, kit() as sender:
        for form in ("", "?format=html"):
            settings = {"url": server.address()["url"] + form}
            await sender.send(parcel("apprise", settings, message=text))
    plain, html = (json.loads(request.body)["message"] for request in server.accepted)

    assert "a/b: <\u200b!channel> & bob@x.example" == plain.split("\n")[0]
    assert "<b>bold</b> @\u200beveryone <\u200b@\u200bU1>" == plain.split("\n")[1]
    assert "&lt;b&gt;bold&lt;/b&gt;" in html
    assert "<b>" not in html


@pytest.mark.parametrize(
    ("way", "named"),
    [
        ({"proxy": "http://proxy.example:3128"}, "the proxy that is set"),
        ({"ca_file": "/etc/own.pem"}, "the ca_file that is set"),
        ({"proxy": "http://p:1", "ca_file": "/own.pem"}, "the proxy and ca_file that is set"),
    ],
)
async def test_nothing_is_gone_around_in_silence(way: dict[str, Any], named: str) -> None:
    """A proxy or a CA that Apprise would not use is refused; nothing is sent."""
    async with JsonServer() as server, kit() as sender:
        outcome = await sender.send(parcel("apprise", server.address(), **way))

    assert isinstance(outcome, Unsupported)
    assert named in outcome.why
    assert [] == server.requests


@pytest.mark.parametrize(
    ("url", "loud"),
    [
        ("matrixs://t@x.example/#a?verify=no", True),
        ("matrixs://t@x.example/?a=b&verify=False&c=d", True),
        ("matrixs://t@x.example/?verify=0", True),
        ("matrixs://t@x.example/?verify=Disabled", True),
        ("matrixs://t@x.example/?verify=yes", False),
        ("matrixs://t@x.example/verify=no", False),
    ],
)
def test_unchecked_certificates_are_said_aloud(url: str, loud: bool) -> None:
    """To switch the check of certificates off is a warning of ``doctor``, without the address."""
    findings = Findings()
    inspect({"url": url}, Config, "notifiers[0]", findings)
    said = [f"{problem.path}: {problem.message}" for problem in findings.found]

    assert not findings.fatal
    assert loud == ("notifiers[0].url: verify=no: no certificate is checked" in "".join(said))
    assert "x.example" not in "".join(said)


async def test_unusable_address() -> None:
    """An address that Apprise cannot read parks the destination and is not repeated."""
    async with kit() as sender:
        outcome = await sender.send(parcel("apprise", {"url": "nope://s3cr3t-of-mine"}))

    assert isinstance(outcome, RejectDestination)
    assert "s3cr3t" not in outcome.why


def test_bad_address() -> None:
    """What is no address at all is found when the manifest is read."""
    _, problems = structure({"url": "just words"}, Config)

    assert ["url"] == [problem.path for problem in problems]


WITHOUT = """
import asyncio, sys
sys.modules["apprise"] = None
from tests.drivers.harness import kit, parcel
async def go():
    async with kit() as sender:
        print(await sender.send(parcel("apprise", {"url": "json://127.0.0.1"})))
asyncio.run(go())
"""


def test_without_the_extra() -> None:
    """Where the library is not installed the extra that brings it is named."""
    done = subprocess.run([sys.executable, "-c", WITHOUT], capture_output=True, text=True)

    assert "Unsupported(" in done.stdout
    assert 'pip install "dotagent[apprise]"' in done.stdout
