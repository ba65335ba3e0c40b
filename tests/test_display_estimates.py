"""What is expected of services, as people read it."""

import attrs
import golden
import pytest
from records import BASE, MODULE, record
from test_plan import plan

from infra.display import list_text, plan_text
from infra.display_estimates import estimates_text, seconds_text
from infra.estimates import ColdStart, Download, Estimate, Kernels, MemoryFit, MemoryItem
from infra.manifest import Manifest
from infra.plan import Plan
from infra.resources import Autoscaler, Image, ImageStep

GB = 10**9
MEMORY = MemoryFit(
    gpu="H100!",
    gpu_count=2,
    capacity=80 * GB,
    items=(
        MemoryItem(name="weights", bytes=int(9.44 * GB), note="~from the parameters"),
        MemoryItem(name="draft model", bytes=None, note="its size is not known"),
    ),
    free=21 * GB,
    context=4096,
    concurrency=10,
    largest_context=16384,
    largest_concurrency=40,
    notes=("a note",),
)
START = ColdStart(
    load_bytes=18 * GB,
    load_seconds=(9.0, 18.0),
    kernels=(
        Kernels(
            name="DeepGEMM",
            state="compiled at build",
            seconds=(600, 1200),
            depends_on=("gpu", "engine --tp-size"),
            source="seen",
        ),
        Kernels(
            name="FlashInfer",
            state="kept in a Volume",
            seconds=(30, 60),
            depends_on=("gpu architecture",),
            source="seen",
        ),
        Kernels(
            name="Triton",
            state="compiled in every container",
            seconds=None,
            depends_on=(),
            source="seen",
        ),
    ),
    other_seconds=60,
    limit=700,
    downloads=(
        Download(
            name="some/model", bytes=9 * GB, seconds=(30, 90), depends_on=("engine --model-path",)
        ),
    ),
    notes=("another",),
)
ESTIMATE = Estimate(service="service.chat", memory=MEMORY, start=START)
EXPECTED = """\
Expected of service.chat, on 2 x H100! with 80.0 GB each
  weights             9.4 GB          ~from the parameters
  draft model         not known       its size is not known
  free                21.0 GB         10 x 16,384 tokens fit; 40 x 4,096 tokens fit
  load                9 to 18 s       18.0 GB of weights
  DeepGEMM kernels    10 to 20 min    compiled at build; new ones because gpu goes from T4 to L4
  FlashInfer kernels  30 to 60 s      kept in a Volume; new ones because gpu goes from T4 to L4
  Triton kernels      not known       compiled in every container
  download            30 to 90 s      some/model, by the first container
  other               60 s            boot, imports, CUDA graphs, warm-up
  in all              69 to 78 s      without what is not known; startup_timeout is 700 s
  first start         2.1 to 3.8 min  while its Volumes lack what it needs; \
without what is not known
  a note
  another"""


def chat(*gpu: str, least: int = 0) -> Manifest:
    """The record of an App with one service."""
    service = attrs.evolve(BASE, gpu=gpu, autoscaler=Autoscaler(min_containers=least))
    return record("one", {"chat": (service, Image(name="", steps=()))}, MODULE)


def expecting(estimate: Estimate) -> Plan:
    """A plan that changes the service's GPU."""
    made = plan(chat("L4"), live=golden.deployed(chat("T4")))
    return attrs.evolve(made, estimates=(estimate,))


def test_a_table_of_what_is_expected() -> None:
    """What takes the memory, what is left, how long it loads, what is compiled again and why."""
    assert estimates_text(expecting(ESTIMATE)) == EXPECTED
    live = golden.deployed(chat("T4"))
    assert EXPECTED in plan_text(expecting(ESTIMATE), live, 0)
    assert "Expected" not in list_text(expecting(ESTIMATE), live, 0)


def test_the_first_start_is_told_where_it_differs() -> None:
    """Whatever changes, as a Volume may be empty at any time; and what of it is not known."""
    made = plan(chat("H200"), live=golden.deployed(chat("H100!")))  # asks for no other kernels
    _, kept, each_time = START.kernels
    unknown = attrs.evolve(kept, seconds=None)
    cases = {
        (kept,): "1.6 to 2.3 min  while its Volumes lack what it needs",
        (unknown,): "69 to 78 s  while its Volumes lack what it needs; without what is not known",
        (each_time,): "",
    }
    for kernels, said in cases.items():
        start = attrs.evolve(START, kernels=kernels, downloads=())
        estimate = attrs.evolve(ESTIMATE, memory=None, start=start)
        rows = estimates_text(attrs.evolve(made, estimates=(estimate,))).splitlines()
        told = [" ".join(each.split()) for each in rows if each.startswith("  first start")]
        assert told == ([f"first start {' '.join(said.split())}"] if said else [])


def test_a_change_of_the_image_is_told_by_what_it_names() -> None:
    """The words of the step that differ, in place of its number."""

    def tagged(tag: str) -> Manifest:
        step = ImageStep(method="from_registry", args=(f"lmsysorg/sglang:{tag}",))
        return record("one", {"chat": (BASE, Image(name="", steps=(step,)))}, MODULE)

    made = plan(tagged("v0.5.10"), live=golden.deployed(tagged("v0.5.11")))
    kernels = attrs.evolve(START.kernels[1], depends_on=("steps[0]",))
    estimate = attrs.evolve(ESTIMATE, start=attrs.evolve(START, kernels=(kernels,)))
    text = estimates_text(attrs.evolve(made, estimates=(estimate,)))
    assert (
        "new ones because the image goes from lmsysorg/sglang:v0.5.11 to lmsysorg/sglang:v0.5.10"
    ) in text


def test_a_limit_is_exact() -> None:
    """It is compared with, so it is not rounded; one that Modal sets is told as such."""
    start = attrs.evolve(START, kernels=(), limit=299, is_limit_given=False)
    text = estimates_text(expecting(attrs.evolve(ESTIMATE, memory=None, start=start)))
    assert "69 to 78 s      startup_timeout is 299 s, Modal's own" in text


def test_what_does_not_fit_and_what_is_not_known() -> None:
    """Too little memory is told as such; what nobody knows is no number."""
    tight = attrs.evolve(MEMORY, free=-int(1.5 * GB), largest_context=None, notes=())
    text = estimates_text(expecting(attrs.evolve(ESTIMATE, memory=tight, start=None)))
    assert text.splitlines()[-1].split() == (
        ["lacking", "1.5", "GB", "40", "x", "4,096", "tokens", "fit"]
    )
    none = attrs.evolve(tight, largest_context=0, largest_concurrency=0)
    text = estimates_text(expecting(attrs.evolve(ESTIMATE, memory=none, start=None)))
    assert text.endswith("lacking      1.5 GB     not one request of 4,096 tokens fits")
    unknown = attrs.evolve(MEMORY, free=None, context=None, notes=())
    text = estimates_text(expecting(attrs.evolve(ESTIMATE, memory=unknown, start=None)))
    assert text.splitlines()[-1] == "  free         not known"
    nothing = Estimate(service="service.chat", memory=None, start=None)
    assert estimates_text(expecting(nothing)) == "Expected of service.chat: nothing is known"


@pytest.mark.parametrize(
    ("seconds", "said"),
    [
        (None, "not known"),
        ((1, 1), "1 s"),
        ((0.26, 1.04), "0.26 to 1 s"),
        ((5.12, 10.24), "5.1 to 10 s"),
        ((60, 119), "60 to 119 s"),
        ((90, 150), "1.5 to 2.5 min"),
        ((3600, 36000), "60 to 600 min"),
    ],
)
def test_times_are_rounded(seconds: tuple[float, float] | None, said: str) -> None:
    """An estimate has two digits, and the unit that suits it."""
    assert seconds_text(seconds) == said


def test_only_new_containers_are_estimated() -> None:
    """Services that are created or get other containers; not those that only scale, stay or go."""
    live = golden.deployed(chat("T4"))
    assert plan(chat("T4")).renewed() == ["service.chat"]
    assert plan(chat("L4"), live=live).renewed() == ["service.chat"]
    assert plan(chat("T4", least=2), live=live).renewed() == []
    assert plan(chat("T4"), live=live).renewed() == []
    assert plan(live=live).renewed() == []
    again = record("one", {"my-image.2": (BASE, Image(name="", steps=()))}, MODULE)
    assert plan(again).renewed() == ["service.my-image.2"]
    steps = record("one", {"chat": (BASE, Image(name="", steps=()))}, MODULE).resources
    other = {**steps, "image.chat": {"name": "chat", "steps": [{"call": "apt_install"}]}}
    image = attrs.evolve(chat("H100"), resources=other)
    assert plan(image, live=golden.deployed(chat("H100"))).renewed() == ["service.chat"]
