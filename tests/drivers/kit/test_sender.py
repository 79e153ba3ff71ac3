"""Sending a parcel, whatever its driver does."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import pytest

from dotagent.core.errors import UsageError
from dotagent.core.model import (
    Message,
    Outcome,
    RejectDestination,
    RejectMessage,
    Retry,
    Sent,
    Skipped,
    Unknown,
    Unsupported,
)
from dotagent.drivers.kit import registry
from dotagent.drivers.kit.driver import Driver
from dotagent.drivers.kit.journey import Undelivered
from dotagent.drivers.kit.sender import judge
from dotagent.ports import Pace, Request, Response, Tools
from tests.drivers.harness import NOW, StoppedClock, kit, no_helper, parcel
from tests.support.http_server import Answer, Fault, StrictServer


@dataclass(frozen=True, slots=True, kw_only=True)
class Config:
    url: str = ""
    token: str = ""
    tokens: tuple[str, ...] = ()
    headers: Mapping[str, str] = field(default_factory=dict)


Send = Callable[[Tools, Any, Message], Awaitable[Outcome]]


def driver(**parts: Any) -> Driver:
    """A driver made up for a test: HTTP unless it gets a ``send``."""
    http: dict[str, Any] = {} if "send" in parts else {"request": request, "classify": classify}
    return Driver(
        name="made",
        config=Config,
        target=("url",),
        secrets=("token", "tokens", "headers"),
        pace=Pace(),
        limits=(),
        doc="",
        **(http | parts),
    )


def request(config: Config, message: Message, plain: bool) -> Request:
    return Request(url=config.url, body=b"plain" if plain else b"full")


def classify(response: Response) -> Outcome:
    return Sent(receipt=response.body.decode()) if response.status == 200 else Retry(why="later")


async def outcome_of(made: Driver, url: str = "", **more: Any) -> Outcome:
    async with kit(load=lambda _: made) as sender:
        settings = {"url": url} | more.pop("settings", {})
        return await sender.send(parcel("made", settings, **more))


@pytest.mark.parametrize(("tail", "final"), [("out", False), ("", True)])
async def test_a_refusal_is_final_where_plainer_is_the_same(tail: str, final: bool) -> None:
    """What was refused is not sent once more as it was."""

    def said(config: Config, message: Message, plain: bool) -> Request:
        return Request(url=config.url, body=b"" if plain else message.tail.encode())

    refuses = driver(request=said, classify=lambda response: RejectMessage(why="no"))
    async with StrictServer() as server:
        told = replace(parcel("made", {}).message, tail=tail)
        outcome = await outcome_of(refuses, url=server.url, message=told)

    assert RejectMessage(why="no", final=final) == outcome


# -------------------------------------------------------------------------------- which driver


async def test_driver_of_a_later_version() -> None:
    """A known driver that this version lacks cannot send, and says so."""
    missing = sorted(set(registry.KNOWN) - set(registry.names()))
    async with kit() as sender:
        for name in missing:
            outcome = await sender.send(parcel(name, {}))

            assert Unsupported(why=f"this version cannot send by {name}") == outcome


async def test_no_such_driver() -> None:
    """A driver nobody knows is no crash either."""
    async with kit() as sender:
        assert Unsupported(why="there is no driver 'nope'") == await sender.send(parcel("nope", {}))


async def test_broken_driver() -> None:
    """A third party's driver that cannot be loaded is an outcome."""

    def load(name: str) -> Driver | None:
        raise UsageError(f"driver {name!r} cannot be loaded")

    async with kit(load=load) as sender:
        outcome = await sender.send(parcel("x", {}))

    assert Unsupported(why="driver 'x' cannot be loaded") == outcome


async def test_unusable_settings() -> None:
    """Settings that cannot be used park the destination and say which, without their values."""
    outcome = await outcome_of(driver(), settings={"url": 7, "token": ["s3cr3t"]})

    assert isinstance(outcome, RejectDestination)
    assert "url a whole number, where text is needed" in outcome.why
    assert "s3cr3t" not in outcome.why


async def test_unknown_setting_does_not_matter() -> None:
    """A key nobody reads was a warning when the manifest was read; the message goes out."""
    async with StrictServer() as server:
        outcome = await outcome_of(driver(), server.url, settings={"typo": 1})

    assert isinstance(outcome, Sent)


async def test_plain_rendering() -> None:
    """The parcel says when the plainer rendering is wanted."""
    async with StrictServer() as server:
        await outcome_of(driver(), server.url)
        await outcome_of(driver(), server.url, plain=True)

    assert [b"full", b"plain"] == [each.body for each in server.requests]


async def test_time_of_the_try() -> None:
    """A driver is told when the try begins; it has no clock."""

    def stamp(config: Config, message: Message, plain: bool) -> Request:
        return Request(url=config.url, body=str(message.tried_at).encode())

    async with StrictServer() as server:
        await outcome_of(driver(request=stamp), server.url)

    assert str(NOW).encode() == server.requests[0].body


async def test_one_other_request() -> None:
    """An answer may ask for another request; it is made once, and its answer counts."""

    def again(request: Request, response: Response) -> Request | None:
        moved = replace(request, body=request.body + b"+")
        return moved if response.status == 400 else None

    async with StrictServer() as server:
        server.script(Answer(status=400), Answer(status=200, body=b"there"))
        followed = await outcome_of(driver(again=again), server.url)
        server.script(Answer(status=400), Answer(status=400))
        lost = await outcome_of(driver(again=again), server.url)
        server.script(Answer(status=400), Fault.CLOSE)
        silent = await outcome_of(driver(again=again), server.url)

    assert (Sent(receipt="there"), Retry(why="later")) == (followed, lost)
    assert isinstance(silent, Unknown)
    assert [b"full", b"full+"] * 3 == [each.body for each in server.requests]


# ------------------------------------------------------------------------------- drivers at fault


async def test_fault_before_the_request() -> None:
    """A driver that cannot put a message into words gets another try with a plainer one."""

    def broken(config: Config, message: Message, plain: bool) -> Request:
        raise KeyError("s3cr3t detail")

    outcome = await outcome_of(driver(request=broken))

    assert isinstance(outcome, RejectMessage)
    assert outcome.why.startswith("the made driver failed: KeyError at test_sender.py:")
    assert "s3cr3t" not in outcome.why


async def test_fault_after_the_request() -> None:
    """A driver that cannot read the answer leaves open whether the message arrived."""

    def broken(response: Response) -> Outcome:
        raise IndexError

    async with StrictServer() as server:
        whole = await outcome_of(driver(classify=broken), server.url)
        server.script(Fault.TRICKLE)
        partial = await outcome_of(driver(classify=broken), server.url, timeout_ms=150)

    assert isinstance(whole, Unknown)
    assert isinstance(partial, Unknown)
    assert "IndexError" in whole.why


@pytest.mark.parametrize("error", [ValueError("s3cr3t"), TimeoutError(), RecursionError()])
async def test_fault_of_another_kind_of_driver(error: Exception) -> None:
    """A driver that sends by itself and fails may have sent."""

    async def broken(tools: Tools, config: Any, message: Message) -> Outcome:
        raise error

    outcome = await outcome_of(driver(send=broken))

    assert isinstance(outcome, Unknown)
    assert type(error).__name__ in outcome.why
    assert "s3cr3t" not in outcome.why


async def test_stubborn_driver() -> None:
    """A driver that answers the deadline with an exception of its own is still too late."""

    async def stubborn(tools: Tools, config: Any, message: Message) -> Outcome:
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            raise OSError from None
        return Sent()

    outcome = await outcome_of(driver(send=stubborn), timeout_ms=50)

    assert isinstance(outcome, Unknown)


async def test_success_needs_a_success() -> None:
    """No driver can take a redirect or an error for a success."""
    outcome = judge(driver(classify=lambda _: Sent()), Response(status=302), complete=True, now=NOW)

    assert isinstance(outcome, RejectDestination)


# --------------------------------------------------------------------------------------- deadlines


async def test_deadline_of_a_driver_that_sends_by_itself() -> None:
    """Without a request of ours nobody knows how far it got."""

    async def waits(tools: Tools, config: Any, message: Message) -> Outcome:
        await asyncio.Event().wait()
        return Sent()

    outcome = await outcome_of(driver(send=waits), timeout_ms=50)

    assert Unknown(why="made did not finish within 0.05 s") == outcome


async def test_deadline_before_a_connection() -> None:
    """A handshake that never ends is a retry: the request has not left."""
    with socket.create_server(("127.0.0.1", 0)) as silent:
        port = silent.getsockname()[1]
        outcome = await outcome_of(driver(), f"https://127.0.0.1:{port}/", timeout_ms=100)

    assert Retry(why=f"no connection to 127.0.0.1:{port} within 0.1 s") == outcome


async def test_deadline_after_a_connection() -> None:
    """A request without an answer may have arrived."""
    async with StrictServer() as server:
        server.script(Fault.SILENT)
        outcome = await outcome_of(driver(), server.url, timeout_ms=100)

    assert Unknown(why=f"no answer from 127.0.0.1:{server.port} within 0.1 s") == outcome


# ------------------------------------------------------------------------------------------- tools


async def two_requests(tools: Tools, config: Any, message: Message) -> Outcome:
    first = await tools.http(Request(url=f"{config.url}/first"))
    second = await tools.http(Request(url=f"{config.url}/{first.body.decode()}"))
    return Skipped(why=f"{tools.clock.now()} {second.status}")


async def test_tools() -> None:
    """A driver that sends by itself may ask several times, inside the one deadline."""
    async with StrictServer() as server:
        server.script(Answer(body=b"second"), Answer(status=202))
        outcome = await outcome_of(driver(send=two_requests), server.url)
        server.script(Answer(body=b"second"), Fault.SILENT)
        late = await outcome_of(driver(send=two_requests), server.url, timeout_ms=100)

    assert Skipped(why=f"{NOW} 202") == outcome
    assert ["/first", "/second"] == [each.target for each in server.requests[:2]]
    assert isinstance(late, Unknown)


async def test_tools_fail_in_one_way() -> None:
    """A request that gets no answer ends the send with what that means, or is caught."""

    async def catches(tools: Tools, config: Any, message: Message) -> Outcome:
        try:
            await tools.http(Request(url=config.url))
        except Undelivered as error:
            return Skipped(why=f"caught {type(error.outcome).__name__}")
        return Sent()

    async with StrictServer() as server:
        server.script(Fault.CLOSE, Fault.CUT, Fault.CLOSE)
        caught = [await outcome_of(driver(send=catches), server.url) for _ in range(2)]
        passed = await outcome_of(driver(send=two_requests), server.url)

    assert [Skipped(why="caught Unknown")] * 2 == caught
    assert isinstance(passed, Unknown)


async def test_tools_carry_what_helpers_need() -> None:
    """Clock, helper programs and the attempt's environment are the daemon's own."""
    seen: list[Tools] = []

    async def looks(tools: Tools, config: Any, message: Message) -> Outcome:
        seen.append(tools)
        return Sent()

    made = driver(send=looks)
    async with kit({"PATH": "/bin"}, load=lambda _: made) as sender:
        await sender.send(parcel("made", {}))

    assert isinstance(seen[0].clock, StoppedClock)
    assert no_helper is seen[0].speak
    assert {"PATH": "/bin"} == seen[0].attempt_env


# ----------------------------------------------------------------------------------------- secrets


@pytest.mark.parametrize(
    "settings",
    [
        {"token": "t0k-3n-v4lue"},
        {"tokens": ["x", "t0k-3n-v4lue"]},
        {"headers": {"Authorization": "t0k-3n-v4lue"}},
        {"url": 1, "token": "t0k-3n-v4lue"},
    ],
)
async def test_secrets_of_any_shape(settings: dict[str, Any]) -> None:
    """A secret inside a list is kept back like any other."""

    async def tells(tools: Tools, config: Any, message: Message) -> Outcome:
        return Retry(why=f"refused {config.token} {config.tokens} {config.headers}")

    outcome = await outcome_of(driver(send=tells), settings=settings)

    assert not isinstance(outcome, Sent | Skipped)
    assert "t0k-3n-v4lue" not in outcome.why


async def test_password_of_a_proxy() -> None:
    """The password in a proxy's address is a secret too."""

    async def tells(tools: Tools, config: Any, message: Message) -> Outcome:
        return Retry(why="hunter22hunter")

    proxy = "http://bob:hunter22hunter@proxy.example:3128"
    outcome = await outcome_of(driver(send=tells), proxy=proxy)

    assert Retry(why="[redacted]") == outcome


# ------------------------------------------------------------------------------------------ answers


@pytest.mark.parametrize(
    ("status", "complete", "meaning"),
    [(200, True, Sent), (200, False, Sent), (503, False, Retry), (202, False, Unknown)],
)
def test_broken_off_answers(status: int, complete: bool, meaning: type[Outcome]) -> None:
    """A success or refusal that was told counts; a vague 2xx that broke off does not."""
    outcome = judge(driver(), Response(status=status), complete=complete, now=NOW)

    assert isinstance(outcome, meaning)


@pytest.mark.parametrize(
    ("headers", "after_ms"),
    [
        ({}, None),
        ({"retry-after": "2"}, 2_000),
        ({"retry-after": "Mon, 21 Sep 2026 14:13:25 GMT"}, 5_000),
        (
            {
                "retry-after": "Mon, 21 Sep 2026 14:13:25 GMT",
                "date": "Mon, 21 Sep 2026 14:13:15 GMT",
            },
            10_000,
        ),
        ({"retry-after": "never"}, None),
    ],
)
def test_retry_after(headers: dict[str, str], after_ms: int | None) -> None:
    """Retry-After fills in what the driver left open; dates by the service's clock, else ours."""
    outcome = judge(driver(), Response(status=503, headers=headers), complete=True, now=NOW)

    assert Retry(why="later", after_ms=after_ms) == outcome


def test_driver_knows_better() -> None:
    """A wait that the driver read from the answer is not overwritten."""
    made = driver(classify=lambda _: Retry(why="x", after_ms=1))
    response = Response(status=429, headers={"retry-after": "60"})

    assert Retry(why="x", after_ms=1) == judge(made, response, complete=True, now=NOW)


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        (Answer(status=204), None),
        (Answer(status=302), "answered with status 302"),
        (Answer(status=500), "answered with status 500"),
    ],
)
async def test_ping(answer: Answer, expected: str | None) -> None:
    """Heard is a 2xx, and nothing else; redirects are not followed."""
    async with StrictServer() as server:
        server.script(answer)
        async with kit() as sender:
            why = await sender.ping(f"{server.url}/secret", 10_000)

    assert (expected is None) == (why is None)
    assert (why or "").endswith(expected or "")
    assert "secret" not in (why or "")


async def test_ping_that_cannot_be_sent() -> None:
    """No address, or nobody there: the reason, and no exception."""
    async with kit() as sender:
        nowhere = await sender.ping("http://127.0.0.1:9/secret", 10_000)
        none = await sender.ping("http:///secret", 10_000)

    assert "no connection to 127.0.0.1:9" in (nowhere or "")
    assert "not a valid" in (none or "")
