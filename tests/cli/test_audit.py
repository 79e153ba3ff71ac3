"""The record of a real past: whole as it is, and no single line of it can be touched unseen."""

from __future__ import annotations

import json
import os
import shutil
import signal
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from dotagent.core import chain
from dotagent.steps.attest import Finding, attest
from dotagent.store.reading import Reader, record
from tests.support.daemon import daemon, run, write_agent
from tests.support.patience import until

ONCE = """
[[schedules]]
id = "once"
every = "1h"
run_at_start = true
max_attempts = 1
"""

Deed = Callable[[list[bytes], int], list[bytes]]


@pytest.fixture(scope="module")
def past(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home in which a daemon has run two agents, one of them in vain."""
    home = tmp_path_factory.mktemp("past")
    write_agent(home, "good", ONCE)
    write_agent(home, "bad", ONCE, script="exit 3")
    with daemon(home):
        until(lambda: b"agent_given_up" in audit(home).read_bytes(), what="both to have run")
        until(lambda: audit(home).read_bytes().count(b"agent_run") == 2, what="both to have run")
    return home


@pytest.fixture
def home(past: Path, tmp_path: Path) -> Path:
    """A copy of that home, to be spoiled."""
    copy = tmp_path / "home"
    shutil.copytree(past, copy, ignore=shutil.ignore_patterns("bell"))
    return copy


def audit(home: Path) -> Path:
    return home / "state" / "audit.jsonl"


def lines_of(home: Path) -> list[bytes]:
    return audit(home).read_bytes().splitlines()


def look(home: Path, lines: list[bytes]) -> Finding:
    """What is found where these lines stand in the file."""
    path = home / "other.jsonl"
    path.write_bytes(b"".join(line + b"\n" for line in lines))
    with reading(home) as reader:
        return attest(str(path), reader)


@contextmanager
def reading(home: Path) -> Iterator[Reader]:
    with record(str(home / "state" / "dotagent.db")) as reader:
        assert reader is not None
        yield reader


def changed(lines: list[bytes], at: int) -> list[bytes]:
    """One letter of one line is another; it is an entry still."""
    return [*lines[:at], lines[at].replace(b'"severity"', b'"Severity"'), *lines[at + 1 :]]


def retold(lines: list[bytes], at: int) -> list[bytes]:
    """A line is changed and every later one chained to it anew, as a clever hand would do."""
    kept = changed(lines, at)[: at + 1]
    for line in lines[at + 1 :]:
        entry = json.loads(line)
        entry["prev_hash"] = chain.digest(kept[-1])
        kept.append(json.dumps(entry, ensure_ascii=False, separators=(",", ":")).encode())
    return kept


def dropped(lines: list[bytes], at: int) -> list[bytes]:
    return lines[:at] + lines[at + 1 :]


def inserted(lines: list[bytes], at: int) -> list[bytes]:
    """A line that names its predecessor rightly."""
    before = chain.digest(lines[at - 1]) if at else chain.GENESIS
    return [*lines[:at], chain.line("now", "info", "tick_started", {}, before), *lines[at:]]


def swapped(lines: list[bytes], at: int) -> list[bytes]:
    before = max(at - 1, 0)
    return [*lines[:before], lines[before + 1], lines[before], *lines[before + 2 :]]


def blanked(lines: list[bytes], at: int) -> list[bytes]:
    return [*lines[:at], b"", *lines[at:]]


# --------------------------------------------------------------------------------------- verify


def test_a_real_past_is_whole(home: Path) -> None:
    """As it was written it is whole, and exit 0 says so, for people and in JSON."""
    count = len(lines_of(home))
    said = run(home, "audit", "verify")
    data = json.loads(run(home, "audit", "verify", "--json").stdout)

    assert 8 < count
    assert (0, "") == (said.returncode, said.stderr)
    assert f"whole, {count} entries" in said.stdout
    assert data["ok"]
    assert [(str(audit(home)), True, count, None)] == [
        (each["file"], each["ok"], each["entries"], each["broken_at"]) for each in data["records"]
    ]


@pytest.mark.parametrize("deed", [changed, retold, dropped, inserted, swapped, blanked])
def test_no_line_can_be_touched_unseen(home: Path, deed: Deed) -> None:
    """A line changed, changed with all that follows, dropped, inserted, swapped with its neighbour
    or a blank one put in: each is found at its line, wherever it is."""
    lines = lines_of(home)
    expected, found = [], []
    for at in range(len(lines)):
        finding = look(home, deed(lines, at))
        found.append((finding.broken_at, bool(finding.reason)))
        expected.append((max(at, 1) if deed is swapped else at + 1, True))

    assert expected == found


def test_a_cut_tail_is_found(home: Path) -> None:
    """However much is cut off a home that was left in order, to the last line or to nothing."""
    lines = lines_of(home)
    found = [look(home, lines[:keep]) for keep in range(len(lines))]

    assert list(range(1, len(lines) + 1)) == [finding.broken_at for finding in found]
    assert f"{len(lines)} more entries were recorded" in found[0].reason
    assert "1 more entry was recorded" in found[-1].reason


def test_what_is_added_is_found(home: Path) -> None:
    """An entry too many, rightly chained, and one without an end."""
    lines = lines_of(home)
    more = look(home, inserted(lines, len(lines)))
    audit(home).write_bytes(audit(home).read_bytes() + b'{"ts":')
    torn = run(home, "audit", "verify")

    assert (len(lines) + 1, f"line {len(lines) + 1} was added after the last entry") == (
        more.broken_at,
        more.reason,
    )
    assert 1 == torn.returncode
    assert f"line {len(lines) + 1} was added" in torn.stdout


def test_the_command_names_line_and_deed(home: Path) -> None:
    """Exit 1, with the line, what was done, and the next step."""
    lines = lines_of(home)
    audit(home).write_bytes(b"".join(line + b"\n" for line in dropped(lines, 4)))
    said = run(home, "audit", "verify")
    data = json.loads(run(home, "audit", "verify", "--json").stdout)

    assert (1, "") == (said.returncode, said.stderr)
    assert "broken: 1 entry was removed before line 5" in said.stdout
    assert "dotagent audit tail" in said.stdout
    assert (False, 5, 4) == (
        data["ok"],
        data["records"][0]["broken_at"],
        data["records"][0]["entries"],
    )


def test_a_file_that_is_gone_is_found(home: Path) -> None:
    """A record that was removed as a whole is a cut like any other."""
    audit(home).unlink()
    said = run(home, "audit", "verify")

    assert 1 == said.returncode
    assert "ends after line 0" in said.stdout


def test_a_database_that_is_gone_is_said(home: Path) -> None:
    """Without the database nobody can say where the record ended: that is no success."""
    for path in (home / "state").glob("dotagent.db*"):
        path.unlink()
    said = run(home, "audit", "verify")

    assert 1 == said.returncode
    assert "database" in said.stdout


def test_nothing_recorded_is_no_break(tmp_path: Path) -> None:
    """A home that was never used has nothing to verify, and none is made for it."""
    said, tail = run(tmp_path, "audit", "verify"), run(tmp_path, "audit", "tail")

    assert [(0, ""), (0, "")] == [(each.returncode, each.stderr) for each in (said, tail)]
    assert ["Next: dotagent status"] * 2 == [each.stdout.splitlines()[-1] for each in (said, tail)]
    assert [] == os.listdir(tmp_path)


def test_a_record_begun_anew_is_one_record(home: Path) -> None:
    """Where the database was lost, the new one goes on with the file that is there; a line touched
    in the old part is found like one in the new."""
    old = len(lines_of(home))
    for path in (home / "state").glob("dotagent.db*"):
        path.unlink()
    run(home, "run-now", "good")
    lines = lines_of(home)
    whole = look(home, lines)
    touched = [look(home, changed(lines, at)).broken_at for at in range(len(lines))]

    assert old < len(lines)
    assert (True, len(lines), "") == (whole.whole, whole.entries, whole.note)
    assert [*range(2, old + 2), *range(old + 1, len(lines) + 1)] == touched


# ------------------------------------------------------------------------ on its way into the file


def test_what_waits_to_be_written_is_no_break(home: Path) -> None:
    """Entries that are committed when the last holder dies, whole or half in the file, are on their
    way; but what was known to be in the file must be there."""
    lines = lines_of(home)
    with sqlite3.connect(home / "state" / "dotagent.db") as db:
        db.execute("UPDATE holders SET ended_at = NULL")
        db.execute("UPDATE facts SET value = ? WHERE name = 'audit_synced'", (len(lines) - 3,))
    db.close()
    waiting, missing = look(home, lines[:-2]), look(home, lines[:-4])
    audit(home).write_bytes(b"".join(line + b"\n" for line in lines[:-1]) + lines[-1][:20])
    torn = run(home, "audit", "verify")

    assert (True, 2, len(lines) - 2) == (waiting.whole, waiting.waiting, waiting.entries)
    assert (False, len(lines) - 3) == (missing.whole, missing.broken_at)
    assert 0 == torn.returncode, torn.stdout
    assert "1 more" in torn.stdout


def test_a_home_at_work_is_waited_for(home: Path) -> None:
    """While somebody writes, an end that moves is the end of now; one that stays is a cut."""
    lines = lines_of(home)
    path = home / "other.jsonl"
    path.write_bytes(b"".join(line + b"\n" for line in lines[:-2]))

    def write_one() -> None:
        path.write_bytes(b"".join(line + b"\n" for line in lines[:-1]))

    with sqlite3.connect(home / "state" / "dotagent.db") as db:
        db.execute("UPDATE facts SET value = '0' WHERE name = 'audit_synced'")
    db.close()
    with reading(home) as reader:
        moving = attest(str(path), reader, held=True, pause=write_one)
        still = attest(str(path), reader, held=True)

    assert (True, 1) == (moving.whole, moving.waiting)
    assert (False, len(lines)) == (still.whole, still.broken_at)
    assert "should be there by now" in still.reason


def test_a_running_daemon_is_no_break(tmp_path: Path) -> None:
    """Verified while a daemon works, and after it was killed, the record holds."""
    write_agent(tmp_path, "busy", ONCE.replace("1h", "1s"))
    with daemon(tmp_path) as running:
        until(lambda: b"agent_run" in audit(tmp_path).read_bytes(), what="a run")
        alive = [run(tmp_path, "audit", "verify") for _ in range(3)]
        running.stop(signal.SIGKILL)
    dead = run(tmp_path, "audit", "verify")

    assert [0] * 4 == [said.returncode for said in (*alive, dead)], dead.stdout


# ------------------------------------------------------------------------------------ the older log


def older(count: int) -> bytes:
    """A log of dotagent 0.1.x, blank lines and all."""
    lines: list[bytes] = []
    for number in range(count):
        before = chain.digest(lines[-1]) if lines else chain.GENESIS
        lines.append(chain.line("then", "info", "tick_started", {"agents_scanned": number}, before))
    return b"\n".join(lines) + b"\n"


@pytest.fixture
def heir(tmp_path: Path) -> Path:
    """A home that continues a log of 0.1.x."""
    (tmp_path / "audit.log").write_bytes(older(4))
    write_agent(tmp_path, "good", ONCE)
    run(tmp_path, "run-now", "good")
    return tmp_path


def test_an_older_log_is_verified_too(heir: Path) -> None:
    """Both are whole, and a touched line of the older one is a break of its own."""
    whole = run(heir, "audit", "verify")
    lines = (heir / "audit.log").read_bytes().splitlines()
    (heir / "audit.log").write_bytes(b"\n".join(changed(lines, 1)) + b"\n")
    broken = json.loads(run(heir, "audit", "verify", "--json").stdout)

    assert (0, 2) == (whole.returncode, whole.stdout.count("whole"))
    assert [True, False] == [each["ok"] for each in broken["records"]]
    assert 3 == broken["records"][1]["broken_at"]


def test_an_older_log_that_is_cut_is_found(heir: Path) -> None:
    """Our first entry says where it ended; what its program writes after that is not ours."""
    (heir / "audit.log").write_bytes(older(3))
    cut = run(heir, "audit", "verify")
    (heir / "audit.log").write_bytes(older(5))
    longer = run(heir, "audit", "verify")
    (heir / "audit.log").unlink()
    gone = run(heir, "audit", "verify")

    assert (1, 0, 0) == (cut.returncode, longer.returncode, gone.returncode)
    assert "ends after line 3" in cut.stdout
    assert "from line 5 on" in longer.stdout
    assert "not as it was" in gone.stdout


# ----------------------------------------------------------------------------------------- tail


def test_tail_shows_the_last_entries(home: Path) -> None:
    """So many lines, for people and as they are."""
    lines = lines_of(home)
    shown = run(home, "audit", "tail", "-n", "3").stdout.splitlines()
    raw = run(home, "audit", "tail", "-n", "3", "--json").stdout.splitlines()

    assert lines[-3:] == [line.encode() for line in raw]
    assert [
        json.loads(line)["event"]["event_type"] in shown[at] for at, line in enumerate(raw)
    ] == [True] * 3
    assert "daemon_stopped  reason=SIGTERM" in shown[2]
    assert ["", "Next: dotagent audit verify"] == shown[3:]


def test_tail_cannot_steer_the_terminal(home: Path) -> None:
    """What is no entry is shown as such, without its control characters."""
    with audit(home).open("ab") as file:
        file.write(b"\x1b[2Jnonsense\xff\n")
    shown = run(home, "audit", "tail", "-n", "1").stdout

    assert "no audit entry" in shown
    assert "\x1b" not in shown


@pytest.mark.parametrize("make", [os.mkfifo, os.mkdir])
@pytest.mark.parametrize("words", [("audit", "verify"), ("audit", "tail"), ("tick",)])
def test_something_else_in_its_place_is_said(
    home: Path, make: Callable[[Path], None], words: tuple[str, ...]
) -> None:
    """A pipe or a folder where the record was: an error that names it, no traceback and no wait."""
    audit(home).unlink()
    make(audit(home))
    said = run(home, *words)

    assert 3 == said.returncode
    assert said.stderr.startswith(f"dotagent: the audit log {audit(home)} cannot be ")
    assert "Traceback" not in said.stderr
