"""Speculative decoding: several tokens per pass over the weights."""

from collections.abc import Iterator
from typing import Self

import attrs

from components.model import REPOSITORY
from infra import validators
from infra.contribution import Contribution, ServiceFacts

COUNT = validators.optional(validators.whole_number(1, 1024, example=3))


@attrs.frozen
class SpeculativeDecoding:
    """
    How the engine guesses tokens ahead and checks them in one pass; names as in SGLang.

    A count that is None is left out of the command line, and the engine chooses it. vLLM is given
    its own names: ``mtp`` for EAGLE without a draft model, ``draft_model`` for STANDALONE, else the
    algorithm in small letters; it guesses `num_steps` tokens, or one less than `num_draft_tokens`.

    Attributes:
        algorithm: Such as ``EAGLE``, ``EAGLE3``, ``STANDALONE``, ``NGRAM`` (SGLang 0.5.6 and
            newer; later versions know more).
        draft_model_path: Repository of the draft model; None: the model itself or none.
        draft_model_revision: A commit of it; None: the main branch.
        num_steps: Draft steps per pass.
        eagle_topk: Branches per step; vLLM has one.
        num_draft_tokens: Tokens checked per pass.
    """

    algorithm: str = attrs.field(
        validator=validators.text(
            validators.Form(r"[A-Z][A-Z0-9_]*", "a name in capital letters"), example="EAGLE3"
        )
    )
    draft_model_path: str | None = attrs.field(
        default=None,
        validator=validators.optional(
            validators.text(REPOSITORY, example="Tengyunw/qwen3_8b_eagle3")
        ),
        kw_only=True,
    )
    draft_model_revision: str | None = attrs.field(
        default=None,
        validator=validators.optional(validators.text(validators.REVISION, example="220b46e3")),
        kw_only=True,
    )
    num_steps: int | None = attrs.field(default=None, validator=COUNT, kw_only=True)
    eagle_topk: int | None = attrs.field(default=None, validator=COUNT, kw_only=True)
    num_draft_tokens: int | None = attrs.field(default=None, validator=COUNT, kw_only=True)

    @classmethod
    def mtp(
        cls,
        *,
        num_steps: int | None = None,
        eagle_topk: int | None = None,
        num_draft_tokens: int | None = None,
    ) -> Self:
        """The model's own multi-token prediction: SGLang's EAGLE without a draft model."""
        return cls(
            "EAGLE",
            num_steps=num_steps,
            eagle_topk=eagle_topk,
            num_draft_tokens=num_draft_tokens,
        )

    @classmethod
    def eagle3(
        cls,
        draft_model_path: str,
        *,
        draft_model_revision: str | None = None,
        num_steps: int | None = None,
        eagle_topk: int | None = None,
        num_draft_tokens: int | None = None,
    ) -> Self:
        """EAGLE-3 with a draft model that was trained for the served one."""
        return cls(
            "EAGLE3",
            draft_model_path=draft_model_path,
            draft_model_revision=draft_model_revision,
            num_steps=num_steps,
            eagle_topk=eagle_topk,
            num_draft_tokens=num_draft_tokens,
        )

    @classmethod
    def ngram(cls, *, num_draft_tokens: int | None = None) -> Self:
        """Guesses from what the conversation says already; no draft model, no extra memory."""
        return cls("NGRAM", num_draft_tokens=num_draft_tokens)

    def problems(self) -> Iterator[str]:
        """What no field can know alone."""
        if self.draft_model_revision is not None and self.draft_model_path is None:
            yield (
                f"draft_model_revision: is {self.draft_model_revision!r} without a draft model; "
                "it is allowed with one; write draft_model_path, or take it out"
            )

    def contribution(self, service: ServiceFacts) -> Contribution:
        """The engine's flags for it."""
        return Contribution(
            arguments=service.engine.speculation(self), arguments_comment="speculative decoding"
        )
