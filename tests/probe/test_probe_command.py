"""`infra probe` as a user runs it, against real stand-ins behind real routers."""

import itertools
import json
import re
import signal
import subprocess
import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from probed import MODEL, TOKEN, Front

from infra.facts.gpus import gpu
from infra.facts.models import ModelFacts
from infra.local.engine import model_figures

Probe = Callable[..., "subprocess.CompletedProcess[str]"]
SCHEMA = json.loads(
    (Path(__file__).parents[2] / "infra" / "schemas" / "probe.schema.json").read_text()
)
PERCENTILES = ("p50", "p90", "p95", "p99", "max")


def checked(text: str) -> Any:
    """The document, which is one of the schema's."""
    document = json.loads(text)
    jsonschema.Draft202012Validator(SCHEMA).validate(document)
    return document


def test_the_schema_is_one() -> None:
    """The shipped schema is itself valid, and every key that it lists is required."""
    jsonschema.Draft202012Validator.check_schema(SCHEMA)
    assert set(SCHEMA["required"]) == set(SCHEMA["properties"])


def test_what_a_reader_sees(probe: Probe, routed: Front) -> None:
    """The answer, then its figures, the replica, the session, and that it is a rehearsal."""
    result = probe("--url", routed.url)
    assert (result.returncode, result.stderr) == (0, "")
    head, thought, answer, figures = result.stdout.split("\n\n")
    assert re.fullmatch(rf"{routed.url}\nready after [\d.]+ m?s: {MODEL}\n?", head)
    assert thought.startswith("A model would think here.") or "A model would think" in head
    assert "This is a stand-in for SGLang" in answer + thought
    lines = dict(re.split(r"  +", line, maxsplit=1) for line in figures.splitlines()[:-1])
    assert list(lines) == [
        "time to first token",
        "between events",
        "per token",
        "tokens",
        "replica",
        "session",
    ]
    assert lines["replica"] in ("replica-0", "replica-1")
    assert re.fullmatch(
        r"3 turns, all met that replica; cached tokens: 0 of \d+, \d+ of \d+, \d+ of \d+",
        lines["session"],
    )
    assert figures.splitlines()[-1] == (
        "The engine is infra's stand-in: it models no times (INFRA_SIMULATED_SPEED=off), and its "
        "text is not a model's."
    )


def test_the_document(probe: Probe, routed: Front) -> None:
    """JSON and nothing else, with the figures of each turn: cached tokens grow with them."""
    result = probe("--url", routed.url, "--json", "--prompt", "Tell me of rivers.")
    assert (result.returncode, result.stderr) == (0, "")
    document = checked(result.stdout)
    assert (document["model"], document["load"]) == (MODEL, None)
    assert (document["simulated"], document["simulated_speed"]) == (True, "off")
    assert document["simulated_doubts"] is None
    assert (document["same_replica"], len(document["turns"])) == (True, 3)
    first, second, third = (turn["cached_tokens"] or 0 for turn in document["turns"])
    assert first <= second < third
    assert second > 0 or third > 16


def test_how_fast_time_passes(probe: Probe, start: Callable[..., int]) -> None:
    """A reader and a program learn it: at another speed than 1 no time is the modelled one."""
    url = f"http://127.0.0.1:{start(speed='10000')}"
    assert checked(probe("--url", url, "--json").stdout)["simulated_speed"] == 10000
    said = "its times are modelled, 10000 times as fast (INFRA_SIMULATED_SPEED=10000), and its text"
    assert said in probe("--url", url).stdout


def test_answers_without_room_are_warned_of(
    probe: Probe, start: Callable[..., int], tmp_path: Path
) -> None:
    """An engine that ends them for want of room does not look as one that answers."""
    h100 = gpu("H100")
    assert h100 and h100.capacity
    facts = ModelFacts(
        weight_bytes=int(h100.capacity * 0.9) - 73_728 * 20,
        layers=36,
        heads=64,
        kv_heads=8,
        head_size=64,
    )
    model_figures.keep(tmp_path, {"some/model": facts})
    port = start(
        *("--mem-fraction-static", "0.9"),
        model="some/model",
        INFRA_SIMULATED_GPU="H100",
        INFRA_SIMULATED_MODELS=str(tmp_path / model_figures.FILE),
    )
    url = f"http://127.0.0.1:{port}"
    load = ("--concurrency", "2", "--duration", "1")
    said = probe("--url", url, *load).stdout
    assert (
        "\nwarning: the engine has ended 3 of 3 answers for want of room, the first after " in said
    )
    assert re.search(r"^warning: the engine has ended \d+ of them for want of room$", said, re.M)
    document = checked(probe("--url", url, "--json", *load).stdout)
    assert [turn["cut_short"] for turn in document["turns"]] == [True] * 3
    assert document["load"]["cut_short"] == document["load"]["answers"]
    # Who asks for no more gets all of it.
    assert "warning" not in probe("--url", url, "--max-tokens", "5").stdout


def test_what_is_guessed_is_told(probe: Probe, start: Callable[..., int]) -> None:
    """A reader and a program learn that nothing is known of the model."""
    url = f"http://127.0.0.1:{start(model='some/Model-120B')}"
    doubt = "the size of 'some/Model-120B' is not known: from its name 240.0 GB of weights"
    assert f"\nIt guesses: {doubt}" in probe("--url", url).stdout
    assert checked(probe("--url", url, "--json").stdout)["simulated_doubts"].startswith(doubt)


def test_load_is_tallied(probe: Probe, routed: Front) -> None:
    """All that was begun is counted once, by replica; percentiles are in order."""
    result = probe(
        "--url", routed.url, "--json", "--concurrency", "4", "--duration", "1", "--max-tokens", "8"
    )
    assert (result.returncode, result.stderr) == (0, "")
    load = checked(result.stdout)["load"]
    assert load["concurrency"] == 4
    assert load["answers"] >= 4
    assert load["failures"] == {}
    assert sum(load["replicas"].values()) == load["answers"]
    assert load["completion_tokens"] == 8 * load["answers"]
    for name in ("time_to_first_token", "between_events", "per_token", "total"):
        values = [load[name][percent] for percent in PERCENTILES]
        assert values == sorted(values)


def test_failures_under_load_are_counted(
    terminal: Callable[..., tuple[int, str]], front: Callable[..., Front], ports: tuple[int, int]
) -> None:
    """Whoever meets no replica is one of the failed; the probe goes on, and has failed."""
    routed = front()
    routed.tell(f"only {ports[0]}")
    code, text = terminal(
        *("--url", routed.url, "--concurrency", "2", "--duration", "2", "--max-tokens", "8"),
        until=r"[1-9]\d* answers",
        then=lambda: routed.tell("only"),
    )
    assert code == 1
    found = re.search(r"2 at once for .*: (\d+) requests, (\d+) failed\n  (\d+) 503 Serv", text)
    assert found
    requests, failed, refused = map(int, found.groups())
    assert 0 < failed == refused < requests


class ThreeAnswers(BaseHTTPRequestHandler):
    """An engine that answers three chats and then only says that it is busy."""

    protocol_version = "HTTP/1.1"
    chats = itertools.count(1)

    def do_GET(self) -> None:
        self._send(200, b'{"data": [{"id": "m"}]}')

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        choice = {"delta": {"content": "Yes."}, "finish_reason": "stop"}
        event = f"data: {json.dumps({'choices': [choice]})}\n\n".encode()
        self._send(200, event) if next(self.chats) <= 3 else self._send(429, b"")

    def _send(self, status: int, body: bytes) -> None:
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""


def test_load_without_an_answer_fails(probe: Probe) -> None:
    """Failures are counted, not raised; but a load without any answer is an error."""
    with ThreadingHTTPServer(("127.0.0.1", 0), ThreeAnswers) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        url = f"http://127.0.0.1:{server.server_port}"
        result = probe("--url", url, "--concurrency", "2", "--duration", "1", "--json")
        server.shutdown()
        thread.join()
    assert (result.returncode, result.stderr) == (1, "")
    document = checked(result.stdout)
    assert (document["simulated"], document["simulated_speed"]) == (False, None)
    assert document["same_replica"] is None
    load = document["load"]
    assert (load["answers"], list(load["failures"])) == (0, ["429 Too Many Requests"])
    assert load["time_to_first_token"] is load["per_token"] is None


class Painter(ThreeAnswers):
    """An engine whose model's name clears the screen."""

    chats = itertools.count(1)

    def do_GET(self) -> None:
        self._send(200, json.dumps({"data": [{"id": "a\x1b[2Jb"}]}).encode())


def test_a_models_name_does_nothing_to_a_terminal(probe: Probe) -> None:
    """What the server says of itself is shown as text."""
    with ThreadingHTTPServer(("127.0.0.1", 0), Painter) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        result = probe("--url", f"http://127.0.0.1:{server.server_port}")
        server.shutdown()
        thread.join()
    assert (result.returncode, result.stderr) == (0, "")
    assert "[2Jb" in result.stdout
    assert "\x1b" not in result.stdout


def test_interrupted_load_shows_what_there_is(
    terminal: Callable[..., tuple[int, str]], routed: Front
) -> None:
    """Ctrl-C ends the load; the figures so far are shown, and the exit code says so."""
    code, text = terminal(
        *("--url", routed.url, "--concurrency", "2", "--duration", "1h"),
        until=r"[1-9]\d* answers",
        then=signal.SIGINT,
    )
    assert code == 130
    assert re.search(r"2 at once for [\d.]+ m?s: \d+ requests, 0 failed\n", text)
    assert text.endswith("Interrupted.\n")


def test_interrupted_at_once(terminal: Callable[..., tuple[int, str]], routed: Front) -> None:
    """Whenever Ctrl-C comes, no rate of nothing is shown, and the cursor is."""
    code, text = terminal(
        *("--url", routed.url, "--concurrency", "2", "--duration", "1h"),
        until=r"The engine is",
        then=signal.SIGINT,
    )
    # Where it comes within an `exec` of a module that is imported, Python itself ends so.
    assert code in (130, -signal.SIGINT)  # to a shell the same
    assert "0 requests" not in text
    assert text.rfind("\x1b[?25l") <= text.rfind("\x1b[?25h")
    assert text.endswith("Interrupted.\n")


def test_interrupted_waiting(
    terminal: Callable[..., tuple[int, str]], front: Callable[..., Front]
) -> None:
    """Ctrl-C ends the waiting for a replica, too."""
    code, text = terminal("--url", front().url, until="container is ready", then=signal.SIGINT)
    assert code == 130
    assert "\nwaiting: it answers 503: modal-http: no container is ready\n" in text
    assert text.endswith("Interrupted.\n")


def test_waits_until_a_replica_is_ready(
    terminal: Callable[..., tuple[int, str]], front: Callable[..., Front], ports: tuple[int, int]
) -> None:
    """503 while there is none; with the first one the chat goes on."""
    routed = front()
    code, text = terminal(
        "--url",
        routed.url,
        until="no container is ready",
        then=lambda: routed.tell(f"a {ports[0]}"),
    )
    assert code == 0
    assert re.search(r"waiting: .*no container is ready\n(.*\n)*.*ready after .*\n", text)


def test_no_replica_in_time(probe: Probe, front: Callable[..., Front]) -> None:
    """Who waits in vain learns why and how to wait longer; JSON does not become half a document."""
    result = probe("--url", front().url, "--timeout", "0.1", "--json")
    assert (result.returncode, result.stdout) == (1, "")
    assert "not ready after 0.1 s: it answers 503: modal-http: no container" in result.stderr
    assert "or wait longer with --timeout" in result.stderr


def test_a_server_asks_for_the_token(
    probe: Probe, front: Callable[..., Front], ports: tuple[int, int]
) -> None:
    """Without it the probe says which variables it takes; with it all goes well, unprinted."""
    routed = front(TOKEN)
    routed.tell(f"a {ports[0]}")
    refused = probe("--url", routed.url)
    assert refused.returncode == 1
    assert "401: modal-http: missing credentials" in refused.stderr
    assert "set MODAL_PROXY_TOKEN_ID and MODAL_PROXY_TOKEN_SECRET" in refused.stderr
    name, secret = TOKEN
    wrong = probe("--url", routed.url, MODAL_PROXY_TOKEN_ID=name, MODAL_PROXY_TOKEN_SECRET="wrong")
    assert "401: modal-http: invalid credentials" in wrong.stderr
    taken = probe("--url", routed.url, MODAL_PROXY_TOKEN_ID=name, MODAL_PROXY_TOKEN_SECRET=secret)
    assert taken.returncode == 0
    assert secret not in taken.stdout + taken.stderr + wrong.stderr


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (["--url", "http://127.0.0.1:1"], 1, "no connection: Connection refused; "),
        (["--url", "ftp://127.0.0.1"], 64, "'ftp://127.0.0.1' is no address of a service; "),
        (["--url", "http://127.0.0.1:1/v1"], 64, "is no address of a service; "),
        (["--url", "http://127.0.0.1:1?x=y"], 64, "is no address of a service; "),
        (["--url", "http://127.0.0.1:1#x"], 64, "is no address of a service; "),
        (["--url", "http://127.0.0.1:99999"], 64, "is no address of a service; "),
        (["--url", "http://127.0.0.1:abc"], 64, "is no address of a service; "),
        (["--url", "http://[::1"], 64, "is no address of a service; "),
        (["--url", "http://a..b"], 64, "is no address of a service; "),
        (["--url", "http://a b"], 64, "is no address of a service; "),
        (["--url", "http://a\nb"], 64, "is no address of a service; "),
        (["--url", "http://127.0.0.1:1", "dev"], 64, "--url: an address says all; "),
        (["--duration", "5s"], 64, "there is no load without a number of requests at once; "),
        (["--timeout", "0"], 64, "--timeout: 0 is no time to wait; "),
        (["--timeout", "nan"], 64, "Invalid value for '--timeout': 'nan' is no time; "),
        (["--concurrency", "0"], 64, "Invalid value for '--concurrency'"),
        (["stacks/dev.py", "a", "b"], 64, "there are 3 names; a stack file and one service are"),
        (["a"], 64, "there is no saved plan; a stack file is needed; "),
        (["stacks/dev.py", "a"], 1, "is not there; a stack file is allowed; "),
    ],
)
def test_what_can_not_be_called(probe: Probe, arguments: list[str], code: int, said: str) -> None:
    """Each says what is so and what to do, without a traceback."""
    result = probe(*arguments)
    assert result.returncode == code
    assert said in result.stderr
    assert "Traceback" not in result.stderr


def test_a_password_in_an_address_is_not_shown(probe: Probe, routed: Front) -> None:
    """It is refused, as it would stand in the title and in JSON."""
    result = probe("--url", routed.url.replace("//", "//user:hidden@"), "--json")
    assert result.returncode == 64
    assert "without a user" in result.stderr
    assert "hidden" not in result.stdout + result.stderr


def test_a_token_that_is_none(probe: Probe, routed: Front) -> None:
    """A line end within is told as what it is, and what is set is not shown."""
    variables = {"MODAL_PROXY_TOKEN_ID": "wk-1", "MODAL_PROXY_TOKEN_SECRET": "ws-hidden\nX: y"}
    result = probe("--url", routed.url, **variables)
    assert result.returncode == 64
    assert "MODAL_PROXY_TOKEN_SECRET: they are no token; " in result.stderr
    assert "hidden" not in result.stdout + result.stderr


def test_no_tls(probe: Probe, routed: Front) -> None:
    """A server without TLS behind https:// is told as such."""
    result = probe("--url", routed.url.replace("http:", "https:"))
    assert result.returncode == 1
    assert "no TLS connection: " in result.stderr
