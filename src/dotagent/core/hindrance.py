"""What may keep the holder of a home from starting anything, and what a run waits for then.

Used by the hot commands, so it imports nothing.
"""

FULL, STOPPED = "full", "stopped"
"""There is no room on its disk; a signal has stopped it (SIGSTOP, Ctrl-Z, a debugger)."""

_WAITED_FOR = {FULL: "room on the disk", STOPPED: "the stopped daemon to go on"}


def waited_for(hindrance: str | None) -> str:
    """What a run waits for that nothing else keeps from starting."""
    return "a free slot" if hindrance is None else _WAITED_FOR[hindrance]
