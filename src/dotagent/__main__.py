"""``python -m dotagent`` and the ``dotagent`` script: hot commands first, the rest on demand."""

import os
import sys


def main() -> None:
    """Run the command line; exits with its status."""
    _open_what_is_closed()
    from dotagent.cli.hot import answer

    status = answer(sys.argv[1:])
    if status is None:
        from dotagent.cli.main import run

        status = run(sys.argv[1:])
    sys.exit(status)


def _open_what_is_closed() -> None:
    """Whoever starts us with a standard stream closed (``>&-``) wants nothing of it: the work is
    done all the same. Python has None there then, and the next file opened would get its number."""
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        if getattr(sys, name) is None:
            setattr(sys, name, open(os.devnull, mode, encoding="utf-8"))  # noqa: SIM115


if __name__ == "__main__":
    main()
