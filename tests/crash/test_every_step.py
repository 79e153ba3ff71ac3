"""``kill -9`` at each step of the line: afterwards the invariants of rules.md hold."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.crash.checks import POISON_CRASHES, check
from tests.crash.lab import Lab, Nursery
from tests.crash.points import AFTER, BEFORE, MANY, PASSED, STEPS
from tests.support.system import require

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


def topic(agent: str, notifier: str) -> str:
    return f"{agent}-{notifier}"


def test_the_story_without_a_kill(lab: Lab) -> None:
    """Left alone, a daemon passes every step, and the invariants hold: the points are real."""
    with lab.trial() as trial:
        check(trial, topic)

        passed = {line.rsplit("/", 1)[0] for line in trial.passed if line}
        assert {f"{step}/{when}" for step in STEPS for when in (BEFORE, AFTER)} <= passed
        assert {"sent"} == {row[0] for row in trial.all("SELECT state FROM deliveries")}
        assert trial.status == 0


@pytest.mark.parametrize("point", POINTS)
def test_killed_at(lab: Lab, point: str) -> None:
    """Whatever it was doing, nothing is lost, doubled without a flag, or out of order."""
    with lab.trial(point) as trial:
        check(trial, topic)

        assert {"sent"} == {row[0] for row in trial.all("SELECT state FROM deliveries")}
        assert trial.status == -9
        assert point in trial.passed


def test_a_message_that_dotagent_dies_of(lab: Lab) -> None:
    """Each time that something is on its way the daemon dies: the fourth time that a message was
    the only suspect, its delivery ends, that is told, and all others arrive (rules R17). There are
    a few suspects, and which of them has its turn, depends. So many lost attempts may use up the
    window of the one agent that has no other soon."""
    with lab.trial(*["send/call/1"] * 4 * POISON_CRASHES, recover=1) as trial:
        check(trial, topic)

        poison = trial.all("SELECT * FROM deliveries WHERE state != 'sent'")
        assert poison
        for row in poison:
            assert ("rejected", POISON_CRASHES) == (row["state"], row["crashes"])
            assert row["reason"].startswith("poison: ")
