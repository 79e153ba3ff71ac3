"""What a script leaves in ``$AGENT_RESULT`` is read, whatever it is."""

from __future__ import annotations

import os
from pathlib import Path

from dotagent.core.model import Exited, TimedOut
from dotagent.core.secret import Redactor
from dotagent.supervisor.report import read_report
from tests.supervisor.children import Field

PLAIN = Redactor(())


async def test_facts_of_a_script_come_with_its_end(field: Field) -> None:
    """Lines of a script, also of one that failed, are facts of the attempt."""
    ended = await field.run(
        'echo "summary=3 files" > "$F/result"; echo rows=7 >> "$F/result"; exit 3'
    )

    assert Exited(code=3) == ended.exit
    assert ({"summary": "3 files", "rows": 7}, None) == (ended.result, ended.result_problem)


async def test_facts_of_a_timed_out_script_count(field: Field) -> None:
    """What was written before the timeout is still read."""
    ended = await field.run('echo rows=1 > "$F/result"; sleep inf', timeout_ms=300)

    assert (TimedOut(after_ms=300), {"rows": 1}) == (ended.exit, ended.result)


def test_no_file_is_no_problem(tmp_path: Path) -> None:
    """No path, no file and an empty file are all fine."""
    empty = tmp_path / "empty"
    empty.touch()

    assert ({}, None) == read_report(None, PLAIN)
    assert ({}, None) == read_report(str(tmp_path / "absent"), PLAIN)
    assert ({}, None) == read_report(str(empty), PLAIN)


def test_fifo_is_not_waited_for(tmp_path: Path) -> None:
    """A FIFO in the file's place is refused at once."""
    path = tmp_path / "result"
    os.mkfifo(path)

    assert ({}, "$AGENT_RESULT is not a regular file") == read_report(str(path), PLAIN)


def test_link_is_not_followed(tmp_path: Path) -> None:
    """A link that leads elsewhere is refused, whatever it leads to."""
    target = tmp_path / "target"
    target.write_text("summary=stolen\n")
    path = tmp_path / "result"
    path.symlink_to(target)

    assert ({}, "$AGENT_RESULT is a link") == read_report(str(path), PLAIN)


def test_folder_in_its_place(tmp_path: Path) -> None:
    """A folder in the file's place is a problem, not an error."""
    path = tmp_path / "result"
    path.mkdir()

    assert ({}, "$AGENT_RESULT is not a regular file") == read_report(str(path), PLAIN)


def test_large_file_is_cut_at_its_limit(tmp_path: Path) -> None:
    """Of a file over 64 KiB the whole lines of the beginning count, and the rest is said."""
    path = tmp_path / "result"
    path.write_text("rows=1\n" + "#" * 70_000 + "\nrows=2\n")
    facts, problem = read_report(str(path), PLAIN)

    assert {"rows": 1} == facts
    assert "$AGENT_RESULT: it is larger than 64 KiB; the rest was not read" == problem


def test_secrets_are_masked_before_anything_is_read(tmp_path: Path) -> None:
    """A secret in a value, also one escaped for JSON, is no fact."""
    path = tmp_path / "result"
    path.write_text('{"summary": "with \\"quoted\\" secret", "rows": 3}')

    assert ({"summary": "with [redacted]", "rows": 3}, None) == read_report(
        str(path), Redactor(['"quoted" secret'])
    )
