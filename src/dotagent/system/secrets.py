"""The secrets file: where it is, whether it may be used, what it holds (contract §12).

Invariants: what is checked is what is read (opened, then ``fstat``); a file that anybody else owns
or can open is refused whole; no content of it, a name included, appears in a problem, a warning or
a ``repr``. What a refused file holds is used by nobody, but masked: others may have got it before.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import islice
from shlex import quote

from dotagent.core import secretsfile
from dotagent.system.paths import Paths
from dotagent.system.trust import Trust, user_name

VARIABLE = "DOTAGENT_SECRETS_FILE"
MAX_BYTES = 1024 * 1024
MAX_SUSPECTS = 1_000
"""Most values of a refused file that are masked, for every text is searched for each of them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Secrets:
    """What was loaded. With a ``problem`` nothing was: whoever held an earlier load drops it."""

    path: str
    source: str
    """Who named the path: ``config.toml``, ``DOTAGENT_SECRETS_FILE`` or ``default``."""
    present: bool = False
    values: Mapping[str, str] = field(default_factory=dict, repr=False)
    references: Mapping[str, str] = field(default_factory=dict, repr=False)
    """Names whose values are still to be fetched from 1Password; they are not in ``values``."""
    suspects: tuple[str, ...] = field(default=(), repr=False)
    """What a refused file holds: for redactors only."""
    problem: str | None = None
    hint: str | None = None
    warnings: tuple[str, ...] = ()
    emptied_at: int | None = None
    """Since when the file is there and has nothing in it, if that is so."""

    @property
    def masked(self) -> tuple[str, ...]:
        """All that nobody may read of it."""
        return (*self.values.values(), *self.suspects)

    @property
    def withheld(self) -> str:
        """Why what a plugin says is not passed on; nothing where the file is in force. It may not
        be readable, what 1Password keeps is not fetched for it, and its values may have been others
        before: not all that somebody was given is known."""
        if self.problem is None:
            return ""
        name = os.path.basename(self.path)
        return f"withheld: {name} is refused, so what it holds cannot be masked"


class _Refused(Exception):
    """``data``: what could be read of the file all the same."""

    def __init__(self, problem: str, hint: str | None = None, data: bytes | None = None) -> None:
        super().__init__()
        self.problem = problem
        self.hint = hint
        self.data = data


def load(paths: Paths, config_file: str, env: Mapping[str, str]) -> Secrets:
    """Load the secrets file. ``config_file``: what config.toml names, or ``""``. A file that is
    not there is no problem: secrets are optional."""
    path, source, warnings = _locate(paths, config_file, env)
    try:
        found = _read(path)
        if found is None:
            return Secrets(
                path=path, source=source, warnings=(*warnings, *_not_there(path, source))
            )
        data, status = found
        parsed = secretsfile.parse(data)
        if isinstance(parsed, secretsfile.Bad):
            raise _Refused(f"line {parsed.line} of {path} {parsed.reason}", data=data)
    except _Refused as refused:
        return _refused(path, source, refused, warnings)
    return Secrets(
        path=path,
        source=source,
        present=True,
        values=parsed.values,
        references=parsed.references,
        warnings=(*warnings, *_remarks(path, parsed)),
        emptied_at=None if data else status.st_mtime_ns // 1_000_000,
    )


def _refused(path: str, source: str, refused: _Refused, warnings: tuple[str, ...]) -> Secrets:
    suspects = secretsfile.suspects(refused.data or b"")
    return Secrets(
        path=path,
        source=source,
        present=True,
        suspects=tuple(islice(suspects, MAX_SUSPECTS)),
        problem=refused.problem,
        hint=refused.hint,
        warnings=warnings,
    )


def located(paths: Paths, config_file: str, env: Mapping[str, str]) -> str:
    """Where ``load`` looks."""
    return _locate(paths, config_file, env)[0]


def _locate(
    paths: Paths, config_file: str, env: Mapping[str, str]
) -> tuple[str, str, tuple[str, ...]]:
    """The path, who named it, and a warning for each name that was passed over."""
    warnings: list[str] = []
    for source, named in (("config.toml", config_file), (VARIABLE, env.get(VARIABLE, ""))):
        if os.path.isabs(named) and "\0" not in named:
            return named, source, tuple(warnings)
        if named:
            warnings.append(
                f"the secrets file that {source} names is ignored: it is no absolute path"
            )
    return paths.secrets, "default", tuple(warnings)


def _read(path: str) -> tuple[bytes, os.stat_result] | None:
    """The bytes of a file that only the user can read; None if there is none. Raises _Refused."""
    try:
        fd = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise _Refused(f"{path} cannot be opened: {error.strerror}") from error
    try:
        status = os.fstat(fd)
        if not stat.S_ISREG(status.st_mode):
            raise _Refused(f"{path} is not a regular file")
        with open(fd, "rb", closefd=False) as file:
            data = file.read(MAX_BYTES + 1)
    except OSError as error:
        raise _Refused(f"{path} cannot be read: {error.strerror}") from error
    finally:
        os.close(fd)
    _check(path, status, data)
    return data, status


def _check(path: str, status: os.stat_result, data: bytes) -> None:
    if not Trust().owns(status):
        owner, us = user_name(status.st_uid), user_name(os.geteuid())
        raise _Refused(
            f"{path} belongs to {owner}, neither to you nor to root",
            f"sudo chown {us} {quote(path)}",
            data,
        )
    mode = stat.S_IMODE(status.st_mode)
    if mode & 0o077:
        why, hint = f"{path} has mode {mode:o}: others can open it", f"chmod 600 {quote(path)}"
        raise _Refused(why, hint, data)
    if len(data) > MAX_BYTES:
        raise _Refused(f"{path} is larger than {MAX_BYTES // 1024} KiB", data=data)


def _not_there(path: str, source: str) -> tuple[str, ...]:
    return () if source == "default" else (f"{path}, named by {source}, does not exist",)


def _remarks(path: str, parsed: secretsfile.Parsed) -> tuple[str, ...]:
    """What a person should know of a file that is in force."""
    remarks = [
        f"line {line} of {path} gives a name another value; the last one holds"
        for line in parsed.repeated
    ]
    if writers := _folder_problem(path):
        remarks.append(writers)
    return tuple(remarks)


def _folder_problem(path: str) -> str | None:
    """Whoever can write the folder can put another of the user's files in the secrets' place."""
    folder = os.path.dirname(os.path.realpath(path))
    try:
        problem = Trust().problem(folder, os.stat(folder), path)
    except OSError:
        return None  # gone since: what was read was read
    return None if problem is None else f"{problem.message}; {problem.hint}"
