"""The machine's zone as the C library tells it: for the hot commands, which load no zone data.

The same zone as ``system/zone.py`` finds; it has no name and can be asked for nothing but the wall.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, tzinfo


class Wall(tzinfo):
    """The zone that this process's local time is in."""

    def fromutc(self, moment: datetime) -> datetime:
        """The wall at an instant; the second pass of a repeated hour has ``fold=1``."""
        at = moment.replace(tzinfo=UTC).timestamp()
        return datetime.fromtimestamp(at).replace(tzinfo=self)  # noqa: DTZ006 - local is meant

    def utcoffset(self, moment: datetime | None) -> timedelta | None:
        return None if moment is None else moment.replace(tzinfo=None).astimezone().utcoffset()

    def dst(self, moment: datetime | None) -> timedelta | None:
        return None

    def tzname(self, moment: datetime | None) -> str | None:
        return None if moment is None else moment.replace(tzinfo=None).astimezone().tzname()
