"""What is planned, as people ask for it. Nothing here writes."""

from __future__ import annotations

from dotagent.store import windows
from dotagent.store.database import Tx
from dotagent.store.due import MOST_ATTEMPTS, NEXT_RUN_AT
from dotagent.store.reading import Reader


def agents(reader: Reader) -> int:
    """How many agents there are."""
    found = reader.execute("SELECT count(*) FROM agents WHERE gone_at IS NULL").fetchone()
    return int(found[0])


def max_attempts(reader: Reader) -> dict[tuple[str, str], int]:
    """How many attempts each (agent, schedule) may make at its live window."""
    rows = reader.execute(
        f"SELECT s.agent, s.id, {MOST_ATTEMPTS} AS most FROM schedules s LEFT JOIN windows w"
        " ON w.agent = s.agent AND w.schedule = s.id AND w.state IN ('waiting', 'running')"
    )
    return {(row["agent"], row["id"]): row["most"] for row in rows}


def next_at(reader: Reader) -> int | None:
    """When the next run is due: a planned one, or a further try."""
    planned = reader.execute(f"SELECT min({NEXT_RUN_AT}) FROM schedules s").fetchone()[0]
    known = [at for at in (planned, windows.next_wake(Tx(reader))) if at is not None]
    return min(known, default=None)
