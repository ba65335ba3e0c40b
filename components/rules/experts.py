"""How SGLang divides a model's experts among GPUs, and which kernels compute them."""

from collections.abc import Iterator

from components.rules.sglang_engine import SGLangEngine
from infra.rules import Fault, Rule, rule

READ = "server_args.py and moe_hook.py of SGLang 0.5.6.post2 to 0.5.23"
RUNNER = "--moe-runner-backend"
# Quantisations that any release lets a runner of experts have; "modelopt" becomes one of them,
# and for "mxfp8" SGLang takes another runner.
FP4 = ("modelopt", "modelopt_fp4", "modelopt_mixed", "mxfp8")
RUNNERS = {
    "flashinfer_cutlass": (*FP4, "modelopt_fp8"),
    "flashinfer_cutedsl": (*FP4, "nvfp4_online"),
    "flashinfer_trtllm": (*FP4, "modelopt_fp8", "nvfp4_online", "fp8", "compressed-tensors"),
    "flashinfer_trtllm_routed": (*FP4, "nvfp4_online", "minimax_m3_nvfp4", "fp8"),
}


@rule("INF064", severity="error", source="server_args.py of SGLang 0.5.11", view=SGLangEngine.of)
def experts_not_divisible(engine: SGLangEngine) -> Iterator[Fault]:
    """
    Expert parallelism that the chosen kernels do not have.

    SGLang asserts against it at its start.
    """
    ep = engine.count("--ep-size") or 1
    if ep == 1:
        return
    if engine.ep > engine.tp:
        yield Fault(what=f"--ep-size: {ep} is more than --tp-size {engine.tp}", fix="lower it")
    runner = engine.text(RUNNER)
    # as it is written, since this comes before an exchange of tokens changes it
    if runner in ("flashinfer_cutlass", "flashinfer_cutedsl") and ep != engine.tp:
        yield Fault(
            what=f"--ep-size: {ep} with {runner}, which takes 1 or {engine.tp}",
            fix=f"write 1 or {engine.tp}",
        )


@rule(
    "INF067",
    severity="error",
    source="layers/quantization/fp8.py of SGLang 0.5.6.post2 to 0.5.23; sgl-project/sglang#26107",
    view=SGLangEngine.of,
)
def blocks_cut(engine: SGLangEngine) -> Iterator[Fault]:
    """
    Tensor parallelism that cuts through blocks of weights in FP8.

    The weights of a block have one scale, so each GPU needs whole blocks; SGLang raises "is not
    divisible by weight quantization block_n" after the download.
    """
    model, ranks = engine.model, engine.tp
    size = model.expert_size or model.mlp_size
    if model.expert_size:
        ranks = max(engine.tp // engine.ep, 1)
    if engine.quantization != "fp8" or not (size and model.block_size):
        return
    if size % ranks or size // ranks % model.block_size:
        good = [each for each in (8, 4, 2, 1) if not size % (each * model.block_size)]
        cut = f"cut into {' or '.join(map(str, good))}: with another number of GPUs"
        whole = ", or ep_size= to give each GPU whole experts" if model.expert_size else ""
        yield Fault(
            field="gpu",
            what=f"{size} rows on {ranks} GPUs are {size / ranks:g} each, which is no multiple of "
            f"the model's blocks of {model.block_size}",
            fix=cut + whole if good else "use weights in 16 bits",
        )


@rule("INF121", severity="error", source=READ, view=SGLangEngine.of)
def runner_refused(engine: SGLangEngine) -> Iterator[Fault]:
    """
    Kernels for experts that do not know the weights' quantisation.

    SGLang asserts against it at its start.
    """
    runner, given = engine.text(RUNNER), engine.text("--quantization")
    if runner is None:
        return
    good = RUNNERS.get(runner)
    if runner == "flashinfer_cutedsl":  # the only one that does not take what has no flag
        good, given = (good, engine.quantization) if engine.since("0.5.11") else (None, None)
    if good and given and given not in good:
        yield Fault(
            what=f"{RUNNER}: {runner} is not for {given}",
            fix="take it out; SGLang picks one for the model",
        )
    ep = engine.count("--ep-size") or 1
    if runner == "cutlass" and given in ("fp8", "mxfp8") and ep > 1:
        yield Fault(
            what=f"{RUNNER}: {runner} takes {given} with --ep-size 1 only, and it is {ep}",
            fix="take one of them out",
        )


@rule("INF122", severity="error", source=READ, view=SGLangEngine.of)
def overlap_without_exchange(engine: SGLangEngine) -> Iterator[Fault]:
    """
    Two batches that are to overlap, and no exchange of tokens that they could hide.

    SGLang raises an error at its start: without --moe-a2a-backend, or from 0.5.15 on attention in
    parallel copies, there is nothing to overlap.
    """
    if not engine.has("--enable-two-batch-overlap") or not engine.since("0.5.7"):
        return
    has_copies = engine.since("0.5.15") and engine.attention_copies > 1
    if engine.text("--moe-a2a-backend") in (None, "none") and not has_copies:
        yield Fault(
            what="--enable-two-batch-overlap: has no --moe-a2a-backend",
            fix='write moe_a2a_backend="deepep", or take it out',
        )


RULES: tuple[Rule, ...] = (
    experts_not_divisible,
    blocks_cut,
    runner_refused,
    overlap_without_exchange,
)
