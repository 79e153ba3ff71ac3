"""The audit chain: its bytes, and that nothing can be done to it unseen."""

from __future__ import annotations

import hashlib
import json
from itertools import pairwise

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from dotagent.core import chain
from dotagent.core.chain import GENESIS, Verdict, digest, line, verify


def log(count: int, first: str = GENESIS) -> list[bytes]:
    """A chain of ``count`` lines."""
    lines: list[bytes] = []
    prev = first
    for number in range(count):
        lines.append(line("2026-05-19T14:30:01-0300", "info", "tick", {"n": number}, prev))
        prev = digest(lines[-1])
    return lines


LOG = log(8)


# ------------------------------------------------------------------------------------ the format


def test_a_line_is_byte_for_byte_that_of_0_1_x() -> None:
    """Key order, no spaces, text as it is but for what JSON must escape."""
    fields = {"agent": 'disk "é"\n\x1f\x7f\u2028', "schedule": None, "ok": True, "attempts": 3}
    expected = (
        '{"ts":"2026-05-19T14:30:01-0300","severity":"critical","event":{"event_type":"agent_run",'
        '"agent":"disk \\"é\\"\\n\\u001f\x7f\u2028","schedule":null,"ok":true,"attempts":3},'
        '"prev_hash":"GENESIS"}'
    )

    assert expected.encode() == line(
        "2026-05-19T14:30:01-0300", "critical", "agent_run", fields, GENESIS
    )


def test_the_next_line_names_the_hash_of_this_one() -> None:
    """SHA-256 of the stored bytes, without the newline, in lowercase hex."""
    for before, after in pairwise(LOG):
        assert hashlib.sha256(before).hexdigest() == json.loads(after)["prev_hash"]


@given(
    st.dictionaries(st.text().filter(lambda key: key != "event_type"), st.text() | st.integers())
)
def test_whatever_an_event_says_fits_on_a_line(fields: dict[str, str | int]) -> None:
    """Any text, half characters from odd file names too, is one line of JSON that verifies."""
    made = line("now", "info", "event", fields, GENESIS)

    assert b"\n" not in made
    assert Verdict(count=1, head=digest(made)) == verify([made + b"\n"])


@pytest.mark.parametrize("fields", [{"event_type": "x"}, {"cost": float("nan")}])
def test_what_cannot_be_said_is_not_written(fields: dict[str, object]) -> None:
    """A field that would hide the kind of event, or a number that is none, is a mistake."""
    with pytest.raises(ValueError, match=r"event_type|JSON"):
        line("now", "info", "event", fields, GENESIS)


# -------------------------------------------------------------------------------- what is checked


@pytest.mark.parametrize("end", [b"", b"\n"])
def test_a_chain_holds_to_its_end(end: bytes) -> None:
    """With or without newlines, it counts its lines and says where it ends."""
    lines = [stored + end for stored in LOG]

    assert Verdict(count=8, head=digest(LOG[-1])) == verify(lines, last=digest(LOG[-1]))


def test_an_empty_chain_ends_where_it_began() -> None:
    """Nothing was written, nothing is missing."""
    assert Verdict(count=0, head="abc") == verify([], first="abc", last="abc")


def test_a_chain_goes_on_from_an_older_log() -> None:
    """Its first line names the head of the log before it, and no other."""
    lines = log(3, first="f" * 64)

    assert verify(lines, first="f" * 64).broken_at is None
    assert 1 == verify(lines).broken_at


CHANGED = [*LOG[:3], LOG[3].replace(b'"n":3', b'"n":4'), *LOG[4:]]
SPACED = [*LOG[:3], LOG[3].replace(b'"n":3', b'"n": 3'), *LOG[4:]]
REMOVED = [*LOG[:3], *LOG[4:]]
BEHEADED = LOG[1:]
SWAPPED = [*LOG[:3], LOG[4], LOG[3], *LOG[5:]]
REPEATED = [*LOG[:4], LOG[3], *LOG[4:]]
FORGED = [*LOG[:4], line("now", "info", "fine", {}, digest(LOG[3])), *LOG[4:]]
BLANK = [*LOG[:3], b"", *LOG[3:]]
GARBAGE = [*LOG, b"garbage"]
GLUED = [*LOG[:3], LOG[3][:20] + LOG[4], *LOG[5:]]


@pytest.mark.parametrize(
    ("lines", "broken_at"),
    [
        pytest.param(CHANGED, 5, id="changed"),
        pytest.param(SPACED, 5, id="spaced"),
        pytest.param(REMOVED, 4, id="removed"),
        pytest.param(BEHEADED, 1, id="beheaded"),
        pytest.param(SWAPPED, 4, id="swapped"),
        pytest.param(REPEATED, 5, id="repeated"),
        pytest.param(FORGED, 6, id="forged"),
        pytest.param(BLANK, 4, id="blank"),
        pytest.param(GARBAGE, 9, id="garbage"),
        pytest.param(GLUED, 4, id="glued"),
        pytest.param([*LOG[:2], b"[]", *LOG[2:]], 3, id="no object"),
        pytest.param([*LOG[:2], b'{"prev_hash":1}', *LOG[2:]], 3, id="no hash"),
        pytest.param([*LOG[:2], b"\xff\xfe", *LOG[2:]], 3, id="no text"),
        pytest.param([*LOG[:2], b"[" * 100_000, *LOG[2:]], 3, id="too deep"),
    ],
)
def test_whatever_is_done_to_a_line_shows(lines: list[bytes], broken_at: int) -> None:
    """Changed, removed, inserted, swapped, no JSON: the line where it shows is named."""
    verdict = verify(lines, last=digest(LOG[-1]))

    assert (broken_at, broken_at - 1) == (verdict.broken_at, verdict.count)
    assert f"line {broken_at} " in verdict.reason
    assert digest(lines[-1]) == verdict.head


def test_a_break_says_what_was_expected_and_what_was_there() -> None:
    """Both hashes, for the record."""
    verdict = verify(REMOVED)

    assert (digest(LOG[2]), digest(LOG[3])) == (
        verdict.expected_prev_hash,
        verdict.actual_prev_hash,
    )


@pytest.mark.parametrize(
    ("lines", "broken_at", "reason"),
    [
        (LOG[:5], 6, "the log ends after line 5, before its last entry"),
        ([], 1, "the log ends after line 0, before its last entry"),
        ([*LOG[:-1], line("now", "info", "fine", {}, digest(LOG[-2]))], 9, "the log ends after"),
        (log(10), 9, "line 9 comes after the log's last entry"),
    ],
)
def test_what_is_done_to_the_end_shows_against_the_database(
    lines: list[bytes], broken_at: int, reason: str
) -> None:
    """Cut off, changed or added to: the chain alone holds, the database's head does not match."""
    verdict = verify(lines, last=digest(LOG[-1]))

    assert broken_at == verdict.broken_at
    assert verdict.reason.startswith(reason)
    assert verify(lines).broken_at is None


def test_lines_before_the_first_do_not_belong() -> None:
    """A log that should be empty, and is not, comes after its end."""
    assert 1 == verify(LOG, last=GENESIS).broken_at


def test_an_old_log_may_have_blank_lines() -> None:
    """dotagent 0.1.x passes over them; the numbers still count every line of the file."""
    lines = [b"", *LOG[:3], b" \n", LOG[3].replace(b'"n":3', b'"n":4'), LOG[4]]

    assert verify(BLANK, blank_lines=True).broken_at is None
    assert 7 == verify(lines, blank_lines=True).broken_at
    assert 6 == verify([*LOG[:4], b"", b"{}"], blank_lines=True).broken_at


@given(data=st.data())
def test_no_change_of_a_single_byte_goes_unseen(data: st.DataObject) -> None:
    """Any byte of any line, put to any other value, breaks the chain."""
    number = data.draw(st.integers(0, len(LOG) - 1))
    at = data.draw(st.integers(0, len(LOG[number]) - 1))
    byte = data.draw(st.integers(0, 255))
    assume(LOG[number][at] != byte and byte != ord("\n"))
    changed = LOG[number][:at] + bytes([byte]) + LOG[number][at + 1 :]

    assert verify([*LOG[:number], changed, *LOG[number + 1 :]], last=digest(LOG[-1])).broken_at


@given(order=st.permutations(range(len(LOG))), kept=st.integers(0, len(LOG)))
def test_no_other_order_and_no_part_goes_unseen(order: list[int], kept: int) -> None:
    """Only all the lines in their own order are the log."""
    lines = [LOG[number] for number in order[:kept]]
    verdict = chain.verify(lines, last=digest(LOG[-1]))

    assert (lines == LOG) == (verdict.broken_at is None)
