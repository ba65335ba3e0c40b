"""The life of the engine process in its container, from start to stop."""

import codecs
import collections
import contextlib
import http.client
import json
import os
import re
import signal
import subprocess
import sys
import textwrap
import threading
import time
import typing
import urllib.parse


def start_engine(
    command: list[str], keep: int = 50
) -> tuple[subprocess.Popen[bytes], collections.deque[str]]:
    """Start the engine; return it with the last lines that it has printed so far."""
    process = subprocess.Popen(
        command,
        bufsize=0,  # a read returns what is there instead of waiting for more
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        start_new_session=True,  # so that stop_engine can reach every descendant
    )
    last_lines: collections.deque[str] = collections.deque(maxlen=keep)
    threading.Thread(
        target=forward_output, args=(process.stdout, last_lines), daemon=True
    ).start()
    return process, last_lines


def forward_output(
    output: typing.IO[bytes], last_lines: collections.deque[str]
) -> None:
    """Print the engine's output as it comes, unfinished lines and progress bars too."""
    decoder = codecs.getincrementaldecoder("utf-8")(errors="replace")
    line = ""  # the one still being written; unless empty, it ends last_lines
    with output:
        while chunk := output.read(65536):
            text = decoder.decode(chunk)
            # Whatever is wrong with our own stdout: if we stopped reading here, the
            # pipe would fill up and the engine would hang on its next line of log.
            with contextlib.suppress(OSError, ValueError):
                # print() alone would crash if someone replaced sys.stdout meanwhile.
                print(text, end="", file=sys.stdout, flush=True)
            if line:
                last_lines.pop()
            # A progress bar ends its lines with \r. Cut, so that memory is bounded.
            lines = [part[:1000] for part in re.split(r"[\r\n]+", line + text)]
            last_lines.extend(part for part in lines if part)
            line = lines[-1]


def wait_output_end(process: subprocess.Popen[bytes]) -> None:
    """Let a dead engine's last words come through; a descendant may hold the pipe."""
    deadline = time.monotonic() + 2
    while process.stdout and not process.stdout.closed and time.monotonic() < deadline:
        time.sleep(0.01)


def quote_output(last_lines: collections.deque[str]) -> str:
    """Spell the last lines of output as the end of an error message."""
    lines = last_lines.copy()  # the output thread may append while we read
    if not lines:
        return "It has printed nothing."
    return "Its last output:\n" + textwrap.indent("\n".join(lines), "    ")


def check_running(
    process: subprocess.Popen[bytes], last_lines: collections.deque[str]
) -> None:
    """Raise if the engine is dead, with how it ended and what it printed last."""
    code = process.poll()
    if code is None:
        return
    wait_output_end(process)
    signals = {-number: f"signal {number.name}" for number in signal.Signals}
    how = signals.get(code, f"exit code {code}")
    raise RuntimeError(f"the engine ended with {how}. {quote_output(last_lines)}")


def ask_engine(
    url: str, timeout: float, chat: dict[str, object] | None = None
) -> tuple[int, str]:
    """GET the URL, or POST a chat to it; return the status and the body's start."""
    # http.client and not urllib.request: no proxy of the environment comes between.
    address = urllib.parse.urlsplit(url)
    connection = http.client.HTTPConnection(address.netloc, timeout=timeout)
    with contextlib.closing(connection):
        if chat is None:
            connection.request("GET", address.path)
        else:
            headers = {"Content-Type": "application/json"}
            connection.request("POST", address.path, json.dumps(chat), headers)
        response = connection.getresponse()
        return response.status, response.read(500).decode(errors="replace")


def wait_ready(
    process: subprocess.Popen[bytes],
    last_lines: collections.deque[str],
    url: str,
    timeout: float,
) -> None:
    """Return once the health URL answers 200; raise if the engine dies or is late."""
    deadline = time.monotonic() + timeout
    pause = 0.1
    answer = "nothing"
    while (remaining := deadline - time.monotonic()) > 0:
        check_running(process, last_lines)
        try:
            # Some engines generate a token for this, and give up after 20 s.
            status, body = ask_engine(url, min(20, remaining))
            if status == 200:
                return
            answer = f"HTTP {status} {body}".strip()
        except (OSError, http.client.HTTPException) as error:
            # A try that the deadline has cut short says nothing new.
            if time.monotonic() < deadline or answer == "nothing":
                answer = repr(error)
        time.sleep(pause)
        pause = min(pause * 1.2, 0.25)
    check_running(process, last_lines)
    raise TimeoutError(
        f"the engine was not ready within {timeout:g} s; {url} last answered: {answer}."
        f" {quote_output(last_lines)}"
    )


def warm_up(
    process: subprocess.Popen[bytes],
    last_lines: collections.deque[str],
    url: str,
    model: str,
    timeout: float,
    requests: int = 3,
) -> None:
    """Send the engine a few short chats, so that no caller pays for one-time work."""
    chat_url = urllib.parse.urljoin(url, "/v1/chat/completions")
    chat: dict[str, object] = {
        "model": model,
        "messages": [{"role": "user", "content": "Hello, how are you?"}],
        "max_tokens": 16,
    }
    deadline = time.monotonic() + timeout
    for number in range(1, requests + 1):
        step = f"warm-up request {number} of {requests}"
        # A socket refuses a time limit of 0 or less.
        remaining = max(deadline - time.monotonic(), 0.001)
        try:
            status, body = ask_engine(chat_url, remaining, chat)
        except (OSError, http.client.HTTPException) as error:
            # A dying engine drops its connections a moment before it is seen dead.
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(timeout=1)
            check_running(process, last_lines)
            failure = TimeoutError if isinstance(error, TimeoutError) else RuntimeError
            raise failure(
                f"{step} failed, with {timeout:g} s for all of them: {error!r}."
                f" {quote_output(last_lines)}"
            ) from error
        if status != 200:
            raise RuntimeError(f"{step} failed: HTTP {status} {body}")


def stop_engine(process: subprocess.Popen[bytes], grace_period: float) -> None:
    """Ask the engine to stop; after the grace period, kill what is left of it."""
    # Only to the launcher: it lets requests finish before it ends its own children.
    process.terminate()
    with contextlib.suppress(subprocess.TimeoutExpired):
        process.wait(timeout=grace_period)
    # Even a launcher that stopped in time may leave a child that holds GPU memory.
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait(timeout=10)
    wait_output_end(process)
