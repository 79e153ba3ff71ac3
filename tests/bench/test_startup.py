"""The start-up measurement times real processes, round by round, and refuses a failing one."""

from __future__ import annotations

from pathlib import Path

import pytest

from bench import startup


def test_every_command_is_timed_in_every_round(tmp_path: Path) -> None:
    """Warm-up rounds run but do not count; each counted round gives each command one time."""
    log = tmp_path / "log"
    commands = {
        name: ("-c", f"open({str(log)!r}, 'a').write({name!r})") for name in ("a", "b", "c")
    }
    samples = startup.take(commands, 2, 1, tmp_path)

    assert {"a": 2, "b": 2, "c": 2} == {name: len(times) for name, times in samples.items()}
    assert "cab" + "abc" + "bca" == log.read_text()
    assert all(elapsed > 0 for times in samples.values() for elapsed in times)


def test_a_failing_command_measures_nothing(tmp_path: Path) -> None:
    """Its status and its words end the benchmark."""
    with pytest.raises(SystemExit) as stopped:
        startup.once(("-c", "import sys; sys.exit('no such home')"), tmp_path)

    assert "exit 1\nno such home" in str(stopped.value.code)
