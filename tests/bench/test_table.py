"""What is measured is summed up fairly and judged by the floor and the goal."""

from __future__ import annotations

from pathlib import Path

import pytest

from bench.__main__ import MEASUREMENTS, main
from bench.table import BEGIN, END, Row, between, curve, order, render, row


def test_a_ratio_is_taken_within_each_round() -> None:
    """A round that was slow for both sides does not change the ratio."""
    summed = row("a", [20, 200, 22], peer=[10, 100, 10], floor=3, goal=2)

    assert (22, 2.0, "goal reached") == (summed.median_ms, summed.ratio, summed.verdict)


@pytest.mark.parametrize(
    ("ratio", "verdict"),
    [(1.5, "goal reached"), (1.6, "floor holds"), (2.0, "floor holds"), (2.1, "OVER THE FLOOR")],
)
def test_a_ratio_is_judged(ratio: float, verdict: str) -> None:
    """At a bound still counts as within it."""
    judged = Row(name="a", median_ms=1, low_ms=1, high_ms=1, ratio=ratio, floor=2.0, goal=1.5)

    assert verdict == judged.verdict


@pytest.mark.parametrize(
    ("middle", "verdict"), [(45, "goal reached"), (60, "floor holds"), (60.5, "OVER THE FLOOR")]
)
def test_what_has_no_peer_is_judged_by_itself(middle: float, verdict: str) -> None:
    """A bound in megabytes is one of megabytes."""
    summed = row("memory", [middle] * 5, unit="MB", floor=60, goal=45)
    text = render([("Idle", [summed])])

    assert verdict == summed.verdict
    assert "MB" in text
    assert "60 MB  45 MB" in text
    assert " x" not in text


def test_a_table_reads_in_columns() -> None:
    """Names stand left, numbers right, and the peer has no ratio."""
    peer = row("python -c pass", [10, 10, 12, 14])
    ours = row("a", [30] * 4, peer=[10] * 4, floor=2, goal=1.5)
    text = render([("Start-up", [peer, ours])])

    assert [
        "Start-up",
        "",
        "                 median     quartiles   ratio  floor   goal",
        "python -c pass  11.0 ms  10.0 to 13.5",
        "a               30.0 ms  30.0 to 30.0  3.00 x  2.0 x  1.5 x  OVER THE FLOOR",
    ] == text.splitlines()


def test_an_unknown_measurement_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    """A mistyped name runs nothing and says what there is."""
    status = main(["startpu"])

    assert (2, f"There is no measurement startpu; there are: {', '.join(MEASUREMENTS)}\n") == (
        status,
        capsys.readouterr().err,
    )


@pytest.mark.parametrize("words", [["--write"], ["--write", "no/such.md"], ["--write", "bare.md"]])
def test_where_nothing_can_be_written_nothing_is_measured(
    words: list[str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """A file that is not there or has no markers is refused at once, not after ten minutes."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "bare.md").write_text(f"# Numbers\n{BEGIN}\n")
    status = main([*words])

    said = capsys.readouterr()
    assert (2, "") == (status, said.out)
    assert said.err.startswith(f"--write needs a file that has the lines {BEGIN} and {END}: ")


@pytest.mark.parametrize("exponent", [0, 1, 2])
def test_the_order_is_the_exponent(exponent: int) -> None:
    """Constant, linear and quadratic costs are told apart, whatever the constant."""
    taken = {size: [7.0 * size**exponent] * 3 for size in (100, 1_000, 10_000)}

    assert exponent == pytest.approx(order(taken), abs=0.01)


@pytest.mark.parametrize(
    ("exponent", "verdict"), [(0, "goal reached"), (1, "goal reached"), (2, "OVER THE FLOOR")]
)
def test_a_curve_says_how_it_grows(exponent: int, verdict: str) -> None:
    """A row a size, and one for the order: what grows faster than its size is a defect."""
    rows = curve("read", {size: [float(size**exponent)] * 2 for size in (10, 100)})

    assert ["10 read", "100 read", "read: order"] == [row.name for row in rows]
    assert verdict == rows[-1].verdict


def test_a_table_takes_the_place_of_the_last_one() -> None:
    """Only what stands between the markers is written anew, however often."""
    text = f"# Numbers\n\n{BEGIN}\nold\n{END}\n\nWhy.\n"
    once = between(text, "new\n")

    assert f"# Numbers\n\n{BEGIN}\n\n```\nnew\n```\n\n{END}\n\nWhy.\n" == once
    assert once == between(once, "new\n")
