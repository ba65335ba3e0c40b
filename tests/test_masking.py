"""What looks like a secret stands in the stack file and the generated module, and nowhere else."""

import hashlib
from typing import Any

import pytest
import worlds
from hypothesis import example, given, settings
from hypothesis import strategies as st

from components import VLLM, ImageSpec, KernelCache, SGLang
from components.rules import RULES
from infra.display_what_if import what_if_json, what_if_text
from infra.errors import InvalidStack
from infra.facts.flags import CATALOGUES, release, versions
from infra.generated import unified_diff
from infra.lower import lower
from infra.manifest import Manifest, digest
from infra.masking import MARK, masked, masked_plain, masked_text, masked_value
from infra.rules import check
from infra.what_if import what_if

TOKEN = "hf_" + "q" * 30
KEY = "sk-" + "w" * 30
NAMES = """
DB_PASS DB_PWD PASSPHRASE SSH_PASSPHRASE API_KEYS SECRETS API_TOKENS WANDB_KEY ENCRYPTION_KEY
SIGNING_KEY AZURE_STORAGE_KEY AUTHORIZATION X-Api-Key clientSecret HF_TOKEN_2 PGPASSWORD
OPENAI_KEY openai_key AZURE_KEY STRIPE_KEY NGC_KEY NGC_KEYS ANYBODYS_KEY_2 LICENSE_KEY DEPLOY_KEY
SSH_KEY SESSION_KEY GH_PAT AZURE_DEVOPS_PAT JWT USER_JWT PASSCODE CREDS AWS_CREDS CONNECTION_STRING
AZURE_STORAGE_CONNECTION_STRING --connection-string
"""
VALUES = (
    *("xoxb-" + "1" * 20, "AIza" + "b" * 35, "ASIA" + "A" * 16, "npm_" + "a" * 36),
    *("nvapi-" + "a" * 30, f"eyJ{'a' * 20}.eyJ{'b' * 20}.{'c' * 20}", "sk-proj-1" + "a-b" * 10),
)
# Of the engines' own flags all but these; and variables that engines and Modal read.
SECRET_FLAGS = ("--admin-api-key", "--api-key", "--hf-token", "--ssl-keyfile-password")
SECRETS = {"--api-key": KEY, "HF_TOKEN": TOKEN}
VARIABLES = """
TOKENIZERS_PARALLELISM MAX_TOKENS HF_TOKEN_PATH MODAL_TOKEN_ID AWS_ACCESS_KEY_ID API_KEY_HEADER
SECRETARY GENERATE_NEXT_TOKEN SGLANG_CLIP_MAX_NEW_TOKENS_ESTIMATION PWD OLDPWD BYPASS FORWARD_PASS
PASSTHROUGH KEYBOARD MONKEY CACHE_KEY PUBLIC_KEY SSH_AUTH_SOCK VLLM_API_SERVER_COUNT HF_API_URL
GOOGLE_APPLICATION_CREDENTIALS SGLANG_FORWARD_PASS EOS_TOKEN TIME_PER_TOKEN UNAUTHORIZED
KV_CACHE_KEY SSH_PUBLIC_KEY SORT_KEY PRIMARY_KEY ROUTING_KEY sort_key --recv-keys AZURE_KEY_VAULT
KEY PAT GH_PATH PYTHONPATH EXCLUDE_PATTERN TRITON_PATCH file_pat JWT_ISSUER CREDIT SACRED CONNECTION
"""


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
        ("--admin", "x"),
        *((name, "x") for name in NAMES.split()),
        *(("ANYTHING", value) for value in VALUES),
        *(("PASSWORD", word) for word in ("1234567", "$ecretpass", "{abc}", "<abc", "/usr/abc")),
        ("API_KEY", "1234567"),
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
        ('{"api_key":"abc","model":"x"}', "abc"),
        ('["--api-key","abc"]', "abc"),
        ("--api-key\tabc", "abc"),
        ("--api-key\nabc", "abc"),
        ('{"a":{"password":"hunterGGG"}}', "hunterGGG"),
        (r'"{\"password\":\"hunter\",\"x\":\"y\"}"', "hunter"),
        (r"{\"api_key\": \"a\\\"b\", \"x\": 1}", r"a\\\"b"),
        ("API_KEY=ab,cd now", "ab,cd"),
        ("API_KEY=abc(def)ghi", "abc(def)ghi"),
        ("HF_TOKEN=\"a'b'c\"", "a'b'c"),
        (r'password="a\"b" now', r"a\"b"),
        ("redis://u:p@hunterFFF@h/0", "u:p@hunterFFF"),
        (f"git+https://{'0a' * 20}@github.com/x", "0a" * 20),
        ("curl -H 'Authorization: Bearer tok-abc' h", "Bearer tok-abc"),
        ("curl -H 'X-Api-Key: abc' h", "abc"),
        ('["--kv-key", "--api-key", "abc"]', "abc"),
        ('passthrough="API_KEY=abc"', "abc"),
        (f"API_KEY=x,{TOKEN},y now", f"x,{TOKEN},y"),
        ("ENV HF_TOKEN abc", "abc"),
        ("FROM a\n  ENV GH_PAT abc\nRUN b", "abc"),
        (r'dockerfile_commands("FROM a\nENV HF_TOKEN abc")', "abc"),
        ("ENV A=b HF_TOKEN=abc", "abc"),
        ("aws configure set aws_secret_access_key abc", "abc"),
        ("wandb login abc", "abc"),
        ("wandb login --relogin --host https://h abc && b", "abc"),
        ("curl -u user:abc https://h", "abc"),
        ('curl -fsSLu "user:abc" https://h', "abc"),
        ("curl -s --user=$USER:abc https://h", "abc"),
        ("git clone https://abc@github.com/a/b", "abc"),
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
        "f(token=None, api_key=None)",
        "git+ssh://git@github.com/a",
        "Authorization: Bearer $TOKEN",
        "--served-model-name sk-learn-something-long-enough-model",
        "--admin-host 0.0.0.0",
        "ENV HF_TOKEN $HF_TOKEN",
        "ENV HF_HOME /cache",
        "RUN echo ENV",
        "aws configure set region us-east-1",
        "wandb login $WANDB_API_KEY",
        "wandb login && python a.py",
        "curl -u $USER:$PASSWORD https://h",
        "curl -sSL --user-agent=a:b --unix-socket /s http://h:80/c",
        "curl https://h | docker run -u 1000:1000 a",
        "git clone https://$TOKEN@github.com/a/b",
        "git clone https://${TOKEN}@gitlab.com/a/b",
        "git clone https://git@github.com/a/b",
        "apt-key adv --recv-keys A4B469963BF863CC",
    ],
)
def test_a_text_without_a_secret_stays(text: str) -> None:
    """Variables and names of Secrets are for everybody to see."""
    assert masked(text) == text


@pytest.mark.parametrize("engine", CATALOGUES)
def test_the_flags_of_engines_are_shown(engine: str) -> None:
    """Of every release, whatever stands behind them, wherever it is written."""
    names = {name for each in versions(engine) for name in release(engine, each).names()}
    assert len(names) > 150
    for name in names - {*SECRET_FLAGS}:
        assert masked_value(name, "argmax") == "argmax"
        for text in (f"{name} argmax", f"{name}=argmax", f'*("{name}", "argmax"),'):
            assert masked(text) == text


@pytest.mark.parametrize("name", VARIABLES.split())
def test_variables_that_are_no_secrets_are_shown(name: str) -> None:
    """They count, place or describe."""
    assert masked_value(name, "argmax") == "argmax"
    assert masked(f"{name}=argmax") == f"{name}=argmax"


def test_all_values_behind_a_flag_are_masked() -> None:
    """A flag or a key may have several, and the next flag has its own."""
    for text in (
        '*("--api-key", "one", "two")',
        '"--api-key",\n        "one",\n        "two",\n    ',
        '["--api-key","one","two","--host","h"]',
        '{"api_keys": ["one", "two"], "host": "h"}',
        '--api-key "one", "two"',
    ):
        shown = masked(text)
        assert shown.count(MARK) == 2 and "one" not in shown and "two" not in shown
        assert ("h" in shown.split(MARK)[-1]) == ('"h"' in text)
    shown = masked_plain(["serve", "--api-key", "one", "two", "--host", "h"])
    assert [each[:7] for each in shown] == [
        *("serve", "--api-k", "(secret", "(secret", "--host", "h"),
    ]


def test_plain_data_is_masked_once() -> None:
    """A record that is read back is the same record."""
    data = {"--api-key": ["one", "two"], "args": [{"HF_TOKEN": "x"}, "login --token abc"]}
    assert masked_plain(masked_plain(data)) == masked_plain(data)


PIECES = r"""
AKIAQQQQQQQQQQQQQQQQ ASIA0000000000000000 hf_qqqqqqqqqqqqqqqqqqqq sk-w1w1w1w1w1w1w1w1w1w1w1 abc path
nvapi-aaaaaaaaaaaaaaaaaaaa ghp_zzzzzzzzzzzzzzzzzzzzzz xoxb-1234567890 eyJaaaaaaaa.bbbbbbbb.cccccccc
-----BEGIN PRIVATE KEY----- token HF_TOKEN --token --api-key api_key password secrets authorization
Authorization Bearer basic = : , ; & " ' \" \\\" \ { } [ ] ( ) < > $ ${ $( / :// @ - -- _ . none
1234567 12345678 1.5 (secret 12ab) (secret secret ENV A_KEY GH_PAT curl -u wandb login --relogin
configure set @github.com git
"""


@settings(max_examples=500)
@given(
    st.lists(st.sampled_from([*PIECES.split(), " ", "\n", "(secret 12ab)"]) | st.text(max_size=2))
)
@example(["AKIAQQQQQQQQQQQQQQQQ"] * 2)
@example(["ghp_zzzzzzzzzzzzzzzzzzzzzz", "--token", ":", "none", "("])
@example(["--api-key", "=", "<", "\\", "nvapi-aaaaaaaaaaaaaaaaaaaa", "path"])
@example(["Authorization: ", "-", "-----BEGIN PRIVATE KEY-----"])
@example(["curl ", "-u ", "abc:", "token", "=", "abc"])
@example(["://", "abc", "@github.com", ":", "abc", "@"])
@example(["wandb login ", "--token", "=", "abc", "@github.com", " "])
def test_a_text_is_masked_once(pieces: list[str]) -> None:
    """A mark makes no secret of what stands beside it; else a record would differ from itself."""
    shown = masked_text("".join(pieces))
    assert masked_text(shown) == shown


def test_a_variable_as_a_pair_is_masked() -> None:
    """As `--what-if` has those of an environment; names of Modal's Secrets are no pairs."""
    ((name, value), other) = masked_plain([("API_TOKEN", "top"), ("MODE", "fast")], "environment")
    assert name == "API_TOKEN" and value.startswith(MARK) and other == ["MODE", "fast"]
    assert masked_plain(["my_secret", "other"], "secrets") == ["my_secret", "other"]


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


def test_an_old_record_is_masked_when_it_is_read() -> None:
    """Records were once written in clear, and what is read is shown."""
    new = record(engine=SGLang(api_key=KEY), environment={"HF_TOKEN": TOKEN})
    marks = {key: masked_value(key, value) for key, value in SECRETS.items()}
    text = new.to_json().decode()
    for key, mark in marks.items():
        assert mark in text
        text = text.replace(mark, SECRETS[key])
    read = Manifest.from_json(text.encode(), digest(text.encode()))
    assert read == new
    assert Manifest.from_json(new.to_json(), new.fingerprint) == new


def test_no_finding_shows_a_word_that_is_refused() -> None:
    """Neither where the words are chosen from a list nor where they are read as numbers."""
    engine = VLLM(mamba_cache_mode=TOKEN, max_num_seqs=KEY)
    service = worlds.service(
        engine=engine, image=ImageSpec.from_registry("vllm/vllm-openai:v0.33.0")
    )
    found = check(lower(worlds.stack(service), "dev.py"), RULES, accept={}, is_strict=False)
    refused = [each for each in found.findings if each.code == "INF012"]
    assert len(refused) == 2 and str(refused).count(MARK) == 2
    assert TOKEN not in str(found) and KEY not in str(found)
    service = worlds.service(engine=SGLang(api_key=["one-key", "other-key"]))
    found = check(lower(worlds.stack(service), "dev.py"), RULES, accept={}, is_strict=False)
    assert "INF010" in str(found) and "other-key" not in str(found)


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


@pytest.mark.parametrize(
    "text",
    [
        "token",
        "--token ",
        'token="',
        '"token":"',
        '--api-key "a",',
        "a-",
        'token="\\',
        "eyJ-",
        '\\\\\\"',
        "://a:",
        "ENV A_KEY ",
        "A_KEY",
        "ENV ",
        "://a@",
        "wandb login ",
        "wandb login -a ",
        "wandb login -",
        "curl -u",
        "curl -u a:",
        "curl ",
    ],
)
def test_a_long_text_is_masked(text: str) -> None:
    """The search is linear; a quadratic one would not come to the end of these."""
    long = text * (200_000 // len(text)) + " "
    for each in (long, f'--token "a", "{long}'):
        assert masked_text(each)[-1:] in " )"
