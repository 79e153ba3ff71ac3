"""What ``status`` and the daemon's console say of channels, manifests, plugins and the home itself.

Rows of a ``Glance`` in, words out. Hot: nothing slow.
"""

from __future__ import annotations

from dotagent.cli.layout import plain
from dotagent.core.span import count

TYPE_CHECKING = False
if TYPE_CHECKING:
    from dotagent.cli.status_text import View
    from dotagent.store.glance import Glance, Row

    Entry = tuple[str, str]


def alone(glance: Glance) -> str | None:
    """That nobody is told, where that is so."""
    if glance.counts["notifiers"]:
        return None
    why = "no notifier is set up"
    if any(row["what"] == "config.toml" for row in glance.lists["troubles"]):
        why = "no notifier is in force, for config.toml is not right"
    return f"Nobody is told when something fails: {why}. The inbox has it all."


def channel(row: Row) -> str:
    """Its name, and whose it is."""
    name = plain(row["name"])
    return f"{name} of {plain(row['agent'])}" if row["agent"] else name


def messages(view: View, row: Row) -> str:
    """Of a channel: what waits, what was lost, why."""
    bits = []
    if row["parked_at"] is not None:
        why = plain(row["parked_why"] or "")
        bits.append(f"parked since {view.clock(row['parked_at'])}: {why}")
    if row["waiting"]:
        verb = "waits" if row["waiting"] == 1 else "wait"
        since = view.clock(row["waiting_since_at"])
        why = f": {plain(row['reason'])}" if row["parked_at"] is None and row["reason"] else ""
        bits.append(f"{count(row['waiting'], 'message')} {verb} since {since}{why}")
    if row["lost"]:
        bits.append(f"{row['lost']} lost")
    at = row["next_try_at"]
    if at is not None and at > view.now:
        bits.append(f"next try {view.clock(at)}")
    if row["parked_at"] is not None:
        bits.append("mend it, then: dotagent deliveries retry --parked")
    elif row["lost"]:
        bits.append("see: dotagent deliveries --dead")
    return "; ".join(bits)


def manifest(view: View, row: Row) -> Entry:
    """One that is not right."""
    path = plain(row["path"].removeprefix(f"{view.home}/"))
    if row["shadowed_by"] is not None:
        other = plain(row["shadowed_by"].removeprefix(f"{view.home}/"))
        agent = plain(row["agent"] or "")
        return path, f"does not run: {other} already has the name {agent}; rename one of them"
    runs = "its last good copy runs" if row["is_running"] else "nothing of it runs"
    more = f", {row['problem_count']} problems in all" if row["problem_count"] > 1 else ""
    problem = row["first_problem"].removeprefix(f"{row['path']} ")
    return path, f"{plain(problem)}{more}; {runs}; see: dotagent doctor"


def plugin(row: Row) -> Entry:
    """One that speaks against how it is used."""
    what = f"{plain(row['plugin'])} ({plain(row['place'])}): {plain(row['why'])}"
    return plain(row["agent"] or row["path"]), f"{what}; see: dotagent doctor"


def trouble(row: Row) -> Entry:
    """One of the home's."""
    why = " ".join(plain(row["why"]).split())
    name, how = {
        "config.toml": ("config.toml", "is not right, and changes nothing until it is mended"),
        "secrets": ("secrets", "are not used"),
        "deadman": ("dead-man ping", "is not heard"),
    }.get(row["what"], ("audit record", "was changed from outside"))
    return name, f"{how}: {why}{'; see: dotagent audit verify' * (name == 'audit record')}"
