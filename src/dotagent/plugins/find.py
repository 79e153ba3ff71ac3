"""Where a plugin's program is: which folders are looked in, and which file there may be run.

Invariants: a plugin is named by its full path, never by a bare name that something else would look
up again. A file that is not ours to trust is passed over with a reason and the search goes on.
"""

from __future__ import annotations

import grp
import os
import pwd
import shlex
import stat
import sysconfig
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

PREFIX = "dotagent-plugin-"
"""A plugin ``warp`` is the program ``dotagent-plugin-warp`` (contract §10)."""

SHARED_DIR = "/usr/local/lib/dotagent/plugins"
OWN_DIR = sysconfig.get_path("scripts")


@dataclass(frozen=True, slots=True, kw_only=True)
class Refused:
    """A file of the right name that may not be run, and why, with the command that mends it."""

    path: str
    why: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """The program to run. ``refused`` are files of the same name that came before it."""

    path: str
    refused: tuple[Refused, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Missing:
    """No program of that name may be run."""

    short: str
    looked_in: tuple[str, ...] = ()
    refused: tuple[Refused, ...] = ()
    bad_name: str | None = None
    """What is wrong with the name itself; then nothing was looked for."""

    @property
    def why(self) -> str:
        """One sentence for a person."""
        if self.bad_name is not None:
            return f"{self.short!r} is no plugin name: {self.bad_name}"
        if self.refused:
            reasons = "; ".join(f"{each.path} {each.why}" for each in self.refused)
            return f"no {PREFIX}{self.short} may be run: {reasons}"
        few = self.looked_in
        if SHARED_DIR in few:  # behind it are those of PATH, of which there may be dozens
            few = (*few[: few.index(SHARED_DIR) + 1], "the folders of PATH")
        places = ", ".join(few) or "no folder at all"
        return f"plugin {self.short} not found: there is no {PREFIX}{self.short} in {places}"


def search_dirs(env: Mapping[str, str], home_dir: str, dotagent_home: str) -> tuple[str, ...]:
    """The folders to look in, best first, each once.

    1. ``DOTAGENT_PLUGIN_PATH``, split at ``:``; 2. ``$H/plugins``; 3. the user's
    ``.config/dotagent/plugins`` (``home_dir`` is empty if there is none);
    4. ``/usr/local/lib/dotagent/plugins``; 5. ``PATH``, without its relative and empty elements:
    those mean whatever folder the daemon happens to stand in; 6. where the plugins lie that come
    with this program, which its ``PATH`` need not name.
    """
    dirs = [each for each in env.get("DOTAGENT_PLUGIN_PATH", "").split(":") if each]
    dirs.append(os.path.join(dotagent_home, "plugins"))
    if home_dir:
        dirs.append(os.path.join(home_dir, ".config", "dotagent", "plugins"))
    dirs.append(SHARED_DIR)
    dirs += [each for each in env.get("PATH", "").split(":") if os.path.isabs(each)]
    dirs.append(OWN_DIR)
    return tuple(dict.fromkeys(os.path.normpath(each) for each in dirs))


def find(short: str, dirs: Iterable[str], *, uid: int | None = None) -> Found | Missing:
    """The first ``dotagent-plugin-<short>`` in ``dirs`` that may be run.

    It must be a regular file (links are followed), executable by us, owned by ``uid`` (default:
    us) or root, and writable by nobody else. Relative folders count from the current one. Looks at
    one file a folder: call it off the loop where a folder may be a slow network share.
    """
    bad = _bad_name(short)
    if bad is not None:
        return Missing(short=short, bad_name=bad)
    me = os.geteuid() if uid is None else uid
    looked_in: list[str] = []
    refused: list[Refused] = []
    for folder in map(os.path.abspath, dirs):
        looked_in.append(folder)
        path = os.path.join(folder, PREFIX + short)
        try:
            why = _refusal(path, me)
        except (FileNotFoundError, NotADirectoryError):
            continue
        except OSError as error:
            why = f"cannot be looked at: {error.strerror}"
        if why is None:
            return Found(path=path, refused=tuple(refused))
        refused.append(Refused(path=path, why=why))
    return Missing(short=short, looked_in=tuple(looked_in), refused=tuple(refused))


def usable(path: str) -> str | None:
    """Why the file ``path`` would be passed over in its folder; None if it would be run."""
    try:
        return _refusal(path, os.geteuid())
    except OSError as error:
        return f"cannot be looked at: {error.strerror}"


def identity(found: Found | Missing) -> str:
    """The program as a file, so that another one is told from it; empty where there is none."""
    if isinstance(found, Missing):
        return ""
    try:
        file = os.stat(found.path)
    except OSError:
        return ""  # it went this very moment
    return f"{file.st_dev} {file.st_ino} {file.st_mtime_ns} {file.st_size} {found.path}"


def _bad_name(short: str) -> str | None:
    if not short:
        return "it is empty"
    if "/" in short:
        return 'it has a "/"; a plugin is named without its folder'
    if not short.isprintable():
        return "it has a character that cannot be printed"
    if len(os.fsencode(PREFIX + short)) > 255:
        return "it is too long for a file name"
    return None


def _refusal(path: str, me: int) -> str | None:
    """Why ``path`` may not be run, or None. Raises FileNotFoundError where there is nothing."""
    link = os.lstat(path)
    try:
        file = os.stat(path)
    except FileNotFoundError:
        return "is a link to a file that does not exist"
    if not stat.S_ISREG(file.st_mode):
        return "is not a regular file"
    for each in (link, file):
        if each.st_uid not in (0, me):
            return f"belongs to {_user(each.st_uid)}, neither to you nor to root"
    if file.st_mode & stat.S_IWOTH or (file.st_mode & stat.S_IWGRP and not _private(file)):
        return f"may be written by others (chmod go-w {shlex.quote(path)})"
    # In a folder that everybody may write to, any file can be swapped for another unless the
    # sticky bit forbids it; inode(7), "The file type and mode".
    folder = os.path.dirname(path)
    mode = os.stat(folder).st_mode
    if mode & stat.S_IWOTH and not mode & stat.S_ISVTX:
        return f"lies in a folder that anybody may write to (chmod o-w {shlex.quote(folder)})"
    if not os.access(path, os.X_OK):
        return f"is not executable (chmod +x {shlex.quote(path)})"
    return None


def _private(file: os.stat_result) -> bool:
    """Whether the file's group is its owner's private one: same name, nobody else in it."""
    try:
        owner = pwd.getpwuid(file.st_uid)
        group = grp.getgrgid(file.st_gid)
    except KeyError:
        return False
    return (
        group.gr_gid == owner.pw_gid
        and group.gr_name == owner.pw_name
        and set(group.gr_mem) <= {owner.pw_name}
    )


def _user(uid: int) -> str:
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return f"user {uid}"
