"""config.toml: what holds for the whole home."""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from dotagent.core.config import (
    Config,
    Daemon,
    Deadman,
    Logging,
    Metrics,
    Retention,
    Storm,
    Summary,
    Telemetry,
    read_config,
)
from dotagent.core.duration import DAY_MS, HOUR_MS, MINUTE_MS
from dotagent.core.model import Kind, Problem
from tests.core.records import DRIVERS
from tests.core.toml_writer import documents


def read(text: str) -> tuple[Config | None, tuple[Problem, ...]]:
    return read_config(text.encode(), DRIVERS)


@pytest.mark.parametrize("text", ["", "# nothing\n", "[daemon]\n[logging]\n"])
def test_all_defaults(text: str) -> None:
    """Everything may be left out."""
    assert (Config(), ()) == read(text)


def test_built_in() -> None:
    """What holds where nothing is said."""
    config = Config()

    assert config.daemon == Daemon(max_running=None, stop_grace_ms=30_000)
    assert config.summary == Summary(enabled=True, at_minute=1_365, grace_ms=12 * HOUR_MS)
    assert config.storm == Storm(waiting=20)
    assert config.logging == Logging(
        level="info",
        format="json",
        retention_ms=30 * DAY_MS,
        per_agent_retention_ms=14 * DAY_MS,
        compress_after_ms=DAY_MS,
    )
    assert config.telemetry == Telemetry(endpoint=None, protocol="grpc", service_name="dotagent")
    assert config.deadman is None
    assert config.secrets_file is None


def test_old_configuration() -> None:
    """The sections of dotagent 0.1.x."""
    config, problems = read(
        """
        [logging]
        level = "debug"
        format = "compact"
        retention_days = 7
        per_agent_retention_days = 3
        compress_after_days = 2
        [telemetry]
        otlp_endpoint = "http://127.0.0.1:4317"
        protocol = "http"
        service_name = "mine"
        resource = { env = "home" }
        [telemetry.headers]
        authorization = "Bearer s3cret"
        [secrets]
        file = "/run/secrets.env"
        """
    )

    assert problems == ()
    assert config == Config(
        logging=Logging(
            level="debug",
            format="text",
            retention_ms=7 * DAY_MS,
            per_agent_retention_ms=3 * DAY_MS,
            compress_after_ms=2 * DAY_MS,
        ),
        telemetry=Telemetry(
            endpoint="http://127.0.0.1:4317",
            protocol="http/protobuf",
            service_name="mine",
            resource={"env": "home"},
            headers={"authorization": "Bearer s3cret"},
        ),
        secrets_file="/run/secrets.env",
    )
    assert "s3cret" not in repr(config)


def test_new_configuration() -> None:
    """The sections that 0.1.x does not have."""
    config, problems = read(
        """
        [daemon]
        max_running = 8
        stop_grace = "1m"
        [summary]
        at = "07:30"
        grace = "2h"
        enabled = false
        [deadman]
        url = "https://hc.example.org/${PING}"
        every = "1m"
        [retention]
        history = "30d"
        messages = "7d"
        [metrics]
        listen = "127.0.0.1:9464"
        [storm]
        waiting = 5
        """
    )

    assert problems == ()
    assert config == Config(
        daemon=Daemon(max_running=8, stop_grace_ms=MINUTE_MS),
        summary=Summary(enabled=False, at_minute=450, grace_ms=2 * HOUR_MS),
        deadman=Deadman(url="https://hc.example.org/${PING}", every_ms=MINUTE_MS),
        retention=Retention(history_ms=30 * DAY_MS, messages_ms=7 * DAY_MS),
        metrics=Metrics(listen=("127.0.0.1", 9464)),
        storm=Storm(waiting=5),
    )


def test_global_notifiers() -> None:
    """They remind by default, may name events of the home, and may switch reminders off."""
    config, problems = read(
        '[[notifiers]]\ndriver = "desktop"\nevents = ["manifest_invalid", "daily_summary"]\n'
        '[[notifiers]]\ndriver = "desktop"\nremind = []\n'
        '[[notifiers]]\ndriver = "desktop"\nremind = ["2h"]\n'
    )

    assert problems == ()
    assert config is not None
    assert (Kind.MANIFEST_INVALID, Kind.DAILY_SUMMARY) == config.notifiers[0].events
    assert [(HOUR_MS, 6 * HOUR_MS, 24 * HOUR_MS), (), (2 * HOUR_MS,)] == [
        notifier.remind for notifier in config.notifiers
    ]


def test_metrics() -> None:
    """Two ways to be read: at an address of this machine alone, and in a file."""
    for address in ("127.0.0.1:9464", "localhost:1", "127.8.8.8:65535", "[::1]:9464"):
        assert () == read(f'[metrics]\nlisten = "{address}"')[1]
    for address in ("0.0.0.0:9464", "192.168.0.2:80", "[::]:9464", "example.org:80", "*:80"):
        config, problems = read(f'[metrics]\nlisten = "{address}"')
        assert config is None
        assert "only this machine may ask" in problems[0].message
    config, problems = read('[metrics]\ntextfile = "/x/dotagent.prom"\nevery = "15s"')
    assert config is not None
    assert Metrics(textfile="/x/dotagent.prom", every_ms=15_000) == config.metrics
    assert read('[metrics]\ntextfile = "x.prom"')[0] is None


@pytest.mark.parametrize(
    ("written", "level"),
    [
        ("INFO", "info"),
        ("warning", "warn"),
        ("debug,hyper=warn", "debug"),
        ("hyper=warn", "info"),
        ("", "info"),
        ("off", "off"),
    ],
)
def test_level(written: str, level: str) -> None:
    """A level is read as people and 0.1.x write it; of a filter the plain level counts."""
    config, problems = read(f'[logging]\nlevel = "{written}"')

    assert problems == ()
    assert config is not None
    assert level == config.logging.level


@pytest.mark.parametrize(
    ("written", "address"),
    [
        ("localhost:9464", ("localhost", 9464)),
        ("[::1]:9464", ("::1", 9464)),
        ("127.0.0.2:1", ("127.0.0.2", 1)),
    ],
)
def test_address(written: str, address: tuple[str, int]) -> None:
    """A host and a port, an IPv6 host in brackets."""
    config, _ = read(f'[metrics]\nlisten = "{written}"')

    assert config is not None
    assert address == config.metrics.listen


@pytest.mark.parametrize(
    ("text", "path", "line", "message", "hint"),
    [
        (
            "[daemon]\nmax_running = 0",
            "daemon.max_running",
            2,
            "0 is not a number of attempts; allowed: 1–10000",
            None,
        ),
        (
            "[daemon]\nstop_grace = 30",
            "daemon.stop_grace",
            2,
            'a whole number, where a text such as "1h30m" is needed',
            'write "30s", "30m" or "30h"',
        ),
        (
            "[daemon]\nstop_grace = '2h'",
            "daemon.stop_grace",
            2,
            '"2h" is too long; at most 1h',
            None,
        ),
        (
            "[summary]\nat = '8:60'",
            "summary.at",
            2,
            '"8:60" is not a time of day; write "HH:MM", as "08:30"',
            None,
        ),
        ("[summary]\ngrace = '1d'", "summary.grace", 2, '"1d" is too long; at most 23h', None),
        ("[deadman]\n", "deadman.url", 1, "missing; it must be set", None),
        (
            "[deadman]\nurl = 'hc.example.org'",
            "deadman.url",
            2,
            'not an address; it starts with "https://" or "http://"',
            None,
        ),
        (
            "[retention]\nhistory = '1h'",
            "retention.history",
            2,
            '"1h" is too short; at least 1d',
            None,
        ),
        (
            "[metrics]\nlisten = '9464'",
            "metrics.listen",
            2,
            '"9464" is not an address; write "127.0.0.1:9464"',
            None,
        ),
        (
            "[metrics]\nlisten = 'a:99999'",
            "metrics.listen",
            2,
            '"a:99999" is not an address; write "127.0.0.1:9464"',
            None,
        ),
        (
            "[metrics]\nlisten = 9464",
            "metrics.listen",
            2,
            "a whole number, where text is needed",
            "write it in quotes",
        ),
        (
            "[storm]\nwaiting = 0",
            "storm.waiting",
            2,
            "0 is not a number of messages; allowed: 1 or more",
            None,
        ),
        (
            "[logging]\nlevel = 'inof'",
            "logging.level",
            2,
            '"inof" is not a level; allowed: "trace", "debug", "info", "warn", "error" or "off"',
            "info",
        ),
        (
            "[logging]\nlevel = 3",
            "logging.level",
            2,
            "a whole number, where text is needed",
            "write it in quotes",
        ),
        (
            "[logging]\nformat = 'jsn'",
            "logging.format",
            2,
            '"jsn" is not one of the choices; allowed: "json", "text", "compact" or "pretty"',
            "json",
        ),
        (
            "[telemetry.headers]\na = 1",
            "telemetry.headers.a",
            2,
            "a whole number, where text is needed",
            "write it in quotes",
        ),
        ("notifiers = 1", "notifiers", 1, "a whole number, where a list of tables is needed", None),
    ],
)
def test_wrong(text: str, path: str, line: int, message: str, hint: str | None) -> None:
    """Each mistake is one problem with its line, its key and what is allowed."""
    config, problems = read(text)

    assert config is None
    assert (Problem(path=path, message=message, line=line, hint=hint),) == problems


def test_warnings() -> None:
    """Unknown keys and a relative secrets file are said and ignored."""
    config, problems = read("[loging]\n[storm]\nwaitng = 1\n[secrets]\nfile = 'secrets.env'\n")

    assert Config() == config
    assert [
        Problem(
            path="loging",
            message="unknown section or key, ignored",
            line=1,
            hint="logging",
            fatal=False,
        ),
        Problem(
            path="storm.waitng", message="unknown key, ignored", line=3, hint="waiting", fatal=False
        ),
        Problem(
            path="secrets.file",
            message='"secrets.env" is not an absolute path; ignored, the usual place holds',
            line=5,
            fatal=False,
        ),
    ] == list(problems)


def test_not_toml() -> None:
    """A file that is no TOML is one problem."""
    config, problems = read("[daemon\n")

    assert config is None
    assert [1] == [problem.line for problem in problems]


@settings(max_examples=50, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.binary(max_size=200) | documents().map(lambda document: document.text.encode()))
def test_any_bytes(data: bytes) -> None:
    """Any bytes are a configuration or have a fatal problem."""
    config, problems = read_config(data, DRIVERS)

    assert (config is None) == any(problem.fatal for problem in problems)


def test_who_gets_the_summary() -> None:
    """The ids of notifiers of the same file; a name that none has is wrong, with the nearest."""
    table = """
        [summary]
        notifiers = ["phone", "phnoe"]
        [[notifiers]]
        driver = "ntfy"
        id = "phone"
        topic = "t"
        """
    _, problems = read_config(table.encode(), DRIVERS)

    (problem,) = problems
    assert problem.fatal
    assert ("summary.notifiers[1]", "phone") == (problem.path, problem.hint)
