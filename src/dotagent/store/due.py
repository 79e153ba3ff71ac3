"""When a schedule is looked at next, which is not always when it runs next.

SQL and a value only, for the hot commands read them too. Invariant: what asks for a look at once is
no instant, so that it holds whatever becomes of the clock that it was asked by (rules R3).
"""

AT_ONCE = 0
"""``next_due_at`` of a schedule that planning has to look at: new, edited, back, let go."""

IS_UNPLANNED = f"(s.planned_through IS NULL OR s.next_due_at IS {AT_ONCE})"
"""Nobody knows yet when the schedule ``s`` runs next."""

DUE_AT = f"CASE WHEN NOT {IS_UNPLANNED} THEN s.next_due_at END"
"""When the schedule ``s`` falls due next; NULL where it never does, or nobody knows yet."""

MOST_ATTEMPTS = "s.max_attempts + coalesce(w.losses > 0, 0)"
"""How many attempts the live window ``w`` of the schedule ``s`` may use (``decide.allowance``):
the number that people are told of a lost attempt (rules R5)."""

UNSTARTED_MS = 60_000
"""So long after its time a run that nobody has begun with needs a word."""

IS_UNSTARTED = f"""(s.gone_at IS NULL AND s.held_at IS NULL AND {DUE_AT} < :now - {UNSTARTED_MS}
  AND NOT EXISTS (SELECT 1 FROM windows x WHERE x.agent = s.agent AND x.schedule = s.id
                  AND x.state IN ('waiting', 'running'))
  AND NOT EXISTS (SELECT 1 FROM attempts x WHERE x.agent = s.agent AND x.schedule = s.id
                  AND x.ended_at IS NULL)
  AND NOT EXISTS (SELECT 1 FROM pauses x WHERE x.agent = s.agent AND x.schedule IN ('', s.id)
                  AND x.ended_at IS NULL AND x.until_at > :now))"""
"""The schedule ``s`` fell due before ``:now``, nothing stands in its way, and nobody has begun with
it."""

NEXT_RUN_AT = f"""CASE WHEN NOT {IS_UNPLANNED} AND NOT EXISTS (
  SELECT 1 FROM pauses x WHERE x.agent = s.agent AND x.schedule IN ('', s.id)
  AND x.ended_at IS NULL AND x.until_at > s.next_due_at) THEN s.next_due_at END"""
"""The same; NULL also where a person has said that it is not to run then."""
