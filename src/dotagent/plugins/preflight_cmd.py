"""``dotagent-plugin-preflight-cmd``: an attempt may start if a command says so (contract §11).

Configuration: ``command``, ``args``, ``expect_exit`` (0), and ``expect_contains``, a text that must
stand in what it prints. The command is run directly, without a shell.
"""

from __future__ import annotations

import subprocess
from collections.abc import Mapping
from typing import Any

from dotagent.plugins.program import Answer, Failed, Program

FAILED = "preflight command failed"


def invoke(config: Mapping[str, Any], payload: Mapping[str, Any]) -> Answer:
    """Run the command; -1 stands for one that a signal ended or that could not be started."""
    argv = [str(config.get("command") or ""), *map(str, config.get("args") or ())]
    try:
        done = subprocess.run(argv, stdin=subprocess.DEVNULL, capture_output=True, check=False)
    except (OSError, ValueError) as error:
        said = {"ok": False, "error": f"{FAILED}: {error}", "exit_code": -1}
        raise Failed(f"{argv[0]!r} cannot be started: {error}", said) from error
    code = max(done.returncode, -1)
    needle = config.get("expect_contains")
    printed = (done.stdout.decode(errors="replace"), done.stderr.decode(errors="replace"))
    found = not isinstance(needle, str) or any(needle in text for text in printed)
    if code == (config.get("expect_exit") or 0) and found:
        return {"ok": True, "exit_code": code}
    return {"ok": False, "error": FAILED, "exit_code": code}


PROGRAM = Program(
    name="preflight-cmd",
    kinds=("preflight",),
    required=("command",),
    properties={
        "command": {"type": "string"},
        "args": {"type": "array", "items": {"type": "string"}},
        "expect_exit": {"type": "integer"},
        "expect_contains": {"type": "string"},
    },
    invoke=invoke,
)


def main() -> int:
    """The console script."""
    return PROGRAM.main()
