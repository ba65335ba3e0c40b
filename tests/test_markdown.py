"""Comments for pull requests: what a reviewer reads, and that no text of a stack can break it."""

import re
from collections.abc import Iterable, Mapping

import attrs
import golden
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from markdown_it import MarkdownIt
from records import BASE, record
from test_show_json import planned

from components import ImageSpec, InferenceService
from infra import App, Stack
from infra.compile import Artifact, compile_app
from infra.diff import Action, Change, FieldChange
from infra.display import plan_text
from infra.drift import Drift
from infra.generated import unified_diff
from infra.live import Live
from infra.load import load
from infra.lower import lower
from infra.markdown import LIMIT, markdown
from infra.plan import AppPlan, Base, Cycled, Plan, make_plan
from infra.resources import Image
from infra.rules import Accepted, Finding, Report, Severity

NOTHING = golden.NOTHING
PARSER = MarkdownIt("commonmark").enable("table")
LEFT_OUT = re.compile(r"^@@ (\d+) lines are left out: `infra plan --diff` shows them @@$", re.M)

COMMENT = """\
<!-- infra plan: example-changes -->

### infra plan: `example-changes`

**Plan: 0 to add, 1 to change, 0 to destroy.** Gravest: rolling.

On `local`: workspace `local`, environment `main`, commit `a1b2c3d`

Floor in USD per hour (per month): 13.84 (10,101), `list prices of 2026-05-07`

> [!IMPORTANT]
> Objects have changed outside of infra:
> - `service.chat autoscaler was overridden by bob`

<details><summary>Plan of <code>example-changes</code></summary>

```diff
Stack example-changes on local: workspace local, environment main
App example-changes: v7, deployed 2 h ago by alice from a1b2c3d (clean)

Note: Objects have changed outside of infra

  # service.chat autoscaler was overridden by bob

infra will perform the following actions:
!     update in-place (before -> after)

  # service.chat will be updated in-place
!   service.chat  # rolling: 2 containers are replaced one after the other
!       engine --mem-fraction-static  0.8 -> 0.85

Floor in USD per hour (per month): 13.84 (10,101), list prices of 2026-05-07

Plan: 0 to add, 1 to change, 0 to destroy.
```

</details>

<details><summary>Module <code>chat</code>: +2 -1</summary>

```diff
--- a/chat.py
+++ b/chat.py
@@ -1 +1,2 @@
-one
+two
+--three
```

</details>"""


def test_a_comment() -> None:
    """A mark, a line that says it all, what must not be overlooked, and the rest folded."""
    stack = load(golden.CHANGES / "stack.py")
    after = golden.artifact(golden.typical_changes(stack)["flag"])
    live = golden.deployed(golden.artifact(stack).manifest)
    plan = make_plan(
        stack=stack.name, stack_file="prod.py", artifacts=[after], live=live, commit="a1b2c3d"
    )
    drift = Drift(address="service.chat", what="autoscaler was overridden", by="bob")
    plan = attrs.evolve(plan, apps=tuple(attrs.evolve(app, drift=(drift,)) for app in plan.apps))
    diff = unified_diff("one", "two\n--three", "chat.py")
    assert markdown([(plan, live)], {"chat": diff, "same": ""}, now=7200) == COMMENT


def chat(app: str, *names: str) -> Artifact:
    """An App with these services."""
    parts = {name: (BASE, Image(name="", steps=())) for name in names}
    return Artifact(record(app, parts, "x" * 64), "# the module")


def plan_of(*wanted: Artifact, live: Live = NOTHING) -> tuple[Plan, Live]:
    """The plan of a stack with these Apps."""
    return make_plan(stack="dev", stack_file="dev.py", artifacts=wanted, live=live), live


def test_nothing_to_do_is_one_line() -> None:
    """A comment on what changes nothing folds nothing and warns of nothing."""
    made = plan_of(chat("one", "a"), live=golden.deployed(chat("one", "a").manifest))
    comment = markdown([made], {}, now=0)
    assert comment.splitlines()[4] == (
        "**No changes. Your infrastructure matches the configuration.**"
    )
    assert "<details>" not in comment
    assert "> " not in comment


def test_what_must_not_be_overlooked_stands_above_the_folds() -> None:
    """Obstacles, destructions, replacements and services that are taken along are warned of."""
    live = golden.deployed(chat("one", "a", "b", "c").manifest)
    live = attrs.evolve(live, secrets={"token": False})
    wanted = Artifact(
        record(
            "one",
            {
                "b": (attrs.evolve(BASE, class_name="Other"), Image(name="", steps=())),
                "c": (BASE, Image(name="", steps=())),
                "d": (attrs.evolve(BASE, secrets=("token",)), Image(name="", steps=())),
            },
            "x" * 64,
        ),
        "# the module",
    )
    made = plan_of(wanted, live=live)
    head = markdown([made], {}, now=0).partition("<details>")[0]
    assert "> [!CAUTION]\n> This can't be applied:\n> - `` secret.token: does not exist" in head
    assert "> - `service.a will be destroyed (2 containers are stopped)`" in head
    assert "> - `service.b must be replaced (replace: it gets another URL)`" in head
    assert "> - `service.c (2 running)`" in head


def test_several_stacks_are_a_table() -> None:
    """Each stack has a line of numbers, and warnings name the stack that they are about."""
    dev = plan_of(chat("one", "a"))
    gone, live = plan_of(live=golden.deployed(chat("one", "a").manifest))
    comment = markdown([dev, (attrs.evolve(gone, stack="prod"), live)], {}, now=0)
    assert comment.startswith("<!-- infra plan: dev, prod -->\n")
    assert "| `dev` | `main` | 3 | 0 | 0 | 0 | 0 | new |\n" in comment
    assert "| `prod` | `main` | 0 | 0 | 3 | 0 | 0 | rolling |\n" in comment
    assert "> - `prod: service.a will be destroyed (2 containers are stopped)`" in comment
    assert comment.count("<details>") == 2


def finding(severity: Severity, index: int = 0, **fields: str) -> Finding:
    """Something that a rule has found."""
    told = {"where": f"chat-{index}.gpu", "what": "so", "why": "since", "fix": "do", "source": "x"}
    return Finding(code=f"INF{index:03}", severity=severity, **{**told, **fields})


def test_findings_have_a_section_of_their_own() -> None:
    """The errors come first; what to do, and what is accepted, is folded and in no other fold."""
    report = Report(
        findings=(finding("error", 2), finding("warning", 1)),
        accepted=(Accepted(finding=finding("info", 3), reason="measured"),),
    )
    artifacts = [chat("one", "a")]
    plan = make_plan(
        stack="dev", stack_file="dev.py", artifacts=artifacts, live=NOTHING, report=report
    )
    comment = markdown([(plan, NOTHING)], {}, now=0)
    assert (
        "\n#### Findings\n\n"
        "- **error** `INF002 chat-2.gpu: so`\n"
        "- **warning** `INF001 chat-1.gpu: so`\n" in comment
    )
    title = "<summary>Findings of <code>dev</code>: 1 error, 1 warning, 1 accepted</summary>"
    head, _, rest = comment.partition(title)
    assert rest.index("      do\n") < rest.index("  accepted INF003 chat-3.gpu: measured\n")
    assert rest.count("chat-1.gpu") == 1
    assert head.count("<details>") == 1


def test_many_findings_are_collapsed() -> None:
    """Of a long list the worst are shown, whichever stack has them; the folds have them all."""
    plan, live = plan_of(chat("one", "a"))
    many = tuple(finding("warning", index) for index in range(30))
    one = attrs.evolve(plan, stack="dev", findings=many)
    two = attrs.evolve(plan, stack="prod", findings=(finding("error", 99),))
    comment = markdown([(one, live), (two, live)], {}, now=0)
    section = comment.partition("#### Findings\n\n")[2].partition("\n\n")[0].splitlines()
    assert section[0] == "- **error** `INF099 prod: chat-99.gpu: so`"
    assert section[-1] == "- and 21 more"
    assert len(section) == 11
    assert comment.count("warning INF029 ") == 1


def test_a_stack_without_a_plan_is_told() -> None:
    """What could not be planned is not passed over in silence, even if that is everything."""
    for plans in ([], [plan_of(chat("one", "a"))]):
        comment = markdown(plans, {}, now=0, errors=["prod.py has 1 problem: gpu: `H9`"])
        assert comment.startswith("<!-- infra plan: ")
        assert "asked for:\n> - `` prod.py has 1 problem: gpu: `H9` ``" in comment


def test_an_app_that_was_left_out_is_told() -> None:
    """A plan that the command line narrowed says so, though it changes nothing."""
    plan, live = plan_of(chat("one", "a"), live=golden.deployed(chat("one", "a").manifest))
    comment = markdown([(attrs.evolve(plan, left_out=("two",)), live)], {}, now=0)
    assert "\nLeft out by the command line, though they would change: two\n" in comment


FRAGMENTS = [
    *"`~|<>!-+#*_[]()@&\"'\\\n\r\t {}:=x1",
    *("```", "````", "\n```\n", "\n\n", "</details>", "\n</details>\n\n# x", "-->", "<!--"),
    *("<code>", "</code>", "</summary>", "<script>", "![x](y)", "@team", "#12", "| x |", "\n> x"),
    *("\n    x", "\n- x", "\n---\n", "\0", "\u2028", "\x85", "&amp;", "https://x.y"),
]
words = st.lists(st.sampled_from(FRAGMENTS) | st.text(max_size=2), min_size=1, max_size=5)
texts = words.map("".join).filter(bool)


def comment_of(texts: Iterable[str], stacks: int) -> str:
    """A comment in which every text that a stack or a workspace has is one of these."""
    text = iter(texts)
    live = Live(target="local", workspace=next(text), environment="", deployments={})
    field = FieldChange(
        path=next(text), before=next(text), after=next(text), follows=next(text), tier="rolling"
    )
    changes = tuple(
        Change(
            address=f"service.{action.label}.{next(text)}",
            action=action,
            before={},
            after={},
            fields=(field,),
            reason=next(text),
        )
        for action in Action
    )
    app = AppPlan(
        app=next(text),
        base=Base(),
        artifact=None,
        changes=changes,
        drift=(Drift(address=next(text), what=next(text), by=next(text), fields=(field,)),),
        cycled=(Cycled(address=next(text), containers=1),),
    )
    plan = Plan(
        stack=next(text),
        stack_file=next(text),
        target=next(text),
        environment=next(text),
        apps=(app,),
        obstacles=(next(text),),
        commit=next(text),
        findings=(finding("error", where=next(text), what=next(text), fix=next(text)),),
        accepted=(Accepted(finding=finding("info"), reason=next(text)),),
    )
    diffs, errors = {next(text): next(text)}, [next(text)]
    return markdown([(plan, live)] * stacks, diffs, now=0, errors=errors)


def skeleton(comment: str) -> list[object]:
    """What a renderer makes of it, without what stands in code and the numbers in titles."""
    found: list[object] = []
    for token in PARSER.parse(comment):
        if token.type == "inline":
            children = token.children or []
            found += [(each.type, each.type == "text" and each.content) for each in children]
        elif token.type == "html_block":
            title = re.sub(r"<code>[^<>]*</code>(: \+\d+ -\d+)?", "<code/>", token.content)
            found.append(re.sub(r"(?<=infra plan: )[\w., -]+(?= -->)", "", title, flags=re.A))
        else:
            found.append((token.type, token.tag, token.info))
    return found


@settings(deadline=None)
@given(st.lists(texts, min_size=40, max_size=40), st.integers(1, 2))
def test_no_text_breaks_out(texts: list[str], stacks: int) -> None:
    """Whatever stands in a stack is shown as it is: never as Markdown, HTML or a mention."""
    assert skeleton(comment_of(texts, stacks)) == skeleton(comment_of(["x"] * 40, stacks))


@given(texts)
def test_a_diff_is_shown_as_it_is(text: str) -> None:
    """What is in the fence is the diff, but for what CommonMark itself makes of odd characters."""
    made = plan_of(live=NOTHING)
    fence = PARSER.parse(markdown([made], {"chat": text}, now=0))[-2]
    shown = re.sub(r"\r\n?", "\n", text + "\n").replace("\0", "\ufffd")
    assert (fence.type, fence.info, fence.content) == ("fence", "diff", shown)


@settings(deadline=None, max_examples=50)
@given(
    st.integers(0, 40),
    st.integers(0, 20),
    st.lists(st.integers(0, 20_000), max_size=40),
    texts,
    st.integers(40_000, 70_000),
)
def test_no_comment_is_longer_than_allowed(
    stacks: int, items: int, sizes: list[int], text: str, limit: int
) -> None:
    """However much there is to tell, the comment keeps to its limit and closes what it opens."""
    lines = [f"{text * 30}{index}" for index in range(items)]
    drift = tuple(Drift(address=line, what=line) for line in lines)
    apps = (AppPlan(app="one", base=Base(), artifact=None, drift=drift),)
    plan, live = plan_of()
    findings = tuple(finding("warning", where=line, what=text * 9) for line in lines)
    plan = attrs.evolve(plan, stack=text * 30, apps=apps, obstacles=tuple(lines), findings=findings)
    diffs = {f"{text}{index}": "x\n" * (size // 2) for index, size in enumerate(sizes)}
    comment = markdown([(plan, live)] * stacks, diffs, now=0, errors=lines, limit=limit)
    assert len(comment) <= limit
    tokens = PARSER.parse(comment)
    blocks = [token.content for token in tokens if token.type == "html_block"]
    opened, closed = (sum(tag in each for each in blocks) for tag in ("<details>", "</details>"))
    assert opened == closed == sum(token.type == "fence" for token in tokens)


@pytest.mark.parametrize("text", ["`" * 900, "`x" * 450, "&" * 900, "word " * 180])
def test_what_is_above_the_folds_is_short(text: str) -> None:
    """Long names, long messages and many stacks leave room for the plans."""
    drift = tuple(Drift(address=f"{text}{index}", what=text) for index in range(20))
    apps = (AppPlan(app=text, base=Base(), artifact=None, drift=drift),)
    plan, live = plan_of()
    plan = attrs.evolve(
        plan,
        stack=text,
        environment=text,
        apps=apps,
        obstacles=(text,) * 20,
        findings=(finding("error", where=text, what=text),) * 20,
    )
    comment = markdown([(plan, live)] * 100, {}, now=0, errors=[text] * 20, limit=40_000)
    assert len(comment) <= 40_000
    assert len(comment.partition("<details>")[0]) < 30_000


def services(count: int) -> list[InferenceService]:
    """So many services."""
    image = ImageSpec.from_registry("lmsysorg/sglang:v0.5.11").entrypoint([])
    return [
        InferenceService(name=f"chat-{index}", model="Qwen/Qwen3-8B", gpu="H100", image=image)
        for index in range(count)
    ]


@pytest.mark.parametrize(
    "apps",
    [
        pytest.param([App("one", services(200))], id="in one App"),
        pytest.param([App(each.name, [each]) for each in services(200)], id="in 200 Apps"),
    ],
)
def test_two_hundred_services_fit(apps: list[App]) -> None:
    """A large plan keeps to the limit: its first and last lines are there, and none is lost."""
    artifacts = [compile_app(each) for each in lower(Stack("prod", apps=apps), "prod.py")]
    made = plan_of(*artifacts)
    diffs = {each.app: unified_diff("", each.source, each.module) for each in artifacts}
    comment = markdown([made], diffs, now=0)
    assert LIMIT * 0.9 < len(comment) <= LIMIT
    assert f"**Plan: {200 * 2 + len(apps)} to add, 0 to change, 0 to destroy.**" in comment
    fences = [token.content for token in PARSER.parse(comment) if token.type == "fence"]
    whole = [plan_text(*made, now=0), *diffs.values()]
    for shown, text in zip(fences, whole, strict=False):
        lines = shown.splitlines()
        missing = [int(count) for count in LEFT_OUT.findall(shown)]
        assert len(lines) - len(missing) + sum(missing) == len(text.splitlines())
        assert lines[-1] == text.splitlines()[-1]
        assert len(lines) > 10
    rest = re.findall(r"^And (\d+) more modules\.$", comment, re.M)
    assert len(fences) + sum(map(int, rest)) == len(whole)


# As tfcmt reads the text of Terraform's plans.
HAPPENS: Mapping[Action, str] = {
    Action.CREATE: r"^ *# (.*) will be created$",
    Action.UPDATE: r"^ *# (.*) will be updated in-place$",
    Action.DELETE: r"^ *# (.*) will be destroyed$",
    Action.REPLACE: r"^ *# (.*?)(?: is tainted, so)? must be replaced$",
}
PASS = r"(?m)^(Plan: \d|No changes.)"
FAIL = r"(?m)^([│|] )?(Error: )"
HAS_DESTROY = r"(?m)([1-9][0-9]* to destroy.)"


@given(planned())
def test_who_reads_terraform_s_text_reads_ours(given: tuple[Plan, Live]) -> None:
    """Every line that such a reader looks for is there, and none that it would misread."""
    plan, live = given
    text = plan_text(plan, live, now=100)
    assert bool(re.search(FAIL, text)) == bool(plan.obstacles)
    [summary] = [line for line in text.splitlines() if re.search(PASS, line)]
    assert bool(re.search(HAS_DESTROY, summary)) == bool(plan.counts()["destroy"])
    assert summary.startswith("No changes.") == (plan.is_empty() and not plan.obstacles)
    for action, pattern in HAPPENS.items():
        read = [found[1] for line in text.splitlines() if (found := re.match(pattern, line))]
        assert read == [each.address for each in plan.changes() if each.action is action]
