"""What `infra` and `python -m infra` run: Ctrl-C ends it without a traceback from the start."""

import os
import sys

CODE = 130

try:
    import signal
except KeyboardInterrupt:
    os._exit(CODE)


def main() -> None:
    """Load the command line, and run it."""
    guarded = signal.getsignal(signal.SIGINT) is signal.default_int_handler
    if guarded:  # not ignored by whoever has started it
        # What becomes of an exception within an import is up to whoever imports.
        signal.signal(signal.SIGINT, _leave)
    from infra.cli import main as run

    try:
        if guarded:
            signal.signal(signal.SIGINT, signal.default_int_handler)  # it tells what is done
        run()
    except KeyboardInterrupt:
        sys.exit(CODE)
    finally:
        if guarded:
            signal.signal(signal.SIGINT, signal.SIG_DFL)  # nothing is left to tell


def _leave(*_: object) -> None:
    os.write(2, b"Interrupted.\n")
    os._exit(CODE)


if __name__ == "__main__":
    main()
