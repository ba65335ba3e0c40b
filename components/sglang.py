"""The SGLang engine: a service's command line in SGLang's own words."""

import json
from collections.abc import Iterator
from typing import Any

import attrs

from infra import validators
from infra.contribution import Contribution, ServiceFacts
from infra.resources import Argument

FLAG_NAME = r"[a-z][a-z0-9_]*"
LAUNCH = ("sglang", "serve")


def flags(given: dict[str, Any]) -> tuple[Argument, ...]:
    """
    Keyword arguments as flags: ``enable_metrics=True`` is ``--enable-metrics``.

    True is a switch; False, None and an empty list leave the flag out; a list is several words
    behind one flag; a dict is JSON.
    """
    return tuple(
        Argument(flag="--" + name.replace("_", "-"), values=_words(value))
        for name, value in given.items()
        if value is not None and value is not False and value not in ([], ())
    )


def _words(value: Any) -> tuple[str, ...]:
    if value is True:
        return ()
    if isinstance(value, list | tuple):
        return tuple(str(each) for each in value)
    if isinstance(value, dict):
        return (json.dumps(value, sort_keys=True),)
    return (str(value),)


def _flag_values() -> validators.Validator:
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
        flags: As in `SGLang`.
    """

    reason: str = attrs.field(validator=validators.text(example="quantised kernels"))
    flags: tuple[tuple[str, Any], ...] = attrs.field(validator=_flag_values())

    def __init__(self, reason: str, **flags: Any) -> None:
        self.__attrs_init__(reason, tuple(flags.items()))

    def contribution(self, service: ServiceFacts) -> Contribution:
        """The flags."""
        return Contribution(arguments=flags(dict(self.flags)), arguments_comment=self.reason)


@attrs.frozen(init=False)
class SGLang:
    """
    SGLang, of the version that the service's image names.

    ``SGLang(mem_fraction_static=0.8, enable_metrics=True)``: keyword arguments are SGLang's flags
    with underscores, written in full and in the order given. What the service knows itself need
    not be given: ``--model-path``, ``--revision``, ``--served-model-name``, ``--host``, ``--port``,
    ``--tp-size`` (the GPU count) and ``--cuda-graph-max-bs`` (twice `target_inputs`, as CUDA graphs
    above the batch sizes that occur cost memory and start-up time; None leaves it to SGLang).

    Attributes:
        launch: The first words of the command line; ``sglang serve`` and
            ``python -m sglang.launch_server`` are the same from 0.5.6 on.
        flags: Pairs of flag and value.
    """

    flags: tuple[tuple[str, Any], ...] = attrs.field(validator=_flag_values())
    launch: tuple[str, ...] = attrs.field(
        validator=validators.each(validators.text(example="sglang"))
    )

    def __init__(self, *, launch: tuple[str, ...] | list[str] = LAUNCH, **flags: Any) -> None:
        self.__attrs_init__(
            tuple(flags.items()), tuple(launch) if isinstance(launch, list) else launch
        )

    def problems(self) -> Iterator[str]:
        """What no field can know alone."""
        if self.launch == ():
            yield (
                "launch: is empty; the words that start the engine are allowed; "
                f"write launch={[*LAUNCH]!r}, or take it out"
            )

    def served(self, service: ServiceFacts, port: int) -> tuple[Argument, ...]:
        """The flags that the service knows itself."""
        revision = (
            ()
            if service.revision is None
            else (Argument(flag="--revision", values=(service.revision,)),)
        )
        return (
            Argument(flag="--model-path", values=(service.model,)),
            *revision,
            Argument(flag="--served-model-name", values=(service.model,)),
            Argument(flag="--host", values=("0.0.0.0",)),
            Argument(flag="--port", values=(str(port),)),
            Argument(
                flag="--tp-size",
                values=(str(service.gpu_count),),
                follows="gpu",
                comment="one part of every tensor on each GPU",
            ),
            *self._cuda_graph(service),
        )

    def contribution(self, service: ServiceFacts) -> Contribution:
        """The flags of the stack file."""
        return Contribution(arguments=flags(dict(self.flags)))

    def _cuda_graph(self, service: ServiceFacts) -> tuple[Argument, ...]:
        names = {name for name, _ in self.flags}
        if service.target_inputs is None or names & {
            "cuda_graph_max_bs",
            "cuda_graph_max_bs_decode",
            "disable_cuda_graph",
        }:
            return ()
        return (
            Argument(
                flag=_cuda_graph_flag(service.engine_version),
                values=(str(2 * service.target_inputs),),
                follows="routing.target_inputs",
                comment="graphs only for batch sizes that are likely: twice target_inputs",
            ),
        )


def _cuda_graph_flag(version: str | None) -> str:
    """The flag's name changed in 0.5.14; from 0.5.20 on, the old one is ambiguous to argparse."""
    if version is not None and _numbers(version) < (0, 5, 14):
        return "--cuda-graph-max-bs"
    return "--cuda-graph-max-bs-decode"


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in version.split(".") if part.isdigit())
