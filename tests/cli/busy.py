"""A home in which a little of everything has happened, is under way, or is to come.

Its days lie years back, so that whatever is said of them is said with the whole date, today and
tomorrow alike.
"""

from __future__ import annotations

from pathlib import Path

from dotagent.core.decide import Codes
from dotagent.core.model import AttemptKind, RejectDestination, RejectMessage, Retry
from dotagent.core.when import Every
from dotagent.store import silences
from tests.support.home import HOUR_MS, Past, daily, route

PROBLEM = {
    "path": "run.command", "message": "is missing", "line": 3, "hint": None, "fatal": True,
    "file": "",
}  # fmt: skip
DAY_MS = 24 * HOUR_MS


def busy(folder: Path) -> Past:
    """See the module. Whoever calls closes it."""
    made = Past(folder, "2021-03-28 08:00", root="/srv/agents")
    made.global_routes(route("slack"), route("mail", "email"), route("phone", "ntfy"))
    made.agent("disk-alert", {"daily": daily("08:30")}, routes=[route("own", "ntfy")])
    made.agent("backup", {"nightly": daily("09:00")}, max_attempts=1)
    made.agent("sync", {"hourly": Every(every_ms=HOUR_MS)}, catch_up="none")
    made.agent("old", {"weekly": daily("07:00")}, enabled=False)
    for begin, end in (("08:30", "08:30:04"), ("08:35:04", "08:35:08"), ("08:40:08", "08:41")):
        made.fail(begin, end, agent="disk-alert", said="\x1b[31mno space\x1b[0m left")
        made.send({"mail": RejectDestination(why="550"), "phone": RejectMessage(why="413")})
    made.send({"own": Retry(why="HTTP 503", after_ms=2 * HOUR_MS)})
    made.succeed("09:00", "09:02", agent="sync")
    run = made.start("10:00", agent="sync")
    made.finish(run, 3, codes=Codes(warn=frozenset({3})))
    made.end()
    made.go("2021-03-29 12:30")
    made.begin()
    made.plan()
    made.start("13:00", agent="sync")
    made.start_by_hand("sync", "manual", AttemptKind.MANUAL)
    made.break_manifest("backup", [PROBLEM])
    made.write(
        lambda tx: silences.add(
            tx, made.actor, made.now, agent="disk-alert", schedule=None, for_ms=DAY_MS, reason="new"
        )
    )
    made.write(lambda tx: silences.end(tx, made.actor, made.now, 1, "it is there"))
    return made
