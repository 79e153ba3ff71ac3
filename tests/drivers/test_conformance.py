"""What every driver must do, found by walking the drivers folder.

A driver is checked as soon as its file exists. One that speaks HTTP also brings its service:
``tests/drivers/test_NAME.py`` exposes ``SERVER``, a ``StrictServer`` whose ``settings()`` are
settings of the driver with ``secret`` in every field of its ``SECRETS``. What has ``request`` and
``classify`` is checked as pure functions; whatever has a ``SERVER`` over the wire as well, and
(``test_conformance_store.py``) from the store to the wire, with the answers in ``BUSY`` by which
the service asks for patience, each with the milliseconds it asks for. One that speaks anything else
brings ``STAGES`` (see ``harness``) instead: the surroundings it may meet.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import re
import traceback
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from importlib import import_module
from importlib.util import find_spec
from types import ModuleType
from typing import Any, Protocol, cast
from urllib.parse import unquote_plus

import pytest
import tomli
from hypothesis import given, settings
from hypothesis import strategies as st

from dotagent.core.model import (
    Kind,
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
from dotagent.core.problems import Findings
from dotagent.core.structure import inspect, keys_of, structure
from dotagent.drivers.kit import registry
from dotagent.drivers.kit.driver import Driver, example
from dotagent.ports import Parcel, Request, Response
from tests.drivers.harness import Stages, kit, message, parcel
from tests.support.http_server import Answer, Fault, Received, Script, StrictServer, received

OUTCOMES = (Sent, Retry, RejectMessage, RejectDestination, Unsupported, Unknown, Skipped)
COMMON = {
    "driver",
    "events",
    "id",
    "enabled",
    "timeout_seconds",
    "proxy",
    "ca_file",
    "rate_limit_minutes",
    "quiet_hours",
    "remind",
    "collapse",
    "template",
}
"""Keys of a notifier that are not its driver's (product §3)."""
CANARY = "C4n4ry-7f3a9b2d5e8c"
SOON_MS = 500
"""A deadline for services that never answer."""


class Service(Protocol):
    """The strict server of one driver."""

    def __call__(self, *, secret: str) -> StrictServer: ...


def loaded(name: str) -> Driver:
    driver = registry.load(name)
    assert driver is not None
    return driver


DRIVERS = [loaded(name) for name in registry.names()]
HTTP = [driver for driver in DRIVERS if driver.request is not None and driver.send is None]


def file_of(driver: Driver) -> ModuleType | None:
    """The driver's test file, if it is there."""
    name = f"tests.drivers.test_{driver.name}"
    return import_module(name) if find_spec(name) is not None else None


def is_served(driver: Driver) -> bool:
    """Whether the driver's test file brings a server."""
    return hasattr(file_of(driver), "SERVER")


SERVED = [driver for driver in DRIVERS if is_served(driver)]

STAGED = [
    driver for driver in DRIVERS if driver not in SERVED and hasattr(file_of(driver), "STAGES")
]

every = pytest.mark.parametrize("driver", DRIVERS, ids=lambda driver: driver.name)
every_http = pytest.mark.parametrize("driver", HTTP, ids=lambda driver: driver.name)
every_served = pytest.mark.parametrize("driver", SERVED, ids=lambda driver: driver.name)
every_staged = pytest.mark.parametrize("driver", STAGED, ids=lambda driver: driver.name)


def service(driver: Driver, secret: str = CANARY) -> StrictServer:
    """A server for the driver, from its test file."""
    module = import_module(f"tests.drivers.test_{driver.name}")
    return cast(Service, module.SERVER)(secret=secret)


def stages(driver: Driver) -> Stages:
    """The surroundings of the driver, from its test file."""
    return cast(Stages, file_of(driver).STAGES)  # type: ignore[union-attr]


def settings_of(server: StrictServer) -> dict[str, Any]:
    return cast(Callable[[], dict[str, Any]], server.settings)()  # type: ignore[attr-defined]


def configured(driver: Driver, server: StrictServer) -> Any:
    config, problems = structure(settings_of(server), driver.config)
    assert [] == problems
    return config


def build(driver: Driver, config: Any, text: Message, plain: bool = False) -> Request:
    assert driver.request is not None
    return driver.request(config, text, plain)


def classify(driver: Driver, response: Response) -> Outcome:
    assert driver.classify is not None
    return driver.classify(response)


# ---------------------------------------------------------------------------------- configuration


def example_of(driver: Driver) -> Mapping[str, Any]:
    document = tomli.loads(example(driver))
    assert ["notifiers"] == list(document)
    return cast(Mapping[str, Any], document["notifiers"][0])


@every
def test_example_parses(driver: Driver) -> None:
    """The docstring's example is a notifier of this driver without a single problem."""
    entry = example_of(driver)
    own = {key: value for key, value in entry.items() if key not in COMMON}
    findings = Findings()
    inspect(own, driver.config, "notifiers[0]", findings)

    assert driver.name == entry["driver"]
    assert [] == findings.found


@every
def test_example_is_complete(driver: Driver) -> None:
    """The example shows every key there is."""
    assert set() == set(keys_of(driver.config)) - set(example_of(driver))


@every
def test_unknown_key_is_found(driver: Driver) -> None:
    """A key nobody reads is reported with its path, and a near miss with the right name."""
    typo = next(iter(keys_of(driver.config)), "anything")[:-1] + "_x"
    findings = Findings()
    inspect({typo: "x"}, driver.config, "notifiers[3]", findings)
    found = [problem for problem in findings.found if problem.path == f"notifiers[3].{typo}"]

    assert ["unknown key, ignored"] == [problem.message for problem in found]
    assert not found[0].fatal


@every
def test_says_where_its_limits_come_from(driver: Driver) -> None:
    """Each limit names the page that states it."""
    for limit in driver.limits:
        assert limit.source.startswith("https://")
        assert limit.most > 0
        assert limit.unit


@every
def test_pace_is_sane(driver: Driver) -> None:
    """At least one message at a time, and no negative waits."""
    assert driver.pace.burst >= 1
    assert driver.pace.parallel >= 1
    assert driver.pace.every_ms >= 0


@every
def test_secrets_are_not_in_problems(driver: Driver) -> None:
    """A secret of the wrong type or shape is not repeated by the error about it."""
    for key in driver.secrets:
        for value in (f"\n{CANARY}\x00 ://", [CANARY], {"x": CANARY}):
            _, problems = structure({key: value}, driver.config, "notifiers[0]")

            assert CANARY not in repr(problems)


@every
def test_http_drivers_have_a_service(driver: Driver) -> None:
    """A driver over HTTP is tested against a strict server of its own."""
    if driver in HTTP:
        assert driver in SERVED


@every
def test_other_drivers_have_stages(driver: Driver) -> None:
    """Any other driver that has something to send is tested in all the surroundings it may meet."""
    if driver in STAGED:
        assert {"well", "hangs", "refuses", "gone"} <= set(stages(driver))
    else:
        assert driver in SERVED or not keys_of(driver.config)


# ----------------------------------------------------------------------------------------- secrets

ECHO_HEADERS = (("Location", f"https://elsewhere.example/{CANARY}?x={CANARY}"),)
SCRIPTS: dict[str, Script | None] = {
    "success": None,
    "scripted success": Answer(status=200, body=CANARY.encode()),
    "echoed 400": Answer(status=400, body=f"no such thing: {CANARY}".encode()),
    "echoed 403": Answer(status=403, body=f'{{"error":"{CANARY}"}}'.encode()),
    "echoed 404": Answer(status=404, body=f"/services/a/b/{CANARY} was not found".encode()),
    "echoed 429": Answer(status=429, body=CANARY.encode(), headers=(("Retry-After", CANARY),)),
    "redirect": Answer(status=307, headers=ECHO_HEADERS),
    "redirect to secret": Answer(status=301, headers=(("Location", f"https://{CANARY}.example"),)),
} | {fault.name.lower(): fault for fault in Fault}


@contextlib.contextmanager
def every_log(caplog: pytest.LogCaptureFixture) -> Iterator[None]:
    """Collect what any logger says, down to its debug messages."""
    before = asyncio.get_running_loop().get_debug()
    asyncio.get_running_loop().set_debug(True)
    with caplog.at_level(logging.DEBUG):
        yield
    asyncio.get_running_loop().set_debug(before)


@every_served
@pytest.mark.parametrize("script", SCRIPTS.values(), ids=SCRIPTS.keys())
async def test_secret_shows_nowhere(
    driver: Driver,
    script: Script | None,
    caplog: pytest.LogCaptureFixture,
    capfd: pytest.CaptureFixture[str],
) -> None:
    """Whatever the service says or does, no secret is in outcome, record, log or output."""
    async with service(driver) as server, kit() as sender:
        if script is not None:
            server.script(script)
        load = parcel(driver.name, settings_of(server), secrets=(CANARY,), timeout_ms=SOON_MS)
        with every_log(caplog):
            outcome = await sender.send(load)
        config = configured(driver, server)

    shown = capfd.readouterr()
    said = "\n".join([repr(outcome), repr(load), repr(config), caplog.text, *shown])
    assert isinstance(outcome, OUTCOMES)
    assert CANARY not in said


@every_served
async def test_secret_of_the_settings_shows_nowhere(driver: Driver) -> None:
    """A secret that stands in the manifest itself, not behind a name, is kept back as well."""
    async with service(driver) as server, kit() as sender:
        server.script(Fault.ECHO)
        outcome = await sender.send(parcel(driver.name, settings_of(server)))

    assert isinstance(outcome, Retry)
    assert CANARY not in outcome.why


@every_served
async def test_secret_shows_nowhere_when_cancelled(
    driver: Driver, caplog: pytest.LogCaptureFixture
) -> None:
    """A send that is cancelled leaves no secret in its traceback or in a log."""
    async with service(driver) as server, kit() as sender:
        server.script(Fault.SILENT)
        load = parcel(driver.name, settings_of(server), secrets=(CANARY,))
        with every_log(caplog):
            task = asyncio.create_task(sender.send(load))
            async with asyncio.timeout(10):
                while not server.requests:
                    await asyncio.wait({task}, timeout=0.01)
            task.cancel()
            with pytest.raises(asyncio.CancelledError) as caught:
                await task

    said = "".join(traceback.format_exception(caught.value))
    assert CANARY not in said + repr(task) + caplog.text


@every_served
@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
async def test_redirect_is_not_followed(driver: Driver, status: int) -> None:
    """Nobody whom the configuration does not name gets a request, let alone a secret."""
    async with service(driver) as server, StrictServer() as elsewhere, kit() as sender:
        server.script(Answer(status=status, headers=(("Location", f"{elsewhere.url}/x"),)))
        outcome = await sender.send(parcel(driver.name, settings_of(server)))

    assert isinstance(outcome, RejectDestination)
    assert "put the new address into the configuration" in outcome.why
    assert 1 == len(server.requests)
    assert 0 == elsewhere.connections


# ---------------------------------------------------------------------------------------- outcomes

BODIES = (
    b"",
    b"ok",
    b"\xff\xfe\x00",
    b"<html><body>Bad Gateway</body></html>",
    b'{"ok":true,"error":["x"],"code":"y","id":{}}',
    b"[" * 50_000,
    b"null",
    b"9" * 5_000,
)


@every_http
@pytest.mark.parametrize("body", BODIES, ids=lambda body: repr(body[:12]))
def test_every_status_has_an_outcome(driver: Driver, body: bytes) -> None:
    """Each status from 100 to 599 means something; only a 2xx can be a success."""
    for status in range(100, 600):
        outcome = classify(driver, Response(status=status, body=body))

        assert isinstance(outcome, OUTCOMES)
        assert 200 <= status < 300 or not isinstance(outcome, Sent | Skipped)


@every_http
@settings(max_examples=60)
@given(
    status=st.integers(100, 599),
    body=st.binary(max_size=200) | st.text(max_size=60).map(str.encode),
    headers=st.dictionaries(
        st.sampled_from(["retry-after", "date", "location", "content-type", "content-encoding"]),
        st.text(max_size=40),
    ),
)
def test_any_answer_has_an_outcome(
    driver: Driver, status: int, body: bytes, headers: dict[str, str]
) -> None:
    """No answer, however strange, makes a driver raise."""
    outcome = classify(driver, Response(status=status, headers=headers, body=body))

    assert isinstance(outcome, OUTCOMES)


STATUSES: dict[int, type[Outcome] | tuple[type[Outcome], ...]] = {
    204: (Sent, Retry),
    301: RejectDestination,
    302: RejectDestination,
    308: RejectDestination,
    400: RejectMessage,
    401: RejectDestination,
    403: RejectDestination,
    404: RejectDestination,
    408: Retry,
    410: RejectDestination,
    413: RejectMessage,
    429: Retry,
    500: Retry,
    502: Retry,
    503: Retry,
    599: Retry,
}


@every_served
@pytest.mark.parametrize("status", STATUSES)
async def test_status_over_the_wire(driver: Driver, status: int) -> None:
    """The usual statuses mean the usual thing where the service says nothing else about them."""
    async with service(driver) as server, kit() as sender:
        server.script(Answer(status=status))
        outcome = await sender.send(parcel(driver.name, settings_of(server)))

    assert isinstance(outcome, STATUSES[status])


FAULTS: dict[Fault, type[Outcome] | tuple[type[Outcome], ...]] = {
    Fault.EARLY: Unknown,
    Fault.SILENT: Unknown,
    Fault.RESET: Unknown,
    Fault.TAKEN: Unknown,
    Fault.CLOSE: Unknown,
    Fault.DRIP: Unknown,
    Fault.TRICKLE: (Unknown, Sent),
    Fault.CUT: (Unknown, Sent),
    Fault.GARBAGE: Unknown,
    Fault.ECHO: Retry,
}


@every_served
@pytest.mark.parametrize("fault", Fault)
async def test_network_fault(driver: Driver, fault: Fault) -> None:
    """Once the request may have arrived, an answer that never comes is ``unknown``: not a plain
    retry, and within the deadline. A success counts only if it was told before the end."""
    async with service(driver) as server, kit() as sender:
        server.script(fault)
        load = parcel(driver.name, settings_of(server), timeout_ms=SOON_MS)
        outcome = await sender.send(load)

    assert isinstance(outcome, FAULTS[fault])


@every_served
async def test_nobody_listens(driver: Driver) -> None:
    """A refused connection is a plain retry: nothing can have arrived."""
    server = service(driver)
    await server.start()
    await server.stop()
    async with kit() as sender:
        outcome = await sender.send(parcel(driver.name, settings_of(server)))

    assert isinstance(outcome, Retry)
    assert "Connection refused" in outcome.why


@every_served
@pytest.mark.parametrize("status", [429, 503])
@pytest.mark.parametrize(
    ("headers", "after_ms"),
    [
        ((("Retry-After", "7"),), 7_000),
        (
            (
                ("Date", "Sun, 06 Nov 1994 08:49:37 GMT"),
                ("Retry-After", "Sun, 06 Nov 1994 08:50:07 GMT"),
            ),
            30_000,
        ),
    ],
    ids=["seconds", "date"],
)
async def test_retry_after(
    driver: Driver, status: int, headers: tuple[tuple[str, str], ...], after_ms: int
) -> None:
    """Both forms of Retry-After are obeyed; a date by the service's own clock."""
    async with service(driver) as server, kit() as sender:
        server.script(Answer(status=status, headers=headers))
        outcome = await sender.send(parcel(driver.name, settings_of(server)))

    assert isinstance(outcome, Retry)
    assert after_ms == outcome.after_ms


@every_served
async def test_recovers(driver: Driver) -> None:
    """After any failure the next send goes through: no broken connection stays in the pool."""
    async with service(driver) as server, kit() as sender:
        for fault in Fault:
            server.script(fault)
            load = parcel(driver.name, settings_of(server), timeout_ms=SOON_MS)
            await sender.send(load)

        assert isinstance(await sender.send(parcel(driver.name, settings_of(server))), Sent)


@every_served
async def test_connection_is_kept(driver: Driver) -> None:
    """Sends in a row use one connection, whatever was answered."""
    async with service(driver) as server, kit() as sender:
        server.script(Answer(status=500, body=b"x"), Answer(status=404), Answer(status=204))
        for _ in range(6):
            await sender.send(parcel(driver.name, settings_of(server)))

        assert (6, 1) == (len(server.requests), server.connections)


# ---------------------------------------------------------------------------------------- messages

AWKWARD = (
    "plain words ",
    "<!channel> <@U012345> @here ",
    "a & b < c > d &amp; ",
    "```\n",
    "`` ` ",
    "👨\u200d👩\u200d👧\u200d👦",
    "e\u0301\u0302\u0303",
    "שלום \u202eesrever\u202c ",
    "\x00\x07\x1b[31mred\x1b[0m",
    "\x1b]8;;http://x\x07link",
    "\r\n",
    "\n",
    "\t",
    "\ud83d\ud83d",
    "\u2028\ufeff\u00a0",
    '"quotes" \\n \\u0000 ',
    "*_~[x](y){z}#+-=|.!",
    "=?utf-8?B?eA==?=",
    "x" * 300,
)


def refusal(server: StrictServer, request: Request) -> str:
    """What the service has against a request; empty if it takes it."""
    answer = server.judge(received(request))
    return "" if 200 <= answer.status < 300 else f"{answer.status} {answer.body.decode()}"


def readable(request: Request) -> str:
    """The body as a person reads it: a form is unpacked."""
    body = request.body.decode()
    form = ("Content-Type", "application/x-www-form-urlencoded") in request.headers
    return unquote_plus(body) if form else body


words = st.lists(st.sampled_from(AWKWARD), max_size=40).map("".join)
any_text = words | st.text(st.characters(codec=None), max_size=200)
long_text = st.tuples(any_text, st.integers(1, 400)).map(lambda pair: pair[0] * pair[1])


@every_http
@settings(max_examples=150)
@given(
    kind=st.sampled_from(Kind),
    line=any_text,
    tail=any_text | long_text,
    title=any_text,
    agent=any_text,
    link=st.none() | any_text | any_text.map(lambda text: f"https://x.example/{text}"),
    plain=st.booleans(),
)
def test_any_message_is_accepted(
    driver: Driver, line: str, tail: str, plain: bool, **more: Any
) -> None:
    """Any event with any text makes a request that the service takes: inside its limits, escaped,
    not empty."""
    server = service(driver)
    text = message(line, tail, **more)
    request = build(driver, configured(driver, server), text, plain)

    assert "" == refusal(server, request)
    assert all(value.isascii() and value.isprintable() for _, value in request.headers)


@every_http
@pytest.mark.parametrize("unit", ["x", "é", "😀", "&", "a\n", '"', "\\", "한", "👨\u200d👩"])
def test_long_text_is_cut(driver: Driver, unit: str) -> None:
    """A text of a hundred thousand of anything is cut inside the limit, its end kept."""
    server = service(driver)
    text = message(unit * 100_000, unit * 100_000 + "\nthe very end")
    request = build(driver, configured(driver, server), text)

    assert "" == refusal(server, request)
    assert "the very end" in readable(request)
    assert " cut …" in readable(request)


@every_http
def test_plain_rendering_is_smaller(driver: Driver) -> None:
    """What is sent after a refusal is accepted, smaller, and still says the line."""
    server = service(driver)
    config = configured(driver, server)
    text = message("a/b: failed", "é\n" * 1_000)
    full, plain = build(driver, config, text), build(driver, config, text, plain=True)

    assert "" == refusal(server, plain)
    assert len(plain.body) < len(full.body)
    assert "a/b: failed" in readable(plain)


@every_http
def test_request_is_pure(driver: Driver) -> None:
    """The same message makes the same bytes."""
    server = service(driver)
    config = configured(driver, server)

    assert build(driver, config, message()) == build(driver, config, message())


@every_http
def test_service_refuses_strangers(driver: Driver) -> None:
    """The strict server is strict: it takes neither an empty request nor another's secret."""
    server, other = service(driver), service(driver, secret="another-0123456789")
    stranger = received(build(driver, configured(driver, other), message()))

    assert server.judge(stranger).status >= 400
    assert server.judge(Received(method="POST", target="/")).status >= 400


def damaged(request: Request, how: str) -> Request:
    """The request with one thing wrong that its service would not let pass."""
    assert MARK in request.body
    typed = tuple(each for each in request.headers if each[0] != "Content-Type")
    return {
        "too long": replace(request, body=request.body.replace(MARK, MARK * 20_000)),
        "another method": replace(request, method="DELETE"),
        "cut in half": replace(request, body=request.body[: len(request.body) // 2]),
        "of no type": replace(request, headers=typed),
    }[how]


MARK = b"Wv9x"


@every_http
@pytest.mark.parametrize("how", ["too long", "another method", "cut in half", "of no type"])
def test_service_refuses_damage(driver: Driver, how: str) -> None:
    """The strict server takes the request, and not what is wrong with it in one thing; where the
    body is plain text (ntfy), half of it is whole as well, and needs no type."""
    server = service(driver)
    good = build(driver, configured(driver, server), message(MARK.decode() + " is full"))
    is_text = "Content-Type" not in dict(good.headers)

    assert "" == refusal(server, good)
    if not (is_text and how in ("cut in half", "of no type")):
        assert re.match(r"4\d\d ", refusal(server, damaged(good, how)))


RATES = {
    # https://docs.ntfy.sh/publish/#limitations: 60 at once, then one each 5 s.
    "ntfy": ((60, 1), (60 + 12, 60_000)),
    # https://core.telegram.org/bots/faq#my-bot-is-hitting-limits-how-do-i-avoid-this, of a group.
    "telegram": ((20, 60_000),),
    # https://learn.microsoft.com/microsoftteams/platform/webhooks-and-connectors/how-to/
    # connectors-using#rate-limiting-for-connectors
    "teams": ((4, 1_000), (60, 30_000), (100, 3_600_000), (150, 7_200_000), (1_800, 86_400_000)),
}
"""So many messages a service takes within so many milliseconds, where it says so."""


@pytest.mark.parametrize(("name", "most", "span_ms"), [(n, *r) for n in RATES for r in RATES[n]])
def test_pace_keeps_the_published_rate(name: str, most: int, span_ms: int) -> None:
    """However many messages wait, no more go within any such time than the service takes."""
    pace = loaded(name).pace

    assert pace.burst + span_ms // pace.every_ms <= most


@every_served
async def test_awkward_messages_arrive(driver: Driver) -> None:
    """Each awkward text alone, and all of them a hundred times over, passes the real wire."""
    async with service(driver) as server, kit() as sender:
        for text in (*AWKWARD, "".join(AWKWARD) * 100):
            load = parcel(driver.name, settings_of(server), message=message(text, text))

            assert isinstance(await sender.send(load), Sent)


@every_served
async def test_many_at_once(driver: Driver) -> None:
    """Fifty sends at once all arrive."""
    async with service(driver) as server, kit() as sender:
        load: Parcel = parcel(driver.name, settings_of(server))
        outcomes = await asyncio.gather(*(sender.send(load) for _ in range(50)))

        assert {Sent} == {type(outcome) for outcome in outcomes}
        assert 50 == len(server.accepted)


# ------------------------------------------------------------------------------ other than HTTP

STAGE_OUTCOMES: dict[str, tuple[type[Outcome], ...]] = {
    "well": (Sent,),
    "hangs": (Unknown,),
    "refuses": (Retry, RejectMessage, RejectDestination),
    "gone": (Retry, Unknown, Unsupported),
}
"""What a driver may make of its surroundings."""


@every_staged
@pytest.mark.parametrize("name", STAGE_OUTCOMES)
async def test_stage(
    driver: Driver,
    name: str,
    caplog: pytest.LogCaptureFixture,
    capfd: pytest.CaptureFixture[str],
) -> None:
    """In all surroundings there is an outcome of the right kind, within the deadline, and no secret
    in outcome, record, log or output."""
    async with stages(driver)[name](CANARY) as stage:
        more = {"timeout_ms": STAGE_MS[name]} | dict(stage.parcel)
        load = parcel(driver.name, stage.settings, **more)
        with every_log(caplog):
            outcome = await stage.kit.send(load)
        config, _ = structure(stage.settings, driver.config)

    said = "\n".join([repr(outcome), repr(load), repr(config), caplog.text, *capfd.readouterr()])
    assert isinstance(outcome, STAGE_OUTCOMES[name])
    assert CANARY not in said


STAGE_MS = {"hangs": 2 * SOON_MS} | dict.fromkeys(("well", "refuses", "gone"), 20_000)
"""How long a send may take there."""


@every_staged
async def test_stage_cancelled(driver: Driver, caplog: pytest.LogCaptureFixture) -> None:
    """A send that is cancelled ends at once and leaves no secret in its traceback or in a log."""
    async with stages(driver)["hangs"](CANARY) as stage:
        with every_log(caplog):
            load = parcel(driver.name, stage.settings, **stage.parcel)
            task = asyncio.create_task(stage.kit.send(load))
            await asyncio.wait({task}, timeout=SOON_MS / 1_000)
            task.cancel()
            with pytest.raises(asyncio.CancelledError) as caught:
                await task

    said = "".join(traceback.format_exception(caught.value))
    assert CANARY not in said + repr(task) + caplog.text


@every_staged
async def test_awkward_messages_arrive_there(driver: Driver) -> None:
    """Each awkward text alone, and all of them a hundred times over, is taken."""
    async with stages(driver)["well"](CANARY) as stage:
        for text in (*AWKWARD, "".join(AWKWARD) * 100):
            words = message(text, text, title=text)
            load = parcel(driver.name, stage.settings, message=words, **stage.parcel)

            assert isinstance(await stage.kit.send(load), Sent)


@every_staged
async def test_many_at_once_there(driver: Driver) -> None:
    """Ten sends at once all arrive."""
    async with stages(driver)["well"](CANARY) as stage:
        load = parcel(driver.name, stage.settings, **stage.parcel)
        outcomes = await asyncio.gather(*(stage.kit.send(load) for _ in range(10)))

    assert {Sent} == {type(outcome) for outcome in outcomes}
