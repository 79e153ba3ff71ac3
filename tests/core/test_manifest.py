"""Whole manifests: good ones, bad ones, and any bytes at all."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from dotagent.core.duration import HOUR_MS, MINUTE_MS
from dotagent.core.manifest import (
    Agent,
    Env,
    Expect,
    ExpectFile,
    Hook,
    Limits,
    Manifest,
    Notifier,
    Run,
    Schedule,
    Security,
    read_manifest,
)
from dotagent.core.model import Kind, Problem
from dotagent.core.problems import explain
from dotagent.core.when import Calendar, Every
from tests.core.records import DRIVERS
from tests.core.toml_writer import Writer, documents

SMALLEST = '[agent]\nname = "a"\n[run]\ncommand = "true"\n'

OLD = """\
[agent]
name = "disk-alert"
description = "free space"
version = "1.0.0"
monitor = true
timeout_seconds = 60

[run]
command = "./check.sh"
args = ["--threshold", "90"]
working_dir = "work"

[env]
inherit = true
[env.extra]
PATH = "/usr/bin:/bin"

[defaults]
max_retries = 2
retry_backoff_minutes = [1]
stale_after_minutes = 30

[[schedules]]
id = "morning"
type = "cron"
weekdays = [1, 2, 3, 4, 5]
hours = [8, 20]
minute = 30
args = ["--period", "dia-anterior"]

[[schedules]]
id = "often"
type = "interval"
interval_minutes = 15
max_retries = 1

[[preflight]]
plugin = "preflight-cmd"
config = {
  command = "ping",
  args = ["-c", "1"],
}
timeout_seconds = 20

[[on_success]]
plugin = "sink-file"
config = { path = "/tmp/out", mode = "append" }

[[on_failure]]
plugin = "notify-desktop"
config = { title = "x", sound = true }
events = ["given_up"]

[[notifiers]]
driver = "desktop"
title = "disk-alert"
events = ["attempt_failed", "given_up"]

[security]
allowed_commands = ["./check.sh"]
network = "deny"
"""

NEW = """\
[agent]
name = "backup"
timeout = "30m"
inherit_notifiers = false

[run]
command = "./backup.sh"
skip_codes = [75]

[[schedules]]
id = "nightly"
cron = "30 2 * * *"
timezone = "Europe/Berlin"
max_attempts = 2
retry_backoff = ["5s", "1m"]
catch_up = "none"
spread = "10m"

[[schedules]]
id = "sync"
every = "90m"
run_at_start = true
overlap = "queue"
args = ["sync"]

[env]
from_secrets = ["API_KEY"]

[limits]
log_max_mb = 10

[expect]
output = "nonempty"
file = { path = "report.md" }
"""

DOCUMENTED = (
    """
    driver = "desktop"
    title  = "dotagent"
    sound  = true
    events = ["attempt_failed", "given_up"]
    """,
    """
    driver = "desktop"
    title    = "dotagent"
    subtitle = "free space low"
    sound    = true
    urgency  = "critical"
    icon     = "dialog-warning"
    expire_ms = 5000
    """,
    """
    driver = "slack"
    webhook_url = "https://hooks.slack.com/services/..."
    events = ["given_up", "recovered"]
    """,
    """
    driver = "slack"
    webhook_url = "https://hooks.slack.com/services/..."
    channel     = "#alerts"
    username    = "dotagent"
    icon_emoji  = ":robot_face:"
    """,
    """
    driver  = "ntfy"
    topic   = "dotagent-alerts"
    base_url = "https://ntfy.sh"
    token    = "tk_..."
    priority = 4
    title    = "disk-alert"
    tags     = ["warning", "skull"]
    """,
    """
    driver   = "pushover"
    token    = "azGDORePK8gMaC0QOYAMyEEuzJnyUi"
    user     = "uQiRzpo4DXghDmr9QzzfQu27cmVRsG"
    priority = 1
    title    = "disk-alert"
    """,
    """
    driver = "imessage"
    to     = "+5511999999999"
    rate_limit_minutes = 60
    events = ["given_up"]
    """,
    """
    driver = "plugin"
    name   = "notify-discord"
    events = ["given_up"]
    [notifiers.config]
    webhook_url = "https://discord.com/api/webhooks/..."
    """,
)


def read(text: str) -> tuple[Manifest | None, tuple[Problem, ...]]:
    return read_manifest(text.encode(), DRIVERS)


def test_smallest() -> None:
    """A name and a command are enough; a manifest without schedules runs by hand."""
    assert (Manifest(agent=Agent(name="a"), run=Run(command="true")), ()) == read(SMALLEST)


def test_old_manifest() -> None:
    """A manifest of dotagent 0.1.x means what it meant."""
    manifest, problems = read(OLD)

    assert manifest == Manifest(
        agent=Agent(
            name="disk-alert", description="free space", version="1.0.0", timeout_ms=MINUTE_MS
        ),
        run=Run(command="./check.sh", args=("--threshold", "90"), working_dir="work"),
        schedules=(
            Schedule(
                id="morning",
                when=Calendar(expression="30 8,20 * * 1-5"),
                args=("--period", "dia-anterior"),
                slug="period_dia-anterior",
                max_attempts=2,
                backoff_ms=(MINUTE_MS,),
                stale_after_ms=30 * MINUTE_MS,
                stale_is_default=False,
            ),
            Schedule(
                id="often",
                when=Every(every_ms=15 * MINUTE_MS),
                max_attempts=1,
                backoff_ms=(MINUTE_MS,),
                stale_after_ms=30 * MINUTE_MS,
                stale_is_default=False,
            ),
        ),
        notifiers=(
            Notifier(
                driver="desktop",
                events=(Kind.ATTEMPT_FAILED, Kind.GIVEN_UP),
                settings={"title": "disk-alert"},
            ),
        ),
        preflight=(
            Hook(
                plugin="preflight-cmd",
                config={"command": "ping", "args": ["-c", "1"]},
                timeout_ms=20_000,
            ),
        ),
        on_success=(Hook(plugin="sink-file", config={"path": "/tmp/out", "mode": "append"}),),
        on_failure=(
            Hook(
                plugin="notify-desktop",
                config={"title": "x", "sound": True},
                events=(Kind.GIVEN_UP,),
            ),
        ),
        env=Env(extra={"PATH": "/usr/bin:/bin"}),
        security=Security(allowed_commands=("./check.sh",), network="deny"),
    )
    assert ["on_failure[0].plugin"] == [problem.path for problem in problems]
    assert not problems[0].fatal


def test_new_manifest() -> None:
    """The keys that 0.1.x does not have."""
    manifest, problems = read(NEW)

    assert problems == ()
    assert manifest == Manifest(
        agent=Agent(name="backup", timeout_ms=30 * MINUTE_MS, inherit_notifiers=False),
        run=Run(command="./backup.sh", skip_codes=frozenset({75})),
        schedules=(
            Schedule(
                id="nightly",
                when=Calendar(
                    expression="30 2 * * *", timezone="Europe/Berlin", spread_ms=10 * MINUTE_MS
                ),
                max_attempts=2,
                backoff_ms=(5_000, MINUTE_MS),
                catch_up="none",
            ),
            Schedule(
                id="sync",
                when=Every(every_ms=90 * MINUTE_MS, run_at_start=True),
                args=("sync",),
                slug="sync",
                overlap="queue",
            ),
        ),
        env=Env(from_secrets=("API_KEY",)),
        limits=Limits(log_max_mb=10),
        expect=Expect(output="nonempty", file=ExpectFile(path="report.md")),
    )
    assert manifest.schedules[0].stale_after_ms == 2 * HOUR_MS


@pytest.mark.parametrize("entry", DOCUMENTED)
def test_documented_notifiers(entry: str) -> None:
    """Every notifier of the documentation loads without a remark."""
    manifest, problems = read(f"{SMALLEST}[[notifiers]]\n{entry}")

    assert problems == ()
    assert manifest is not None
    assert len(manifest.notifiers) == 1


def test_documented_notifiers_together() -> None:
    """All of them in one manifest load as well."""
    entries = "".join(f"[[notifiers]]\n{entry}" for entry in DOCUMENTED)
    manifest, problems = read(SMALLEST + entries)

    assert problems == ()
    assert manifest is not None
    assert len(DOCUMENTED) == len(manifest.notifiers)


BAD = """\
agnet = 1
[agent]
name = "../x"
monitor = true
enabled = false
timout = "5m"

[run]
command = 5
args = ["a", 3]

[[schedules]]
id = "x"
hours = [
  8,
  25,
]

[[schedules]]
id = "x"
every = "0s"

[[schedules]]
cron = "61 * * * *"

[[notifiers]]
driver = "slak"

[[notifiers]]
driver = "slack"
webhok_url = "https://x"
events = ["give_up", "daily_summary"]

[[on_failure]]
plugin = "notify-slack"

[security]
network = [1]

[hooks]
"""

EXPLAINED = """\
agent.toml:1: warning: agnet: unknown section or key, ignored
    did you mean "agent"?
agent.toml:3: agent.name: "../x" is no file name: it must not start with . or contain /
agent.toml:5: agent.enabled: enabled and monitor are two names of one setting; keep one of them
agent.toml:6: warning: agent.timout: unknown key, ignored
    did you mean "timeout"?
agent.toml:9: run.command: a whole number, where text is needed
    write it in quotes
agent.toml:10: run.args[1]: a whole number, where text is needed
    write it in quotes
agent.toml:16: schedules[0].hours[1]: 25 is not an hour; allowed: 0–23
agent.toml:20: schedules[1].id: "x" is also the id of schedules[0]; each schedule needs its own
agent.toml:21: schedules[1].every: "0s" is too short; at least 1s
agent.toml:23: schedules[2].id: missing; it must be set
agent.toml:24: schedules[2].cron: "61 * * * *", character 1: minute 61: allowed 0–59
agent.toml:27: notifiers[0].driver: "slak" is not a driver; allowed: "desktop", "email", \
"imessage", "ntfy", "plugin", "pushover", "slack" or "telegram"
    did you mean "slack"?
agent.toml:29: notifiers[1].webhook_url: missing; it must be set
agent.toml:31: warning: notifiers[1].webhok_url: unknown key, ignored
    did you mean "webhook_url"?
agent.toml:32: notifiers[1].events[0]: "give_up" is not an event; allowed: "attempt_failed", \
"timed_out", "preflight", "given_up", "recovered", "success", "missed", "still_failing" or \
"daily_summary"
    did you mean "given_up"?
agent.toml:32: warning: notifiers[1].events[1]: "daily_summary" goes only to the global notifiers \
and the inbox
    name it in a [[notifiers]] of config.toml
agent.toml:35: warning: on_failure[0].plugin: "notify-slack" is built in now, without a plugin
    write [[notifiers]] with driver = "slack" and the keys of its config beside it
agent.toml:38: security.network[0]: a whole number, where text is needed
    write it in quotes
agent.toml:40: warning: hooks: unknown section or key, ignored"""


def test_everything_wrong_at_once() -> None:
    """All problems of all sections, with their lines, in the order of the file."""
    manifest, problems = read(BAD)

    assert manifest is None
    assert EXPLAINED == "\n".join(explain(problem, "agent.toml") for problem in problems)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", [Problem(path="", message="the file is empty")]),
        (" \n\n", [Problem(path="", message="the file is empty")]),
        (
            "# nothing\n",
            [
                Problem(path="agent.name", message="missing; it must be set"),
                Problem(path="run.command", message="missing; it must be set"),
            ],
        ),
        (
            '[agent]\nname = "a"\n',
            [Problem(path="run.command", message="missing; it must be set")],
        ),
        (
            'agent = "a"\n[[run]]\n[schedules]\n',
            [
                Problem(path="agent.name", message="missing; it must be set", line=1),
                Problem(path="agent", message="text, where a table is needed", line=1),
                Problem(
                    path="run",
                    message="a list, where a table is needed",
                    hint="write it once, as [run]",
                    line=2,
                ),
                Problem(path="run.command", message="missing; it must be set", line=2),
                Problem(
                    path="schedules",
                    message="a table, where a list of tables is needed",
                    hint="write [[schedules]], with two brackets",
                    line=3,
                ),
            ],
        ),
    ],
)
def test_no_manifest(text: str, expected: list[Problem]) -> None:
    """Nothing, only comments, half of it, or the wrong brackets."""
    manifest, problems = read(text)

    assert manifest is None
    assert sorted(expected, key=str) == sorted(problems, key=str)


def test_warnings_alone_are_no_obstacle() -> None:
    """Unknown keys and sections never keep a manifest from loading."""
    manifest, problems = read(SMALLEST + "[whatever]\nx = 1\n[defaults]\ny = 1\n[limits]\nz = 1\n")

    assert manifest is not None
    assert [5, 8, 10] == [problem.line for problem in problems]
    assert not any(problem.fatal for problem in problems)


EVENTS = ", ".join(f'"give_up{at}"' for at in range(500))


@pytest.mark.parametrize(
    "entry",
    [
        f'[[notifiers]]\ndriver = "desktop"\nevents = [{EVENTS}]\n',
        f'[[on_failure]]\nplugin = "x"\nevents = [{EVENTS}]\n',
        f'[[schedules]]\nid = "s"\nhours = [{"99," * 500}]\n',
    ],
)
def test_thousands_of_problems(entry: str) -> None:
    """A mad file is refused soon, with a list that ends."""
    manifest, problems = read(SMALLEST + entry * 40)

    assert manifest is None
    assert len(problems) == 100
    assert problems[-1].message == "and 401 more problems; mend these first"


def test_byte_order_mark_and_windows_lines() -> None:
    """A file saved on Windows loads, with one warning."""
    data = b"\xef\xbb\xbf" + OLD.replace("\n", "\r\n").encode()
    manifest, problems = read_manifest(data, DRIVERS)

    assert manifest == read(OLD)[0]
    line = OLD.splitlines().index('plugin = "notify-desktop"') + 1
    assert [1, line] == [problem.line for problem in problems]


@settings(max_examples=100, deadline=None)
@given(st.binary(max_size=300))
def test_any_bytes(data: bytes) -> None:
    """Any bytes are a manifest or have a fatal problem."""
    manifest, problems = read_manifest(data, DRIVERS)

    assert (manifest is None) == any(problem.fatal for problem in problems)


@settings(max_examples=50, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(documents())
def test_any_toml(document: Writer) -> None:
    """Any TOML is a manifest or has a fatal problem."""
    manifest, problems = read(document.text)

    assert (manifest is None) == any(problem.fatal for problem in problems)


SCALARS = st.sampled_from(
    [0, 1, -1, 25, 2**63, 1.5, True, "", "a", "1h", "08:30", "${X}", "* * * * *", "cron", "slack"]
)
ANYTHING = st.recursive(
    SCALARS,
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["plugin", "driver", "from", "to", "a"]), inner, max_size=3
        )
    ),
    max_leaves=5,
)
WORDS = """name monitor enabled timeout timeout_seconds command args success_codes warn_codes
inherit extra from_secrets max_retries max_attempts retry_backoff stale_after id type cron every
daily hours weekdays minute interval_minutes expression timezone spread driver events quiet_hours
remind settings webhook_url topic config plugin on_block network enforce output file"""
PARTS = """agent run env defaults limits security expect schedules notifiers preflight on_success
on_failure other"""
KEYS = st.sampled_from(WORDS.split())
SECTIONS = st.sampled_from(PARTS.split())
TABLE = st.dictionaries(KEYS, ANYTHING, max_size=5)


def toml(value: Any) -> str:
    """``value`` as an inline TOML value."""
    if isinstance(value, dict):
        return "{" + ", ".join(f"{key} = {toml(inner)}" for key, inner in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(toml(inner) for inner in value) + "]"
    if isinstance(value, str):
        return f"'{value}'"
    return str(value).lower()


@settings(max_examples=150, deadline=None)
@given(st.dictionaries(SECTIONS, TABLE | st.lists(TABLE, max_size=3) | ANYTHING, max_size=5))
def test_any_structure(root: dict[str, Any]) -> None:
    """Known keys with any values are a manifest or have a fatal problem, in short texts."""
    text = "\n".join(f"{key} = {toml(value)}" for key, value in root.items())
    manifest, problems = read(text)

    assert (manifest is None) == any(problem.fatal for problem in problems)
    assert all(len(explain(problem, "agent.toml")) < 500 for problem in problems)
