"""When a message is skipped because something as grave was said just now."""

from __future__ import annotations

import pytest

from dotagent.core.limit import limited_until, reason
from dotagent.core.model import Kind
from tests.core.walls import HOUR_MS, MINUTE_MS

NOW = 100 * HOUR_MS


@pytest.mark.parametrize(
    ("kind", "said_at", "limit_ms", "until"),
    [
        (Kind.ATTEMPT_FAILED, None, HOUR_MS, None),
        (Kind.ATTEMPT_FAILED, NOW - 59 * MINUTE_MS, HOUR_MS, NOW + MINUTE_MS),
        (Kind.ATTEMPT_FAILED, NOW, HOUR_MS, NOW + HOUR_MS),
        (Kind.ATTEMPT_FAILED, NOW - HOUR_MS, HOUR_MS, None),
        (Kind.ATTEMPT_FAILED, NOW - MINUTE_MS, 0, None),
        (Kind.ATTEMPT_FAILED, NOW + MINUTE_MS, HOUR_MS, None),
        (Kind.RECOVERED, NOW - MINUTE_MS, HOUR_MS, None),
        (Kind.SUCCESS, NOW - MINUTE_MS, HOUR_MS, NOW + 59 * MINUTE_MS),
        (Kind.GIVEN_UP, NOW - MINUTE_MS, HOUR_MS, NOW + 59 * MINUTE_MS),
    ],
)
def test_limited_until(kind: Kind, said_at: int | None, limit_ms: int, until: int | None) -> None:
    """Within the limit it waits for its end; not what recovered, nor by a stamp of the future."""
    assert until == limited_until(kind, said_at, NOW, limit_ms)


def test_reason() -> None:
    """A person reads what the limit is and what was said before."""
    said = reason(NOW - 5 * MINUTE_MS, NOW, HOUR_MS)

    assert "rate limit: one in 1 h, the last was 5 min before" == said
