"""Keyword arguments of a stack file as the flags of an engine's command line."""

import json
from typing import Any

import attrs

from infra import validators
from infra.contribution import Contribution, ServiceFacts
from infra.resources import Argument


def flag(name: str, value: Any) -> Argument:
    """
    One flag: ``enable_metrics=True`` is ``--enable-metrics``.

    True is a switch; a list is several words behind one flag; a dict is JSON.
    """
    return Argument(flag="--" + name.replace("_", "-"), values=_words(value))


def is_left_out(value: Any) -> bool:
    """Whether a keyword argument says nothing: None, or a list without items."""
    return value is None or value in ([], ())


def _words(value: Any) -> tuple[str, ...]:
    if value is True:
        return ()
    if isinstance(value, list | tuple):
        return tuple(str(each) for each in value)
    if isinstance(value, dict):
        return (json.dumps(value, sort_keys=True),)
    return (str(value),)


def flag_values() -> validators.Validator:
    """Pairs of a name and what can be written behind a flag."""

    def check(instance: Any, attribute: "attrs.Attribute[Any]", value: Any) -> None:
        for name, given in value:
            if not isinstance(given, str | int | float | bool | list | tuple | dict | None):
                raise ValueError(
                    f"{name}: {given!r} is no value of a flag; a string, a number, True, a list or "
                    f"a dict is allowed; write {name}={str(given)!r}, for example"
                )

    return check


@attrs.frozen(init=False)
class EngineArguments:
    """
    A group of the engine's flags with one reason, for `InferenceService(parts=[...])`.

    ``EngineArguments("quantised kernels", fp4_gemm_backend="flashinfer_trtllm")``

    Attributes:
        reason: Stands above the flags in the generated module.
        flags: As in the engine, which spells them.
    """

    reason: str = attrs.field(validator=validators.text(example="quantised kernels"))
    flags: tuple[tuple[str, Any], ...] = attrs.field(validator=flag_values())

    def __init__(self, reason: str, **flags: Any) -> None:
        self.__attrs_init__(reason, tuple(flags.items()))

    def contribution(self, service: ServiceFacts) -> Contribution:
        """The flags."""
        arguments = service.engine.spelled(dict(self.flags))
        return Contribution(arguments=arguments, arguments_comment=self.reason)
