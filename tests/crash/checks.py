"""What must hold after any crash, whatever ran: invariants I1–I6 of rules.md, seen from outside.

The receivers' own record is held against the ledger: for each order key, what arrived must be what
the events demanded, in their order, each once, but for repeats of messages whose answer was lost.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

from dotagent.core.fold import Why
from dotagent.core.render import line_of, render
from dotagent.core.together import together
from dotagent.store.event_row import event_of
from dotagent.system.auditfile import verify_file
from dotagent.system.zone import machine_zone
from tests.crash.lab import Trial
from tests.support.patience import until

REPEAT = " (may be a repeat)"
POISON_CRASHES = 4
WINDOW_ENDS = {"succeeded", "given_up", "missed", "skipped"}


def check(trial: Trial, topic_of: Callable[[str, str], str]) -> None:
    """All of it. ``topic_of`` says where an agent's notifier (scope, id) points."""
    each_window_ends_once(trial)
    every_bad_end_is_covered(trial)
    every_delivery_ends(trial)
    no_two_runs_overlap(trial)
    arrivals_are_what_was_demanded(trial, topic_of)
    audit_and_database_are_whole(trial)
    until(lambda: survivors(trial.home) == [], what=f"the end of all children of {trial.home}")


def each_window_ends_once(trial: Trial) -> None:
    """I1: every window has one terminal state, with its reason where it did not succeed."""
    ended = trial.all("SELECT * FROM windows WHERE closed_at IS NOT NULL")

    assert trial.all("SELECT * FROM windows WHERE closed_at IS NULL") == []
    assert {row["state"] for row in ended} <= WINDOW_ENDS
    assert [row["id"] for row in ended if row["state"] != "succeeded" and not row["reason"]] == []


def every_bad_end_is_covered(trial: Trial) -> None:
    """I2: a window that did not succeed and a failed attempt have their event, and each event a row
    for every notifier of its agent that asked."""
    untold_windows = trial.all(
        "SELECT * FROM windows w WHERE state IN ('given_up', 'missed') AND NOT EXISTS"
        " (SELECT 1 FROM events e WHERE e.window_id = w.id AND e.kind = w.state)"
    )
    untold_attempts = trial.all(
        "SELECT * FROM attempts a WHERE verdict = 'failed' AND NOT EXISTS"
        " (SELECT 1 FROM events e WHERE e.attempt_id = a.id"
        " AND e.kind IN ('attempt_failed', 'timed_out', 'preflight'))"
    )
    uncovered = trial.all(
        "SELECT e.seq, r.scope, r.notifier FROM events e JOIN routing r ON r.scope IN (e.agent, '')"
        " WHERE (r.events = '[]' OR EXISTS"
        "  (SELECT 1 FROM json_each(r.events) k WHERE k.value = e.kind))"
        " AND (r.scope = '' OR e.agent != '')"
        " AND NOT EXISTS (SELECT 1 FROM deliveries d WHERE d.event_seq = e.seq"
        " AND d.scope = r.scope AND d.notifier = r.notifier)"
    )

    assert untold_windows == []
    assert untold_attempts == []
    assert [tuple(row) for row in uncovered] == []


def every_delivery_ends(trial: Trial) -> None:
    """I3: nothing here is refused for good, so everything is sent, or stays quiet with a reason; or
    dotagent died four times while it was sent, and that is told (rules R17)."""
    unsent = trial.all("SELECT * FROM deliveries WHERE state != 'sent'")
    ended = [row["id"] for row in unsent if row["state"] == "suppressed" and row["reason"]]
    poison = [row["id"] for row in unsent if row["state"] == "rejected" and _is_poison(trial, row)]

    assert {row["id"] for row in unsent} == {*ended, *poison}


def _is_poison(trial: Trial, row: Any) -> bool:
    """Whether the ledger blames it alone for four crashes: none of them had another message on its
    way whose try before had no answer for a crash either; and it is announced."""
    others_suspect = (
        "EXISTS (SELECT 1 FROM sends o WHERE o.epoch = s.epoch AND o.why = 'crash'"
        " AND o.led_by IS NULL AND o.delivery_id != s.delivery_id AND EXISTS (SELECT 1 FROM sends e"
        "  WHERE e.delivery_id = o.delivery_id AND e.why = 'crash' AND e.number = o.number - 1))"
    )
    (blamed,) = trial.all(
        "SELECT count(*) FROM sends s WHERE delivery_id = ? AND outcome = 'unknown'"
        f" AND why = 'crash' AND NOT {others_suspect}",
        row["id"],
    )
    told = trial.all(
        "SELECT 1 FROM events WHERE kind = 'delivery_expired' AND about = ?", row["fingerprint"]
    )
    return blamed[0] >= POISON_CRASHES and bool(told)


def no_two_runs_overlap(trial: Trial) -> None:
    """I6: the scripts' own locks were never held twice, and no attempt is left open."""
    assert [str(path) for path in trial.home.glob("agents/*/overlaps")] == []
    assert trial.all("SELECT * FROM attempts WHERE ended_at IS NULL") == []


# ------------------------------------------------------------------ what arrived (I3, I4, I5)


def arrivals_are_what_was_demanded(trial: Trial, topic_of: Callable[[str, str], str]) -> None:
    """0 lost, order kept per key, repeats only of messages whose answer was lost, each flagged."""
    repeats_say_so(trial)
    keys = trial.all("SELECT DISTINCT scope, notifier, order_key FROM deliveries")
    for scope, notifier, order_key in keys:
        arrived = list(_arrived(trial, "/" + topic_of(scope, notifier), order_key))
        explain(arrived, _demanded(trial, order_key), order_key)


def repeats_say_so(trial: Trial) -> None:
    """I4: whatever goes again after an answer was lost is flagged. The arrivals are read by that
    flag, so it is not taken on trust."""
    unsaid = trial.all(
        "SELECT s.delivery_id, s.number FROM sends s WHERE NOT s.may_repeat AND EXISTS"
        " (SELECT 1 FROM sends b WHERE b.delivery_id = s.delivery_id AND b.number < s.number"
        " AND b.outcome = 'unknown')"
    )

    assert [] == [tuple(row) for row in unsaid], "sent again without saying so"


def explain(arrived: Sequence[str], demanded: Sequence[str], key: str) -> None:
    """Fail unless the arrivals are a reading of the ledger. ``demanded`` is that in regular
    expressions, one a message: what must arrive, and what may."""
    text = "".join(f"{line}\n" for line in arrived)
    if re.fullmatch("".join(demanded), text):
        return
    best = max(n for n in range(len(demanded) + 1) if re.match("".join(demanded[:n]), text))
    got = re.match("".join(demanded[:best]), text)
    assert got is not None
    rest = text[got.end() :]
    wanted = demanded[best] if best < len(demanded) else "nothing more"
    raise AssertionError(f"{key!r}: after {best} messages {wanted!r} was due, and came {rest!r}")


def _demanded(trial: Trial, order_key: str) -> list[str]:
    """One expression a message, in the order in which they were sent: an arrival for each that was
    answered well, perhaps one for each whose answer was lost, none for the others; a repeat says
    so. What went in another's message arrived with that."""
    sends = trial.all(
        "SELECT s.*, d.event_seq FROM sends s JOIN deliveries d ON d.id = s.delivery_id"
        " WHERE d.order_key = ? AND s.led_by IS NULL"
        " ORDER BY s.started_at, s.epoch, s.delivery_id, s.number",
        order_key,
    )
    in_event_order(trial, order_key)
    return [
        _reading(trial, trial.all("SELECT * FROM events WHERE seq = ?", send["event_seq"])[0], send)
        for send in sends
    ]


def in_event_order(trial: Trial, order_key: str) -> None:
    """I5: no delivery of a key was sent for the first time before one of an earlier event."""
    first = trial.all(
        "SELECT min(s.started_at) FROM deliveries d JOIN sends s ON s.delivery_id = d.id"
        " WHERE d.order_key = ? GROUP BY d.id ORDER BY d.event_seq",
        order_key,
    )
    began = [row[0] for row in first]

    assert began == sorted(began), f"{order_key!r} was sent out of order"


def _reading(trial: Trial, row: Any, send: Any) -> str:
    """One message, and how often it may have come."""
    others = trial.all(
        "SELECT e.*, s.may_repeat FROM sends s JOIN deliveries d ON d.id = s.delivery_id"
        " JOIN events e ON e.seq = d.event_seq"
        " WHERE s.led_by = ? AND s.epoch = ? AND s.started_at = ?",
        send["delivery_id"],
        send["epoch"],
        send["started_at"],
    )
    zone, event = machine_zone({}), event_of(row)
    lines = {line_of(event, zone)}
    if others:  # why they were one is only known of the last try
        own = render(event, key="", zone=zone)
        events = [event, *(event_of(each) for each in others)]
        lines = {together(own, event, events, why, zone).line for why in Why}
    repeats = any(each["may_repeat"] for each in (send, *others))
    text = "|".join(re.escape(line + REPEAT * repeats) for line in sorted(lines))
    return f"(?:(?:{text})\n){_TIMES[send['outcome']]}"


_TIMES = {"sent": "", "unknown": "?", "retry": "{0}"}


_TOGETHER = re.compile(r"^\d+ messages in one \([^)]*\): ")


def _arrived(trial: Trial, target: str, order_key: str) -> Iterable[str]:
    """The first lines of what the receiver took for this key, in the order of their coming."""
    _, _, agent, schedule = order_key.split("\x1f")
    start = f"{agent}/{schedule}: "
    for request in trial.server.accepted:
        line = request.body.decode().split("\n")[0]
        lead = _TOGETHER.sub("", line)  # several in one go by the key of the one that leads
        ours = lead.startswith(start) if agent else not re.match(r"\w+/\w+: ", lead)
        if request.target == target and ours:
            yield line


# ------------------------------------------------------------------------------- what is left


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
