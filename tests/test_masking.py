"""What looks like a secret stands in the stack file and the generated module, and nowhere else."""

import hashlib
from typing import Any

import pytest
import worlds
from hypothesis import given
from hypothesis import strategies as st

from components import KernelCache, SGLang
from infra.display_what_if import what_if_json, what_if_text
from infra.errors import InvalidStack
from infra.generated import unified_diff
from infra.lower import lower
from infra.manifest import Manifest
from infra.masking import MARK, masked, masked_plain, masked_value
from infra.what_if import what_if

TOKEN = "hf_" + "q" * 30
KEY = "sk-" + "w" * 30


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("HF_TOKEN", "x"),
        ("hf_token", "x"),
        ("OPENAI_API_KEY", "x"),
        ("DB_PASSWORD", "correct horse"),
        ("AWS_SECRET_ACCESS_KEY", "/ab+c"),
        ("ANYTHING", TOKEN),
        ("ANYTHING", KEY),
        ("ANYTHING", "github_pat_" + "1" * 30),
        ("ANYTHING", "-----BEGIN RSA PRIVATE KEY-----\nabc"),
        ("--api-key", "x"),
        ("--api-k", "x"),
        ("--api", "x"),
        ("--admin-api-key", "x"),
        ("--hf-token", "x"),
        ("--ssl-keyfile-password", "x"),
    ],
)
def test_a_name_or_a_value_tells_a_secret(name: str, value: str) -> None:
    """The whole value is masked, whatever is in it."""
    shown = masked_value(name, value)
    assert shown.startswith(MARK) and shown.endswith(")") and len(shown) == len(MARK) + 5


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("TOKENIZERS_PARALLELISM", "false"),
        ("MAX_TOKENS", "8"),
        ("SGLANG_CLIP_MAX_NEW_TOKENS_ESTIMATION", "4096"),
        ("HF_TOKEN_PATH", "/run/token"),
        ("HF_HUB_DISABLE_IMPLICIT_TOKEN", "1"),
        ("GOOGLE_APPLICATION_CREDENTIALS", "/root/key.json"),
        ("OPENAI_API_KEY", "EMPTY"),
        ("HF_TOKEN", "$TOKEN"),
        ("HF_TOKEN", ""),
        ("--api-server-count", "4"),
        ("--tokenizer-path", "a/tokenizer"),
        ("--speculative-token-map", "a/map"),
        ("--kt-max-deferred-experts-per-token", "3"),
        ("--ssl-keyfile", "/root/key.pem"),
        ("URL", "http://127.0.0.1:8000/a@b"),
    ],
)
def test_what_only_sounds_like_a_secret_is_shown(name: str, value: str) -> None:
    """Counts, switches, places and variables are none."""
    assert masked_value(name, value) == value


@pytest.mark.parametrize(
    ("text", "secret"),
    [
        (f"hf auth login --token {TOKEN}", TOKEN),
        ("HF_TOKEN=abc hf download", "abc"),
        ("login --password='a b' now", "a b"),
        ("--api-key=abc", "abc"),
        ("pip install --extra-index-url https://me:abc@host/simple", "me:abc"),
        ('    *("--api-key", "a b"),', "a b"),
        ('        "HF_TOKEN": "abc",', "abc"),
        ('{"model": "x", "token": "abc"}', "abc"),
    ],
)
def test_a_secret_in_a_text_is_masked_alone(text: str, secret: str) -> None:
    """What stands around it stays."""
    before, after = text.split(secret)
    shown = masked(text)
    assert shown.startswith(before) and shown.endswith(after)
    assert secret not in shown.removeprefix(before).removesuffix(after)
    assert masked(shown) == shown


@pytest.mark.parametrize(
    "text",
    [
        "hf auth login --token $HF_TOKEN",
        "git clone https://x-access-token:${TOKEN}@host/a",
        "export HF_TOKEN=$(cat /run/token)",
        "RUN --mount=type=secret,id=hf_token hf download",
        'SECRET = modal.Secret.from_name("huggingface-secret")',
        "    secrets=CHAT_SECRETS,",
    ],
)
def test_a_text_without_a_secret_stays(text: str) -> None:
    """Variables and names of Secrets are for everybody to see."""
    assert masked(text) == text


@given(st.text("abcXYZ019_-/.", min_size=1), st.text("abcXYZ019_-/.", min_size=1))
def test_two_secrets_have_two_marks(one: str, other: str) -> None:
    """A secret that is changed shows as a change, but for one in 65,536."""
    first, second = (masked_plain(["--api-key", f"word {each}"])[1] for each in (one, other))
    digests = [hashlib.sha256(f"word {each}".encode()).hexdigest()[:4] for each in (one, other)]
    assert (first == second) == (digests[0] == digests[1])
    assert first.startswith(MARK) and second.startswith(MARK)


def record(**fields: Any) -> Manifest:
    """The record of an App with one service."""
    (artifact,) = worlds.project(worlds.stack(worlds.service(**fields))).artifacts
    return artifact.manifest


def test_no_record_holds_a_secret() -> None:
    """A record is shown, compared and stored."""
    one = record(engine=SGLang(api_key=KEY), environment={"HF_TOKEN": TOKEN})
    other = record(engine=SGLang(api_key=KEY), environment={"HF_TOKEN": TOKEN + "q"})
    assert KEY not in one.to_json().decode() and TOKEN not in one.to_json().decode()
    assert one.fingerprint != other.fingerprint
    assert one.resources != other.resources


def test_no_disagreement_shows_a_secret() -> None:
    """Parts that contradict each other are told with marks."""
    service = worlds.service(
        environment={"HF_TOKEN": TOKEN}, kernels=KernelCache("kernels", env={"HF_TOKEN": "other"})
    )
    with pytest.raises(InvalidStack) as caught:
        lower(worlds.stack(service), "stacks/dev.py")
    assert "variable HF_TOKEN is set by kernels" in str(caught.value)
    assert TOKEN not in str(caught.value) and "'other'" not in str(caught.value)


def test_a_diff_shows_that_a_secret_was_changed() -> None:
    """Two values are two marks."""
    diff = unified_diff('"HF_TOKEN": "one"\n', '"HF_TOKEN": "two"\n', "chat.py")
    assert diff.count(MARK) == 2
    assert "one" not in diff and "two" not in diff


def test_values_that_are_tried_are_masked() -> None:
    """What `plan --what-if` shows of a service is no secret, either."""
    project = worlds.project(worlds.stack(worlds.service(engine=SGLang(api_key=KEY))))
    found = what_if(project, ["engine.api_key=other-key"])
    shown = what_if_text(found) + str(what_if_json(found, "dev"))
    assert shown.count(MARK) >= 4
    assert KEY not in shown and "other-key" not in shown
