"""The hot commands, ``--version`` and ``status``: they stand in prompts and run all day.

Nothing slow is imported here (docs/adr/0006): no click, no records, no regular expressions. The
JSON of ``status`` is described in ``cli/status.py``.
"""

from __future__ import annotations

import os
import sys

from dotagent import __version__

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from dotagent.cli.layout import Page
    from dotagent.cli.status_text import View
    from dotagent.core.errors import DotagentError
    from dotagent.store.glance import Glance
    from dotagent.system.paths import Paths

BROKEN_PIPE = 141
"""128 + SIGPIPE: what a shell shows of a program whose reader went away."""


def answer(argv: list[str]) -> int | None:
    """The exit status, if ``argv`` is a hot command; None if it is for others to answer."""
    if argv in (["--version"], ["-V"]):
        return say(f"dotagent {__version__}\n")
    if argv in (["status"], ["status", "--json"]):
        return status(as_json=len(argv) > 1)
    return None


def status(*, as_json: bool = False) -> int:
    """Print how everything is; the exit status."""
    from dotagent.cli.status_text import full

    return _show(_json if as_json else _text(full))


def brief() -> int:
    """Print what ``dotagent`` alone does: the verdict and the next step."""
    from dotagent.cli.status_text import brief

    return _show(_text(brief))


def say(text: str) -> int:
    """Print; the exit status. A reader that went away is no error worth a word."""
    sys.stdout.reconfigure(errors="replace")  # type: ignore[union-attr]
    try:
        sys.stdout.write(text)
        sys.stdout.flush()
    except BrokenPipeError:
        # What is still in the buffer must not complain at the end (docs.python.org,
        # library/signal, note on SIGPIPE).
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return BROKEN_PIPE
    except OSError as error:
        sys.stderr.write(f"dotagent: cannot print: {error.strerror}\n")
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    return 0


def complain(error: DotagentError) -> int:
    """Say what is wrong and what to do, on standard error; the exit status."""
    hint = f"  {error.hint}\n" if error.hint else ""
    sys.stderr.write(f"dotagent: {error.message}\n{hint}")
    return error.exit_code


def _text(
    write: Callable[[Page, View, Glance, int], str],
) -> Callable[[View, Glance, int], str]:
    from dotagent.cli.layout import page_for

    return lambda view, glance, unseen: write(
        page_for(sys.stdout, os.environ), view, glance, unseen
    )


def _json(view: View, glance: Glance, unseen: int) -> str:
    from dotagent.cli.layout import harmless, plain
    from dotagent.cli.status_text import verdict
    from dotagent.core.moment import stamp

    def iso(at: int) -> str:
        return stamp(at, view.zone)

    daemon = view.daemon
    said = None
    if daemon is not None:
        pid = "null" if daemon.pid is None else str(daemon.pid)
        since = "null" if daemon.started_at is None else f'"{iso(daemon.started_at)}"'
        said = f'{{"pid":{pid},"since":{since}}}'
    head = {
        "at": iso(view.now),
        "home": view.home,
        "verdict": verdict(view, glance.counts, unseen),
        "daemon": said,
        "hindrance": view.hindrance,
        "waiting_daemon": None if view.waits is None else view.waits[0],
        "last_tick": None if glance.last_tick_at is None else iso(glance.last_tick_at),
    }
    return f"{harmless(glance.json(head, iso, plain))}\n"


def _show(report: Callable[[View, Glance, int], str]) -> int:
    from dotagent.cli.status_text import View
    from dotagent.core.errors import DotagentError
    from dotagent.store.glance import look
    from dotagent.store.reading import record
    from dotagent.system.hindrance import hindrance
    from dotagent.system.lock import peek
    from dotagent.system.paths import Paths, home
    from dotagent.system.waiting import now
    from dotagent.system.wall import Wall

    try:
        paths = Paths(home(os.environ))
        with record(paths.database) as db:
            at = now()
            glance = look(db, at)
            holder = peek(paths.lock)
            unread = db is None and os.path.lexists(paths.config)
            view = View(
                at,
                Wall(),
                paths.home,
                holder,
                glance.last_tick_at,
                glance.waits,
                is_config_unread=unread,
            )
            view.hindrance = hindrance(paths.reserve, holder, at)
            unseen = 0 if glance.counts["agents"] else _unseen(paths, os.environ)
            text = report(view, glance, unseen)
        return say(text)
    except DotagentError as error:
        return complain(error)


def _unseen(paths: Paths, env: Mapping[str, str]) -> int:
    """How many manifests lie where the daemon would look."""
    roots = [*filter(None, env.get("DOTAGENT_ROOT", "").split(":")), paths.agents]
    found = 0
    for root in roots:
        try:
            names = os.listdir(root)
        except OSError:
            continue  # not there, or not ours to read: the daemon finds none there either
        found += sum(os.path.isfile(f"{root}/{name}/agent.toml") for name in names)
    return found
