"""The engine process starts with its output in sight, and stops with all its descendants."""

import contextlib
import fcntl
import io
import os
import signal
import subprocess
import sys
import textwrap
import time
from collections import deque
from collections.abc import Callable
from pathlib import Path
from subprocess import Popen

import pytest

from infra.runtime import engine

Start = Callable[..., tuple[Popen[bytes], deque[str]]]

SLEEP = "import time; time.sleep(600)"
SLEEP_LOUDLY = "import time\nfor _ in range(6000): print('tick', flush=True); time.sleep(0.1)"

# Both ignore SIGTERM if told to; the child holds a lock on a file for as long as it lives.
FAMILY = r"""
    import fcntl, os, signal, sys, time
    path, child_ignores, parent_ignores = sys.argv[1:]
    lock = open(path, "w")
    if os.fork() == 0:
        if child_ignores == "yes":
            signal.signal(signal.SIGTERM, signal.SIG_IGN)
        fcntl.flock(lock, fcntl.LOCK_EX)
        os.write(1, b"locked\n")
        time.sleep(600)
    lock.close()
    if parent_ignores == "yes":
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
    os.write(1, b"parent\n")
    time.sleep(600)
"""


def eventually(condition: Callable[[], bool]) -> bool:
    """Wait for another process or thread; give up only when it surely has failed."""
    deadline = time.monotonic() + 20
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.01)
    return True


def is_free(path: Path) -> bool:
    """Say whether no process holds the lock on the file."""
    with path.open() as lock, contextlib.suppress(BlockingIOError):
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        return True
    return False


def finish(process: Popen[bytes]) -> int:
    """Wait for the engine to end by itself, and for all of its output."""
    code = process.wait(timeout=60)
    engine.wait_output_end(process)
    return code


def test_output_is_forwarded_and_its_end_is_kept(
    start: Start, capsys: pytest.CaptureFixture[str]
) -> None:
    """All that the engine prints is printed; its last lines, errors included, are kept."""
    process, last_lines = start(
        """
        import sys
        for number in range(1, 8):
            print(number, file=sys.stderr if number % 2 else sys.stdout, flush=True)
        """,
        keep=3,
    )
    assert finish(process) == 0
    assert capsys.readouterr().out == "1\n2\n3\n4\n5\n6\n7\n"
    assert list(last_lines) == ["5", "6", "7"]


def test_an_unfinished_line_is_not_held_back(
    start: Start, capsys: pytest.CaptureFixture[str]
) -> None:
    """A line without an end is printed, and shown as the last line, while the engine runs."""
    script = "import time; print('ready\\nloading 5', end='', flush=True); time.sleep(600)"
    process, last_lines = start(script)
    assert eventually(lambda: list(last_lines) == ["ready", "loading 5"])
    assert capsys.readouterr().out == "ready\nloading 5"
    assert process.poll() is None


def test_a_line_in_pieces_is_one_line(start: Start) -> None:
    """Pieces of a line that arrive one by one are kept as one line."""
    script = """
        import sys, time
        for byte in "früh €\\nspät".encode():
            sys.stdout.buffer.write(bytes([byte]))
            sys.stdout.flush()
            time.sleep(0.005)
    """
    process, last_lines = start(script)
    assert finish(process) == 0
    assert list(last_lines) == ["früh €", "spät"]


def test_each_state_of_a_progress_bar_is_a_line(
    start: Start, capsys: pytest.CaptureFixture[str]
) -> None:
    """A carriage return ends a line like a newline does, and is printed as it is."""
    process, last_lines = start(r"print('1%\r50%\r\n100%\r', end='')")
    assert finish(process) == 0
    assert list(last_lines) == ["1%", "50%", "100%"]
    assert capsys.readouterr().out == "1%\r50%\r\n100%\r"


def test_bytes_that_are_no_text_are_replaced(start: Start) -> None:
    """Output that is not UTF-8 is shown with replacement characters."""
    process, last_lines = start(r"import os; os.write(1, b'a\xffb\n')")
    assert finish(process) == 0
    assert list(last_lines) == ["a\ufffdb"]


@pytest.mark.parametrize("end", ["", "\n"], ids=["one line", "many lines"])
def test_huge_output_neither_blocks_nor_grows(
    start: Start, capsys: pytest.CaptureFixture[str], end: str
) -> None:
    """The engine may print without limit; only a bounded part of it is kept."""
    script = "import sys\nfor _ in range(5000): print('x' * 2000, end=sys.argv[1])"
    process, last_lines = start(script, end)
    assert finish(process) == 0
    assert len(capsys.readouterr().out) == 5000 * (2000 + len(end))
    assert len(last_lines) == (50 if end else 1)
    assert {len(line) for line in last_lines} == {1000}


def test_a_broken_stdout_does_not_block_the_engine(start: Start) -> None:
    """An engine that prints more than a pipe holds ends, even if we cannot print it."""
    ascii_only = io.TextIOWrapper(io.BytesIO(), encoding="ascii")
    with contextlib.redirect_stdout(ascii_only):
        process, last_lines = start("for _ in range(99999): print('é' * 9)")
        assert finish(process) == 0
    assert list(last_lines) == ["é" * 9] * 50


def test_stdout_may_be_replaced_while_the_engine_prints() -> None:
    """Whoever replaces sys.stdout in the middle of a print does not break that print."""
    script = """
        import contextlib, sys, threading
        from infra.runtime import engine

        calls, entered, released = [], threading.Event(), threading.Event()

        class Terminal:
            def write(self, text):
                entered.set()
                released.wait()

            def flush(self):
                calls.append("flush")

        with contextlib.redirect_stdout(Terminal()):
            process, last_lines = engine.start_engine([sys.executable, "-c", "print('up')"])
            entered.wait()
        released.set()
        process.wait()
        engine.wait_output_end(process)
        assert (calls, list(last_lines)) == (["flush"], ["up"])
    """
    # In a process of its own: a print that goes wrong here takes the interpreter with it.
    subprocess.run([sys.executable, "-c", textwrap.dedent(script)], check=True)


def test_the_engine_leads_a_group_of_its_own(start: Start) -> None:
    """The engine's process group is its own, so it can be killed without us."""
    process, _ = start(SLEEP)
    assert os.getpgid(process.pid) == process.pid


def test_stop_lets_the_engine_end_by_itself(
    start: Start, capsys: pytest.CaptureFixture[str]
) -> None:
    """An engine that ends within the grace period is not killed, and is heard to its end."""
    process, last_lines = start(
        """
        import os, signal, sys, time
        def leave(*_):
            print("bye", flush=True)
            sys.exit(0)
        signal.signal(signal.SIGTERM, leave)
        os.write(1, b"up\\n")  # print() may take two writes, and be interrupted between them
        time.sleep(600)
        """
    )
    assert eventually(lambda: "up" in last_lines)
    engine.stop_engine(process, 20)
    assert process.returncode == 0
    assert capsys.readouterr().out == "up\nbye\n"


@pytest.mark.parametrize("child_ignores", ["yes", "no"])
@pytest.mark.parametrize(
    ("parent_ignores", "grace_period", "ended_by"),
    [("yes", 0.1, signal.SIGKILL), ("no", 20, signal.SIGTERM)],
)
def test_stop_leaves_no_descendant(
    start: Start,
    tmp_path: Path,
    child_ignores: str,
    parent_ignores: str,
    grace_period: float,
    ended_by: int,
) -> None:
    """Whoever of the engine and its child ignores SIGTERM, neither lives on after a stop."""
    lock = tmp_path / "lock"
    process, last_lines = start(FAMILY, str(lock), child_ignores, parent_ignores)
    assert eventually(lambda: {"locked", "parent"} <= set(last_lines.copy()))
    assert not is_free(lock)
    engine.stop_engine(process, grace_period)
    assert process.returncode == -ended_by
    assert eventually(lambda: is_free(lock))


def test_stop_reaches_the_child_of_a_dead_engine(start: Start, tmp_path: Path) -> None:
    """Stopping an engine that is dead already still ends the child that it left."""
    lock = tmp_path / "lock"
    process, last_lines = start(FAMILY, str(lock), "yes", "no")
    assert eventually(lambda: {"locked", "parent"} <= set(last_lines.copy()))
    process.kill()
    process.wait()
    assert not is_free(lock)
    engine.stop_engine(process, 20)
    assert eventually(lambda: is_free(lock))


def test_stop_outlasts_the_output(start: Start) -> None:
    """Nothing is printed after a stop, when the interpreter may be shutting down."""

    class SlowTerminal(io.StringIO):
        def write(self, text: str) -> int:
            time.sleep(0.3)
            return super().write(text)

    with contextlib.redirect_stdout(SlowTerminal()):
        process, last_lines = start(SLEEP_LOUDLY)
        assert eventually(lambda: bool(last_lines))
        engine.stop_engine(process, 20)
    assert process.stdout is not None
    assert process.stdout.closed


def test_stop_may_come_twice(start: Start) -> None:
    """Stopping an engine that has been stopped changes nothing."""
    process, _ = start(SLEEP)
    engine.stop_engine(process, 20)
    engine.stop_engine(process, 20)
    assert process.returncode == -signal.SIGTERM
