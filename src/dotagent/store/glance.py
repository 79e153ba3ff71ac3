"""How everything stands, read in one snapshot: what ``dotagent status`` shows.

The settling commits have stored each schedule's health; here it is only looked up. Used by a hot
command, so it imports nothing but ``sqlite3`` and the error tree, and lets SQLite write the JSON.
"""

import sqlite3

from dotagent.store.due import DUE_AT, IS_UNPLANNED, IS_UNSTARTED, MOST_ATTEMPTS
from dotagent.store.reading import Reader

Row = sqlite3.Row

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    Value = str | int | None

# What is listed. A column that ends in ``_at`` is an instant, one that begins with ``is_`` a truth,
# ``problems`` is JSON itself. Bare columns beside a ``min()`` are those of its row
# (https://www.sqlite.org/lang_select.html#bareagg).

# How long an attempt like ``a`` takes: the median of the last good ones, of those made lately.
USUAL = """
(SELECT took FROM (
  SELECT took, row_number() OVER (ORDER BY took) AS place, count(*) OVER () AS many FROM (
    SELECT took FROM (
      SELECT u.verdict, CASE WHEN u.spawned_at IS NOT NULL THEN u.lasted_ms END AS took
      FROM attempts u
      WHERE a.id IS NOT NULL AND u.agent = a.agent AND u.schedule = a.schedule
        AND u.id < a.id ORDER BY u.id DESC LIMIT 50)
    WHERE verdict IN ('succeeded', 'warned') AND took IS NOT NULL LIMIT 11))
 WHERE place = (many + 1) / 2) AS usual_ms
"""

SCHEDULES = f"""
SELECT s.agent, s.id AS schedule,
       CASE WHEN s.gone_at IS NULL THEN s.health ELSE 'off' END AS health,
       CASE WHEN s.gone_at IS NULL THEN s.reason ELSE s.gone_why END AS reason,
       s.held_at, CASE WHEN s.held_at IS NOT NULL THEN g.root END AS held_for,
       o.opened_at AS failing_since_at, o.failures AS failed_attempts, o.windows AS lost_runs,
       o.acked_at, o.acked_why, q.until_at AS silenced_until_at, q.reason AS silenced_why,
       p.until_at AS paused_until_at, p.kind AS paused_how, p.by AS paused_by,
       p.reason AS paused_why,
       s.last_started_at, s.last_ended_at, s.last_result, s.last_success_at,
       {DUE_AT} AS next_due_at, {IS_UNPLANNED} AS unplanned,
       w.state AS run, w.expected_at, w.attempts, {MOST_ATTEMPTS} AS max_attempts,
       w.next_at AS next_try_at,
       w.deadline_at, a.kind AS attempt, a.number AS attempt_number,
       coalesce(a.spawned_at, a.claimed_at) AS attempt_started_at, a.timeout_at,
       {USUAL}
FROM schedules s
JOIN agents g ON g.name = s.agent
LEFT JOIN windows w ON w.agent = s.agent AND w.schedule = s.id
                   AND w.state IN ('waiting', 'running')
LEFT JOIN attempts a ON a.agent = s.agent AND a.schedule = s.id AND a.ended_at IS NULL
LEFT JOIN outages o ON o.agent = s.agent AND o.schedule = s.id AND o.closed_at IS NULL
LEFT JOIN silences q ON q.id = (
  SELECT id FROM silences WHERE agent = s.agent AND ended_at IS NULL
  AND (schedule IS NULL OR schedule = s.id) ORDER BY until_at DESC, id DESC LIMIT 1)
LEFT JOIN pauses p ON p.id = (
  SELECT id FROM pauses WHERE agent = s.agent AND schedule IN ('', s.id) AND ended_at IS NULL
  ORDER BY until_at DESC, id DESC LIMIT 1)
WHERE g.gone_at IS NULL AND (s.gone_at IS NULL OR s.gone_why = 'disabled')
ORDER BY s.agent, s.id
"""

OTHER_RUNS = f"""
SELECT a.agent, a.schedule, a.kind AS attempt, a.number AS attempt_number,
       (SELECT s.max_attempts FROM schedules s WHERE s.agent = a.agent AND s.id = a.schedule)
       AS max_attempts,
       coalesce(a.spawned_at, a.claimed_at) AS attempt_started_at, a.timeout_at,
       {USUAL}
FROM attempts a
WHERE a.ended_at IS NULL AND NOT EXISTS (
  SELECT 1 FROM schedules s JOIN agents g ON g.name = s.agent
  WHERE s.agent = a.agent AND s.id = a.schedule AND g.gone_at IS NULL
    AND (s.gone_at IS NULL OR s.gone_why = 'disabled'))
ORDER BY a.id
"""

CHANNELS = """
SELECT t.name, t.driver,
       (SELECT CASE WHEN min(r.scope) = max(r.scope) THEN min(r.scope) END FROM routing r
        WHERE r.fingerprint = t.fingerprint) AS agent,
       coalesce(d.waiting, 0) AS waiting, t.dead AS lost, d.since_at AS waiting_since_at,
       d.reason, t.parked_at, t.parked_why, nullif(t.down_until, 0) AS next_try_at,
       t.sent_at AS last_sent_at
FROM destinations t
LEFT JOIN (SELECT fingerprint, count(*) AS waiting, min(created_at) AS since_at, reason
           FROM deliveries WHERE state IN ('pending', 'sending') GROUP BY fingerprint) d
       ON d.fingerprint = t.fingerprint
WHERE d.waiting > 0
   OR ((t.parked_at IS NOT NULL OR t.dead > 0)
       AND EXISTS (SELECT 1 FROM routing r WHERE r.fingerprint = t.fingerprint))
ORDER BY t.parked_at IS NULL, t.name, agent
"""

MANIFESTS = """
SELECT path, agent, shadowed_by, is_running, problem_count,
       ltrim(key_path || ': ' || message, ': ') AS first_problem,
       CASE WHEN problem_count > 0 THEN listed ELSE '[]' END AS problems
FROM (
  SELECT m.path, m.agent, m.shadowed_by, g.name IS NOT NULL AS is_running,
         count(p.key) AS problem_count, min(p.key), json_group_array(json(p.value)) AS listed,
         json_extract(p.value, '$.path') AS key_path, json_extract(p.value, '$.message') AS message
  FROM manifests m
  LEFT JOIN agents g ON g.name = m.agent AND g.path = m.path AND g.gone_at IS NULL
  LEFT JOIN json_each(m.problems) p ON json_extract(p.value, '$.fatal')
  WHERE m.fatal OR m.shadowed_by IS NOT NULL
  GROUP BY m.path)
ORDER BY path
"""

# What plugins said of the settings that they are given; the agent of config.toml is ''.
PLUGINS = """
SELECT u.agent, COALESCE(g.path, 'config.toml') AS path, u.place, u.plugin, u.fault AS why
FROM plugin_uses u INDEXED BY plugin_uses_open
LEFT JOIN agents g ON g.name = u.agent AND g.gone_at IS NULL AND g.enabled
WHERE u.fault != '' AND (g.name IS NOT NULL OR u.agent = '')
ORDER BY u.agent, u.place
"""

TROUBLES = """
SELECT CASE name WHEN 'config_problem' THEN 'config.toml'
                 WHEN 'secrets_problem' THEN 'secrets'
                 WHEN 'deadman_problem' THEN 'deadman' ELSE 'record' END AS what, value AS why
FROM facts WHERE value != ''
AND name IN ('config_problem', 'secrets_problem', 'audit_broken', 'deadman_problem')
ORDER BY name
"""

COUNTED = {
    "agents": "(SELECT count(*) FROM agents WHERE gone_at IS NULL)",
    "notifiers": "(SELECT count(*) FROM routing)",
    "bad_manifests": f"(SELECT count(*) FROM ({MANIFESTS}))",
    "schedules": "count(*) FILTER (WHERE health != 'off')",
    "failing": "count(*) FILTER (WHERE health IN ('failing', 'stale'))",
    "degraded": "count(*) FILTER (WHERE health = 'degraded')",
    "new": "count(*) FILTER (WHERE health = 'new')",
    "skipped": "count(*) FILTER (WHERE health = 'skipped')",
    "held": "count(*) FILTER (WHERE held_at IS NOT NULL)",
    "unstarted": f"(SELECT count(*) FROM schedules s WHERE {IS_UNSTARTED})",
}

# Of a home that a daemon has had since, ticks say nothing any more.
LAST_TICK = """
SELECT max(began_at) FROM holders WHERE role = 'tick'
AND began_at > (SELECT coalesce(max(began_at), 0) FROM holders WHERE role = 'daemon')
"""

# The daemon that waits for the holder, as it asked to be stood in for; and whether it is.
WAITS = """
SELECT json_extract(args, '$.pid'), note != '' FROM requests
WHERE state != 'done' AND +state = 'waiting' AND kind = 'stand_in' AND json_valid(args)
ORDER BY id DESC LIMIT 1
"""

LISTS = {
    "schedules": SCHEDULES,
    "other_runs": OTHER_RUNS,
    "channels": CHANNELS,
    "manifests": MANIFESTS,
    "plugins": PLUGINS,
    "troubles": TROUBLES,
}

FOREIGN = (
    "acked_why",
    "paused_by",
    "paused_why",
    "silenced_why",
    "reason",
    "last_result",
    "name",
    "parked_why",
    "first_problem",
    "why",
)
"""Columns that may hold what an agent, a service or a file said."""


class Glance:
    """One snapshot: a list of rows for each of ``LISTS``, and ``counts``, by name; when cron or a
    person last ran what was due (``dotagent tick``); a daemon that waits, its pid and whether
    the holder starts meanwhile what is due."""

    __slots__ = ("_db", "counts", "last_tick_at", "lists", "waits")

    def __init__(self, db: Reader | None, now: int) -> None:
        self._db = db
        self.lists: dict[str, list[Row]] = {name: [] for name in LISTS}
        self.counts: dict[str, int] = dict.fromkeys(COUNTED, 0)
        self.last_tick_at: int | None = None
        self.waits: tuple[int, bool] | None = None
        if db is not None:
            db.execute("BEGIN")  # one snapshot, however many queries
            for name, sql in LISTS.items():
                self.lists[name] = db.execute(sql).fetchall()
            counted = db.execute(
                f"SELECT {', '.join(COUNTED.values())} FROM ({SCHEDULES})", {"now": now}
            )
            self.counts.update(zip(COUNTED, counted.fetchone(), strict=True))
            self.last_tick_at = db.execute(LAST_TICK).fetchone()[0]
            waits = db.execute(WAITS).fetchone()
            self.waits = None if waits is None else (waits[0], bool(waits[1]))

    def json(
        self,
        head: "Mapping[str, Value]",
        iso: "Callable[[int], str]",
        plain: "Callable[[str], str]",
    ) -> str:
        """The same as JSON, behind what ``head`` says (its ``daemon`` is JSON already); instants as
        ``iso`` writes them, foreign text as ``plain`` does."""
        db = self._db or sqlite3.connect(":memory:")
        db.create_function("iso", 1, lambda at: None if at is None else iso(at))
        db.create_function("plain", 1, lambda text: None if text is None else plain(text))
        parts = [f"'{n}', " + (f"json(:{n})" if n == "daemon" else f":{n}") for n in head]
        counts = ", ".join(f"'{name}', {count}" for name, count in self.counts.items())
        parts.append(f"'counts', json_object({counts})")
        for name, sql in LISTS.items():
            rows = "json('[]')"
            if self._db is not None:
                described = db.execute(f"SELECT * FROM ({sql}) LIMIT 0").description
                row = _object(column[0] for column in described)
                rows = f"json((SELECT json_group_array({row}) FROM ({sql})))"
            parts.append(f"'{name}', {rows}")
        text: str = db.execute(f"SELECT json_object({', '.join(parts)})", dict(head)).fetchone()[0]
        if self._db is None:
            db.close()
        return text


def look(db: Reader | None, now: int) -> Glance:
    """How everything stands at ``now``; all empty where nothing was recorded yet."""
    return Glance(db, now)


def _object(columns: "Iterable[str]") -> str:
    """``json_object`` of a row; see the naming of columns above."""
    return f"json_object({', '.join(_member(name) for name in columns)})"


def _member(name: str) -> str:
    if name.endswith("_at"):
        return f"'{name[:-3]}', iso({name})"
    if name.startswith("is_"):
        return f"'{name[3:]}', json(CASE WHEN {name} THEN 'true' ELSE 'false' END)"
    if name in FOREIGN:
        return f"'{name}', plain({name})"
    return f"'{name}', json({name})" if name == "problems" else f"'{name}', {name}"
