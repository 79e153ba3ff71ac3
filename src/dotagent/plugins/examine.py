"""What a plugin says of itself (``info``) and of a configuration (``validate``): contract §10.

Invariants: a plugin that knows neither verb is no problem, for dotagent 0.1.x never asked, and is
given no configuration to act upon; what a plugin says is bounded and redacted; nothing here raises
for what it does.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from dotagent.core.secret import Redactor
from dotagent.plugins import client
from dotagent.plugins.client import DEADLINE_MS, Answer, End, PluginKind
from dotagent.ports import Speak, Spoken

PLATFORM = {"linux": "linux", "darwin": "darwin"}.get(sys.platform, sys.platform)
"""This machine, as ``info`` names it."""

DECIDING = frozenset((*PluginKind, PLATFORM))
"""Words that say where it may be used: they count even where nothing that it says is shown."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Info:
    """What a plugin says of itself. Empty ``kinds`` and ``platforms``: it does not say."""

    name: str
    version: str = ""
    kinds: tuple[str, ...] = ()
    platforms: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """What speaks against using a plugin so; ``why`` None if nothing is known to. ``is_heard``: it
    answered, or could have; else the same question may be asked again."""

    why: str | None = None
    is_heard: bool = True


async def info(
    speak: Speak,
    path: str,
    env: Mapping[str, str],
    redactor: Redactor = client.NO_SECRETS,
    deadline_ms: int = DEADLINE_MS["info"],
) -> Info | str:
    """What the plugin at ``path`` says of itself, or why that is not known."""
    return read(await speak((path, "info"), b"", env, deadline_ms), redactor, deadline_ms)


def read(spoken: Spoken, redactor: Redactor, deadline_ms: int) -> Info | str:
    """The same of one that was asked already."""
    found = _heard(spoken, redactor, deadline_ms)
    return found if isinstance(found, Info) else found.why or ""


def _heard(spoken: Spoken, redactor: Redactor, deadline_ms: int) -> Info | Verdict:
    answer = client.answer(spoken, redactor=redactor)
    is_heard = answer.end not in (End.TIMED_OUT, End.NOT_STARTED)
    if spoken.timed_out:
        why = f"it did not answer within {deadline_ms / 1_000:g} s and was stopped"
        return Verdict(why=why, is_heard=False)
    said, problem = client.read_object(spoken.stdout, redactor)
    if spoken.exit_code != 0:
        return Verdict(why=answer.error or f"exit {spoken.exit_code}", is_heard=is_heard)
    if problem is not None:
        return Verdict(why=problem)
    found = judge_info(said, redactor)
    return Verdict(why=found) if isinstance(found, str) else found


def judge_info(said: Mapping[str, Any], redactor: Redactor) -> Info | str:
    """What its answer to ``info`` says, or what is wrong with it."""
    name = said.get("name")
    if not isinstance(name, str) or not name:
        return 'its answer has no "name"'
    version = said.get("version")
    lists = {}
    for key in ("kinds", "platforms"):
        found = said.get(key) or []
        if not isinstance(found, list) or not all(isinstance(each, str) for each in found):
            return f'"{key}" in its answer is no list of texts'
        lists[key] = tuple(each if each in DECIDING else _short(each, redactor) for each in found)
    shown = _short(version, redactor) if isinstance(version, str) else ""
    return Info(name=_short(name, redactor), version=shown, **lists)


def _short(text: str, redactor: Redactor) -> str:
    return client.quote(text, redactor)


def unfit(found: Info, kind: PluginKind, platform: str = PLATFORM) -> str | None:
    """Why a plugin that says this of itself is not for ``kind`` on this machine."""
    if found.platforms and platform not in found.platforms:
        return f"it is made for {', '.join(found.platforms)}, and this is {platform}"
    if found.kinds and kind not in found.kinds:
        return f"it is made as {', '.join(found.kinds)}, and is used here as {kind}"
    return None


async def validate(
    speak: Speak,
    path: str,
    config: Any,
    env: Mapping[str, str],
    redactor: Redactor = client.NO_SECRETS,
) -> Answer:
    """What the plugin says of a configuration, which it gets as ``invoke`` would hand it over."""
    said = client.config_json(config if config is not None else {})
    deadline = DEADLINE_MS["validate"]
    return await client.invoke(speak, path, said, env, deadline, verb="validate", redactor=redactor)


async def verdict(
    speak: Speak,
    path: str,
    kind: PluginKind,
    config: Any,
    env: Mapping[str, str],
    redactor: Redactor = client.NO_SECRETS,
) -> Verdict:
    """What speaks against using this plugin so. One that cannot say what it is may not look at the
    verb either, and do its work with what it is only asked about: it is asked nothing more."""
    deadline_ms = DEADLINE_MS["info"]
    spoken = await speak((path, "info"), b"", env, deadline_ms)
    found = _heard(spoken, redactor, deadline_ms)
    if isinstance(found, Verdict):
        return Verdict() if found.is_heard else _unchecked(found.why)
    if (why := unfit(found, kind)) is not None:
        return Verdict(why=why)
    answer = await validate(speak, path, config, env, redactor)
    if answer.end is End.REFUSED and answer.answered:
        return Verdict(why=f"it refuses its configuration: {answer.error}")
    if answer.end in (End.TIMED_OUT, End.NOT_STARTED):
        return _unchecked(answer.error)
    return Verdict()


def _unchecked(why: str | None) -> Verdict:
    return Verdict(why=f"its configuration could not be checked: {why}", is_heard=False)
