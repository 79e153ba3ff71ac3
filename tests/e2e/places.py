"""Places where a home cannot live: read-only and full disks, each mounted for one process alone."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import stat
import subprocess
import sys
from pathlib import Path
from typing import Any

from tests.e2e.home import Home
from tests.support.daemon import environment
from tests.support.system import require
from tests.system.stage import READ_ONLY, SMALL_DISK

ROOT = Path(__file__).resolve().parents[2]
Said = subprocess.CompletedProcess[str]


def read_only(home: Home, *args: str) -> Said:
    """Run a command of a home that lies on a read-only file system."""
    return home.run(*args, before=_mounted(READ_ONLY, "", home.path))


def on_full_disk(home: Home, *args: str) -> tuple[Said, bool]:
    """Run a command of this home moved to a disk of its own without a free byte; what it said, and
    whether the disk is as it was."""
    told = play_on_disk(__name__, home.path.with_name("disk"), str(home.path), *args)
    return subprocess.CompletedProcess(args, **told["said"]), told["same"]


def play_on_disk(module: str, disk: Path, *args: str) -> Any:
    """Run a module of this room with a small disk of its own at ``disk``; the JSON it prints."""
    disk.mkdir()
    done = subprocess.run(
        [*_mounted(SMALL_DISK, "size=8m", disk), sys.executable, "-m", module, str(disk), *args],
        cwd=ROOT,
        env=environment(disk),
        capture_output=True,
        text=True,
    )
    if done.returncode != 0:
        raise AssertionError(done.stderr)
    return json.loads(done.stdout)


def tree(folder: Path) -> dict[str, tuple[int, str]]:
    """Everything below ``folder``: mode and content. Not the lock and the bell, which a holder has
    before it looks further, nor SQLite's own notes beside the database, which even a reader makes,
    as long as nothing of the database is in them."""
    found = {str(path.relative_to(folder)): _what(path) for path in sorted(folder.rglob("*"))}
    idle = {
        name
        for name in found
        if name in ("state/lock", "state/bell", "state/dotagent.db-shm")
        or (name == "state/dotagent.db-wal" and not (folder / name).stat().st_size)
    }
    return {name: what for name, what in found.items() if name not in idle}


def _what(path: Path) -> tuple[int, str]:
    status = path.lstat()
    content = path.read_bytes() if stat.S_ISREG(status.st_mode) else b""
    return status.st_mode, hashlib.sha256(content).hexdigest()


def _mounted(script: str, option: str, mountpoint: Path) -> tuple[str, ...]:
    require("unshare")
    namespaces = ("unshare", "--user", "--map-root-user", "--mount")
    return (*namespaces, "sh", "-ec", script, "sh", option, str(mountpoint))


def fill(path: Path) -> None:
    """Take every byte of the disk that is left."""
    fd = os.open(path, os.O_WRONLY | os.O_CREAT)
    try:
        while os.write(fd, bytes(512)):
            pass
    except OSError:
        os.close(fd)


def main() -> None:
    """On the small disk: move the home there, fill it, run the command, say what came of it."""
    disk, origin, *args = sys.argv[1:]
    home = Path(disk) / "home"
    shutil.copytree(origin, home, ignore=shutil.ignore_patterns("bell"))
    fill(Path(disk) / "somebody else's film")
    before = tree(home)
    done = Home(home).run(*args)
    said = {"returncode": done.returncode, "stdout": done.stdout, "stderr": done.stderr}
    print(json.dumps({"said": said, "same": before == tree(home)}))


if __name__ == "__main__":
    main()
