"""A new channel in the home: its block in config.toml, its secrets in the secrets file.

Invariants: nothing is written that dotagent would refuse; each file changes in one step, and only
at its end; what was written can be taken back as long as nobody has written to it since.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from dotagent import app
from dotagent.core import secretsfile
from dotagent.core.config import read_config
from dotagent.core.errors import HomeError, UsageError
from dotagent.core.model import Problem
from dotagent.core.notifier_text import appended, block, put_away, secret_lines
from dotagent.core.problems import explain
from dotagent.drivers.kit.driver import Driver
from dotagent.system import files, secrets
from dotagent.system.files import FILE_MODE
from dotagent.system.paths import Paths
from dotagent.system.secrets import Secrets


@dataclass(frozen=True, slots=True, kw_only=True)
class Written:
    """One file as it was and as it is now; ``before`` None where it was not there."""

    path: str
    before: bytes | None = field(repr=False)
    after: bytes = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Ground:
    """What there is before anything is added."""

    paths: Paths
    config: bytes | None = field(repr=False)
    ids: tuple[str, ...]
    """What its notifiers are called."""
    secrets: Secrets


def ground(paths: Paths, env: Mapping[str, str]) -> Ground:
    """The files as they are. Raises ``UsageError`` where one is not right: it is mended first."""
    try:
        data = files.read_if_there(paths.config)
    except OSError as error:
        raise HomeError(f"{paths.config} cannot be read: {error.strerror}") from error
    config, problems = read_config(data or b"", app.drivers())
    if config is None:
        wrong = "\n".join(explain(each, paths.config) for each in problems if each.fatal)
        raise UsageError(f"config.toml is not right, and stays as it is:\n{wrong}", "Mend it first")
    kept = secrets.load(paths, config.secrets_file or "", env)
    if kept.problem is not None:
        raise UsageError(f"the secrets file cannot be used: {kept.problem}", kept.hint)
    ids = tuple(each.id or each.driver for each in config.notifiers)
    return Ground(paths=paths, config=data, ids=ids, secrets=kept)


def free_id(ground: Ground, driver: str) -> str:
    """A name that no notifier has."""
    name, number = driver, 1
    while name in ground.ids:
        number += 1
        name = f"{driver}-{number}"
    return name


def problems(id: str, driver: str, settings: Mapping[str, Any]) -> list[Problem]:
    """What is wrong with the channel itself, by its own keys."""
    config, found = read_config(block(id, driver, settings).encode(), app.drivers())
    return [
        Problem(path=each.path.removeprefix("notifiers[0]."), message=each.message, hint=each.hint)
        for each in found
        if config is None and each.fatal
    ]


def write(ground: Ground, id: str, driver: Driver, settings: Mapping[str, Any]) -> list[Written]:
    """Both files, the secrets first: the daemon never sees a name without its value."""
    known = {**ground.secrets.references, **ground.secrets.values}
    written, names = put_away(driver.name, settings, driver.secrets, known)
    done: list[Written] = []
    try:
        if names:
            done.append(_put(ground.secrets.path, lambda old: _with_secrets(old, names)))
        remark = f"Added by dotagent connect. To try it: dotagent notify test --notifier {id}"
        text = block(id, driver.name, written)
        done.append(_put(ground.paths.config, lambda old: _checked(old, ground, text, remark)))
    except BaseException:
        take_back(done)
        raise
    return done


def _with_secrets(old: bytes | None, names: Mapping[str, str]) -> bytes:
    new = secret_lines(old, names)
    parsed = secretsfile.parse(new)
    known = {} if isinstance(parsed, secretsfile.Bad) else {**parsed.references, **parsed.values}
    if any(known.get(name) != value for name, value in names.items()):
        raise UsageError("the secrets file has no way to write this value", "Has it a NUL?")
    return new


def _checked(old: bytes | None, ground: Ground, text: str, remark: str) -> bytes:
    if old != ground.config:
        raise UsageError(
            "config.toml has been changed meanwhile, and stays so", "Once more, please"
        )
    new = appended(old, text, remark)
    config, found = read_config(new, app.drivers())
    if config is None:
        wrong = "\n".join(each.message for each in found if each.fatal)
        raise UsageError(f"config.toml cannot be added to: {wrong}", f"Add it yourself:\n\n{text}")
    return new


def _put(path: str, change: Any) -> Written:
    """Through a link: it stays one, and the file keeps its mode."""
    real = os.path.realpath(path)
    try:
        before = files.read_if_there(real)
        after = change(before)
        mode = FILE_MODE if before is None else stat.S_IMODE(os.stat(real).st_mode)
        files.write_atomic(real, after, durable=True, mode=mode)
    except OSError as error:
        raise HomeError(f"{path} cannot be written: {error.strerror}") from error
    return Written(path=real, before=before, after=after)


def take_back(done: list[Written]) -> None:
    """Everything as it was, but for a file that somebody has written to since."""
    for each in reversed(done):
        try:
            if files.read_if_there(each.path) != each.after:
                continue
            if each.before is None:
                os.unlink(each.path)
            else:
                mode = stat.S_IMODE(os.stat(each.path).st_mode)
                files.write_atomic(each.path, each.before, durable=True, mode=mode)
        except OSError as error:
            raise HomeError(f"{each.path} cannot be restored: {error.strerror}") from error
