"""Proof of work: what an attempt that ended well still owes."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from dotagent.core.expect import QUOTE_CHARS, Facts, Look, Search, unmet
from dotagent.core.manifest import Expect, ExpectFile
from dotagent.core.model import Tail

BERLIN = ZoneInfo("Europe/Berlin")


def at(text: str) -> int:
    return int(datetime.fromisoformat(text).replace(tzinfo=BERLIN).timestamp() * 1_000)


ENDED_AT = at("2026-05-22 08:31:00")  # a Friday


def facts(**changes: Any) -> Facts:
    usual: dict[str, Any] = {"ended_at": ENDED_AT, "duration_ms": 4_200, "zone": BERLIN}
    return Facts(**(usual | changes))


def there(modified: str, size: int = 10, number: int = 1) -> Look:
    return Look(stamp=(number,), size=size, modified_at=at(modified))


REPORT = Expect(file=ExpectFile(path="report.md", newer=True, min_bytes=None))


def test_nothing_expected() -> None:
    """An empty section asks for nothing."""
    assert unmet(Expect(), facts=facts()) is None


@pytest.mark.parametrize(
    ("stdout", "why"),
    [
        (Tail(text="ok"), None),
        (Tail(text=""), "it printed nothing"),
        (Tail(text=" \n\t"), "it printed nothing"),
        (Tail(text="\n", dropped=3), None),
    ],
)
def test_output(stdout: Tail, why: str | None) -> None:
    """Blanks are no output; lines that were dropped from the tail were some."""
    assert unmet(Expect(output="nonempty"), facts=facts(stdout=stdout)) == why


@pytest.mark.parametrize(
    ("search", "stdout", "why"),
    [
        (Search(matched="12 rows"), Tail(), None),
        (Search(matched=""), Tail(), None),
        (Search(), Tail(), r'its output has no match for "\d+ rows"'),
        (Search(), Tail(dropped=9), r'the end of its output has no match for "\d+ rows"'),
        (Search(problem="too slow"), Tail(), "output_match could not be checked: too slow"),
    ],
)
def test_output_match(search: Search, stdout: Tail, why: str | None) -> None:
    """A pattern that is not there, or could not be looked for, is unmet."""
    expect = Expect(output_match=r"\d+ rows")

    assert unmet(expect, facts=facts(match=search, stdout=stdout)) == why


@pytest.mark.parametrize(
    ("search", "why"),
    [
        (Search(), None),
        (Search(matched="ERROR: no rows"), 'its output has "ERROR: no rows"'),
        (Search(matched=" \n"), 'its output has "ERROR.*"'),
        (Search(matched="x" * 100), f'its output has "{"x" * QUOTE_CHARS}…"'),
        (Search(problem="too slow"), "output_not_match could not be checked: too slow"),
    ],
)
def test_output_not_match(search: Search, why: str | None) -> None:
    """What was found is quoted; what could not be looked for is not taken for absent."""
    assert unmet(Expect(output_not_match="ERROR.*"), facts=facts(not_match=search)) == why


def test_a_file_that_is_written() -> None:
    """A file that was made or changed by the attempt is proof."""
    new = there("2026-05-22 08:30")
    old = there("2026-05-18 08:30", number=2)

    assert unmet(REPORT, facts=facts(before=Look(), after=new)) is None
    assert unmet(REPORT, facts=facts(before=old, after=new)) is None


@pytest.mark.parametrize(
    ("modified", "since"),
    [
        ("2026-05-22 08:30", "08:30 today"),
        ("2026-05-21 23:59", "Thursday 23:59"),
        ("2026-05-18 08:30", "Monday 08:30"),
        ("2026-05-16 08:30", "Saturday 08:30"),
        ("2026-05-15 08:30", "2026-05-15 08:30"),
        ("2026-05-23 08:30", "2026-05-23 08:30"),
    ],
)
def test_a_file_that_is_unchanged(modified: str, since: str) -> None:
    """It says since when, as a person would, in the person's zone."""
    same = there(modified)

    why = unmet(REPORT, facts=facts(before=same, after=same))

    assert why == f"report.md is unchanged since {since}"


def test_the_zone_decides_the_day() -> None:
    """Half past midnight in Berlin is yesterday in UTC."""
    same = there("2026-05-22 00:30")

    why = unmet(REPORT, facts=facts(before=same, after=same, zone=UTC))

    assert why == "report.md is unchanged since Thursday 22:30"


def test_a_file_whose_time_is_no_date() -> None:
    """Some file systems hold times that no calendar has."""
    same = Look(stamp=(1,), modified_at=10**20)

    assert unmet(REPORT, facts=facts(before=same, after=same)) == "report.md is unchanged"


@pytest.mark.parametrize(
    ("after", "why"),
    [
        (Look(), "report.md does not exist"),
        (Look(problem="is not a regular file"), "report.md is not a regular file"),
    ],
)
def test_a_file_that_is_not_there(after: Look, why: str) -> None:
    """Gone, never made, or not to be looked at: each is said as it is."""
    assert unmet(REPORT, facts=facts(before=there("2026-05-18 08:30"), after=after)) == why


def test_an_old_file_will_do_without_newer() -> None:
    """With newer = false being there is enough."""
    same = there("2026-05-18 08:30")
    expect = Expect(file=ExpectFile(path="report.md", newer=False, min_bytes=None))

    assert unmet(expect, facts=facts(before=same, after=same)) is None


@pytest.mark.parametrize(
    ("size", "why"),
    [
        (1_000, None),
        (999, "report.md has 999 of at least 1,000 bytes"),
        (0, "report.md has 0 of at least 1,000 bytes"),
    ],
)
def test_a_file_that_is_too_small(size: int, why: str | None) -> None:
    """The size it has and the size it should have."""
    expect = Expect(file=ExpectFile(path="report.md", newer=False, min_bytes=1_000))

    assert unmet(expect, facts=facts(after=there("2026-05-22 08:30", size))) == why


@pytest.mark.parametrize(
    ("least", "why"),
    [
        (4_200, None),
        (60_000, "it took only 4.2 s, at least 1 min is expected"),
    ],
)
def test_min_duration(least: int, why: str | None) -> None:
    """A job that is done too soon has probably done nothing."""
    assert unmet(Expect(min_duration_ms=least), facts=facts()) == why


def test_everything_that_is_missing_is_named() -> None:
    """One failed attempt tells all that has to be mended."""
    expect = Expect(
        output="nonempty",
        output_match="done",
        output_not_match="WARN",
        file=ExpectFile(path="out/report.md", newer=True, min_bytes=5),
        min_duration_ms=10_000,
    )

    assert unmet(expect, facts=facts(not_match=Search(matched="WARN"))) == (
        'it printed nothing; its output has no match for "done"; its output has "WARN"; '
        "out/report.md does not exist; it took only 4.2 s, at least 10 s is expected"
    )
