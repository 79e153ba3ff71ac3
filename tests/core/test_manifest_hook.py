"""``[[preflight]]``, ``[[on_success]]`` and ``[[on_failure]]``."""

from __future__ import annotations

import pytest
import tomli

from dotagent.core.manifest_hook import Hook, read_hooks
from dotagent.core.model import Kind, Problem
from dotagent.core.problems import Findings


def read(text: str, section: str) -> tuple[tuple[Hook, ...], list[Problem]]:
    findings = Findings()
    tables = dict(enumerate(tomli.loads(f"[[{section}]]\n{text}")[section]))
    drivers = ("desktop", "slack", "plugin")
    return read_hooks(section, tables, drivers, findings), findings.found


def test_hook() -> None:
    """All keys of a hook are taken; the configuration is JSON data."""
    [hook], problems = read(
        """
        plugin = "sink-file"
        events = ["given_up"]
        timeout_seconds = 5
        config = {
          path = "/tmp/x",
          since = 1979-05-27T07:32:00Z,
          ratio = inf,
        }
        """,
        "on_failure",
    )

    assert problems == []
    assert hook == Hook(
        plugin="sink-file",
        config={
            "path": "/tmp/x",
            "since": {"$__toml_private_datetime": "1979-05-27T07:32:00Z"},
            "ratio": None,
        },
        events=(Kind.GIVEN_UP,),
        timeout_ms=5_000,
    )


def test_defaults() -> None:
    """Without more, the configuration is null and the deadline that of its kind."""
    assert ((Hook(plugin="sink-file", config=None, timeout_ms=None),), []) == read(
        'plugin = "sink-file"', "on_success"
    )


def test_preflight_may_skip() -> None:
    """A preflight may end its window as skipped."""
    [hook], problems = read('plugin = "preflight-cmd"\non_block = "skip"', "preflight")

    assert problems == []
    assert hook.on_block == "skip"


@pytest.mark.parametrize(
    ("text", "path", "message", "hint"),
    [
        ("", "plugin", "missing; it must be set", None),
        (
            'plugin = "../x"',
            "plugin",
            '"../x" is no file name: it must not start with . or contain /',
            None,
        ),
        (
            'plugin = "x"\ntimeout_seconds = 0',
            "timeout_seconds",
            "0 seconds are too few; at least 1",
            None,
        ),
        (
            'plugin = "x"\non_block = "skp"',
            "on_block",
            '"skp" is not one of the choices; allowed: "retry" or "skip"',
            "skip",
        ),
        (
            'plugin = "x"\nconfig = [99999999999999999999]',
            "config",
            "holds a number beyond 64 bits",
            None,
        ),
    ],
)
def test_wrong(text: str, path: str, message: str, hint: str | None) -> None:
    """Each mistake is one problem with its key."""
    _, problems = read(text, "preflight")

    assert [Problem(path=f"preflight[0].{path}", message=message, hint=hint)] == problems


@pytest.mark.parametrize(
    ("section", "text", "path", "message"),
    [
        ("preflight", 'events = ["success"]', "events", "means nothing for a preflight; ignored"),
        (
            "on_success",
            'on_block = "skip"',
            "on_block",
            "means something only in [[preflight]]; ignored",
        ),
        (
            "on_success",
            'events = ["success", "recovered"]',
            "events[1]",
            '"recovered" never reaches [[on_success]]; it hears of "success"',
        ),
        (
            "on_failure",
            'events = ["success"]',
            "events[0]",
            '"success" never reaches [[on_failure]]; it hears of "attempt_failed", "timed_out", '
            '"given_up", "recovered" or "preflight"',
        ),
    ],
)
def test_warned(section: str, text: str, path: str, message: str) -> None:
    """What can never have an effect is said, and does no harm."""
    [hook], problems = read(f'plugin = "x"\n{text}', section)

    assert hook.plugin == "x"
    assert [Problem(path=f"{section}[0].{path}", message=message, fatal=False)] == problems


def test_mistyped_event() -> None:
    """An event that does not exist is an error with the one that was meant."""
    _, [problem] = read('plugin = "x"\nevents = ["timedout"]', "on_failure")

    assert ("on_failure[0].events[0]", "timed_out", True) == (
        problem.path,
        problem.hint,
        problem.fatal,
    )


@pytest.mark.parametrize(
    ("plugin", "message", "hint"),
    [
        (
            "notify-desktop",
            '"notify-desktop" is built in now, without a plugin',
            'write [[notifiers]] with driver = "desktop" and the keys of its config beside it',
        ),
        (
            "notify-discord",
            "notifiers have their own section now",
            'write [[notifiers]] with driver = "plugin" and name = "notify-discord"',
        ),
    ],
)
def test_notifier_plugins_are_moved(plugin: str, message: str, hint: str) -> None:
    """A hook that notifies still works, and is told where it belongs now."""
    [hook], problems = read(f'plugin = "{plugin}"', "on_failure")

    assert hook.plugin == plugin
    assert [
        Problem(path="on_failure[0].plugin", message=message, hint=hint, fatal=False)
    ] == problems
