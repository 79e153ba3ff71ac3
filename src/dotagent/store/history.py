"""What the record knows of a schedule's past: windows, attempts, outages; cases for ``why``.

Look-ups on a reading connection; nothing here writes or decides.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from sqlite3 import Row

from dotagent.core.case import Attempt, Case, Outage, Silenced, Standing, Window
from dotagent.core.decide import Verdict
from dotagent.core.ending import Ending, ending_of
from dotagent.core.fit import clean
from dotagent.core.model import AttemptKind, Interrupted, WindowState
from dotagent.core.past import Span
from dotagent.core.result import numbers
from dotagent.store import silences, span_view
from dotagent.store.due import NEXT_RUN_AT
from dotagent.store.news import news
from dotagent.store.reading import Reader

TAIL_LINES = 5

# --------------------------------------------------------------------------------------- schedules


def agents(reader: Reader) -> list[str]:
    """Every agent that was ever seen."""
    return [row[0] for row in reader.execute("SELECT name FROM agents ORDER BY name")]


def standings(reader: Reader, agent: str) -> list[Standing]:
    """The agent's schedules, those that need somebody first, then the last to run first; and what
    it was only run as by hand."""
    rows = reader.execute(
        f"SELECT s.*, {NEXT_RUN_AT} AS next_run_at, g.root, p.until_at, p.by,"
        " p.reason AS paused_why FROM schedules s"
        " JOIN agents g ON g.name = s.agent LEFT JOIN pauses p ON p.id ="
        " (SELECT id FROM pauses WHERE agent = s.agent AND schedule IN ('', s.id)"
        " AND kind = 'pause' AND ended_at IS NULL ORDER BY until_at DESC, id DESC LIMIT 1)"
        " WHERE s.agent = ?"
        " ORDER BY s.gone_at IS NOT NULL, s.health NOT IN ('failing', 'stale'),"
        " s.last_ended_at IS NULL, s.last_ended_at DESC, s.id",
        (agent,),
    ).fetchall()
    found = [_standing(row) for row in rows]
    known = {standing.schedule for standing in found}
    others = reader.execute(
        "SELECT schedule FROM attempts WHERE agent = ? AND kind = 'manual'"
        " GROUP BY schedule ORDER BY max(id) DESC",
        (agent,),
    ).fetchall()
    by_hand = [Standing(agent=agent, schedule=row[0]) for row in others if row[0] not in known]
    return found + by_hand


def _standing(row: Row) -> Standing:
    return Standing(
        agent=row["agent"],
        schedule=row["id"],
        first_seen_at=row["first_seen_at"],
        gone_at=row["gone_at"],
        gone_why=row["gone_why"],
        held_at=row["held_at"],
        folder=row["root"],
        is_never_due=row["planned_through"] is not None and row["next_due_at"] is None,
        next_due_at=row["next_run_at"],
        max_attempts=row["max_attempts"],
        paused_until=row["until_at"],
        paused="" if row["until_at"] is None else f"by {row['by']}: {row['paused_why']}",
    )


# ----------------------------------------------------------------------------------------- windows


def windows_in(reader: Reader, standing: Standing, span: Span) -> list[Window]:
    """The windows planned for an instant of that span, in order."""
    rows = reader.execute(
        "SELECT * FROM windows WHERE agent = ? AND schedule = ? AND expected_at <= ?"
        " AND coalesce(expected_to, expected_at) >= ? ORDER BY expected_at, id",
        (standing.agent, standing.schedule, span.last_at, span.first_at),
    )
    return [window_of(row) for row in rows]


def window_running_in(reader: Reader, standing: Standing, span: Span) -> Window | None:
    """The window that was being tried in that span, if one was."""
    row = reader.execute(
        "SELECT w.* FROM attempts a JOIN windows w ON w.id = a.window_id"
        " WHERE a.agent = ? AND a.schedule = ? AND a.claimed_at <= ?"
        " AND coalesce(a.ended_at, ?) >= ? ORDER BY a.id DESC LIMIT 1",
        (standing.agent, standing.schedule, span.last_at, span.last_at, span.first_at),
    ).fetchone()
    return None if row is None else window_of(row)


def window_by_id(reader: Reader, agent: str, window_id: int) -> tuple[str, Window] | None:
    """A window by its number, if it is this agent's; its schedule's id with it."""
    row = reader.execute(
        "SELECT * FROM windows WHERE id = ? AND agent = ?", (window_id, agent)
    ).fetchone()
    return None if row is None else (row["schedule"], window_of(row))


def latest_window(reader: Reader, standing: Standing) -> Window | None:
    """The window planned last."""
    return _last(reader, standing, "")


def window_in_progress(reader: Reader, standing: Standing) -> Window | None:
    """The window that runs now, if one does."""
    return _last(reader, standing, "AND state = 'running'")


def _last(reader: Reader, standing: Standing, which: str) -> Window | None:
    row = reader.execute(
        f"SELECT * FROM windows WHERE agent = ? AND schedule = ? {which} ORDER BY id DESC LIMIT 1",
        (standing.agent, standing.schedule),
    ).fetchone()
    return None if row is None else window_of(row)


def nearest(reader: Reader, standing: Standing, span: Span) -> tuple[int | None, int | None]:
    """The planned instants next to a span in which there is none: before and after."""
    names = (standing.agent, standing.schedule)
    before, after = (
        reader.execute(
            f"SELECT {what} FROM windows"
            f" WHERE agent = ? AND schedule = ? AND expected_at {where} ?",
            (*names, at),
        ).fetchone()[0]
        for what, where, at in (
            ("max(coalesce(expected_to, expected_at))", "<", span.first_at),
            ("min(expected_at)", ">", span.last_at),
        )
    )
    return before, after


_AS_THEY_ARE = (
    "id",
    "expected_at",
    "expected_to",
    "count",
    "planned_at",
    "caught_up",
    "deadline_at",
    "reason",
    "attempts",
    "losses",
    "next_at",
    "closed_at",
)


def window_of(row: Row) -> Window:
    """A row of ``windows``."""
    return Window(
        **{name: row[name] for name in _AS_THEY_ARE},
        exact=bool(row["exact"]),
        late=bool(row["late"]),
        state=WindowState(row["state"]),
    )


# ---------------------------------------------------------------------------------------- attempts

ATTEMPTS = "SELECT *, coalesce(spawned_at, claimed_at) AS started_at FROM attempts"


def attempts_of(reader: Reader, window_id: int) -> list[Attempt]:
    """A window's tries, in order, those included that did not count."""
    rows = reader.execute(f"{ATTEMPTS} WHERE window_id = ? ORDER BY id", (window_id,))
    return [attempt_of(row) for row in rows]


def manual_attempts(reader: Reader, standing: Standing, span: Span) -> list[Attempt]:
    """Runs by hand that were under way in that span, in order."""
    rows = reader.execute(
        f"{ATTEMPTS} WHERE agent = ? AND schedule = ? AND kind = 'manual' AND claimed_at <= ?"
        " AND coalesce(ended_at, ?) >= ? ORDER BY id",
        (standing.agent, standing.schedule, span.last_at, span.last_at, span.first_at),
    )
    return [attempt_of(row) for row in rows]


def latest_manual(reader: Reader, standing: Standing) -> Attempt | None:
    """The last run by hand."""
    row = reader.execute(
        f"{ATTEMPTS} WHERE agent = ? AND schedule = ? AND kind = 'manual' ORDER BY id DESC LIMIT 1",
        (standing.agent, standing.schedule),
    ).fetchone()
    return None if row is None else attempt_of(row)


def _busy_with(reader: Reader, standing: Standing) -> AttemptKind | None:
    row = reader.execute(
        "SELECT kind FROM attempts WHERE agent = ? AND schedule = ? AND ended_at IS NULL",
        (standing.agent, standing.schedule),
    ).fetchone()
    return None if row is None else AttemptKind(row["kind"])


def attempt_of(row: Row) -> Attempt:
    """A row of ``ATTEMPTS``."""
    printed = clean(row["stderr_tail"].strip() or row["stdout_tail"]).strip().split("\n")
    summary = json.loads(row["result"]).get("summary")
    failed = row["verdict"] == Verdict.FAILED
    return Attempt(
        id=row["id"],
        number=row["number"],
        kind=AttemptKind(row["kind"]),
        started_at=row["started_at"],
        ended_at=row["ended_at"],
        lasted_ms=row["lasted_ms"],
        verdict=Verdict(row["verdict"]) if row["verdict"] is not None else None,
        words=row["words"] or "",
        said=clean(str(summary or "")) or (printed[-1] if failed else ""),
        output=tuple(line for line in printed[-TAIL_LINES:] if line.strip()),
        stopped=row["exit"] is not None and json.loads(row["exit"])["is"] == Interrupted.__name__,
        numbers=numbers(json.loads(row["result"])),
        remarks=tuple(clean(each) for each in json.loads(row["remarks"])),
    )


# ------------------------------------------------------------------------------------------- cases


def case_of_window(
    reader: Reader, standing: Standing, window: Window, now: int, actor: str | None
) -> Case:
    """All about a window; the run by hand that closed it counts among its attempts."""
    attempts = attempts_of(reader, window.id)
    if window.closed_at is not None and window.state is WindowState.SUCCEEDED:
        attempts += _closed_by_hand(reader, standing, window.closed_at)
    where = (
        f"(window_id = {window.id} OR attempt_id IN ({_list(a.id for a in attempts)})"
        f" OR (kind = 'still_failing' AND at >= {window.expected_at}"
        f" AND at < {_following(reader, standing, window)}))"
    )
    busy = _busy_with(reader, standing) if window.state is WindowState.WAITING else None
    return Case(
        standing=standing,
        window=window,
        heir=_heir(reader, standing, window),
        attempts=attempts,
        news=news(reader, f"agent = ? AND schedule = ? AND {where}", _names(standing)),
        outage=_outage(reader, standing, window.expected_at, window.closed_at or now),
        silenced=_silenced(reader, standing),
        away=span_view.away(reader, window.expected_at, now, actor),
        busy_with=busy,
        actor=actor,
    )


def _heir(reader: Reader, standing: Standing, window: Window) -> Window | None:
    """The run that stands in for a range, which was planned with it."""
    if ending_of(window.reason) is not Ending.CAUGHT_UP:
        return None
    row = reader.execute(
        "SELECT h.* FROM windows w JOIN windows h ON h.agent = w.agent AND h.schedule = w.schedule"
        " AND h.plan_epoch = w.plan_epoch AND h.expected_at > w.expected_at AND h.caught_up > 0"
        " WHERE w.id = ? ORDER BY h.expected_at LIMIT 1",
        (window.id,),
    ).fetchone()
    return None if row is None else window_of(row)


_OVERDUE = (
    "SELECT o.id FROM outages o WHERE o.agent = events.agent AND o.schedule = events.schedule"
    " AND o.closed_at IS NULL AND o.failures = 0 AND o.windows = 0"
)


def _latest_id(reader: Reader, standing: Standing) -> int | None:
    latest = latest_window(reader, standing)
    return None if latest is None else latest.id


def case_of_attempt(
    reader: Reader, standing: Standing, attempt: Attempt, now: int, actor: str | None
) -> Case:
    """All about a run by hand."""
    return Case(
        standing=standing,
        attempt=attempt,
        attempts=(attempt,),
        news=news(reader, "attempt_id = ?", (attempt.id,)),
        outage=_outage(reader, standing, attempt.started_at, attempt.ended_at or now),
        silenced=_silenced(reader, standing),
        away=span_view.away(reader, attempt.started_at, now, actor),
        actor=actor,
    )


def case_of_nothing(
    reader: Reader, standing: Standing, asked: Span | None, now: int, actor: str | None
) -> Case:
    """Where there was no run."""
    near = nearest(reader, standing, asked) if asked is not None else (None, None)
    since = asked.first_at if asked is not None else standing.first_seen_at or now
    return Case(
        standing=standing,
        silenced=_silenced(reader, standing),
        away=span_view.away(reader, since, now, actor),
        asked=asked,
        nearest=near,
        actor=actor,
    )


def _closed_by_hand(reader: Reader, standing: Standing, closed_at: int) -> list[Attempt]:
    rows = reader.execute(
        f"{ATTEMPTS} WHERE agent = ? AND schedule = ? AND kind = 'manual' AND ended_at = ?",
        (*_names(standing), closed_at),
    )
    return [attempt_of(row) for row in rows]


def _following(reader: Reader, standing: Standing, window: Window) -> int:
    """When the window after this one was due: reminders from then on are told with that."""
    row = reader.execute(
        "SELECT min(expected_at) FROM windows WHERE agent = ? AND schedule = ? AND expected_at > ?",
        (*_names(standing), window.expected_to or window.expected_at),
    ).fetchone()
    return _NEVER if row[0] is None else int(row[0])


_NEVER = 2**62


def _silenced(reader: Reader, standing: Standing) -> list[Silenced]:
    """What holds back what it has to say now."""
    found = silences.of_schedule(reader, *_names(standing))
    return [Silenced(id=each.id, until_at=each.until_at, reason=each.reason) for each in found]


def _names(standing: Standing) -> tuple[str, str]:
    return standing.agent, standing.schedule


def _list(ids: Iterable[int]) -> str:
    return ", ".join(str(each) for each in ids)


def _outage(reader: Reader, standing: Standing, from_at: int, to_at: int) -> Outage | None:
    row = reader.execute(
        "SELECT * FROM outages WHERE agent = ? AND schedule = ? AND opened_at <= ?"
        " AND coalesce(closed_at, ?) >= ? ORDER BY id DESC LIMIT 1",
        (*_names(standing), to_at, to_at, from_at),
    ).fetchone()
    if row is None:
        return None
    names = ("opened_at", "failures", "windows", "closed_at", "closed_by", "acked_at", "acked_why")
    return Outage(**{name: row[name] for name in names})
