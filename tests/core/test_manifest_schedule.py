"""``[[schedules]]`` and ``[defaults]``."""

from __future__ import annotations

from typing import Any

import pytest
import tomli

from dotagent.core.duration import DAY_MS, HOUR_MS, LONGEST_MS, MINUTE_MS
from dotagent.core.manifest_schedule import (
    BACKOFF_MS,
    STALE_AFTER_MS,
    Schedule,
    Tries,
    read_defaults,
    read_schedules,
)
from dotagent.core.model import Problem
from dotagent.core.problems import Findings
from dotagent.core.when import Calendar, Every, When


def read(text: str, defaults: str = "") -> tuple[tuple[Schedule, ...], list[Problem]]:
    """The schedules in ``text``: one, without its header, or several with theirs."""
    findings = Findings()
    text = text if "[[schedules]]" in text else f"[[schedules]]\n{text}"
    tries = read_defaults(tomli.loads(defaults), findings) if defaults else Tries()
    tables = dict(enumerate(tomli.loads(text)["schedules"]))
    return read_schedules(tables, tries, findings), findings.found


def when(text: str) -> When:
    [schedule], problems = read(f'id = "s"\n{text}')
    assert problems == []
    return schedule.when


@pytest.mark.parametrize(
    ("text", "expression"),
    [
        ('type = "cron"\nweekdays = [1, 2, 3, 4, 5]\nhours = [8]\nminute = 30', "30 8 * * 1-5"),
        ('type = "cron"\nweekdays = [1]\nhours = [8, 20]', "0 8,20 * * 1"),
        ('type = "cron"\nhours = [8]', "0 8 * * *"),
        ('type = "cron"\nweekdays = [7, 6]', "0 * * * 0,6"),
        ('type = "cron"\nweekdays = [0, 7]', "0 * * * 0"),
        ('type = "cron"\nminute = 15', "15 * * * *"),
        ('type = "cron"', "0 * * * *"),
        ("hours = [8]", "0 8 * * *"),
        ("minute = 5", "5 * * * *"),
        ('cron = "30 8 * * mon-fri"', "30 8 * * 1-5"),
        ('cron = "@daily"', "0 0 * * *"),
        ('type = "cron"\ncron = "0 6 * * *"', "0 6 * * *"),
        ('type = "expression"\nexpression = "0 6 * * *"', "0 6 * * *"),
        ('type = "expression"\nexpression = "@weekly"', "0 0 * * 0"),
        ('expression = "0 6 * * *"', "0 6 * * *"),
        ('type = "cron"\nexpression = "0 6 * * *"', "0 6 * * *"),
        ('daily = "08:30"', "30 8 * * *"),
        ("daily = 08:30", "30 8 * * *"),
        ('type = "cron"\ndaily = "00:05"', "5 0 * * *"),
    ],
)
def test_calendar(text: str, expression: str) -> None:
    """Every way to say wall-clock times becomes one cron expression; the type is implied."""
    assert Calendar(expression=expression) == when(text)


@pytest.mark.parametrize(
    ("text", "every"),
    [
        ('every = "90m"', Every(every_ms=90 * MINUTE_MS)),
        ('type = "interval"\nevery = "1s"', Every(every_ms=1_000)),
        ('type = "interval"\ninterval_minutes = 5', Every(every_ms=5 * MINUTE_MS)),
        ("interval_minutes = 5", Every(every_ms=5 * MINUTE_MS)),
        ("interval_minutes = 4294967295", Every(every_ms=LONGEST_MS)),
        (
            'every = "1h"\nrun_at_start = true\nspread = "10m"',
            Every(every_ms=HOUR_MS, run_at_start=True, spread_ms=10 * MINUTE_MS),
        ),
    ],
)
def test_interval(text: str, every: Every) -> None:
    """An interval is said in minutes or as a span."""
    assert every == when(text)


def test_zone_and_spread() -> None:
    """A calendar may name its zone and be spread."""
    assert Calendar(
        expression="0 8 * * *", timezone="Europe/Berlin", spread_ms=10 * MINUTE_MS
    ) == when('hours = [8]\ntimezone = "Europe/Berlin"\nspread = "10m"')


def test_left_over_keys_of_another_type() -> None:
    """A manifest of 0.1.x in which keys of another type were left keeps its meaning."""
    [schedule], problems = read(
        'id = "s"\ntype = "interval"\ninterval_minutes = 5\nhours = [8]\nexpression = "x"'
    )

    assert Every(every_ms=5 * MINUTE_MS) == schedule.when
    assert [
        Problem(
            path="schedules[0].expression",
            message='means nothing with type = "interval"; ignored',
            fatal=False,
        ),
        Problem(
            path="schedules[0].hours",
            message='means nothing with type = "interval"; ignored',
            fatal=False,
        ),
    ] == problems


@pytest.mark.parametrize(
    ("text", "path", "message", "hint"),
    [
        (
            "",
            "",
            "nothing says when it runs",
            'add one of cron = "30 8 * * *", daily = "08:30" or every = "90m"',
        ),
        (
            'every = "5m"\ncron = "* * * * *"',
            ".every",
            "cron and every both say when it runs; keep one of them",
            None,
        ),
        (
            'daily = "08:30"\nweekdays = [1]',
            ".weekdays",
            "daily and weekdays both say when it runs; keep one of them",
            None,
        ),
        (
            'type = "interval"\ninterval_minutes = 5\nevery = "5m"',
            ".interval_minutes",
            "every and interval_minutes both say when it runs; keep one of them",
            None,
        ),
        (
            'type = "interval"\ncron = "* * * * *"',
            ".type",
            'type = "interval" does not go with cron',
            'leave type out, or write type = "cron"',
        ),
        (
            'type = "cron"\nevery = "5m"',
            ".type",
            'type = "cron" does not go with every',
            'leave type out, or write type = "interval"',
        ),
        (
            'type = "interval"',
            ".interval_minutes",
            'missing; type = "interval" needs it, or every',
            None,
        ),
        ('type = "expression"', ".expression", 'missing; type = "expression" needs it', None),
        (
            'type = "crom"\nhours = [8]',
            ".type",
            '"crom" is not one of the choices; allowed: "cron", "interval" or "expression"',
            "cron",
        ),
        (
            'type = "weekly"',
            ".type",
            '"weekly" is not one of the choices; allowed: "cron", "interval" or "expression"',
            None,
        ),
        (
            "hours = []",
            ".hours",
            "an empty list never matches, so this schedule would never run",
            "leave hours out for every hour",
        ),
        (
            "weekdays = []\nhours = [8]",
            ".weekdays",
            "an empty list never matches, so this schedule would never run",
            "leave weekdays out for every day",
        ),
        ("hours = [24]", ".hours[0]", "24 is not an hour; allowed: 0–23", None),
        ("hours = [-1]", ".hours[0]", "-1 is not an hour; allowed: 0–23", None),
        ("weekdays = [8]", ".weekdays[0]", "8 is not a weekday; allowed: 0–7", None),
        ("hours = [8]\nminute = 60", ".minute", "60 is not a minute; allowed: 0–59", None),
        (
            "hours = 8",
            ".hours",
            "a whole number, where a list is needed",
            "write it in brackets, as [ … ]",
        ),
        ("interval_minutes = 0", ".interval_minutes", "0 minutes are too few; at least 1", None),
        ('every = "0s"', ".every", '"0s" is too short; at least 1s', None),
        ('every = "500ms"', ".every", '"500ms" is too short; at least 1s', None),
        ('every = "5m"\nspread = "5m"', ".spread", "must be shorter than the interval of 5m", None),
        ('cron = "0 8 * * *"\nspread = "25h"', ".spread", '"25h" is too long; at most 1d', None),
        (
            'cron = "61 8 * * *"',
            ".cron",
            '"61 8 * * *", character 1: minute 61: allowed 0–59',
            None,
        ),
        (
            'cron = "0 0 30 2 *"',
            ".cron",
            '"0 0 30 2 *" never comes: no such date exists',
            None,
        ),
        (
            'daily = "24:00"',
            ".daily",
            '"24:00" is not a time of day; write "HH:MM", as "08:30"',
            None,
        ),
        (
            'cron = "0 8 * * *"\ntimezone = "Europe/Berln"',
            ".timezone",
            '"Europe/Berln" is not the name of a time zone we know',
            'write an IANA name, such as timezone = "Europe/Berlin"',
        ),
        (
            'every = "1h"\nmax_attempts = 0',
            ".max_attempts",
            "0 is not a number of attempts; allowed: 1 or more",
            None,
        ),
        (
            'every = "1h"\nmax_attempts = 2\nmax_retries = 2',
            ".max_attempts",
            "max_attempts and max_retries are two names of one setting; keep one of them",
            None,
        ),
        (
            'every = "1h"\nretry_backoff = []\nretry_backoff_minutes = []',
            ".retry_backoff",
            "retry_backoff and retry_backoff_minutes are two names of one setting; "
            "keep one of them",
            None,
        ),
        (
            'every = "1h"\nstale_after = "1h"\nstale_after_minutes = 60',
            ".stale_after",
            "stale_after and stale_after_minutes are two names of one setting; keep one of them",
            None,
        ),
        (
            'every = "1h"\nstale_after = "0s"',
            ".stale_after",
            '"0s" is too short; at least 1s',
            None,
        ),
        (
            'every = "1h"\ncatch_up = "all"',
            ".catch_up",
            '"all" is not one of the choices; allowed: "last" or "none"',
            None,
        ),
        (
            'every = "1h"\noverlap = "queu"',
            ".overlap",
            '"queu" is not one of the choices; allowed: "skip" or "queue"',
            "queue",
        ),
    ],
)
def test_wrong(text: str, path: str, message: str, hint: str | None) -> None:
    """Each mistake is one problem with its key, what is allowed, and how to mend it."""
    _, problems = read(f'id = "s"\n{text}')

    assert [Problem(path=f"schedules[0]{path}", message=message, hint=hint)] == problems


@pytest.mark.parametrize(
    ("text", "path", "message"),
    [
        (
            'every = "1h"\ntimezone = "Europe/Berlin"',
            ".timezone",
            "means nothing for an interval; ignored",
        ),
        (
            'cron = "0 8 * * *"\nrun_at_start = true',
            ".run_at_start",
            "only means something with every or interval_minutes",
        ),
        ('every = "1h"\nnope = 1', ".nope", "unknown key, ignored"),
    ],
)
def test_warned(text: str, path: str, message: str) -> None:
    """What means nothing is said and does no harm."""
    [schedule], problems = read(f'id = "s"\n{text}')

    assert schedule.id == "s"
    assert [Problem(path=f"schedules[0]{path}", message=message, fatal=False)] == problems


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("", "missing; it must be set"),
        ('id = ""', "empty; a name is needed"),
        ('id = "a\\u0000b"', '"a\\u0000b" holds a control character'),
        ("id = 5", "a whole number, where text is needed"),
    ],
)
def test_id(name: str, message: str) -> None:
    """A schedule needs an id that can be spoken of."""
    _, problems = read(f'every = "1h"\n{name}')

    assert [("schedules[0].id", message)] == [(each.path, each.message) for each in problems]


def test_one_id_twice() -> None:
    """Two schedules of one id are an error, named at the second."""
    _, problems = read(
        '[[schedules]]\nid = "a"\nevery = "1h"\n'
        '[[schedules]]\nid = "b"\nevery = "1h"\nargs = ["b"]\n'
        '[[schedules]]\nid = "a"\nevery = "1h"\nargs = ["c"]\n'
    )

    assert [
        Problem(
            path="schedules[2].id",
            message='"a" is also the id of schedules[0]; each schedule needs its own',
        )
    ] == problems


def test_shared_slug() -> None:
    """Schedules with equal arguments share a heartbeat file, as ever: that is no mistake of who
    wrote them."""
    schedules, problems = read(
        '[[schedules]]\nid = "a"\nevery = "1h"\n[[schedules]]\nid = "b"\nevery = "1d"\n'
    )

    assert ["default", "default"] == [schedule.slug for schedule in schedules]
    assert () == tuple(problems)


@pytest.mark.parametrize(
    ("own", "defaults", "expected"),
    [
        ("", "", {}),
        ("max_retries = 5", "", {"max_attempts": 5}),
        ("max_retries = 0", "", {"max_attempts": 1}),
        ("max_attempts = 7", "max_retries = 2", {"max_attempts": 7}),
        ("", "max_retries = 2", {"max_attempts": 2}),
        ("", "max_attempts = 2", {"max_attempts": 2}),
        ("max_retries = 0", "max_attempts = 2", {"max_attempts": 1}),
        ("retry_backoff_minutes = [1, 2]", "", {"backoff_ms": (60_000, 120_000)}),
        ('retry_backoff = ["5s", "1m"]', "", {"backoff_ms": (5_000, 60_000)}),
        ("retry_backoff = []", 'retry_backoff = ["5s"]', {"backoff_ms": ()}),
        ("", 'retry_backoff = ["5s"]', {"backoff_ms": (5_000,)}),
        (
            "stale_after_minutes = 30",
            "",
            {"stale_after_ms": 30 * MINUTE_MS, "stale_is_default": False},
        ),
        (
            'stale_after = "1d"',
            "stale_after_minutes = 30",
            {"stale_after_ms": DAY_MS, "stale_is_default": False},
        ),
        (
            "",
            "stale_after_minutes = 120",
            {"stale_after_ms": 120 * MINUTE_MS, "stale_is_default": False},
        ),
        (
            "stale_after_minutes = 0",
            "",
            {"stale_after_ms": MINUTE_MS, "stale_is_default": False},
        ),
        (
            "stale_after_minutes = 4294967295",
            "",
            {"stale_after_ms": LONGEST_MS, "stale_is_default": False},
        ),
        ('catch_up = "none"\noverlap = "queue"', "", {"catch_up": "none", "overlap": "queue"}),
    ],
)
def test_policy(own: str, defaults: str, expected: dict[str, Any]) -> None:
    """A schedule's own word comes first, then ``[defaults]``, then what is built in."""
    [schedule], problems = read(f'id = "s"\nevery = "1h"\n{own}', defaults)

    assert problems == []
    assert Schedule(id="s", when=Every(every_ms=HOUR_MS), **expected) == schedule


@pytest.mark.parametrize(
    ("own", "defaults", "expected", "key"),
    [
        (f"max_attempts = {10**30}", "", {"max_attempts": 1_000}, "schedules[0].max_attempts"),
        ("", f"max_retries = {10**30}", {"max_attempts": 1_000}, "defaults.max_retries"),
        (
            'retry_backoff = ["1s", "30d"]',
            "",
            {"backoff_ms": (1_000, 7 * DAY_MS)},
            "schedules[0].retry_backoff",
        ),
        (
            "",
            f"retry_backoff_minutes = [{10**9}]",
            {"backoff_ms": (7 * DAY_MS,)},
            "defaults.retry_backoff_minutes",
        ),
    ],
)
def test_hard_limits(own: str, defaults: str, expected: dict[str, Any], key: str) -> None:
    """No manifest asks for attempts without end: what is beyond is cut, and said."""
    [schedule], [problem] = read(f'id = "s"\nevery = "1h"\n{own}', defaults)

    assert (key, False) == (problem.path, problem.fatal)
    assert Schedule(id="s", when=Every(every_ms=HOUR_MS), **expected) == schedule


def test_built_in() -> None:
    """Three attempts, after 5, 15 and 30 minutes, within two hours."""
    [schedule], _ = read('id = "s"\nevery = "1h"')

    assert schedule.max_attempts == 3
    assert tuple(minutes * MINUTE_MS for minutes in (5, 15, 30)) == BACKOFF_MS
    assert BACKOFF_MS == schedule.backoff_ms
    assert 2 * HOUR_MS == STALE_AFTER_MS == schedule.stale_after_ms
    assert schedule.stale_is_default


def test_defaults_are_checked() -> None:
    """``[defaults]`` is judged like a schedule; what else stands there is not known."""
    _, problems = read(
        'id = "s"\nevery = "1h"', "max_retries = 1\nmax_attempts = 2\nretry_backoff = [5]\ncron = 1"
    )

    assert {
        ("defaults.retry_backoff[0]", True),
        ("defaults.cron", False),
        ("defaults.max_attempts", True),
    } == {(problem.path, problem.fatal) for problem in problems}


def test_everything_at_once() -> None:
    """All that is wrong with a schedule is reported together."""
    _, problems = read(
        'hours = [25, 8, "x"]\nminute = 60\nmax_attempts = 0\nargs = ["a\\u0000"]\nover = 1\n'
        'timezone = "X"'
    )

    assert {
        "schedules[0].id",
        "schedules[0].hours[0]",
        "schedules[0].hours[2]",
        "schedules[0].minute",
        "schedules[0].max_attempts",
        "schedules[0].args[0]",
        "schedules[0].over",
        "schedules[0].timezone",
    } == {problem.path for problem in problems}
