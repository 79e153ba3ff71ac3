"""``dotagent-plugin-preflight-warp``: an attempt may start while Cloudflare WARP is connected.

Configuration (contract §11): ``binary`` (``warp-cli``), and ``connect_command``, which is suggested
to whoever reads why the attempt did not start.
"""

from __future__ import annotations

import subprocess
from collections.abc import Mapping
from typing import Any

from dotagent.plugins.program import Answer, Program


def invoke(config: Mapping[str, Any], payload: Mapping[str, Any]) -> Answer:
    """Ask for the status. Whatever is wrong is an answer, never a failure of the plugin."""
    binary = config.get("binary") or "warp-cli"
    suggest = {"suggest": config["connect_command"]} if config.get("connect_command") else {}
    try:
        done = subprocess.run(
            [str(binary), "status"], stdin=subprocess.DEVNULL, capture_output=True, check=False
        )
    except (OSError, ValueError):
        return {"ok": False, "error": f"could not run {binary}", **suggest}
    status = done.stdout.decode(errors="replace").strip()
    if done.returncode != 0:
        return {"ok": False, "error": f"could not run {binary}", **suggest}
    # Upper case: "Disconnected" does not hold it.
    if "Connected" in status:
        return {"ok": True, "status": status}
    return {"ok": False, "error": "WARP not connected", **suggest, "status": status}


PROGRAM = Program(
    name="preflight-warp",
    kinds=("preflight",),
    properties={"binary": {"type": "string"}, "connect_command": {"type": "string"}},
    invoke=invoke,
    needs_payload=False,
)


def main() -> int:
    """The console script."""
    return PROGRAM.main()
