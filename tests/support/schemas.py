"""The JSON Schemas in docs/reference/json, and what of an output does not fit them."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from typing import Any

from jsonschema import Draft202012Validator
from referencing import Registry, Resource

from tests.support.house import ROOT

FOLDER = ROOT / "docs" / "reference" / "json"
ENDING = ".schema.json"
COMMON = "common"


def names() -> set[str]:
    """Every schema of a command, by its name."""
    return {path.name.removesuffix(ENDING) for path in FOLDER.glob(f"*{ENDING}")} - {COMMON}


def schema(name: str) -> dict[str, Any]:
    """The schema as it stands in the file."""
    found: dict[str, Any] = json.loads(_path(name).read_text())
    return found


def flaws(name: str, data: object) -> list[str]:
    """Each place at which ``data`` is not what the schema says."""
    return [f"{error.json_path}: {error.message}" for error in _validator(name).iter_errors(data)]


@cache
def _validator(name: str) -> Draft202012Validator:
    common = Resource.from_contents(schema(COMMON))
    registry = Registry().with_resource(f"{COMMON}{ENDING}", common)
    return Draft202012Validator(schema(name), registry=registry)


def _path(name: str) -> Path:
    return FOLDER / f"{name}{ENDING}"
