"""Real processes for the tests of this room: other users, small disks, holders that get killed.

A *scene* is a function of ``tests.system.scenes``, run in a process of its own. What it returns
comes back as JSON; one that yields stays on stage, having said its line, until it is dismissed.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tests.support.system import require

ROOT = Path(__file__).resolve().parents[2]
NOBODY = 65534
AS_NOBODY = "--as-nobody"
"""Before a scene's name: it gives up root first, but not before its interpreter has loaded all it
needs, which may lie where only root can go."""

MOUNT = 'mount -t tmpfs -o "$1" none "$2"'
SMALL_DISK = f'{MOUNT}; shift 2; exec "$@"'
READ_ONLY = 'mount --bind "$2" "$2"; mount -o remount,ro,bind "$2"; shift 2; exec "$@"'


def play(name: str, *args: str, before: tuple[str, ...] = ()) -> Any:
    """What the scene returns. ``before``: the command that is to run it."""
    done = subprocess.run([*before, *_scene(name, args)], cwd=ROOT, capture_output=True, text=True)
    if done.returncode != 0:
        raise AssertionError(f"{name} failed\n{done.stderr}")
    return json.loads(done.stdout)


def play_on_disk(name: str, mountpoint: Path, *args: str, size: str) -> Any:
    """The scene, with a disk of ``size`` bytes mounted at ``mountpoint`` for it alone."""
    return play(name, *args, before=_with_mounts(SMALL_DISK, f"size={size}", mountpoint))


def play_read_only(name: str, mountpoint: Path, *args: str) -> Any:
    """The scene, with all that lies in ``mountpoint`` on a read-only file system."""
    return play(name, *args, before=_with_mounts(READ_ONLY, "", mountpoint))


def play_as(uid: int, name: str, *args: str) -> Any:
    """The scene, by a user of this number: a number alone, in a namespace of its own."""
    require("unshare")
    return play(name, *args, before=("unshare", "--user", f"--map-user={uid}"))


def play_without_privileges(name: str, *args: str) -> Any:
    """The scene, by a user for whom permissions count: us, or nobody if we are root."""
    if os.geteuid() != 0:
        return play(name, *args)
    return play(AS_NOBODY, name, *args)


@contextmanager
def on_stage(name: str, *args: str) -> Iterator[subprocess.Popen[str]]:
    """The scene's process, once it has said its line; killed at the end if it is still there."""
    process = subprocess.Popen(
        _scene(name, args), cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    with process:
        assert process.stdout is not None
        assert process.stdout.readline(), f"{name} did not come on"
        yield process
        process.kill()


def dismiss(process: subprocess.Popen[str]) -> None:
    """Let a scene that stays on stage run to its end."""
    assert process.stdin is not None
    process.stdin.close()
    process.wait()


@contextmanager
def public_folder() -> Iterator[Path]:
    """A folder that belongs to whoever ``play_without_privileges`` plays, and that they can reach:
    pytest's own are closed to other users."""
    folder = Path(tempfile.mkdtemp(prefix="dotagent-test-"))
    try:
        if os.geteuid() == 0:
            os.chown(folder, NOBODY, NOBODY)
        yield folder
    finally:
        shutil.rmtree(folder)


def _scene(name: str, args: tuple[str, ...]) -> list[str]:
    return [sys.executable, "-m", "tests.system.scenes", name, *args]


def _with_mounts(script: str, option: str, mountpoint: Path) -> tuple[str, ...]:
    require("unshare")
    namespaces = ("unshare", "--user", "--map-root-user", "--mount")
    return (*namespaces, "sh", "-ec", script, "sh", option, str(mountpoint))
