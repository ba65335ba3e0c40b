"""Whether what is served stays the same until somebody changes it."""

import re
from collections.abc import Iterator

from components.rules.engine import Engine, base_tag, packages
from infra.rules import Fault, Rule, Subject, rule

COMMIT = re.compile(r"[0-9a-f]{40}")
MOVING = re.compile(r"(latest|dev|main|nightly)(?![.\d])|^latest", re.IGNORECASE)
HUB = "https://huggingface.co/docs/huggingface_hub/guides/download: revision"


def is_local(path: str) -> bool:
    """Whether a model is not of the Hub."""
    return path.startswith(("/", "./", "s3://", "gs://"))


@rule("INF090", severity="warning", strict="error", source=HUB, view=Engine.of)
def model_not_pinned(engine: Engine) -> Iterator[Fault]:
    """
    A model without a commit.

    Its main branch is downloaded whenever a container finds the cache empty: what is served
    changes without a deployment, and containers may differ.
    """
    path, revision = engine.text("--model-path") or "", engine.text("--revision")
    if path and not is_local(path) and not COMMIT.fullmatch(revision or ""):
        yield Fault(
            field="model",
            what=f"{path} is taken from {revision or 'its main branch'}",
            fix='write model=Model("...", revision="<commit>")',
        )


@rule(
    "INF091",
    severity="warning",
    strict="error",
    source='server_args.py of SGLang: the revision is then "main"',
    view=Engine.of,
)
def draft_not_pinned(engine: Engine) -> Iterator[Fault]:
    """
    A draft model without a commit.

    SGLang takes its main branch. Another draft changes the speed, and code in its repository may
    run.
    """
    path = engine.text("--speculative-draft-model-path") or ""
    revision = engine.text("--speculative-draft-model-revision")
    if path and not is_local(path) and not COMMIT.fullmatch(revision or ""):
        yield Fault(
            field="speculative",
            what=f"{path} is taken from {revision or 'its main branch'}",
            fix='write draft_model_revision="<commit>"',
        )


@rule("INF092", severity="warning", strict="error", source="https://modal.com/docs/guide/images")
def image_not_pinned(subject: Subject) -> Iterator[Fault]:
    """
    An image by a tag that moves.

    Modal builds it anew when anything before it changes, and then takes whatever the tag names
    on that day.
    """
    tag = base_tag(subject.image)
    if tag is None or "@sha256:" in tag:
        return
    name, _, version = tag.rpartition(":")
    if not name or "/" in version or MOVING.search(version):
        yield Fault(
            field="image",
            what=f"{tag} names another image tomorrow",
            fix="write a tag with a version, or a digest (@sha256:...)",
        )


@rule("INF093", severity="warning", source="https://modal.com/docs/guide/images")
def package_not_pinned(subject: Subject) -> Iterator[Fault]:
    """
    A Python package without a version.

    The next build of the image takes the newest, which may not go with SGLang.
    """
    for package in packages(subject.image):
        if not re.search(r"[=<>~@/]", package) and not package.startswith("-"):
            yield Fault(
                field="image",
                what=f"{package} is installed in whichever version is the newest",
                fix=f'write "{package}==..."',
            )


@rule("INF094", severity="warning", strict="error", source="inferred", view=Engine.of)
def foreign_code(engine: Engine) -> Iterator[Fault]:
    """
    Code from a model's repository that may change at any time.

    --trust-remote-code runs it with all rights of the container; a commit fixes which code.
    """
    path, revision = engine.text("--model-path") or "", engine.text("--revision")
    pinned = is_local(path) or COMMIT.fullmatch(revision or "")
    if engine.has("--trust-remote-code") and not pinned:
        yield Fault(
            field="model",
            what="--trust-remote-code: runs whatever the repository holds on that day",
            fix="write the model's revision, or take --trust-remote-code out",
        )


RULES: tuple[Rule, ...] = (
    model_not_pinned,
    draft_not_pinned,
    image_not_pinned,
    package_not_pinned,
    foreign_code,
)
