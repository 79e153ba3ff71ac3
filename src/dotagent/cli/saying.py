"""What a person says about runs to come: asked of the home's one actor, and shown."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from dotagent import app
from dotagent.cli.acting import act, environment
from dotagent.cli.deliveries import note
from dotagent.cli.looking import show_json
from dotagent.system import person


def ask(kind: str, args: Mapping[str, Any]) -> Mapping[str, Any]:
    """Have it done, in this user's name; the answer."""
    env = environment()
    said = {**args, "by": person.name()}
    return act(app.paths_of(env), env, kind, said, role=kind, say=note).answer


def listed(name: str, answer: Mapping[str, Any]) -> str:
    """The schedules that it is about."""
    agent = name.partition("/")[0]
    return ", ".join(f"{agent}/{schedule}" for schedule in answer["schedules"])


def print_json(found: Mapping[str, Any]) -> int:
    return show_json(found)
