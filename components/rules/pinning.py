"""Whether what is served stays the same until somebody changes it."""

import re
from collections.abc import Iterator
from functools import cache

from components.image import SERVING, SGLANG_IMAGE, packages, repository
from components.rules.engine import Engine, base_tag
from components.rules.sglang_engine import SGLangEngine
from infra.masking import masked
from infra.rules import Fault, Rule, Subject, rule

HEXADECIMAL = frozenset("0123456789abcdef")
MOVING = r"(latest|dev|main|nightly)(?![.\da-z])|^latest"  # in small letters
# What tells one image of an engine's makers from all others: a whole version; a day, a commit.
ONE = r"\d+\.\d+\.\d+|[0-9a-f]{7,}"
GIT = "git+"
BRANCH = r".*/[^/@]*(?:@(?:main|master|dev|HEAD))?(?:#.*)?"
SIGNS = frozenset("=<>~@/")  # one of which is in a package whose version is chosen
PIN = 'write model=Model("...", revision="<commit>")'
HUB = "https://huggingface.co/docs/huggingface_hub/guides/download: revision"


def is_local(path: str) -> bool:
    """Whether a model is not of the Hub."""
    return path.startswith(("/", "./", "s3://", "gs://"))


def is_commit(revision: str | None) -> bool:
    """Whether a revision is one for good; branches and tags are moved."""
    return revision is not None and len(revision) == 40 and HEXADECIMAL.issuperset(revision)


def moving(engine: Engine) -> str | None:
    """The model and what of it is taken; None: the same on every day."""
    path, revision = engine.path, engine.revision
    if not path or is_local(path) or is_commit(revision):
        return None
    return f"{path} is taken from {revision or 'its main branch'}"


@rule("INF090", severity="warning", strict="error", source=HUB, view=Engine.of)
def model_not_pinned(engine: Engine) -> Iterator[Fault]:
    """
    A model without a commit.

    Its main branch is downloaded whenever a container finds the cache empty: what is served
    changes without a deployment, and containers may differ.
    """
    found = moving(engine)
    if found and not engine.has("--trust-remote-code"):
        yield Fault(field="model", what=found, fix=PIN)


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

    The engine takes its main branch. Another draft changes the speed, and code in its repository
    may run.
    """
    path, revision = engine.draft
    if path and not is_local(path) and not is_commit(revision):
        yield Fault(
            field="speculative",
            what=f"{path} is taken from {revision or 'its main branch'}",
            fix='write draft_model_revision="<commit>"',
        )


@cache
def _moves(tag: str) -> bool:
    """Whether a tag is made to name another image every now and then."""
    name, _, version = tag.rpartition(":")
    if "@sha256:" in tag:
        return False
    if not name or "/" in version or re.search(MOVING, version.lower()):
        return True
    return repository(tag) in (SGLANG_IMAGE, SERVING) and not re.search(ONE, version)


@rule("INF092", severity="warning", strict="error", source="https://modal.com/docs/guide/images")
def image_not_pinned(subject: Subject) -> Iterator[Fault]:
    """
    An image by a tag that moves.

    Modal builds it anew when anything before it changes, and then takes whatever the tag names
    on that day.
    """
    tag = base_tag(subject.image)
    if tag and _moves(tag):
        yield Fault(
            field="image",
            what=f"{tag} names another image tomorrow",
            fix="write a tag with a version, or a digest (@sha256:...)",
        )


@rule("INF093", severity="warning", source="https://modal.com/docs/guide/images")
def package_not_pinned(subject: Subject) -> Iterator[Fault]:
    """
    A Python package without a version, or from a branch.

    The next build of the image takes the newest, which may not go with the engine.
    """
    for package in packages(subject.image.steps):
        if package.startswith("-"):
            continue
        if package.startswith(GIT) and re.fullmatch(BRANCH, package.removeprefix(GIT)):
            yield Fault(
                field="image",
                what=f"{masked(package)} is whatever its branch holds on that day",
                fix="write @ and a tag or a commit behind .git",
            )
        elif SIGNS.isdisjoint(package):
            yield Fault(
                field="image",
                what=f"{package} is installed in whichever version is the newest",
                fix=f'write "{package}==..."',
            )


@rule("INF094", severity="warning", strict="error", source="inferred", view=Engine.of)
def foreign_code(engine: Engine) -> Iterator[Fault]:
    """
    A model without a commit whose repository's code is run.

    What is served changes without a deployment, and --trust-remote-code runs whatever the
    repository holds on that day, with all rights of the container.
    """
    found = moving(engine)
    if found and engine.has("--trust-remote-code"):
        yield Fault(
            field="model",
            what=f"{found}, and --trust-remote-code runs the code in it",
            fix=PIN,
        )


@rule(
    "INF095",
    severity="error",
    source="managers/tokenizer_manager.py of SGLang 0.5.6.post2 to 0.5.23",
    view=SGLangEngine.of,
)
def foreign_tokenizer(engine: SGLangEngine) -> Iterator[Fault]:
    """
    A tokenizer from another repository beside a model with a commit.

    SGLang asks the tokenizer's repository for the model's commit, which is not there, and ends at
    its start.
    """
    tokenizer = engine.text("--tokenizer-path") or engine.path
    is_elsewhere = tokenizer != engine.path and not is_local(tokenizer)
    if is_elsewhere and is_commit(engine.revision):
        yield Fault(
            what=f"--tokenizer-path: {tokenizer} is asked for the model's commit",
            fix="take it out, or put the tokenizer's files into the image and write their path",
        )


@rule("INF096", severity="info", source="https://modal.com/docs/guide/images")
def image_without_digest(subject: Subject) -> Iterator[Fault]:
    """
    A service that people depend on, on an image by its tag alone.

    A tag with a version names the same image until its maker pushes another one under it; a digest
    names the same image for good.
    """
    tag = base_tag(subject.image) if subject.is_strict else None
    if tag and "@sha256:" not in tag and not _moves(tag):
        yield Fault(
            field="image",
            what=f"{tag} is whatever its maker has pushed last under that tag",
            fix=f"write {tag}@sha256:..., as `docker buildx imagetools inspect {tag}` tells it",
        )


RULES: tuple[Rule, ...] = (
    model_not_pinned,
    draft_not_pinned,
    image_not_pinned,
    package_not_pinned,
    foreign_code,
    foreign_tokenizer,
    image_without_digest,
)
