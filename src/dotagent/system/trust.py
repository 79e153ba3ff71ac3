"""Whether what a file says may be done in the user's name: nobody else may have written it.

Trusted is what belongs to the user or to root and can be written by nobody else; a group that has
no members but them (a private group, the default of most Linux systems) counts as the user.
"""

from __future__ import annotations

import grp
import os
import pwd
import shlex
import stat

from dotagent.core.model import Problem


class Trust:
    """The user's view of owners and modes. Made anew for each look: groups change."""

    def __init__(self) -> None:
        self._uid = os.geteuid()
        self._private: dict[int, bool] = {}

    def problem(self, path: str, status: os.stat_result, file: str) -> Problem | None:
        """What is wrong with ``path``, told as a problem of ``file``; None if it can be trusted."""
        if not self.owns(status):
            return Problem(
                path="",
                file=file,
                message=f"{path} belongs to {user_name(status.st_uid)}, neither to you nor to root",
                hint=f"sudo chown {user_name(self._uid)} {shlex.quote(path)}",
            )
        if writers := self._other_writers(status):
            return Problem(
                path="",
                file=file,
                message=f"{path} can be written by {writers}",
                hint=f"chmod go-w {shlex.quote(path)}",
            )
        return None

    def owns(self, status: os.stat_result) -> bool:
        """Whether it belongs to the user or to root."""
        return status.st_uid in (self._uid, 0)

    def _other_writers(self, status: os.stat_result) -> str | None:
        if status.st_mode & stat.S_IWOTH:
            return "everybody"
        if status.st_mode & stat.S_IWGRP and not self._is_private(status.st_gid):
            return f"the group {_group_name(status.st_gid)}"
        return None

    def _is_private(self, gid: int) -> bool:
        if gid not in self._private:
            self._private[gid] = _is_private(gid, self._uid)
        return self._private[gid]


def user_name(uid: int) -> str:
    """The name of a user, or the number where there is none."""
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return str(uid)


def _group_name(gid: int) -> str:
    try:
        return grp.getgrgid(gid).gr_name
    except KeyError:
        return str(gid)


def _is_private(gid: int, uid: int) -> bool:
    """A group without other members, that is nobody's primary group but the user's.

    Who has it as primary group is not asked of the whole password database, which may be a
    company's: by convention (useradd(8), USERGROUPS_ENAB) such a group bears its user's name.
    """
    try:
        user = pwd.getpwuid(uid)
        group = grp.getgrgid(gid)
    except KeyError:
        return False
    own = gid == user.pw_gid and group.gr_name == user.pw_name
    return (own or gid == 0) and set(group.gr_mem) <= {user.pw_name, "root"}
