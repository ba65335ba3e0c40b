"""Words in place of tokens, and the cache of prompts' beginnings."""

from hypothesis import given
from hypothesis import strategies as st

from infra.local.engine.prefix_cache import BLOCK, PrefixCache
from infra.local.engine.text import answer_tokens, chat_tokens, tokens

PROMPT = [str(number) for number in range(10 * BLOCK)]


@given(st.text())
def test_tokens_are_the_text(text: str) -> None:
    """Joined, the tokens of a text are the text."""
    assert "".join(tokens(text)) == text


@given(st.lists(st.text(), min_size=1), st.text())
def test_a_longer_chat_begins_as_the_shorter_one(turns: list[str], more: str) -> None:
    """A further turn changes nothing of those before it, so that they can be cached."""
    chat = [{"role": "user", "content": turn} for turn in turns]
    shorter = chat_tokens(chat, None)[:-3]  # without the place for the answer
    longer = chat_tokens([*chat, {"role": "assistant", "content": more}], None)
    assert longer[: len(shorter)] == shorter


@given(st.integers(1, 2000), st.booleans(), st.booleans())
def test_a_limit_holds(limit: int, reasoning: bool, endless: bool) -> None:
    """An answer has no more tokens than allowed, exactly as many without an end of its own."""
    answer, thought, cut = answer_tokens("SGLang", 7, limit, reasoning=reasoning, endless=endless)
    assert len(answer) <= limit
    assert thought <= len(answer)
    assert len(answer) == limit if cut else not endless


def test_an_answer_says_what_it_is() -> None:
    """The text itself says that no model wrote it."""
    answer, thought, cut = answer_tokens("SGLang", 7, None, reasoning=False, endless=False)
    assert "stand-in for SGLang and not a language model" in "".join(answer)
    assert (thought, cut) == (0, False)


def test_a_known_beginning_is_found_but_never_all() -> None:
    """Whole blocks match; the last token is always computed, since it yields the answer."""
    cache = PrefixCache(1000)
    assert cache.match(PROMPT) == 0
    cache.insert(PROMPT)
    assert cache.match(PROMPT) == len(PROMPT) - BLOCK
    assert cache.match([*PROMPT, "more"]) == len(PROMPT)
    assert cache.match([*PROMPT[: BLOCK + 3], "other", *PROMPT[BLOCK + 4 :]]) == BLOCK
    assert cache.match(["other", *PROMPT[1:]]) == 0


def test_a_full_cache_forgets_the_ends_first() -> None:
    """What was used lately stays, and the beginning that others rest on outlives its ends."""
    cache = PrefixCache(12 * BLOCK)
    cache.insert(PROMPT)
    cache.insert(["another", *PROMPT[: 5 * BLOCK]])
    assert cache.match(PROMPT) == 7 * BLOCK
    assert cache.tokens == 12 * BLOCK


@given(st.lists(st.lists(st.sampled_from("ab"), min_size=1, max_size=80)), st.integers(0, 200))
def test_a_cache_never_exceeds_its_capacity(prompts: list[list[str]], capacity: int) -> None:
    """Whatever is inserted, what is held fits, and a match is shorter than the prompt."""
    cache = PrefixCache(capacity)
    for prompt in prompts:
        assert cache.match(prompt) < len(prompt)
        cache.insert(prompt)
        assert cache.tokens <= capacity
