"""What ``dotagent status`` says: the verdict first, then what fails, with the reason in words.

Facts in (one ``Glance``, who holds the lock, the time), text out. Used by a hot command: it decides
nothing, each schedule's health stands in the store (docs/adr/0006).
"""

from __future__ import annotations

from dotagent.cli import status_files as files
from dotagent.cli.layout import Page, plain
from dotagent.cli.status_next import following
from dotagent.core.hindrance import FULL, STOPPED, waited_for
from dotagent.core.moment import clock, when
from dotagent.core.span import count, human
from dotagent.store.due import UNSTARTED_MS
from dotagent.system.hindrance import DAEMON

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from datetime import tzinfo

    from dotagent.store.glance import Glance, Row
    from dotagent.system.lock import Holder

    Entry = tuple[str, str]

MOST = 20
"""How many schedules that need nothing are named one by one."""
TICKING_MS = 7_200_000
"""So recent a tick means that cron runs them: no daemon is missing."""
STANDS = {FULL: "starts nothing: its disk is full", STOPPED: "is stopped: it starts nothing"}
"""What the verdict says of a daemon that is kept from starting anything."""
PAUSED = "paused by"
"""How the reason of a skipped run begins: ``Ending.PAUSED``, which loads too much for this file."""


class View:
    """What a line needs beside its row: when it is, where, and who holds the home."""

    __slots__ = (
        "_waits",
        "hindrance",
        "holder",
        "home",
        "is_config_unread",
        "last_tick_at",
        "now",
        "zone",
    )

    def __init__(
        self,
        now: int,
        zone: tzinfo,
        home: str,
        holder: Holder | None,
        last_tick_at: int | None = None,
        waits: tuple[int, bool] | None = None,
        *,
        is_config_unread: bool = False,
    ) -> None:
        self.now = now
        self.zone = zone
        self.home = home
        self.holder = holder
        self.last_tick_at = last_tick_at
        self.is_config_unread = is_config_unread
        self._waits = waits
        self.hindrance: str | None = None
        """What keeps the holder from starting anything (system/hindrance.py)."""

    @property
    def daemon(self) -> Holder | None:
        """The daemon, if one runs."""
        holder = self.holder
        return holder if holder is not None and holder.role in (DAEMON, None) else None

    @property
    def waits(self) -> tuple[int, bool] | None:
        """The daemon that waits for the command which holds the home, if one does: its pid, and
        whether that command starts meanwhile what is due."""
        return self._waits if self.holder is not None and self.daemon is None else None

    @property
    def is_served(self) -> bool:
        """Whether somebody starts what is due: a daemon, one to come, or cron."""
        return self.daemon is not None or self.waits is not None or self.ticks

    @property
    def ticks(self) -> bool:
        """Whether something runs ``dotagent tick`` again and again."""
        return self.last_tick_at is not None and self.now - self.last_tick_at < TICKING_MS

    def unstarted(self, counts: Mapping[str, int]) -> int:
        """So many schedules fell due and the daemon has not begun with them. Where ticks start what
        is due, that is how things are between two of them."""
        return counts["unstarted"] if self.daemon is not None else 0

    def clock(self, at: int) -> str:
        return clock(at, self.now, self.zone)

    def when(self, at: int) -> str:
        return when(at, self.now, self.zone)

    def since(self, at: int) -> str:
        return human(self.now - at)


# ------------------------------------------------------------------------------------- the verdict


def verdict(view: View, counts: Mapping[str, int], unseen: int = 0) -> str:
    """The one line. ``unseen``: manifests that no dotagent has looked at yet."""
    what = _what(view, counts, unseen)
    if view.daemon is not None:
        pid = "" if view.daemon.pid is None else f" (pid {view.daemon.pid})"
        slow = "does not start what is due" if view.unstarted(counts) else ""
        stands = STANDS.get(view.hindrance or "", slow)
        return f"{what[0].upper()}{what[1:]}; the daemon runs{pid}{stands and f', but {stands}'}."
    if view.waits is not None:
        return f"{what[0].upper()}{what[1:]}; {_wait(view, *view.waits)}."
    if not counts["schedules"]:
        return f"{what[0].upper()}{what[1:]}, and no daemon runs."
    if view.ticks and view.last_tick_at is not None:
        return f"{what[0].upper()}{what[1:]}; the last tick was {view.when(view.last_tick_at)}."
    quiet = not any(counts[name] for name in ("failing", "held", "degraded", "skipped"))
    return f"No daemon runs: nothing is started on schedule{'' if quiet else f'; {what}'}."


def _wait(view: View, pid: int, is_stood_in_for: bool) -> str:
    holder = view.holder
    whom = "a command"
    if holder is not None and holder.role is not None:
        whom = f"{holder.role} (pid {holder.pid})"
    due = ", which starts what is due meanwhile" if is_stood_in_for else ""
    due = ", which is stopped" if view.hindrance == STOPPED else due
    return f"the daemon (pid {pid}) waits for {whom} to end{due}"


def _what(view: View, counts: Mapping[str, int], unseen: int) -> str:
    total = counts["schedules"]
    if not total:
        return _nothing(counts, unseen)
    for name, one, many in (
        ("failing", "is failing", "are failing"),
        ("held", "is held", "are held"),
        ("unstarted", "was not started when it fell due", "were not started when they fell due"),
        ("degraded", "needs a look", "need a look"),
        ("skipped", "has only been skipped so far", "have only been skipped so far"),
    ):
        if some := view.unstarted(counts) if name == "unstarted" else counts[name]:
            if total == 1:
                return f"the only schedule {one}"
            return f"{some} of {total} schedules {one if some == 1 else many}"
    if counts["new"] == total:
        return f"nothing has been due yet ({count(total, 'schedule')})"
    fine = "the only schedule is fine" if total == 1 else f"all {total} schedules are fine"
    if counts["bad_manifests"]:
        return f"{fine}, but {count(counts['bad_manifests'], 'manifest')} not right"
    return fine


def _nothing(counts: Mapping[str, int], unseen: int) -> str:
    if counts["agents"]:
        return f"nothing is scheduled ({count(counts['agents'], 'agent')})"
    if counts["bad_manifests"]:
        return f"no agent can run: {count(counts['bad_manifests'], 'manifest')} not right"
    if unseen:
        return f"{count(unseen, 'agent')} not looked at yet"
    return "no agents yet"


# ------------------------------------------------------------------------------------------ pages


def brief(page: Page, view: View, glance: Glance, unseen: int = 0) -> str:
    """For ``dotagent`` alone: the verdict, what fails by name, the next step."""
    counts = glance.counts
    lines = page.paragraph(verdict(view, counts, unseen), _tone(view, counts))
    rows = [r for r in glance.lists["schedules"] if r["health"] in ("failing", "stale")]
    entries = [(_name(row), plain(row["reason"])) for row in rows[:MOST]]
    lines += page.entries(_capped(entries, len(rows)), "bad")
    lines += page.paragraph(f"Next: {following(view, glance, unseen)}")
    return "\n".join(lines) + "\n"


def full(page: Page, view: View, glance: Glance, unseen: int = 0) -> str:
    """For ``dotagent status``."""
    counts = glance.counts
    lines = page.paragraph(verdict(view, counts, unseen), _tone(view, counts))
    for title, style, entries in _sections(view, glance):
        if entries:
            lines += ["", page.paint(title, "head"), *page.entries(entries, style)]
    if counts["schedules"] and (said := files.alone(glance)) is not None:
        lines += ["", *page.paragraph(said, "doubtful")]
    lines += ["", *page.paragraph(f"Next: {following(view, glance, unseen)}")]
    return "\n".join(lines) + "\n"


def _tone(view: View, counts: Mapping[str, int]) -> str:
    if counts["failing"]:
        return "bad"
    doubtful = view.unstarted(counts) or any(counts[n] for n in ("held", "degraded", "skipped"))
    if not view.is_served or view.hindrance is not None or doubtful or not counts["schedules"]:
        return "doubtful"
    return "good"


def _sections(view: View, glance: Glance) -> Iterable[tuple[str, str, list[Entry]]]:
    groups: dict[str, list[Entry]] = {}
    for row in glance.lists["schedules"]:
        groups.setdefault(_group(view, row), []).append((_name(row), _schedule(view, row)))
    for row in glance.lists["other_runs"]:
        groups.setdefault("running", []).append((_name(row), _attempt(view, row)))
    yield "Failing", "bad", groups.get("failing", [])
    yield "Held", "doubtful", groups.get("held", [])
    yield "Needs a look", "doubtful", groups.get("degraded", [])
    yield "Not started", "doubtful", groups.get("overdue", [])
    yield "Only skipped so far", "doubtful", groups.get("skipped", [])
    yield "Paused", "doubtful", groups.get("paused", [])
    yield "Running", "", groups.get("running", [])
    yield "Waiting", "", groups.get("waiting", [])
    for title, name in (
        ("Fine", "ok"),
        ("Nothing due yet", "new"),
        ("Not scheduled", "off"),
    ):
        entries = groups.get(name, [])
        yield title, "", _capped(entries[:MOST], len(entries))
    lists = glance.lists
    yield (
        "Messages",
        "doubtful",
        [(files.channel(r), files.messages(view, r)) for r in lists["channels"]],
    )
    yield "Manifests", "doubtful", [files.manifest(view, row) for row in lists["manifests"]]
    yield "Plugins", "doubtful", [files.plugin(row) for row in lists["plugins"]]
    yield "Home", "doubtful", [files.trouble(row) for row in lists["troubles"]]


def _group(view: View, row: Row) -> str:
    if row["health"] == "off":
        return "off"
    if row["held_at"] is not None:
        return "held"
    if row["health"] in ("failing", "stale"):
        return "failing"
    if row["health"] == "degraded":
        return "degraded"
    if row["attempt"] is not None:
        return "running"
    if _is_paused(view, row):
        return "paused"
    if row["run"] is not None:
        return "waiting"
    due = row["next_due_at"]
    overdue = due is not None and due < view.now - UNSTARTED_MS
    return "overdue" if overdue else row["health"]


def _is_paused(view: View, row: Row) -> bool:
    until = row["paused_until_at"]
    return until is not None and row["paused_how"] == "pause" and until > view.now


def _capped(entries: list[Entry], total: int) -> list[Entry]:
    if total <= len(entries):
        return entries
    return [*entries, (f"and {total - len(entries)} more:", "dotagent status --json")]


def _name(row: Row) -> str:
    return plain(f"{row['agent']}/{row['schedule']}")


# -------------------------------------------------------------------------------------- a schedule


def _schedule(view: View, row: Row) -> str:
    if row["health"] == "off":
        return "disabled in its manifest"
    bits = []
    # That a person paused it is said below, with its end.
    if row["reason"] and not (_is_paused(view, row) and row["reason"].startswith(PAUSED)):
        bits.append(plain(row["reason"]))
    if row["failing_since_at"] is not None:
        how = "failing" if row["failed_attempts"] or row["lost_runs"] else "overdue"
        bits.append(f"{how} since {view.clock(row['failing_since_at'])}{_toll(row)}")
    if row["held_at"] is not None:
        since = view.clock(row["held_at"])
        bits.append(f"its folder {plain(row['held_for'])} is gone or unreadable since {since}")
    if row["attempt"] is not None:
        bits.append(_attempt(view, row))
    elif row["run"] is not None:
        bits.append(_waiting(view, row))
    bits += _said(view, row)
    last = row["last_success_at"]
    if last is not None:
        bits.append(f"last ok {view.clock(last)}")
    elif row["last_ended_at"] is not None:
        bits.append("never ok yet")
    bits.append(_next(view, row))
    return "; ".join(bit for bit in bits if bit)


def _said(view: View, row: Row) -> list[str]:
    """What a person has said of it."""
    bits = []
    if row["acked_at"] is not None:
        why = f": {plain(row['acked_why'])}" if row["acked_why"] else ""
        bits.append(f"acknowledged {view.when(row['acked_at'])}{why}")
    if row["silenced_until_at"] is not None:
        until = view.clock(row["silenced_until_at"])
        bits.append(f"silenced until {until}: {plain(row['silenced_why'])}")
    who = f"{plain(row['paused_by'] or '')}: {plain(row['paused_why'] or '')}"
    if _is_paused(view, row):
        bits.append(f"paused until {view.clock(row['paused_until_at'])} by {who}")
    elif row["paused_until_at"] is not None and row["paused_until_at"] > view.now:
        at = view.clock(row["paused_until_at"] - 1)
        bits.append(f"the {at} run is skipped, as asked for by {who}")
    return bits


def _toll(row: Row) -> str:
    """What the outage has cost, where it is more than the one failure that the reason names."""
    if row["failed_attempts"] + row["lost_runs"] <= 1:
        return ""
    parts = []
    if row["failed_attempts"]:
        parts.append(count(row["failed_attempts"], "failed attempt"))
    if row["lost_runs"]:
        parts.append(count(row["lost_runs"], "lost run"))
    return f" ({', '.join(parts)})"


def _attempt(view: View, row: Row) -> str:
    """An attempt under way: for how long, and on whose behalf."""
    kind = {"manual": "a manual run", "trial": "a trial run"}.get(row["attempt"])
    if kind is None:
        most = "" if row["max_attempts"] is None else f" of {row['max_attempts']}"
        kind = f"attempt {row['attempt_number']}{most}"
    if view.holder is None:
        since = view.clock(row["attempt_started_at"])
        return f"{kind} ran since {since} when dotagent died; the next start settles it"
    usual = "" if row["usual_ms"] is None else f", usually {human(row['usual_ms'])}"
    end = (
        "" if row["timeout_at"] is None else f"; its time is up at {view.clock(row['timeout_at'])}"
    )
    return f"runs now, for {view.since(row['attempt_started_at'])}{usual} ({kind}){end}"


def _waiting(view: View, row: Row) -> str:
    attempt = f"attempt {row['attempts'] + 1} of {row['max_attempts']}"
    run = f"the {view.clock(row['expected_at'])} run"
    at = row["next_try_at"]
    if view.daemon is None:
        return f"{run} waits for {'the next tick' if view.ticks else 'a daemon'} ({attempt})"
    if at is not None and at > view.now:
        return f"next try {view.clock(at)} ({attempt})"
    return f"{run} waits for {waited_for(view.hindrance)} ({attempt})"


def _next(view: View, row: Row) -> str:
    at = row["next_due_at"]
    if row["unplanned"]:
        return "not planned before a daemon runs" if view.daemon is None else "planned in a moment"
    if at is None:
        return "" if row["held_at"] is not None else "never due again"
    if max(at, view.now) < (row["paused_until_at"] or 0):
        return ""  # that one is not run
    if at < view.now - UNSTARTED_MS:
        return f"due since {view.clock(at)}"
    return f"next run {view.clock(max(at, view.now))}"
