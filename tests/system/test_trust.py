"""Whose word counts: the user's, root's, and that of a group which is nobody else."""

from __future__ import annotations

import grp
import os
import pwd
import stat
from pathlib import Path

import pytest

from dotagent.system.trust import Trust, user_name
from tests.support.system import require_private_group

UNKNOWN = 54_321_987


def private_group() -> int:
    """The group that bears our name, if we are in the habit of having one."""
    require_private_group()
    return pwd.getpwuid(os.geteuid()).pw_gid


def shared_group() -> int:
    """A group that others are in, or might be."""
    return next(group.gr_gid for group in grp.getgrall() if group.gr_name in ("users", "daemon"))


def status(mode: int, uid: int, gid: int) -> os.stat_result:
    """A file as ``stat`` would show it: to make one that is somebody else's takes root."""
    return os.stat_result((stat.S_IFREG | mode, 1, 1, 1, uid, gid, 0, 0, 0, 0))


def said(mode: int, uid: int, gid: int) -> tuple[str, str | None] | None:
    """What is wrong with such a file, and how to mend it."""
    problem = Trust().problem("/a b/agent.toml", status(mode, uid, gid), "/a b/agent.toml")
    return None if problem is None else (problem.message, problem.hint)


@pytest.mark.parametrize("mode", [0o400, 0o600, 0o644, 0o755])
def test_our_own_and_root_s_files_are_trusted(mode: int) -> None:
    """Others may read a manifest; what it holds that is secret is its owner's affair."""
    for uid in (os.geteuid(), 0):
        assert said(mode, uid, shared_group()) is None


def test_our_private_group_is_us() -> None:
    """Most Linux systems give every user a group of their own and a umask that lets it write."""
    assert said(0o664, os.geteuid(), private_group()) is None


def test_a_shared_group_is_others() -> None:
    """A file that a real group can write is refused, with the command that mends it."""
    group = grp.getgrgid(shared_group()).gr_name

    assert (
        f"/a b/agent.toml can be written by the group {group}",
        "chmod go-w '/a b/agent.toml'",
    ) == said(0o664, os.geteuid(), shared_group())


def test_a_group_without_a_name_is_others() -> None:
    """Nobody can say who is in it."""
    message, _ = said(0o660, os.geteuid(), UNKNOWN) or ("", None)

    assert f"/a b/agent.toml can be written by the group {UNKNOWN}" == message


@pytest.mark.parametrize("mode", [0o666, 0o602, 0o777])
def test_everybody_is_others(mode: int) -> None:
    """World-writable is refused, whatever the group."""
    assert (
        "/a b/agent.toml can be written by everybody",
        "chmod go-w '/a b/agent.toml'",
    ) == said(mode, os.geteuid(), os.getegid())


def test_somebody_else_s_file_is_refused() -> None:
    """It could be changed at any time: refused by its owner's name, or number."""
    us = user_name(os.geteuid())

    assert (
        f"/a b/agent.toml belongs to {UNKNOWN}, neither to you nor to root",
        f"sudo chown {us} '/a b/agent.toml'",
    ) == said(0o600, UNKNOWN, os.getegid())


def test_what_is_looked_at_is_what_is_there(tmp_path: Path) -> None:
    """A real file of ours is trusted until its mode says otherwise."""
    path = tmp_path / "agent.toml"
    path.touch(0o600)
    trust = Trust()
    before = trust.problem(str(path), path.stat(), str(path))
    path.chmod(0o602)
    after = trust.problem(str(path), path.stat(), str(path))

    assert before is None
    assert after is not None
    assert (str(path), "", True) == (after.file, after.path, after.fatal)
