"""Whether the GPUs that are asked for exist, and can run the weights as the service asks."""

import re
from collections.abc import Iterator

from components.rules.engine import Engine, base_tag, gpu_request
from components.rules.sglang_engine import SGLangEngine
from infra.facts.gpus import gpu, gpu_names
from infra.figures import counted
from infra.rules import Fault, Rule, Subject, rule

MODAL = "https://modal.com/docs/guide/gpu"
LOADER = "get_min_capability of each method in SGLang 0.5.11 and 0.5.23"
# The CUDA that an image's tag names: -cu129, nvidia/cuda:12.8.0, -cuda12.8-.
CUDA = r"(?:-cu|cuda[:-]?)(\d{2})\.?(\d)"

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

# Quantisations that are read from files only: none happens while weights are loaded.
FROM_FILES = (
    *("awq", "awq_marlin", "auto_awq"),
    *("gptq", "gptq_marlin", "gptq_bitblas", "auto_gptq", "moe_wna16"),
)
OVERRIDES = ("--json-model-override-args", "--hf-overrides")

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
    beside = engine.pp * engine.dp * engine.pcp
    used = engine.tp * beside
    keyword = engine.tp_flag.removeprefix("--").replace("-", "_")
    share, rest = divmod(engine.gpu_count, beside)
    if used != engine.gpu_count:
        yield Fault(
            field="gpu",
            what=f"{counted(engine.gpu_count, 'GPU')}, and {engine.title} runs on {used} "
            f"(tp {engine.tp} x pp {engine.pp} x dp {engine.dp}"
            + (f" x pcp {engine.pcp})" if engine.pcp > 1 else ")"),
            fix=f"write {keyword}={share}, or change gpu="
            if share and not rest
            else f"ask for {counted(used, 'GPU')} with gpu=, or for fewer copies or stages",
        )


@rule("INF062", severity="error", source=LOADER, view=SGLangEngine.of)
def quantization_not_supported(engine: SGLangEngine) -> Iterator[Fault]:
    """
    Weights in a format that the GPU has no kernels for.

    SGLang's loader refuses them after they were downloaded ("Minimum capability"), or takes
    kernels that unpack them and are slower than 16 bits.
    """
    method = engine.quantization or ""
    least, unpacked = LEAST.get(method, 0), engine.since("0.5.13")
    if method == "compressed-tensors" and engine.model.quantization == "modelopt_fp4":
        # by the model's name it is NVFP4; with 16 bits beside it, it is unpacked in any case
        least, unpacked = (0 if "A16" in engine.path.upper() else 100), engine.since("0.5.22")
        method = "compressed-tensors in NVFP4"
    elif method != "modelopt_fp4":
        unpacked = False
    for each in engine.gpus if least else ():
        needed = 80 if unpacked else least
        if each.sm < needed:
            yield Fault(
                field="gpu",
                what=f"{method} needs compute capability {needed / 10:.1f}, and {each.name} has "
                f"{each.sm / 10:.1f}",
                fix="use a newer GPU, or other weights",
            )
        elif each.sm < least:
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
    "INF059",
    severity="error",
    source="get_quant_config of SGLang 0.5.6.post2 to 0.5.23, of vLLM 0.11.2 and 0.33.0",
    view=Engine.of,
)
def weights_not_quantised(engine: Engine) -> Iterator[Fault]:
    """
    A format for weights that are in none.

    AWQ and GPTQ are read from files that were made so. Of a model without a quantization_config
    the engine looks for another file that describes them, and ends with "Cannot find the config
    file".
    """
    method = engine.text("--quantization")
    if method not in FROM_FILES or engine.model.quantization or not engine.model.is_read:
        return
    if not any(engine.text(flag) for flag in OVERRIDES):
        yield Fault(
            what=f"--quantization: {method} is for weights that were quantised so, and the "
            f"config.json of {engine.path} has no quantization_config",
            fix="take it out, or serve a repository with such weights",
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
        for each in engine.gpus if good else ():
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


@rule("INF065", severity="warning", source=MODAL)
def gpu_may_differ(subject: Subject) -> Iterator[Fault]:
    """
    A GPU that Modal may replace with another kind, which the image is not made for.

    B200+ may be a B300, which needs CUDA 13.1: on an older one no kernel starts.
    """
    names = {gpu_request(each)[0]: None for each in subject.service.gpu}
    at_risk = [name for name in names if name.upper() in ("B200+", "B300")]
    cuda = _cuda(subject) if at_risk else None
    for name in at_risk if cuda and cuda < (13, 1) else ():
        is_one = name.upper() == "B300"
        yield Fault(
            field="gpu",
            what=f"{name} {'needs CUDA 13.1' if is_one else 'may be a B300'}, and the image has "
            f"CUDA {'.'.join(map(str, cuda or ()))}",
            fix="write B200, or use an image with CUDA 13.1",
        )


def _cuda(subject: Subject) -> tuple[int, int] | None:
    """The CUDA that the image's tag names, or that of SGLang's release; None: not known."""
    if found := re.search(CUDA, base_tag(subject.image) or ""):
        return int(found[1]), int(found[2])
    engine = subject.view(SGLangEngine.of)
    # torch and CUDA's Python packages of these wheels
    is_old = engine and engine.asked and not engine.since("0.5.11")
    return (12, 9) if is_old else None


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


@rule("INF068", severity="error", source="server_args.py of SGLang 0.5.11", view=SGLangEngine.of)
def attention_not_divisible(engine: SGLangEngine) -> Iterator[Fault]:
    """
    Attention in parallel copies that do not share the GPUs evenly.

    SGLang asserts at its start that --tp-size is a multiple of their number.
    """
    copies = engine.attention_copies
    if copies > 1 and engine.tp % copies:
        flag = "--attn-dp-size" if engine.text("--attn-dp-size") else "--dp-size"
        yield Fault(
            what=f"{flag}: {copies} copies of attention on {engine.tp} GPUs",
            fix=f"write a divisor of {engine.tp}",
        )


@rule(
    "INF069",
    severity="error",
    source="server_args.py of SGLang 0.5.6.post2 to 0.5.23",
    view=SGLangEngine.of,
)
def nodes_not_divisible(engine: SGLangEngine) -> Iterator[Fault]:
    """
    GPUs that can't be divided evenly among the nodes.

    SGLang asserts at its start that --tp-size times --pp-size is a multiple of --nnodes.
    """
    nodes = engine.count("--nnodes") or 1
    if nodes > 1 and engine.tp * engine.pp % nodes:
        yield Fault(
            what=f"--nnodes: {engine.tp * engine.pp} GPUs on {nodes} nodes",
            fix="write nnodes=1; a container is one node",
        )


RULES: tuple[Rule, ...] = (
    gpu_not_known,
    gpus_not_used,
    quantization_not_supported,
    weights_not_quantised,
    kernels_not_supported,
    gpu_may_differ,
    memory_may_differ,
    attention_not_divisible,
    nodes_not_divisible,
)
