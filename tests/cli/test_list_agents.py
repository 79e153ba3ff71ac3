"""``_list-agents``: what scripts made for 0.1.x complete names with."""

from __future__ import annotations

from pathlib import Path

from tests.support.daemon import run, write_agent


def test_names_in_order(home: Path) -> None:
    """One a line, nothing else; in a fresh home none and no error; the help does not list it."""
    fresh = run(home, "_list-agents")
    for name in ("zeta", "alpha"):
        write_agent(home, name)
    run(home, "tick")
    known = run(home, "_list-agents")

    assert (0, "", "") == (fresh.returncode, fresh.stdout, fresh.stderr)
    assert (0, "alpha\nzeta\n") == (known.returncode, known.stdout)
    assert "_list-agents" not in run(home, "--help").stdout
