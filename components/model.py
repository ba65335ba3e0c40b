"""The model that a service serves."""

from typing import TYPE_CHECKING, Any

import attrs

from infra import validators

if TYPE_CHECKING:
    from infra.facts.models import ModelFacts

REPOSITORY = validators.REPOSITORY


def _facts(instance: Any, attribute: "attrs.Attribute[Any]", value: Any) -> None:
    if value is None or (isinstance(value, str) and value):
        return
    from infra.facts.models import ModelFacts  # for stacks that give some: it takes a while

    example = f"ModelFacts(...) or {attribute.name}='models/qwen3.json'"
    validators.instance_of(ModelFacts, example=example)(instance, attribute, value)


@attrs.frozen
class Model:
    """
    A model on the Hugging Face Hub.

    Attributes:
        name: Its repository, such as ``Qwen/Qwen3-8B-FP8``; also the name that clients ask for.
        revision: A commit of that repository. None, the default, follows its main branch: what
            is served then changes without a deployment.
        facts: Its figures, for the estimates and rules of a plan: ``ModelFacts(...)``, or the path
            of its ``config.json``, relative to the folder that infra is run in, or both:
            ``ModelFacts(weight_bytes=..., config="models/qwen3.json")``. A figure that is
            not given is taken from what `infra model pull` has fetched, the local cache of the
            Hub, or what comes with infra.
    """

    name: str = attrs.field(validator=validators.text(REPOSITORY, example="Qwen/Qwen3-8B-FP8"))
    revision: str | None = attrs.field(
        default=None,
        kw_only=True,
        validator=validators.optional(
            validators.text(validators.REVISION, example="220b46e3b2180893580a4454f21f22d3ebb187d3")
        ),
    )
    facts: "ModelFacts | str | None" = attrs.field(default=None, kw_only=True, validator=_facts)
