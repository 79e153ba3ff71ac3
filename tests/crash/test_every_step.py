"""``kill -9`` at each step of the line: afterwards the invariants of rules.md hold."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from dotagent.core.model import Event, Kind
from dotagent.core.render import line_of
from dotagent.system.auditfile import verify_file
from dotagent.system.zone import machine_zone
from tests.crash.lab import Lab, Nursery, Trial
from tests.crash.points import AFTER, BEFORE, MANY, PASSED, STEPS
from tests.support.system import require

REPEAT = " (may be a repeat)"
POINTS = [
    f"{step}/{when}/{nth}"
    for step in STEPS
    for when in (BEFORE, AFTER)
    for nth in PASSED.get(step, MANY)
]


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    """A laboratory with its forking process."""
    require("flock")
    nursery = Nursery()
    yield Lab(nursery, tmp_path_factory.mktemp("lab"))
    nursery.close()


def test_the_story_without_a_kill(lab: Lab) -> None:
    """Left alone, a daemon passes every step, and the invariants hold: the points are real."""
    with lab.trial(None) as trial:
        check(trial)

        passed = {line.rsplit("/", 1)[0] for line in trial.passed if line}
        assert {f"{step}/{when}" for step in STEPS for when in (BEFORE, AFTER)} <= passed
        assert trial.status == 0


@pytest.mark.parametrize("point", POINTS)
def test_killed_at(lab: Lab, point: str) -> None:
    """Whatever it was doing, nothing is lost, doubled without a flag, or out of order."""
    with lab.trial(point) as trial:
        check(trial)

        assert trial.status == -9
        assert point in trial.passed


def check(trial: Trial) -> None:
    """Invariants I1–I6 of rules.md, the audit, the database, and no survivor."""
    each_window_ends_once(trial)
    every_bad_end_is_covered(trial)
    every_delivery_arrives(trial)
    in_order_and_repeats_flagged(trial)
    assert not list(trial.home.glob("agents/*/overlaps"))
    assert trial.all("SELECT * FROM attempts WHERE ended_at IS NULL") == []
    audit_and_database_are_whole(trial)
    assert survivors(trial.home) == []


def each_window_ends_once(trial: Trial) -> None:
    """I1."""
    states = {row["state"] for row in trial.all("SELECT * FROM windows WHERE closed_at NOT NULL")}

    assert states <= {"succeeded", "given_up", "missed", "skipped"}
    assert trial.all("SELECT * FROM windows WHERE closed_at IS NULL") == []


def every_bad_end_is_covered(trial: Trial) -> None:
    """I2: each window that did not succeed has its event, and each event a row for every notifier
    that asked."""
    uncovered = trial.all(
        "SELECT * FROM windows w WHERE state IN ('given_up', 'missed') AND NOT EXISTS"
        " (SELECT 1 FROM events e WHERE e.window_id = w.id AND e.kind = w.state)"
    )
    asked = {"first": None, "second": ("given_up", "recovered")}
    missing = [
        (event["seq"], notifier)
        for event in trial.all("SELECT * FROM events WHERE agent != ''")
        for notifier, kinds in asked.items()
        if (kinds is None or event["kind"] in kinds)
        and not trial.all(
            "SELECT 1 FROM deliveries WHERE event_seq = ? AND notifier = ?", event["seq"], notifier
        )
    ]

    assert uncovered == []
    assert missing == []


def every_delivery_arrives(trial: Trial) -> None:
    """I3: nothing here is ever refused for good, so everything is sent."""
    assert {row[0] for row in trial.all("SELECT DISTINCT state FROM deliveries")} == {"sent"}


def in_order_and_repeats_flagged(trial: Trial) -> None:
    """I4, I5: what the receiver saw, against what the events demanded."""
    zone = machine_zone({})
    for agent in ("flaky", "late"):
        for notifier in ("first", "second"):
            rows = trial.all(
                "SELECT e.*, d.id AS delivery FROM deliveries d JOIN events e"
                " ON e.seq = d.event_seq WHERE d.scope = ? AND d.notifier = ? ORDER BY e.seq",
                agent,
                notifier,
            )
            due = [line_of(_event(row), zone) for row in rows]
            lost = trial.all(
                "SELECT s.* FROM sends s JOIN deliveries d ON d.id = s.delivery_id"
                " WHERE d.scope = ? AND d.notifier = ? AND s.outcome = 'unknown'",
                agent,
                notifier,
            )
            arrived = [
                request.body.decode().split("\n")[0]
                for request in trial.server.accepted
                if request.target == f"/{agent}-{notifier}"
            ]
            seen = [line.removesuffix(REPEAT) for line in arrived]
            repeats = Counter(seen) - Counter(due)

            assert list(dict.fromkeys(due)) == list(dict.fromkeys(seen))
            assert repeats.total() <= len(lost)
            for line in repeats:
                flagged = [each for each in arrived if each.removesuffix(REPEAT) == line][1:]
                assert any(each.endswith(REPEAT) for each in flagged)


def _event(row: object) -> Event:
    values = dict(row)  # type: ignore[call-overload]
    return Event(
        kind=Kind(values["kind"]),
        at=values["at"],
        agent=values["agent"],
        schedule_id=values["schedule"],
        facts=json.loads(values["facts"]),
    )


def audit_and_database_are_whole(trial: Trial) -> None:
    """The file has every line of the chain, and SQLite finds no damage."""
    head = trial.all("SELECT hash FROM audit ORDER BY seq DESC LIMIT 1")[0][0]
    count = trial.all("SELECT count(*) FROM audit")[0][0]
    verdict = verify_file(str(trial.home / "state/audit.jsonl"), head)

    assert (None, count) == (verdict.broken_at, verdict.count)
    assert trial.all("PRAGMA integrity_check")[0][0] == "ok"
    assert trial.all("PRAGMA foreign_key_check") == []


def survivors(home: Path) -> list[str]:
    """Processes of this home's agents that still live."""
    found = []
    for environ in Path("/proc").glob("[0-9]*/environ"):
        try:
            if f"AGENT_HOME={home}/".encode() in environ.read_bytes():
                found.append(environ.parent.name)
        except OSError:
            continue  # it has ended, or is not ours
    return found
