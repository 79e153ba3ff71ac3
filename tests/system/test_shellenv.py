"""A shell's environment on its way to the holder."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from dotagent.core.errors import UsageError
from dotagent.system import shellenv
from tests.cli.scene import both_ways, held_by
from tests.support.daemon import run, write_agent


def test_it_is_private_and_gone_once_taken(tmp_path: Path) -> None:
    """0600; every byte of every value arrives; a second reader finds nothing."""
    env = {"A": "1\n2=3", "B": ""}
    name = shellenv.lend(str(tmp_path), env)

    assert 0o600 == stat.S_IMODE((tmp_path / name).stat().st_mode)
    assert env == shellenv.read(str(tmp_path), name)
    shellenv.take_back(str(tmp_path), name)
    with pytest.raises(UsageError, match="is gone"):
        shellenv.read(str(tmp_path), name)


@pytest.mark.parametrize("name", ["../secrets.env", "1.out", "", None, 5])
def test_a_name_means_no_other_file(tmp_path: Path, name: object) -> None:
    """Anybody of the home may write a request: it opens nothing else."""
    with pytest.raises(UsageError, match="no name"):
        shellenv.read(str(tmp_path), name)


def test_what_was_left_is_swept(tmp_path: Path) -> None:
    """After an hour, and nothing else."""
    old, new = shellenv.lend(str(tmp_path), {}), shellenv.lend(str(tmp_path), {})
    os.utime(tmp_path / old, (0, 0))
    (tmp_path / "other").touch()
    os.utime(tmp_path / "other", (0, 0))
    shellenv.sweep(str(tmp_path), round((tmp_path / new).stat().st_mtime * 1_000))

    assert {new, "other"} == set(os.listdir(tmp_path))


@both_ways
@pytest.mark.parametrize("command", ["run", "run-now"])
def test_an_agent_gets_the_shells_environment_only_if_asked(
    tmp_path: Path, command: str, holder: str
) -> None:
    """Without the option the daemon's; with it the shell's, which is stored nowhere, and what is
    secret in it is masked."""
    script = f'echo "$OF_SHELL" >> {tmp_path}/got; echo "$SHELL_TOKEN"'
    write_agent(tmp_path, "env", script=script)
    (tmp_path / "state").mkdir(mode=0o700)
    captured = f"PATH={os.environ['PATH']}\0DOTAGENT_HOME={tmp_path}\0".encode()
    (tmp_path / "state" / "environment").write_bytes(captured)
    (tmp_path / "state" / "environment").chmod(0o600)
    shell = {"OF_SHELL": "canary-of-shell", "SHELL_TOKEN": "canary-of-token"}
    with held_by(holder, tmp_path):
        run(tmp_path, command, "env", env=shell)
        said = run(tmp_path, command, "env", "--shell-env", env=shell)

    assert 0 == said.returncode, said.stderr
    assert "\ncanary-of-shell\n" == (tmp_path / "got").read_text()
    assert "canary" not in said.stdout
    assert [] == list((tmp_path / "state" / "requests").glob("shell-*"))
    for path in (tmp_path / "state").glob("dotagent.db*"):
        assert b"canary" not in path.read_bytes()
