"""``dotagent run-now``: run an agent for real, now, and see who is told.

A manual attempt (rules R10) with the whole line behind it: its messages are waited for, unless they
must wait long themselves. ``--json`` prints one line: the keys of contract §17, and ``deliveries``.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from typing import Any

import click

from dotagent import app
from dotagent.cli import delivery_text, live
from dotagent.cli.acting import Done, act, environment
from dotagent.cli.find_agent import find
from dotagent.cli.layout import Page, harmless, page_for
from dotagent.cli.live import Live
from dotagent.cli.names import AGENT, SCHEDULE
from dotagent.cli.screen import Screen
from dotagent.core import exits
from dotagent.core.decide import GOOD, Verdict
from dotagent.core.model import AttemptKind, Blocked, TimedOut
from dotagent.core.shell import word
from dotagent.store import attempt_view, outbox_view
from dotagent.store.attempt_view import Ended
from dotagent.store.outbox_view import WAITING, Delivery
from dotagent.store.reading import Reader, connect_reader
from dotagent.store.requests import Request
from dotagent.system import zone
from dotagent.system.paths import Paths
from dotagent.system.signals import Signals
from dotagent.system.waiting import now


@click.command()
@click.argument("name", type=AGENT)
@click.option(
    "--schedule", metavar="ID", type=SCHEDULE, help="Run as this schedule (default: the first)."
)
@click.option("--json", "as_json", is_flag=True, help="Print one line of JSON, and no output.")
@click.option("--shell-env", is_flag=True, help="Give it this shell's environment instead.")
def command(name: str, schedule: str | None, as_json: bool, shell_env: bool) -> int:
    """Run the agent NAME for real, now.

    Success ends its outage, failure is told; no attempt of its schedule is used. Exits with 0 only
    if the agent succeeded, else with its own code: 124 after a timeout, 128+n after signal n, 75
    if preflight blocked it or it said "not now", 1 if it exited 0 without success.

    \b
    Example:
      dotagent run-now disk-alert
      dotagent run-now backup --schedule nightly --json
    """
    began_at = now()
    signals = Signals().listen()
    env = environment()
    paths = app.paths_of(env)
    app.prepare_store(paths)
    found = find(paths, env, name, last_good=True)
    live.sweep(paths)
    screen = Screen()
    asked: dict[str, object] = {**found.args, "schedule": schedule, "kind": AttemptKind.MANUAL}
    asked |= {"tee": not as_json, "shell_env": live.lend(paths, env) if shell_env else None}
    try:
        report = Report(paths, screen, env, as_json=as_json)
        for remark in found.remarks:
            screen.note(remark)
        done = _ask(paths, env, asked, report, signals)
        return report.close(done, began_at)
    finally:
        live.take_back(paths, asked)
        asked_already = signals.stops
        screen.close(lambda: signals.stops > asked_already)


def _ask(
    paths: Paths,
    env: Mapping[str, str],
    asked: Mapping[str, object],
    report: Report,
    signals: Signals,
) -> Done:
    return act(
        paths,
        env,
        "run",
        asked,
        role="run-now",
        watch=report.watch,
        say=report.screen.note,
        signals=signals,
    )


class Report:
    """Tells the verdict as soon as there is one, then each message as it ends."""

    def __init__(
        self, paths: Paths, screen: Screen, env: Mapping[str, str], *, as_json: bool
    ) -> None:
        self.screen = screen
        self.as_json = as_json
        self._paths = paths
        self._env = env
        self._live = Live(paths, screen, tee=not as_json)
        self._page: Page = page_for(sys.stdout, env)
        self._zone = zone.machine_zone(env)
        self._ended: Ended | None = None
        self._told: set[int] = set()

    def watch(self, reader: Reader, request: Request) -> None:
        """Look at how it stands; called again and again."""
        self._live.watch(reader, request)
        answer = request.answer or {}
        if "attempt" not in answer:
            return
        if self._ended is None:
            self._ended = attempt_view.ended(reader, answer["attempt"])
            if not self.as_json:
                self.screen.say(_verdict(self._page, self._ended))
        if not self.as_json:
            for delivery in outbox_view.of_attempt(reader, self._ended.id):
                if delivery.state not in WAITING:
                    self._tell(delivery)

    def close(self, done: Done, began_at: int) -> int:
        """Tell the rest; the exit status."""
        attempt = live.ended(self._paths, done)
        reader = connect_reader(self._paths.database)
        try:
            deliveries = outbox_view.of_attempt(reader, attempt.id)
        finally:
            reader.close()
        if self.as_json:
            told = [delivery_text.data(each, self._zone) for each in deliveries]
            data = _data(attempt, told, (now() - began_at) // 1000)
            self.screen.say(harmless(json.dumps(data, ensure_ascii=False, sort_keys=True)))
            return live.status(attempt)
        for delivery in deliveries:
            self._tell(delivery)
        if not deliveries:
            self.screen.say("  nobody asked to be told of this; see: dotagent inbox")
        advice = live.advice(self._paths, self._env, attempt, by_us=done.by is None)
        if advice is not None:
            self.screen.note(advice)
        if any(delivery.state in WAITING for delivery in deliveries):
            by_itself = "by itself" if done.by is not None else "when a daemon runs"
            self.screen.say(f"  What waits goes out {by_itself}; see: dotagent deliveries")
        if attempt.verdict not in GOOD:
            name = word(f"{attempt.agent}/{attempt.schedule_id}")
            self.screen.say(f"\nNext: dotagent why {name}")
        return live.status(attempt)

    def _tell(self, delivery: Delivery) -> None:
        if delivery.id not in self._told:
            self._told.add(delivery.id)
            text = delivery_text.line(delivery, now(), self._zone, self._page)
            self.screen.say(f"  {text}")


def _verdict(page: Page, attempt: Ended) -> str:
    if attempt.verdict in GOOD:
        mark = page.paint("✓", "good")
    elif attempt.verdict is Verdict.SKIPPED or isinstance(attempt.exit, Blocked):
        mark = page.paint("⊘", "doubtful")
    else:
        mark = page.paint("✗", "bad")
    return f"{mark} {attempt.agent}/{attempt.schedule_id}  {live.sentence(attempt)}"


def _data(attempt: Ended, told: list[dict[str, Any]], wall_seconds: int) -> dict[str, Any]:
    result: dict[str, Any]
    if isinstance(attempt.exit, Blocked):
        result = {
            "kind": "preflight_failed",
            "plugin": attempt.exit.by,
            "suggest": attempt.exit.suggest,
        }
    else:
        result = {
            "kind": "ran",
            "exit_code": exits.legacy_code(attempt.exit),
            "timed_out": isinstance(attempt.exit, TimedOut),
            "duration_seconds": attempt.lasted_ms // 1000,
            "stdout_tail": attempt.stdout.text,
            "stderr_tail": attempt.stderr.text,
            "stdout_truncated_lines": attempt.stdout.dropped,
            "stderr_truncated_lines": attempt.stderr.dropped,
        }
    return {
        "agent": attempt.agent,
        "schedule": attempt.schedule_id,
        "result": result,
        "wall_duration_seconds": wall_seconds,
        "deliveries": told,
    }
