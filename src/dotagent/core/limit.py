"""The rate limit of a notifier: skip if something as grave was said just now (rules R22). Pure."""

from __future__ import annotations

from dotagent.core.duration import human
from dotagent.core.model import Kind


def limited_until(kind: Kind, said_at: int | None, now: int, limit_ms: int) -> int | None:
    """When the limit ends for a message about ``kind``; None where it may go.

    ``said_at``: when a message of equal or higher gravity about the same schedule last reached the
    same recipient. ``recovered`` is exempt, and a stamp of the future counts as none."""
    if not limit_ms or said_at is None or said_at > now or kind is Kind.RECOVERED:
        return None
    ends_at = said_at + limit_ms
    return ends_at if now < ends_at else None


def reason(said_at: int, now: int, limit_ms: int) -> str:
    """Why it was skipped, for the record."""
    return f"rate limit: one in {human(limit_ms)}, the last was {human(now - said_at)} before"
