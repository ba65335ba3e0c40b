"""What is shipped of models, and which of several figures is taken."""

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from components import InferenceService, Model, ModelFacts
from components.image import ImageSpec
from infra import App, Stack
from infra.compile import compile_app
from infra.errors import InvalidStack
from infra.facts.data import read
from infra.facts.model_config import model_facts
from infra.facts.models import FIGURES, STACK, model, model_of
from infra.lower import lower
from infra.resources import ModelUse

IMAGE = ImageSpec.from_registry("lmsysorg/sglang:v0.5.11")
figures = st.builds(
    lambda values, source: ModelFacts(**values).sourced(source),
    st.fixed_dictionaries(
        {},
        optional={
            "layers": st.integers(1, 200),
            "weight_bytes": st.integers(1, 10**12),
            "quantization": st.sampled_from(["fp8", "awq"]),
            "is_hybrid": st.booleans(),
        },
    ),
    st.sampled_from(["a file", "the stack", "estimate: a guess"]),
)


def test_models_of_the_seeds_are_known() -> None:
    """What the sources state is there, what they do not is None."""
    qwen = model("Qwen/Qwen3-8B-FP8")
    assert (qwen.layers, qwen.heads, qwen.kv_heads, qwen.head_size) == (36, 32, 8, 128)
    assert (qwen.quantization, qwen.context_length) == ("fp8", 40960)
    ultra = model("nvidia/NVIDIA-Nemotron-3-Ultra-550B-A55B-NVFP4")
    assert (ultra.parameters, ultra.is_hybrid) == (550_000_000_000, True)
    assert (ultra.attention_layers, ultra.kv_heads, ultra.state_bytes) == (None, None, None)


def test_estimates_are_marked() -> None:
    """A size that nobody states is an estimate; a model card's number is none."""
    qwen = model("Qwen/Qwen3-8B-FP8")
    assert qwen.is_estimate("weight_bytes")
    assert not qwen.is_estimate("layers")


def test_every_figure_has_a_source() -> None:
    """A model's figure is a value with its source, or null; and it is a figure."""
    for name, shipped in read("models")["models"].items():
        assert shipped.keys() <= set(FIGURES)
        for key, figure in shipped.items():
            assert figure is None or (figure["value"] is not None and figure["source"]), (name, key)


@pytest.mark.parametrize(
    ("name", "quantization", "is_hybrid", "is_gated"),
    [
        ("zai-org/GLM-4.6-FP8", "fp8", False, False),
        ("nvidia/DeepSeek-R1-0528-NVFP4", "modelopt_fp4", False, False),
        ("Qwen/Qwen3-Next-80B-A3B-Instruct", None, True, False),
        ("meta-llama/Llama-3.2-3B-Instruct", None, False, True),
        ("someone/unknown", None, False, False),
    ],
)
def test_names_tell(name: str, quantization: str | None, is_hybrid: bool, is_gated: bool) -> None:
    """Of a model that is not listed, its name and family are all that is known."""
    found = model(name)
    assert (found.quantization, found.is_hybrid, found.is_gated) == (
        quantization,
        is_hybrid,
        is_gated,
    )
    assert found.weight_bytes is None


@pytest.mark.parametrize(
    ("name", "figures"),
    [
        (
            "nvidia/Qwen3-Next-80B-A3B-Instruct-NVFP4",
            ("Qwen3NextForCausalLM", "modelopt_fp4", None),
        ),
        ("unsloth/gpt-oss-120b-MXFP4", (None, "mxfp4", None)),
        ("someone/DeepSeek-R1-W4AFP8", (None, "w4afp8", None)),
        ("nvidia/DeepSeek-R1-FP4", (None, "modelopt_fp4", None)),
        ("deepseek-ai/DeepSeek-V3.1", (None, "fp8", 128)),
        ("deepseek-ai/DeepSeek-R1-Distill-Llama-70B", (None, None, None)),
        ("moonshotai/Kimi-K2-Instruct-0905", (None, "fp8", 128)),
        ("moonshotai/Kimi-K2-Thinking", (None, None, None)),
        ("MiniMaxAI/MiniMax-M2", (None, "fp8", 128)),
        ("Qwen/Qwen3-14B-FP8", (None, "fp8", 128)),
        ("Qwen/Qwen3-14B", (None, None, None)),
        ("RedHatAI/Qwen3-14B-FP8-dynamic", (None, "fp8", None)),
        ("someone/Qwen3-Next-80B-A3B-EAGLE3", (None, None, None)),
    ],
)
def test_families_tell(name: str, figures: tuple[str | None, str | None, int | None]) -> None:
    """A family is whoever's copy it is; blocks of FP8 are those of the makers' own weights."""
    found = model(name)
    assert (found.architecture, found.quantization, found.block_size) == figures


@pytest.mark.parametrize(
    "name",
    ["unsloth/Qwen3-Next-80B-A3B-Thinking", "LiquidAI/LFM2-8B-A1B", "inclusionAI/Ring-2.5-1T"],
)
def test_a_family_of_hybrids(name: str) -> None:
    """Models whose layers keep a state are known by their names."""
    assert model(name).is_hybrid


def test_what_a_config_does_not_name_is_known_of_no_other_source() -> None:
    """Figures of a stack, a family or a name leave open what they do not say."""
    config = {"architectures": ["LlamaForCausalLM"], "num_hidden_layers": 2}
    assert model_facts(config, "models/chat.json").is_read
    assert model("meta-llama/Llama-3.1-8B-Instruct").is_read
    assert not model("meta-llama/Llama-3.2-1B").is_read
    assert not model("Qwen/Qwen3-Next-80B-A3B-Instruct").is_read
    assert not ModelFacts(layers=2, is_hybrid=False).sourced(STACK).over(model("a/b")).is_read


def test_families_have_figures() -> None:
    """What is shipped of a family is figures of a model."""
    for family in read("models")["families"]:
        assert ModelFacts(**family["figures"])


@given(facts=figures)
def test_facts_are_shown_as_they_are_written(facts: ModelFacts) -> None:
    """What facts print themselves as makes them again, and says nothing of unknown figures."""
    shown = repr(facts)
    assert eval(shown, {"ModelFacts": ModelFacts}) == facts
    assert "None" not in shown


@given(first=figures, second=figures)
def test_the_first_that_has_a_figure_gives_it(first: ModelFacts, second: ModelFacts) -> None:
    """Of two, the one above gives a figure with its source, the other only what that lacks."""
    found = first.over(second)
    for name in FIGURES:
        giver = first if getattr(first, name) is not None else second
        assert getattr(found, name) == getattr(giver, name)
        assert found.source(name) == giver.source(name)


@given(first=figures, second=figures, third=figures)
def test_precedence_does_not_depend_on_the_order_of_merging(
    first: ModelFacts, second: ModelFacts, third: ModelFacts
) -> None:
    """Merging the upper two first, or the lower two, is the same."""
    assert first.over(second).over(third) == first.over(second.over(third))


def test_the_stack_is_above_what_is_shipped() -> None:
    """A figure of the stack is taken; the others stay as they are shipped."""
    uses = [ModelUse(name="Qwen/Qwen3-8B-FP8", facts=ModelFacts(weight_bytes=9_000))]
    found = model_of("Qwen/Qwen3-8B-FP8", uses)
    assert (found.weight_bytes, found.layers) == (9_000, 36)
    assert model_of("someone/else", uses).weight_bytes is None


def service(**facts: object) -> InferenceService:
    """A service whose model is given with figures."""
    served = Model("some/model", **facts)  # type: ignore[arg-type]
    return InferenceService(name="chat", model=served, gpu="H100", image=IMAGE)


def test_figures_change_nothing_that_is_deployed() -> None:
    """Module and record of a service are the same with and without figures."""
    compiled = [
        compile_app(*lower(Stack("dev", services=[each]), "dev"))
        for each in (service(), service(facts=ModelFacts(layers=2)), service(facts="a.json"))
    ]
    assert compiled[0] == compiled[1] == compiled[2]


@pytest.mark.parametrize(
    ("facts", "said"),
    [
        (3, "chat.model.facts: 3 is an int; ModelFacts is allowed"),
        ("", "chat.model.facts: is empty; ModelFacts is allowed"),
    ],
)
def test_what_is_no_figures_is_refused(facts: object, said: str) -> None:
    """Facts are figures, or a file's path."""
    with pytest.raises(InvalidStack) as refused:
        lower(Stack("dev", apps=[App("app", [_unchecked(facts=facts)])]), "dev")
    assert said in str(refused.value)


def test_odd_figures_are_all_named() -> None:
    """Each figure that is out of its range is told, with its path in the stack."""
    with attrs.validators.disabled():
        facts = ModelFacts(layers=0, quantization="fp 8")
    with pytest.raises(InvalidStack) as refused:
        lower(Stack("dev", services=[service(facts=facts)]), "dev")
    assert [line.split(":")[0] for line in refused.value.problems] == [
        "chat.model.facts.layers",
        "chat.model.facts.quantization",
    ]


def _unchecked(**facts: object) -> InferenceService:
    with attrs.validators.disabled():  # as while a stack file runs
        return service(**facts)
