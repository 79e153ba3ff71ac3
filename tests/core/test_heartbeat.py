"""The heartbeat file, byte by byte as the tools of 0.1.x expect it."""

from __future__ import annotations

import json
from datetime import UTC
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dotagent.core.heartbeat import Heartbeat, Malformed, last_success, text

SAO_PAULO = ZoneInfo("America/Sao_Paulo")
REQUIRED = {
    "name": "disk",
    "slug": "daily",
    "args": [],
    "started_at": 1,
    "started_at_iso": "1970-01-01T00:00:01+0000",
}

DONE = """{
  "name": "disk-alert",
  "slug": "period_dia-anterior",
  "args": [
    "--period",
    "dia-anterior"
  ],
  "started_at": 1779211801,
  "started_at_iso": "2026-05-19T14:30:01-0300",
  "finished_at": 1779211806,
  "finished_at_iso": "2026-05-19T14:30:06-0300",
  "exit_code": 0,
  "duration_seconds": 4,
  "last_success_at": 1779211806,
  "last_success_at_iso": "2026-05-19T14:30:06-0300"
}"""

UNDER_WAY = """{
  "name": "café \\"x\\"\\n\\u0001",
  "slug": "default",
  "args": [],
  "started_at": 1779211801,
  "started_at_iso": "2026-05-19T17:30:01+0000",
  "finished_at": null,
  "finished_at_iso": null,
  "exit_code": null,
  "duration_seconds": null,
  "last_success_at": null,
  "last_success_at_iso": null
}"""


def test_a_finished_run_reads_as_it_always_did() -> None:
    """Key order, indentation, local time with its offset, whole seconds, no newline at the end."""
    heartbeat = Heartbeat(
        name="disk-alert",
        slug="period_dia-anterior",
        args=("--period", "dia-anterior"),
        started_at=1_779_211_801_700,
        finished_at=1_779_211_806_600,
        exit_code=0,
        last_success_at=1_779_211_806_600,
    )

    assert DONE == text(heartbeat, SAO_PAULO)


def test_a_run_under_way_has_null_for_what_is_not_known() -> None:
    """Before the end there is no end; text is written as it is, but for what JSON must escape."""
    heartbeat = Heartbeat(
        name='café "x"\n\x01', slug="default", args=(), started_at=1_779_211_801_000
    )

    assert UNDER_WAY == text(heartbeat, UTC)


def test_a_clock_set_back_makes_no_negative_duration() -> None:
    """A run that ended before it began took no time."""
    heartbeat = Heartbeat(name="a", slug="b", args=(), started_at=9_000, finished_at=1_000)

    assert 0 == json.loads(text(heartbeat, UTC))["duration_seconds"]


@given(last=st.none() | st.integers(0, 253_402_300_799), name=st.text(st.characters(codec="utf-8")))
def test_the_last_success_survives_writing_and_reading(last: int | None, name: str) -> None:
    """What one run carries over, the next one finds."""
    at = None if last is None else last * 1000
    heartbeat = Heartbeat(name=name, slug="s", args=("x",), started_at=0, last_success_at=at)

    assert at == last_success(text(heartbeat, UTC).encode())


def test_optional_keys_may_be_absent_and_unknown_ones_present() -> None:
    """A file of an older or newer version serves as long as it has what is required."""
    assert last_success(json.dumps({**REQUIRED, "mood": "good"}).encode()) is None


@pytest.mark.parametrize("missing", list(REQUIRED))
def test_a_required_key_must_be_there(missing: str) -> None:
    """Without one of them the file is no heartbeat, and the error says which."""
    content = {key: value for key, value in REQUIRED.items() if key != missing}

    with pytest.raises(Malformed, match=missing):
        last_success(json.dumps(content).encode())


@pytest.mark.parametrize("started_at", [True, "1", 1.5, None])
def test_a_required_key_must_be_of_its_kind(started_at: object) -> None:
    """A truth value is no number, whatever Python thinks of it."""
    with pytest.raises(Malformed, match="started_at"):
        last_success(json.dumps({**REQUIRED, "started_at": started_at}).encode())


@pytest.mark.parametrize("last", [-1, 10**30, "soon", 1.5, True, []])
def test_a_last_success_must_be_a_time(last: object) -> None:
    """What no calendar holds is no time: it would not fit anywhere further on."""
    with pytest.raises(Malformed, match="last_success_at"):
        last_success(json.dumps({**REQUIRED, "last_success_at": last}).encode())


@pytest.mark.parametrize("data", [b"", b"{", b"[]", b"\xff", b"[" * 100_000, b"9" * 5000])
def test_what_is_no_json_object_is_malformed(data: bytes) -> None:
    """Nothing that stands in the file comes out in the error, and nothing else is raised."""
    with pytest.raises(Malformed, match="not "):
        last_success(data)
