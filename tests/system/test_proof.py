"""The facts behind ``[expect]``, on real files and with real patterns."""

from __future__ import annotations

import asyncio
import os
from datetime import UTC
from pathlib import Path

import pytest

from dotagent.core.expect import Look, Search, unmet
from dotagent.core.manifest import Expect, ExpectFile
from dotagent.core.model import Ended, Exited, Tail
from dotagent.system import proof

REPORT = Expect(file=ExpectFile(path="report.md", newer=True, min_bytes=None))
MONDAY = 1_779_093_000  # 2026-05-18 08:30 UTC
FRIDAY_AT = (MONDAY + 4 * 86_400) * 1_000


def ended(text: str = "") -> Ended:
    return Ended(exit=Exited(code=0), ended_at=FRIDAY_AT, stdout=Tail(text=text))


async def verdict(expect: Expect, cwd: Path, before: Look, text: str = "") -> str | None:
    gathered = await proof.facts(
        expect,
        str(cwd),
        before=before,
        ended=ended(text),
        started_at=FRIDAY_AT - 4_200,
        zone=UTC,
    )
    return unmet(expect, facts=gathered)


async def test_a_report_that_nobody_wrote(tmp_path: Path) -> None:
    """The sentence of the product, from a real file of last Monday."""
    report = tmp_path / "report.md"
    report.write_text("old")
    os.utime(report, (MONDAY, MONDAY))
    before = await proof.before(REPORT, str(tmp_path))

    why = await verdict(REPORT, tmp_path, before)

    assert why == "report.md is unchanged since Monday 08:30"


async def test_a_report_that_is_made(tmp_path: Path) -> None:
    """There was none before; there is one now."""
    before = await proof.before(REPORT, str(tmp_path))
    (tmp_path / "report.md").write_text("new")

    assert await verdict(REPORT, tmp_path, before) is None


async def test_a_report_that_is_written_again_with_the_same_size(tmp_path: Path) -> None:
    """The time of writing alone tells."""
    report = tmp_path / "report.md"
    report.write_text("old")
    os.utime(report, (MONDAY, MONDAY))
    before = await proof.before(REPORT, str(tmp_path))
    report.write_text("new")

    assert await verdict(REPORT, tmp_path, before) is None


async def test_a_report_that_is_replaced_by_an_older_one(tmp_path: Path) -> None:
    """A copy that keeps its time of writing is another file all the same."""
    report, copy = tmp_path / "report.md", tmp_path / "copy.md"
    for each in (report, copy):
        each.write_text("same")
        os.utime(each, (MONDAY, MONDAY))
    before = await proof.before(REPORT, str(tmp_path))
    copy.rename(report)

    assert await verdict(REPORT, tmp_path, before) is None


async def test_a_report_that_is_removed(tmp_path: Path) -> None:
    """A file that is gone is no proof."""
    (tmp_path / "report.md").write_text("old")
    before = await proof.before(REPORT, str(tmp_path))
    (tmp_path / "report.md").unlink()

    assert await verdict(REPORT, tmp_path, before) == "report.md does not exist"


async def test_a_path_that_is_absolute(tmp_path: Path) -> None:
    """An absolute path counts as it stands, whatever the working folder is."""
    made = tmp_path / "made"
    expect = Expect(file=ExpectFile(path=str(made), newer=True, min_bytes=3))
    before = await proof.before(expect, "/")
    made.write_text("abc")

    assert await verdict(expect, Path("/"), before) is None


def test_what_is_looked_at(tmp_path: Path) -> None:
    """Nothing, a folder, a link in a circle, a name that no file can have."""
    (tmp_path / "loop").symlink_to("loop")
    (tmp_path / "file").write_text("x")

    assert [
        proof.look(str(tmp_path / each)) for each in ("none", "file/x", ".", "loop", "a\0b")
    ] == [
        Look(),
        Look(),
        Look(problem="is not a regular file"),
        Look(problem="cannot be looked at: Too many levels of symbolic links"),
        Look(problem="cannot be looked at: embedded null byte"),
    ]


def test_a_link_is_followed(tmp_path: Path) -> None:
    """A link to the real report is looked at where it points."""
    (tmp_path / "real").write_text("abcd")
    (tmp_path / "link").symlink_to("real")

    assert proof.look(str(tmp_path / "link")) == proof.look(str(tmp_path / "real"))
    assert proof.look(str(tmp_path / "link")).size == 4


@pytest.mark.parametrize(
    ("pattern", "text", "found"),
    [
        (r"\d+ rows", "wrote 12 rows", Search(matched="12 rows")),
        (r"^done$", "first\ndone\nlast", Search(matched="done")),
        (r"(?i)DONE", "done", Search(matched="done")),
        (r"(?s)a.b", "a\nb", Search(matched="a\nb")),
        (r"(?<=id=)\w+(?!\w)", "id=x7", Search(matched="x7")),
        ("", "", Search(matched="")),
        ("done", "", Search()),
    ],
)
def test_what_is_found(pattern: str, text: str, found: Search) -> None:
    """Patterns are Python's, and a line's begin and end count as such."""
    assert proof.search(pattern, text) == found


def test_a_pattern_that_is_none() -> None:
    """A pattern that cannot be read has a problem, not a match."""
    got = proof.search("(", "(")

    assert got.problem is not None
    assert got.problem.startswith("it is no valid pattern: missing )")


def test_a_pattern_that_is_nested_too_deep() -> None:
    """A pattern that the library cannot hold has a problem too."""
    got = proof.search("(" * 5_000 + ")" * 5_000, "x")

    assert got.problem is not None
    assert got.problem.startswith("it is no usable pattern: ")


async def test_a_pattern_that_never_ends_stops_nothing() -> None:
    """A pattern that backtracks for ever ends with a reason, and the loop runs on meanwhile."""
    turns = 0
    searching = asyncio.create_task(asyncio.to_thread(proof.search, "(x+x+)+y", "x" * 60_000, 0.2))
    while not searching.done():
        turns += 1
        await asyncio.wait({searching}, timeout=0.001)

    assert searching.result() == Search(
        problem="the search took longer than 0.2 s; simplify the pattern"
    )
    assert turns > 20


async def test_the_output_and_the_clock(tmp_path: Path) -> None:
    """What was printed and how long it took come from the attempt itself."""
    expect = Expect(
        output="nonempty",
        output_match="^done$",
        output_not_match="ERROR.*",
        min_duration_ms=4_200,
    )

    good = await verdict(expect, tmp_path, Look(), "done")
    bad = await verdict(expect, tmp_path, Look(), "ERROR: no rows")

    assert good is None
    assert bad == 'its output has no match for "^done$"; its output has "ERROR: no rows"'
