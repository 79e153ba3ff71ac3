"""``python -m dotagent`` and the ``dotagent`` script: hot commands first, the rest on demand."""

import sys


def main() -> None:
    """Run the command line; exits with its status."""
    from dotagent.cli.hot import answer

    status = answer(sys.argv[1:])
    if status is None:
        from dotagent.cli.main import run

        status = run(sys.argv[1:])
    sys.exit(status)


if __name__ == "__main__":
    main()
