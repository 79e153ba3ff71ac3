"""What every driver must do, from the store to the wire and back into the store."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from dotagent.core.model import RejectDestination, RejectMessage, Retry, Sent, Unknown
from dotagent.core.problems import Findings
from dotagent.core.structure import inspect
from dotagent.drivers.kit.driver import Driver
from tests.core.walls import DAY_MS
from tests.drivers.kit.test_http import Proxy, certificate, secured
from tests.drivers.office import Office, notifier, office
from tests.drivers.test_conformance import (
    CANARY,
    HTTP,
    SCRIPTS,
    SOON_MS,
    STAGE_MS,
    every_log,
    every_served,
    every_staged,
    file_of,
    service,
    settings_of,
    stages,
)
from tests.drivers.test_discord import DiscordServer
from tests.drivers.test_pushover import PushoverServer, over_quota
from tests.drivers.test_slack import SlackServer
from tests.drivers.test_telegram import TelegramServer, refused
from tests.support.http_server import Answer, Fault, StrictServer

__all__ = ["certificate"]

WITNESS = "slack-1"


def over(value: Any, change: Callable[[str], str]) -> Any:
    """The value with every text in it changed, however deep."""
    if isinstance(value, str):
        return change(value)
    if isinstance(value, Mapping):
        return {key: over(each, change) for key, each in value.items()}
    if isinstance(value, list):
        return [over(each, change) for each in value]
    return value


def named(settings: Mapping[str, Any]) -> dict[str, Any]:
    """The settings with the canary behind a name, as one writes it in a manifest."""
    made: dict[str, Any] = over(settings, lambda text: text.replace(CANARY, "${SECRET}"))
    return made


def witness(server: StrictServer) -> Any:
    """Another channel, to which nothing ever happens."""
    return notifier("slack", settings_of(server))


def subject(driver: Driver, settings: Mapping[str, Any], **more: Any) -> Any:
    """The notifier under test; never the witness."""
    return replace(notifier(driver.name, settings, **more), key=f"{driver.name}-2")


# ------------------------------------------------------------------------------------------ secrets


async def go_through(post: Office, server: StrictServer) -> None:
    """All that can happen to a message happens, a day apart; at last the daemon is stopped."""
    await post.tell()
    await post.send()
    server.script(*(script for script in SCRIPTS.values() if isinstance(script, Answer)))
    server.script(Fault.SILENT, Fault.RESET, Fault.CUT, Fault.ECHO)
    while server.answers:
        await post.tell(detail="free some space")  # so that there is something plainer
        await post.send()
        post.home.now += DAY_MS + 1
    server.script(Fault.SILENT)
    seen = len(server.requests)
    await post.tell()
    (claim,) = [each for each in await post.home.claim() if each.notifier != WITNESS]
    task = asyncio.create_task(post.deliver(claim))
    async with asyncio.timeout(20):
        while len(server.requests) == seen:
            await asyncio.wait({task}, timeout=0.01)
    task.cancel()
    await task


@every_served
@pytest.mark.parametrize("way", ["behind a name", "as it stands"])
async def test_secret_is_kept_nowhere(
    driver: Driver,
    way: str,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
    capfd: pytest.CaptureFixture[str],
) -> None:
    """Whatever the service says or does, no secret gets into the store, the record, a log, or what
    other channels are told of it."""
    async with service(driver) as server, SlackServer() as other:
        settings = settings_of(server)
        target = subject(
            driver, named(settings) if way == "behind a name" else settings, timeout_ms=SOON_MS
        )
        async with office(
            tmp_path / "home", target, witness(other), secrets={"SECRET": CANARY}
        ) as post:
            with every_log(caplog):
                await go_through(post, server)
            kept = await post.written()
            brought = {type(outcome) for outcome in post.of(target.key)}

    told = "".join(request.body.decode() for request in other.requests)
    assert {Sent, Retry, Unknown, RejectDestination} <= brought
    assert "does not accept messages" in told
    assert "does not accept messages" in kept
    assert CANARY not in kept + told + caplog.text + "".join(capfd.readouterr())


@every_staged
@pytest.mark.parametrize("name", ["well", "hangs", "refuses", "gone"])
async def test_secret_of_a_stage_is_kept_nowhere(
    driver: Driver, name: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """The same for what speaks anything but HTTP, in all surroundings it may meet."""
    async with stages(driver)[name](CANARY) as stage, SlackServer() as other:
        more = {"timeout_ms": STAGE_MS[name], "ca_file": stage.parcel.get("ca_file")}
        target = subject(driver, named(stage.settings), **more)
        async with office(
            tmp_path / "home",
            target,
            witness(other),
            secrets={"SECRET": CANARY},
            sender=stage.kit,
        ) as post:
            with every_log(caplog):
                for _ in range(3):
                    await post.tell()
                    await post.send()
                    post.home.now += DAY_MS + 1
            kept = await post.written()

    told = "".join(request.body.decode() for request in other.requests)
    assert len(post.of(target.key)) >= 3
    assert CANARY not in kept + told + caplog.text


# --------------------------------------------------------------------------------------- references


@every_served
async def test_every_text_may_be_a_reference(driver: Driver, tmp_path: Path) -> None:
    """``${NAME}`` stands for any text of any key, however deep; the manifest's check lets it pass,
    and it is put in when the message is sent."""
    values: dict[str, str] = {}

    def hide(text: str) -> str:
        values[name := f"V{len(values)}"] = text
        return f"${{{name}}}"

    async with service(driver) as server:
        settings = over(settings_of(server), hide)
        findings = Findings()
        inspect(settings, driver.config, "notifiers[0]", findings)
        async with office(tmp_path / "home", subject(driver, settings), secrets=values) as post:
            await post.tell()
            await post.send()

    assert values
    assert [] == findings.found
    assert [Sent] == [type(outcome) for _, outcome in post.outcomes]


@every_served
@pytest.mark.parametrize("secrets", [{}, {"SECRET": ""}], ids=["unset", "empty"])
async def test_reference_without_a_value(
    driver: Driver, secrets: dict[str, str], tmp_path: Path
) -> None:
    """A name without a value is a failure that says so; nothing is sent, least of all the name."""
    async with service(driver) as server:
        target = subject(driver, named(settings_of(server)))
        async with office(tmp_path / "home", target, secrets={"SECRET": CANARY}) as post:
            post.parts.secrets.clear()  # type: ignore[attr-defined]
            post.parts.secrets.update(secrets)  # type: ignore[attr-defined]
            await post.tell()
            await post.send()
        (outcome,) = post.of(target.key)

    state = "is set, but empty" if secrets else "is not set"
    assert Retry(why=f"${{SECRET}} {state}") == outcome
    assert [] == server.requests


# -------------------------------------------------------------------------------------------- waits


def busy_cases() -> list[Any]:
    """Each service's own ways to ask for patience."""
    return [
        pytest.param(driver, answer, wait_ms, id=f"{driver.name}-{wait_ms}")
        for driver in HTTP
        for answer, wait_ms in getattr(file_of(driver), "BUSY", ())
    ]


@every_served
def test_every_service_may_be_busy(driver: Driver) -> None:
    """Each test file says in which form its service asks for patience."""
    assert driver.request is None or hasattr(file_of(driver), "BUSY")


@pytest.mark.parametrize(("driver", "answer", "wait_ms"), busy_cases())
async def test_waits_exactly_as_told(
    driver: Driver, answer: Answer, wait_ms: int, tmp_path: Path
) -> None:
    """A 429 in the service's own form pauses that destination for exactly as long as told; what is
    for another goes at once."""
    async with service(driver) as server, SlackServer() as other:
        server.script(answer)
        target = subject(driver, settings_of(server))
        async with office(tmp_path / "home", target, witness(other)) as post:
            await post.tell()
            first = await post.send()
            told = post.of(target.key)
            wake = await post.wake()
            post.home.now += wait_ms - 1
            await post.tell("more news")
            meanwhile = await post.send()
            post.home.now += 1
            after = await post.send()

    assert isinstance(told[0], Retry)
    assert wait_ms == wake
    assert (sorted([target.key, WITNESS]), [WITNESS], [target.key]) == (first, meanwhile, after)
    assert isinstance(post.of(target.key)[-1], Sent)
    assert 2 == len(other.accepted)


async def test_a_wait_of_days_parks(tmp_path: Path) -> None:
    """A monthly quota that comes back in three days parks the channel, which is told elsewhere."""
    async with PushoverServer() as server, SlackServer() as other:
        server.script(over_quota(3 * 86_400))
        target = notifier("pushover", server.settings())
        async with office(tmp_path / "home", target, witness(other)) as post:
            await post.tell()
            await post.send()
            parked = post.parked()
            await post.send()

    assert ["pushover"] == parked
    assert b"left alone for more than a day" in other.accepted[-1].body


async def test_rests_before_the_limit(tmp_path: Path) -> None:
    """The message that empties Discord's bucket is the last until it is full again: no 429 ever."""
    async with (
        DiscordServer(remaining=1) as server,
        office(tmp_path / "home", notifier("discord", server.settings())) as post,
    ):
        await post.tell()
        await post.send()
        await post.tell()
        meanwhile, wake = await post.send(), await post.wake()
        post.home.now += 400
        after = await post.send()

    assert [] == meanwhile
    assert wake is not None
    assert 250 <= wake <= 400
    assert ["discord-1"] == after


# ---------------------------------------------------------------------------- proxy and private CA


async def test_ways_of_its_own(certificate: Path, tmp_path: Path) -> None:
    """A notifier's private CA is trusted for it and for no other, and its proxy is asked."""
    private = notifier("ntfy", {"topic": "a"}, ca_file=str(certificate))
    async with secured(certificate) as server, Proxy() as proxy:
        here = {"url": f"{server.url}/hook"}
        trusting = replace(notifier("webhook", here, ca_file=str(certificate)), key="trusting")
        strange = replace(notifier("webhook", here | {"method": "PUT"}), key="strange")
        through = replace(private, settings={"topic": "a"}, proxy="${PROXY}", key="through")
        async with office(
            tmp_path / "home", trusting, strange, through, secrets={"PROXY": proxy.url}
        ) as post:
            await post.tell()
            await post.send()
            await post.send()

    assert [Sent()] == post.of("trusting")
    assert "is not trusted" in repr(post.of("strange"))
    assert "the proxy refused a connection to ntfy.sh" in repr(post.of("through"))
    assert ["POST"] == [request.method for request in server.requests]
    assert ["CONNECT"] == [request.method for request in proxy.requests]


# ------------------------------------------------------------------------------------- plainer text


@every_served
async def test_falls_back_once(driver: Driver, tmp_path: Path) -> None:
    """A message that is refused goes once more as plainer text, and arrives."""
    async with service(driver) as server:
        server.script(Answer(status=413))
        target = subject(driver, settings_of(server))
        async with office(tmp_path / "home", target) as post:
            await post.tell(detail="line\n" * 800)
            await post.send()
            post.home.now += 60_000
            await post.send()

    full, plain = server.requests
    assert [RejectMessage, Sent] == [type(outcome) for outcome in post.of(target.key)]
    assert len(plain.body) < len(full.body)


async def test_markup_that_cannot_be_parsed(tmp_path: Path) -> None:
    """Should Telegram ever fail to read our markup, the message comes as plain text."""
    async with TelegramServer() as server:
        server.script(refused(400, "Bad Request: can't parse entities: Character '.' is reserved"))
        async with office(tmp_path / "home", notifier("telegram", server.settings())) as post:
            await post.tell("a_b.c")
            await post.send()
            post.home.now += 60_000
            await post.send()

    assert [b'"parse_mode"' in request.body for request in server.requests] == [True, False]
    assert b"a_b.c" in server.accepted[0].body
