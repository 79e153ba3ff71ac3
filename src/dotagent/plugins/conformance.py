"""Does a plugin keep to the protocol? For whoever writes one (contract §10).

Each check is one real call, judged by what dotagent itself would make of it. Invariant: a plugin is
invoked with the given configuration or with none, and with a message that says that it is a test.
"""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from typing import Any

from dotagent.core.secret import Redactor
from dotagent.plugins import client
from dotagent.plugins.client import Answer, End, PluginKind
from dotagent.plugins.examine import Info, read, unfit
from dotagent.plugins.find import PREFIX, usable
from dotagent.ports import Speak, Spoken

BIG = 1_000_000
"""Characters of a message: more than a pipe holds, so that writing and reading must go on at once
(pipe(7), "Pipe capacity")."""
MESSAGE = "This is a test of the plugin protocol: Füllstand 91 % 🚨\n"
EVENTS = {
    PluginKind.NOTIFY: "attempt_failed",
    PluginKind.PREFLIGHT: "preflight",
    PluginKind.SINK: "success",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One check: what should be, and why it is not. ``grave``: dotagent could not work with it."""

    what: str
    why: str | None = None
    grave: bool = True


class Conformance:
    """The checks of one plugin."""

    def __init__(
        self,
        speak: Speak,
        path: str,
        env: Mapping[str, str],
        config: Any,
        deadline_ms: int,
        redactor: Redactor = client.NO_SECRETS,
    ) -> None:
        self._redactor = redactor
        self._speak = speak
        self._path = path
        self._env = env
        self._config = config
        self._deadline_ms = deadline_ms

    async def run(self) -> AsyncIterator[Finding]:
        """One finding after the other, as they come."""
        why = usable(self._path)
        yield Finding(what="dotagent may run it where it lies", why=why, grave=False)
        answer, spoken = await self._say("info", b"")
        yield Finding(what="it can be started", why=None if answer.invoked else answer.error)
        if not answer.invoked:
            return  # all the rest would only repeat that
        said = read(spoken, self._redactor, self._deadline_ms)
        yield Finding(
            what="info answers with its name", why=said if isinstance(said, str) else None
        )
        kinds = tuple(PluginKind)
        if isinstance(said, Info):
            for finding in self._of_info(said):
                yield finding
            kinds = tuple(kind for kind in PluginKind if not said.kinds or kind in said.kinds)
        yield await self._validates()
        yield await self._takes_anything("validate")
        for kind in kinds:
            yield await self._invoked(kind, MESSAGE, f"invoke as {kind} answers")
        if kinds:
            big = await self._invoked(kinds[0], MESSAGE + "x" * BIG, "it takes a megabyte of input")
            yield big
        yield await self._takes_anything("invoke")
        yield await self._knows_its_verbs()

    def _of_info(self, said: Info) -> list[Finding]:
        file = os.path.basename(self._path).removeprefix(PREFIX)
        named = (
            f"info says {said.name!r}, the file is called {file!r}" if said.name != file else None
        )
        strange = [each for each in said.kinds if each not in list(PluginKind)]
        kinds = f"these are none: {', '.join(strange)}" if strange else None
        return [
            Finding(what="its name is the file's", why=named, grave=False),
            Finding(what="its kinds are notify, preflight or sink", why=kinds),
            Finding(what="it is made for this machine", why=_platform(said)),
        ]

    async def _validates(self) -> Finding:
        config = client.config_json(self._config if self._config is not None else {})
        answer, _ = await self._say("validate", config)
        why = None if answer.ok else _shape(answer)
        if why is None and not answer.ok and self._config is not None:
            why = f"it refuses the configuration: {answer.error}"
        return Finding(what="validate answers about a configuration", why=why)

    async def _invoked(self, kind: PluginKind, message: str, what: str) -> Finding:
        said = client.payload(
            kind=kind,
            agent="plugin-check",
            schedule="manual",
            event=EVENTS[kind],
            message=None if kind is PluginKind.PREFLIGHT else message,
            config=self._config,
            extra={
                "delivery": "plugin-check-1",
                "attempt": 1,
                "a_key_of_tomorrow": [1, {"a": None}],
            },
        )
        answer, spoken = await self._say("invoke", said)
        why = None if answer.ok else _shape(answer)
        heard, _ = client.read_object(spoken.stdout, client.NO_SECRETS)
        if why is None and not answer.ok and not heard.get("error"):
            why = '"ok" is false and there is no "error" that says why'
        if why is None and not answer.ok and self._config is not None:
            why = f"it did not do it: {answer.error}"
        return Finding(what=what, why=why)

    async def _takes_anything(self, verb: str) -> Finding:
        """What it cannot read must not leave it hanging."""
        answer, _ = await self._say(verb, b"\xff no JSON")
        why = answer.error if answer.end is End.TIMED_OUT else None
        if why is None and answer.ok and verb == "invoke":
            why = "it says that all is well"
        what = f"{verb} with input that is no JSON ends with a no, or at least ends"
        return Finding(what=what, why=why, grave=answer.end is End.TIMED_OUT)

    async def _knows_its_verbs(self) -> Finding:
        spoken = await self._speak((self._path, "no-such-verb"), b"", self._env, self._deadline_ms)
        why = None
        if spoken.timed_out:
            why = "it did not end"
        elif spoken.exit_code == 0:
            why = "it ends with exit 0: a verb of tomorrow would seem to have worked"
        return Finding(what="an unknown verb is an error", why=why, grave=spoken.timed_out)

    async def _say(self, verb: str, stdin: bytes) -> tuple[Answer, Spoken]:
        spoken = await self._speak((self._path, verb), stdin, self._env, self._deadline_ms)
        return client.answer(spoken, deadline_ms=self._deadline_ms, redactor=self._redactor), spoken


def _platform(said: Info) -> str | None:
    kind = next((each for each in PluginKind if each in said.kinds), PluginKind.NOTIFY)
    return unfit(said, kind)


def _shape(answer: Answer) -> str | None:
    """What dotagent could not understand; a clean no is understood."""
    if answer.end is End.REFUSED and answer.answered:
        return None
    return answer.error
