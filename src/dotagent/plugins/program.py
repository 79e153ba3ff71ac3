"""What the plugins that come with dotagent have in common: three verbs, JSON in, JSON out.

They are programs of their own and speak the protocol of contract §10 like anybody's. Invariant: a
plugin imports the standard library and this file, so that starting one costs next to nothing.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from dotagent import __version__

Answer = Mapping[str, Any]


class Failed(Exception):
    """It cannot be done: exit 1. ``answer`` says more than the message, where it is set."""

    def __init__(self, message: str, answer: Answer | None = None) -> None:
        super().__init__(message)
        self.answer = answer


@dataclass(frozen=True, slots=True, kw_only=True)
class Program:
    """One plugin. ``required``: the keys of its configuration that must be there, not empty."""

    name: str
    kinds: tuple[str, ...]
    properties: Mapping[str, Any]
    required: tuple[str, ...] = ()
    invoke: Callable[[Mapping[str, Any], Mapping[str, Any]], Answer]
    """From the configuration and the whole payload to the answer. Raises ``Failed``, OSError."""
    needs_payload: bool = True
    """Without one that can be read it fails; else it goes on with the defaults."""

    def main(self, argv: Sequence[str] | None = None) -> int:
        """Do what the verb says; the exit status."""
        verb = (sys.argv[1:] if argv is None else argv)[:1]
        try:
            match verb:
                case ["info"]:
                    answer: Answer = self._info()
                case ["validate"]:
                    answer = self._validate()
                case ["invoke"]:
                    answer = self._invoke()
                case _:
                    raise Failed(f"unknown verb: {verb[0]}" if verb else "missing verb")
        except (Failed, OSError) as error:
            print(f"dotagent-plugin-{self.name}: {error}", file=sys.stderr)
            if isinstance(error, Failed) and error.answer is not None:
                _say(error.answer)
            elif verb == ["invoke"] and isinstance(error, OSError):
                _say({"ok": False, "error": str(error)})
            return 1
        _say(answer)
        return 0

    def _info(self) -> Answer:
        schema = {"type": "object", "required": self.required, "properties": self.properties}
        return {
            "name": self.name,
            "version": __version__,
            "kinds": self.kinds,
            "platforms": ["darwin", "linux"],
            "schema": schema,
        }

    def _validate(self) -> Answer:
        """Input that is no table counts as an empty configuration, as in dotagent 0.1.x."""
        config = _table(_read())
        for key in self.required:
            if not config.get(key):
                return {"ok": False, "error": f"{key} is required"}
        for key, value in config.items():
            wanted = self.properties.get(key, {}).get("type")
            if value is not None and wanted is not None and not _is(value, wanted):
                return {"ok": False, "error": f"{key} must be {_WORDS[wanted]}"}
        return {"ok": True}

    def _invoke(self) -> Answer:
        payload = _read()
        config = payload.get("config") if isinstance(payload, dict) else None
        if not isinstance(config, dict) and self.needs_payload:
            raise Failed("the payload on standard input has no configuration")
        return self.invoke(_table(config), _table(payload))


_WORDS = {
    "string": "a text",
    "integer": "a whole number",
    "boolean": "true or false",
    "array": "a list of texts",
}


def _is(value: Any, wanted: str) -> bool:
    match wanted:
        case "string":
            return isinstance(value, str)
        case "integer":
            return type(value) is int
        case "boolean":
            return isinstance(value, bool)
        case _:
            return isinstance(value, list) and all(isinstance(each, str) for each in value)


def _read() -> Any:
    try:
        return json.loads(sys.stdin.buffer.read())
    except (ValueError, RecursionError):
        return None


def _table(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, dict) else {}


def _say(answer: Answer) -> None:
    print(json.dumps(answer, ensure_ascii=True, separators=(",", ":")))
