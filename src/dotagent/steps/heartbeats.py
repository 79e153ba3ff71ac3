"""The heartbeat file of one attempt: written before the spawn and after the end (contract §4)."""

from __future__ import annotations

from dotagent.core import exits, heartbeat
from dotagent.core.decide import GOOD, Judgement
from dotagent.core.heartbeat import Heartbeat
from dotagent.core.manifest import Schedule
from dotagent.steps.parts import Parts
from dotagent.store import look
from dotagent.store.attempts import Run
from dotagent.system import heartbeat as file


class Beat:
    """One attempt's heartbeat; ``silent`` writes nothing (a dry run)."""

    def __init__(self, parts: Parts, run: Run, schedule: Schedule, *, silent: bool) -> None:
        self._parts = parts
        self._run = run
        self._schedule = schedule
        self._silent = silent
        self._path = parts.paths.heartbeat(run.agent, schedule.slug)
        self.started_at = parts.clock.now()

    def start(self) -> int:
        """Say that it runs; the instant at which."""
        self._write(last_success_at=self._last_success())
        return self.started_at

    def end(self, judgement: Judgement, ended_at: int) -> None:
        """Say how it ended. 0.1.x counts exit 0 alone as success; we say what we judged."""
        good = judgement.verdict in GOOD
        self._write(
            finished_at=ended_at,
            exit_code=exits.legacy_code(judgement.exit),
            last_success_at=ended_at if good else self._last_success(),
        )

    def _last_success(self) -> int | None:
        """From the store; from the file for a home that 0.1.x wrote."""
        at = look.last_success(self._parts.reader, self._run.agent, self._schedule.id)
        if at is not None:
            return at
        return file.last_success(self._path).last_success_at

    def _write(
        self,
        *,
        last_success_at: int | None,
        finished_at: int | None = None,
        exit_code: int | None = None,
    ) -> None:
        if self._silent:
            return
        beat = Heartbeat(
            name=self._run.agent,
            slug=self._schedule.slug,
            args=self._schedule.args,
            started_at=self.started_at,
            finished_at=finished_at,
            exit_code=exit_code,
            last_success_at=last_success_at,
        )
        # A heartbeat never stops a run: the store has the same facts.
        file.write(self._path, heartbeat.text(beat, self._parts.actor.zone))
