"""The next useful command, as ``dotagent`` and ``dotagent status`` name it. Hot: nothing slow."""

from __future__ import annotations

from dotagent.cli.layout import plain
from dotagent.core.hindrance import STOPPED
from dotagent.core.shell import word

TYPE_CHECKING = False
if TYPE_CHECKING:
    from dotagent.cli.status_text import View
    from dotagent.store.glance import Glance, Row


def following(view: View, glance: Glance, unseen: int = 0) -> str:
    """The next useful command."""
    counts = glance.counts
    if view.hindrance == STOPPED and view.holder is not None:
        return f"kill -CONT {view.holder.pid}"
    if not counts["agents"] and not unseen:
        if counts["bad_manifests"] or _is_unread(view, glance):
            return "dotagent doctor"
        first = "init" if counts["notifiers"] else "connect"
        return f"dotagent {first}, or see it at work first: dotagent demo"
    if not view.is_served:
        return "dotagent daemon"
    bad = [row for row in glance.lists["schedules"] if _is_bad(row)]
    if bad:
        worst = max(bad, key=_badness)
        name = f"{worst['agent']}/{worst['schedule']}"
        return f"dotagent why {word(plain(name))}"
    if view.unstarted(counts):
        return "dotagent doctor"
    if glance.lists["channels"]:
        return "dotagent deliveries"
    rows = glance.lists["schedules"]
    if rows and counts["new"] == counts["schedules"] and not counts["bad_manifests"]:
        return f"dotagent why {word(plain(rows[0]['agent']))}"
    return "dotagent doctor" if counts["bad_manifests"] else "dotagent inbox"


def _is_unread(view: View, glance: Glance) -> bool:
    """Whether config.toml says what nobody has taken over: it is wrong, and ``connect`` would not
    add to it, or no dotagent has read it yet: whether it is right, the doctor says."""
    if any(row["what"] == "config.toml" for row in glance.lists["troubles"]):
        return True
    return view.is_config_unread


def _is_bad(row: Row) -> bool:
    return row["health"] in ("failing", "stale", "degraded") or bool(row["held_at"])


def _badness(row: Row) -> tuple[int, int]:
    """How much a bad schedule needs somebody: what fails first, of that what has cost most. What is
    known or silenced has had its somebody."""
    grave = 3 if row["health"] in ("failing", "stale") else 2 if row["held_at"] else 1
    if row["acked_at"] is not None or row["silenced_until_at"] is not None:
        return 0, grave
    return grave, (row["lost_runs"] or 0) + (row["failed_attempts"] or 0)
