"""A process that has everything imported and forks daemons: ``python -m tests.crash.nursery``.

Reads one JSON object a line: ``{"home", "point", "report", "log"}`` starts a daemon and answers
``{"pid"}``; ``{"ended": pid}`` answers ``{"status"}``: null while it lives, ``-9`` for SIGKILL.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
import traceback

from dotagent import app
from tests.crash.points import watch


def main() -> None:
    """Serve until the input ends."""
    app.drivers()
    for line in sys.stdin:
        asked = json.loads(line)
        if "ended" in asked:
            pid, status = os.waitpid(asked["ended"], os.WNOHANG)
            answer: dict[str, int | None] = {
                "status": os.waitstatus_to_exitcode(status) if pid else None
            }
        else:
            answer = {"pid": _fork(asked)}
        print(json.dumps(answer), flush=True)


def _fork(asked: dict[str, str]) -> int:
    pid = os.fork()
    if pid:
        return pid
    status = 70
    try:
        log = os.open(asked["log"], os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
        os.dup2(log, 1)
        os.dup2(log, 2)
        watch(asked["point"], asked["report"])
        env = {"PATH": os.environ["PATH"], "HOME": asked["home"], "DOTAGENT_HOME": asked["home"]}
        paths = app.paths_of(env)
        asyncio.run(app.hold(paths, env, app.Purpose(role="daemon", plan=True)))
        status = 0
    except BaseException:
        traceback.print_exc()
    finally:
        sys.stderr.flush()
        os._exit(status)


if __name__ == "__main__":
    main()
