"""Whether the GPUs that are asked for exist, and can run what the service asks of them."""

import re
from collections.abc import Iterator

from components.rules.engine import Engine, SGLangEngine, base_tag, gpu_request
from infra.facts.gpus import Gpu, gpu, gpu_names
from infra.rules import Fault, Rule, Subject, rule

MODAL = "https://modal.com/docs/guide/gpu"
LOADER = "get_min_capability of each method in SGLang 0.5.11 and 0.5.23"
CUDA = re.compile(r"-cu(\d{2})(\d)")

# The least compute capability of each quantisation, and why.
LEAST = {
    "fp8": 80,
    "mxfp8": 100,
    "w8a8_fp8": 89,
    "modelopt_fp8": 89,
    "w4afp8": 90,
    "mxfp4": 80,
    "awq": 75,
    "awq_marlin": 80,
    "gptq_marlin": 80,
    "gguf": 60,
    "bitsandbytes": 70,
    "modelopt_fp4": 100,
    "nvfp4_online": 100,
}

BLACKWELL = (100, 103)
# Kernels by flag and name, with the compute capabilities that they are for.
KERNELS: dict[tuple[str, str], tuple[int, ...]] = {
    ("--fp8-gemm-backend", "flashinfer_trtllm"): BLACKWELL,
    ("--fp8-gemm-backend", "flashinfer_cutlass"): (*BLACKWELL, 120),
    ("--fp8-gemm-backend", "flashinfer_deepgemm"): (90,),
    ("--fp8-gemm-backend", "cutlass"): (90, *BLACKWELL, 120),
    ("--fp8-gemm-backend", "deep_gemm"): (90, *BLACKWELL),
    ("--attention-backend", "fa3"): (80, 86, 89, 90),
    ("--attention-backend", "trtllm_mla"): (*BLACKWELL, 120),
    ("--attention-backend", "trtllm_mha"): BLACKWELL,
}
DECODE, PREFILL = "--decode-attention-backend", "--prefill-attention-backend"


def wanted(engine: Engine) -> tuple[Gpu, ...]:
    """The types that the service may get, as far as Modal has them."""
    names = (gpu_request(request)[0] for request in engine.service.gpu)
    return tuple(found for name in dict.fromkeys(names) if (found := gpu(name)))


@rule("INF060", severity="error", source=MODAL)
def gpu_not_known(subject: Subject) -> Iterator[Fault]:
    """
    A GPU that Modal does not have, or more of them than a container can hold.

    Modal's client passes the words on as they are; the deployment fails, or waits for ever.
    """
    for request in subject.service.gpu:
        name, count = gpu_request(request)
        found = gpu(name)
        if found is None:
            from difflib import get_close_matches  # for what is wrong only

            near = get_close_matches(name.upper(), gpu_names(), n=1, cutoff=0.4)
            yield Fault(
                field="gpu",
                what=f"{name!r} is no GPU of Modal's",
                fix=f"write {near[0]!r}" if near else f"write one of {', '.join(gpu_names())}",
            )
        elif found.most and count > found.most:
            yield Fault(
                field="gpu",
                what=f"{request}: a container holds {found.most} {found.name} at the most",
                fix=f"write '{found.name}:{found.most}', or a larger GPU",
            )


@rule("INF061", severity="error", source="https://docs.sglang.ai: --tp-size", view=Engine.of)
def gpus_not_used(engine: Engine) -> Iterator[Fault]:
    """
    Another number of GPUs than the engine runs on.

    With fewer it can't start; with more the rest is paid for and idle.
    """
    used = engine.tp * engine.pp * engine.dp
    keyword = engine.tp_flag.removeprefix("--").replace("-", "_")
    share, rest = divmod(engine.gpu_count, engine.pp * engine.dp)
    if used != engine.gpu_count:
        yield Fault(
            field="gpu",
            what=f"{engine.gpu_count} GPUs, and {engine.title} runs on {used} "
            f"(tp {engine.tp} x pp {engine.pp} x dp {engine.dp})",
            fix=f"write {keyword}={share}, or change gpu="
            if share and not rest
            else f"ask for {used} GPUs with gpu=, or for fewer copies or stages",
        )


@rule("INF062", severity="error", source=LOADER, view=SGLangEngine.of)
def quantization_not_supported(engine: SGLangEngine) -> Iterator[Fault]:
    """
    Weights in a format that the GPU has no kernels for.

    SGLang's loader refuses them after they were downloaded ("Minimum capability"), or takes
    kernels that unpack them and are slower than 16 bits.
    """
    method = engine.quantization or ""
    least = LEAST.get(method, 0)
    is_late = method == "modelopt_fp4" and engine.since("0.5.13")
    for each in wanted(engine) if least else ():
        if each.sm < (80 if is_late else least):
            yield Fault(
                field="gpu",
                what=f"{method} needs compute capability {least / 10:.1f}, and {each.name} has "
                f"{each.sm / 10:.1f}",
                fix="use a newer GPU, or other weights",
            )
        elif is_late and each.sm < least:
            yield Fault(
                field="gpu",
                what=f"{each.name} has no arithmetic for {method}; {engine.version} unpacks it",
                fix="use a B200, or weights in FP8",
                severity="warning",
            )
        elif method == "fp8" and each.sm < 89:
            yield Fault(
                field="gpu",
                what=f"{each.name} has no arithmetic for FP8; SGLang unpacks the weights",
                fix="use an L40S, H100 or newer, or weights in 16 bits",
                severity="warning",
            )


@rule(
    "INF063",
    severity="error",
    source="SGLang 0.5.11: fp8 and attention backends; trtllm_mha: 0.5.6.post2 to 0.5.23",
    view=SGLangEngine.of,
)
def kernels_not_supported(engine: SGLangEngine) -> Iterator[Fault]:
    """
    Kernels that are chosen by hand and are for other GPUs.

    SGLang raises an error when it loads the model, or with the first request.
    """
    for flag in ("--fp8-gemm-backend", "--attention-backend", DECODE, PREFILL):
        chosen = engine.text(flag) or ""
        good = _made_for(engine, flag, chosen)
        for each in wanted(engine) if good else ():
            if each.sm not in good:
                yield Fault(
                    what=f"{flag}: {chosen} does not run on {each.name}",
                    fix=f"take {flag} out; SGLang picks one for the GPU",
                )
    if engine.text("--fp8-gemm-backend") == "deep_gemm" and not engine.is_jit_deepgemm:
        yield Fault(
            what="--fp8-gemm-backend: deep_gemm is switched off by SGLANG_ENABLE_JIT_DEEPGEMM=0",
            fix="take one of them out",
        )


def _made_for(engine: SGLangEngine, flag: str, chosen: str) -> tuple[int, ...]:
    """The compute capabilities that a kernel is for; empty: any."""
    kind = "--attention-backend" if "attention" in flag else flag
    good = KERNELS.get((kind, chosen), ())
    is_decode = flag == DECODE or (flag != PREFILL and engine.text(PREFILL))
    if chosen == "trtllm_mha" and engine.since("0.5.10" if is_decode else "0.5.19"):
        return (90, *good, 120)
    return good


@rule("INF064", severity="error", source="server_args.py of SGLang 0.5.11", view=SGLangEngine.of)
def experts_not_divisible(engine: SGLangEngine) -> Iterator[Fault]:
    """
    Expert parallelism that the chosen kernels do not have.

    SGLang asserts against it at its start.
    """
    ep = engine.number("--ep-size") or 1
    if ep > engine.tp:
        yield Fault(what=f"--ep-size: {ep} is more than --tp-size {engine.tp}", fix="lower it")
    runner = engine.text("--moe-runner-backend")
    if runner in ("flashinfer_cutlass", "flashinfer_cutedsl") and ep not in (1, engine.tp):
        yield Fault(
            what=f"--ep-size: {ep} with {runner}, which takes 1 or {engine.tp}",
            fix=f"write 1 or {engine.tp}",
        )


@rule("INF065", severity="warning", source=MODAL)
def gpu_may_differ(subject: Subject) -> Iterator[Fault]:
    """
    A GPU that Modal may replace with another kind, which the image is not made for.

    B200+ may be a B300, which needs CUDA 13.1: on an older one no kernel starts.
    """
    found = CUDA.search(base_tag(subject.image) or "")
    for request in subject.service.gpu:
        name, _ = gpu_request(request)
        if name.upper() in ("B200+", "B300") and found and int(found[1] + found[2]) < 131:
            yield Fault(
                field="gpu",
                what=f"{name} may be a B300, and the image has CUDA {found[1]}.{found[2]}",
                fix="write B200, or use an image with CUDA 13.1",
            )


@rule("INF066", severity="info", source=MODAL, view=SGLangEngine.of)
def memory_may_differ(engine: SGLangEngine) -> Iterator[Fault]:
    """
    Memory counted in tokens on a GPU that Modal may replace with a larger one.

    A number of tokens that fills an H100 leaves an H200 half empty; measurements differ from
    container to container.
    """
    found = engine.gpu
    if found and found.may_become and engine.text("--max-total-tokens"):
        yield Fault(
            field="gpu",
            what=f"{found.name} may become {found.may_become}, and --max-total-tokens is fixed",
            fix=f"write {found.name}!" if found.name == "H100" else "leave --max-total-tokens out",
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
        ranks = max(engine.tp // (engine.number("--ep-size") or 1), 1)
    if engine.quantization != "fp8" or not (size and model.block_size):
        return
    if size % ranks or size // ranks % model.block_size:
        good = [each for each in (8, 4, 2, 1) if not size % (each * model.block_size)]
        yield Fault(
            field="gpu",
            what=f"{size} rows on {ranks} GPUs are {size / ranks:g} each, which is no multiple of "
            f"the model's blocks of {model.block_size}",
            fix=f"cut into {' or '.join(map(str, good))}: with another number of GPUs"
            + (", or ep_size= to give each GPU whole experts" if model.expert_size else ""),
        )


@rule("INF068", severity="error", source="server_args.py of SGLang 0.5.11", view=SGLangEngine.of)
def attention_not_divisible(engine: SGLangEngine) -> Iterator[Fault]:
    """
    Attention in parallel copies that do not share the GPUs evenly.

    SGLang asserts at its start that --tp-size is a multiple of --dp-size.
    """
    copies = engine.count("--dp-size") or 1
    if engine.has("--enable-dp-attention") and engine.tp % copies:
        yield Fault(
            what=f"--dp-size: {copies} copies of attention on {engine.tp} GPUs",
            fix=f"write a divisor of {engine.tp}",
        )


RULES: tuple[Rule, ...] = (
    gpu_not_known,
    gpus_not_used,
    quantization_not_supported,
    kernels_not_supported,
    experts_not_divisible,
    gpu_may_differ,
    memory_may_differ,
    blocks_cut,
    attention_not_divisible,
)
