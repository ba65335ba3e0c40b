"""The model that a service serves."""

import attrs

from infra import validators

REPOSITORY = r"[A-Za-z0-9][\w.-]*(/[A-Za-z0-9][\w.-]*)?"


@attrs.frozen
class Model:
    """
    A model on the Hugging Face Hub.

    Attributes:
        name: Its repository, such as ``Qwen/Qwen3-8B-FP8``; also the name that clients ask for.
        revision: A commit of that repository. None, the default, follows its main branch: what
            is served then changes without a deployment.
    """

    name: str = attrs.field(validator=validators.text(REPOSITORY, example="Qwen/Qwen3-8B-FP8"))
    revision: str | None = attrs.field(
        default=None,
        kw_only=True,
        validator=validators.optional(
            validators.text(r"[\w./-]+", example="220b46e3b2180893580a4454f21f22d3ebb187d3")
        ),
    )
