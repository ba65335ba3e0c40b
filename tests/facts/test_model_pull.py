"""`infra model pull` asks a Hub for two small files; here the Hub is a server on this machine."""

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import attrs
import pytest
from click.testing import CliRunner, Result

from infra.cli import main
from infra.errors import InfraError
from infra.facts.models import ModelFacts
from infra.hub import fetch
from infra.model_files import facts
from infra.resources import ModelUse

NAME, COMMIT = "some/model", "220b46e3b2180893580a4454f21f22d3ebb187d3"
TOKEN = "hf_" + "s" * 30
CONFIG = {
    "architectures": ["LlamaForCausalLM"],
    "num_hidden_layers": 80,
    "num_attention_heads": 64,
    "num_key_value_heads": 8,
    "hidden_size": 8192,
    "vocab_size": 128256,
}


@attrs.define
class Hub:
    """
    A Hub.

    Attributes:
        url: Its address.
        files: What it has, by path: bytes, where else it is, or the status of an error.
        seen: Method, path and Authorization of each request.
        headers: More headers of each answer.
    """

    url: str
    files: dict[str, bytes | str | int] = attrs.field(factory=dict)
    seen: list[tuple[str, str, str | None]] = attrs.field(factory=list)
    headers: dict[str, str] = attrs.field(factory=dict)

    def has(self, file: str, content: Any, *, revision: str = "main") -> None:
        """Keep a file at a revision."""
        is_plain = isinstance(content, bytes | str | int)
        data = content if is_plain else json.dumps(content).encode()
        self.files[f"/{NAME}/resolve/{revision}/{file}"] = data


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Hub]:
    """A Hub that HF_ENDPOINT names, and an empty folder to run in."""
    monkeypatch.chdir(tmp_path)
    for name in ("HF_TOKEN", "HTTP_PROXY", "HTTPS_PROXY", "http_proxy", "https_proxy"):
        monkeypatch.delenv(name, raising=False)

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            there.seen.append((self.command, self.path, self.headers["Authorization"]))
            found = there.files.get(self.path, 404)
            body = found if isinstance(found, bytes) else b"{}"
            if isinstance(found, str):
                self.send_response(302)
                self.send_header("Location", found)
                self.send_header("X-Linked-Size", "123456789")
            else:
                self.send_response(200 if isinstance(found, bytes) else found)
            for header, value in there.headers.items():
                self.send_header(header, value)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            if self.command == "GET":
                self.wfile.write(body)

        do_HEAD = do_GET  # noqa: N815

        def log_message(self, format: str, *args: object) -> None:
            """Say nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        there = Hub(f"http://127.0.0.1:{server.server_port}")
        there.headers["X-Repo-Commit"] = COMMIT
        monkeypatch.setenv("HF_ENDPOINT", there.url)
        thread = threading.Thread(target=server.serve_forever, args=(0.02,))
        thread.start()
        yield there
        server.shutdown()
        thread.join()


def run(*words: str) -> Result:
    """The command line."""
    return CliRunner().invoke(main, ["model", *words])


def test_figures_are_where_plans_look(hub: Hub, tmp_path: Path) -> None:
    """What was pulled is what a plan knows: sizes, and the bytes of the index."""
    hub.has("config.json", CONFIG)
    hub.has("model.safetensors.index.json", {"metadata": {"total_size": 141}}, revision=COMMIT)
    done = run("pull", NAME)
    assert (done.exit_code, done.output) == (
        0,
        "wrote models/some--model/main.json (commit 220b46e3b218)\n",
    )
    found = facts(ModelUse(name=NAME), None)
    assert (found.layers, found.head_size, found.weight_bytes) == (80, 128, 141)
    kept = json.loads((tmp_path / "models/some--model/main.json").read_bytes())
    assert (kept["commit"], "vocab_size" in kept["config"]) == (COMMIT, False)


def test_a_second_pull_writes_the_same(hub: Hub, tmp_path: Path) -> None:
    """The file of an unchanged model is the same to the byte, as it is committed."""
    hub.has("config.json", CONFIG)
    run("pull", NAME)
    first = (tmp_path / "models/some--model/main.json").read_bytes()
    run("pull", NAME)
    assert (tmp_path / "models/some--model/main.json").read_bytes() == first


def test_a_commit_is_asked_for(hub: Hub) -> None:
    """A pinned model's file is that commit's, and plans of that commit find it."""
    hub.has("config.json", CONFIG, revision=COMMIT)
    assert run("pull", NAME, "--revision", COMMIT).exit_code == 0
    assert facts(ModelUse(name=NAME, revision=COMMIT), None).layers == 80
    assert facts(ModelUse(name=NAME), None) == ModelFacts()


def test_weights_in_one_file_are_counted(hub: Hub) -> None:
    """Without an index the Hub is asked for the size of the one file, which is not fetched."""
    hub.has("config.json", CONFIG)
    hub.has("model.safetensors", b"1234567", revision=COMMIT)
    assert fetch(NAME, "main", {"HF_ENDPOINT": hub.url}).weight_bytes == 7
    assert ("HEAD", f"/{NAME}/resolve/{COMMIT}/model.safetensors", None) in hub.seen


def test_the_token_goes_to_the_hub_and_nowhere_else(
    hub: Hub, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Each request bears HF_TOKEN; no output and no file has it."""
    monkeypatch.setenv("HF_TOKEN", TOKEN)
    hub.has("config.json", CONFIG)
    done = run("pull", NAME)
    assert {authorization for _, _, authorization in hub.seen} == {f"Bearer {TOKEN}"}
    hub.has("config.json", 403)
    refused = run("pull", NAME)
    assert refused.exit_code == 1
    written = (tmp_path / "models/some--model/main.json").read_text()
    assert TOKEN not in done.output + refused.output + written


def test_the_token_does_not_follow_to_another_host(hub: Hub) -> None:
    """A file may be elsewhere: it is read there without the token; its size says the Hub."""
    elsewhere = hub.url.replace("127.0.0.1", "localhost") + "/storage"
    hub.files["/storage"] = json.dumps(CONFIG).encode()
    hub.has("config.json", elsewhere)
    hub.has("model.safetensors", elsewhere, revision=COMMIT)
    found = fetch(NAME, "main", {"HF_ENDPOINT": hub.url, "HF_TOKEN": TOKEN})
    assert (found.config["num_hidden_layers"], found.weight_bytes) == (80, 123456789)
    asked = {path: authorization for _, path, authorization in hub.seen}
    assert asked[f"/{NAME}/resolve/main/config.json"] == f"Bearer {TOKEN}"
    assert asked["/storage"] is None


@pytest.mark.parametrize(
    ("status", "said"),
    [
        (401, "some/model: the Hub wants a token for it (HTTP 401), or there is no such model; "),
        (404, "some/model: the Hub has no config.json of it at main; "),
        (500, "some/model: the Hub's answer is of no use: HTTP 500 for config.json; "),
        (b"<html>", "some/model: the Hub's answer is of no use: config.json can't be read"),
        (b'{"a": 1}', "config.json of some/model: is no config.json of a model; "),
    ],
)
def test_what_the_hub_refuses_is_told(hub: Hub, status: int | bytes, said: str) -> None:
    """An answer that is of no use is an error with its reason, and no file is written."""
    hub.has("config.json", status)
    done = run("pull", NAME)
    assert done.exit_code == 1
    assert said in done.output
    assert not Path("models").exists()


def test_without_a_network(hub: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the Hub can't be reached, the error says where to run it instead."""
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:1")
    done = run("pull", NAME)
    assert done.output == (
        "Error: http://127.0.0.1:1: can't be reached (ConnectionError); a network is needed; run "
        "this where there is one, and commit the file that it writes\n"
    )


@pytest.mark.parametrize(
    ("environ", "said"),
    [
        ({"HF_ENDPOINT": "http://example.com"}, "HF_ENDPOINT: is no https address"),
        ({"HF_ENDPOINT": "file:///etc"}, "HF_ENDPOINT: is no https address"),
        ({"HF_ENDPOINT": "http://["}, "HF_ENDPOINT: is no https address"),
        ({"HF_ENDPOINT": "https://"}, "HF_ENDPOINT: is no https address"),
        ({"HF_ENDPOINT": "https://me:X-Header@127.0.0.1:1"}, "HF_ENDPOINT: is no https address"),
        ({"HF_TOKEN": "hf_\nX-Header: 1"}, "HF_TOKEN: is no token"),
    ],
)
def test_odd_variables_are_refused(environ: dict[str, str], said: str) -> None:
    """A token goes over https only, and is nothing but a token."""
    with pytest.raises(InfraError) as refused:
        fetch(NAME, "main", environ)
    assert str(refused.value).startswith(said)
    assert "X-Header" not in str(refused.value)


@pytest.mark.parametrize("name", ["../../etc", "a/b/c", "a b", "-a/b", "https://x/y"])
def test_a_name_is_no_path(hub: Hub, name: str) -> None:
    """What is no repository's name asks for nothing and writes nothing."""
    assert run("pull", "--", name).exit_code == 64
    assert hub.seen == []
    assert not Path("models").exists()


def test_show_tells_every_source(hub: Hub) -> None:
    """A figure stands beside its source; an estimate is marked, what is missing is named."""
    shown = run("show", "Qwen/Qwen3-8B-FP8").output
    assert "weight_bytes    ~9,440,000,000 bytes  estimate: " in shown
    assert "layers          36                    model card of Qwen/Qwen3-8B" in shown
    assert "Not known, or it has none: value_size" in shown
    hub.has("config.json", CONFIG)
    run("pull", NAME)
    assert (
        "layers        80                models/some--model/main.json" in run("show", NAME).output
    )
