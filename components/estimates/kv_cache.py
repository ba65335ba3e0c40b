"""What requests take of a GPU's memory: keys and values of tokens, states of layers."""

import math

import attrs

from components.estimates.draft import Draft
from components.rules.budget import number_size, token_bytes
from components.rules.engine import Engine
from components.rules.sglang_engine import SGLangEngine
from components.rules.states import strategy

# States per request that the prefix cache needs, and more of them with extra_buffer (0.5.11:
# model_runner_kv_cache_mixin.py).
KEPT_STATES = 3
BUFFERS = 2


@attrs.frozen(kw_only=True)
class KVCache:
    """
    What requests take on one GPU; it grows with the tokens and with the requests.

    Attributes:
        token_bytes: Bytes of one token in all layers of the GPU, the draft's included where they
            are taken from the same pool; None: not known.
        sliding_bytes: Those of them that are given back behind a window.
        window: Tokens of that window; 0: nothing is given back.
        state_bytes: Bytes of the state of one request; 0: the model has none; None: not known.
        fixed_states: States that are kept whatever the number of requests is.
        states_per_request: States that each request adds.
        copies: Groups of GPUs that share the requests; each has those of its own.
        unknown: What is missing for a token's bytes.
    """

    token_bytes: int | None
    state_bytes: int | None
    fixed_states: int
    states_per_request: int
    copies: int
    unknown: tuple[str, ...] = ()
    sliding_bytes: int = 0
    window: int = 0

    def requests_here(self, concurrency: int) -> int:
        """Requests on the GPU that has most of them."""
        return -(-concurrency // self.copies)

    def tokens(self, context: int, concurrency: int) -> int | None:
        """Bytes of so many requests of so many tokens; None: not known."""
        each = self._request(context)
        return None if each is None else each * self.requests_here(concurrency)

    def _request(self, context: int) -> int | None:
        if self.token_bytes is None:
            return None
        return self.token_bytes * context - self.sliding_bytes * max(context - self.window, 0)

    def states(self, concurrency: int) -> int | None:
        """Bytes of the states of so many requests; None: not known."""
        if self.state_bytes is None:
            return None
        count = self.fixed_states + self.states_per_request * self.requests_here(concurrency)
        return self.state_bytes * count

    def largest_context(self, room: int, concurrency: int) -> int | None:
        """Tokens of a request that fit into so many bytes; None: not known."""
        states = self.states(concurrency)
        if self.token_bytes is None or states is None:
            return None
        each = (room - states) // self.requests_here(concurrency)
        if each > self.token_bytes * self.window:
            held = each - self.sliding_bytes * self.window
            return held // (self.token_bytes - self.sliding_bytes)
        return max(each // self.token_bytes, 0)

    def largest_concurrency(self, room: int, context: int) -> int | None:
        """Requests of so many tokens that fit into so many bytes; None: not known."""
        tokens = self._request(context)
        if tokens is None or self.state_bytes is None:
            return None
        each = tokens + self.state_bytes * self.states_per_request
        return max((room - self.state_bytes * self.fixed_states) // each, 0) * self.copies

    @classmethod
    def of(cls, engine: Engine) -> "KVCache":
        """The KV cache of a service."""
        draft = Draft.of(engine)
        copies = engine.dp * engine.attention_copies
        each, unknown = _token_bytes(engine, draft)
        state: int | None = 0
        fixed = per_request = 0
        if engine.model.is_hybrid and isinstance(engine, SGLangEngine):
            size = engine.model.state_bytes
            state = None if size is None else -(-size // engine.attention_ranks)
            fixed, per_request = _states(engine, draft, copies)
        sliding, window = _sliding(engine) if each else (0, 0)
        return cls(
            token_bytes=each,
            state_bytes=state,
            fixed_states=fixed,
            states_per_request=per_request,
            copies=copies,
            unknown=unknown,
            sliding_bytes=sliding,
            window=window,
        )


def _token_bytes(engine: Engine, draft: Draft) -> tuple[int | None, tuple[str, ...]]:
    """Bytes of one token on a GPU, or what is missing for them."""
    facts = engine.model
    layers, extra = engine.kv_layers, draft.pool_layers
    # of a hybrid, the layers alone do not tell which of them have a KV cache
    needed = {"attention_layers" if facts.is_hybrid else "layers": layers}
    if not facts.latent_size:
        needed |= {"kv_heads": facts.kv_heads, "head_size": facts.head_size}
    unknown = tuple(name for name, value in needed.items() if value is None)
    if extra is None:
        unknown += (f"layers of {draft.name}",)
    if facts.is_hybrid and not isinstance(engine, SGLangEngine):
        unknown = (f"how {engine.title} shares its pages between states and KV cache",)
    if unknown or layers is None or extra is None:
        return None, unknown
    each = token_bytes(engine, math.ceil(layers / engine.pp) + extra)
    cut = "parts of it on each GPU" if number_size(engine) else engine.text("--kv-cache-dtype")
    return each, () if each else (f"what a token takes with {cut}",)


def _sliding(engine: Engine) -> tuple[int, int]:
    """
    Bytes of one token in layers that give it back behind a window, and the window.

    vLLM's hybrid KV cache manager does that unless something switches it off (config/vllm.py of
    0.11.2 and 0.33.0); SGLang's pool for these layers has its size whatever is in it.
    """
    facts, flags = engine.model, ("--kv-transfer-config", "--kv-events-config")
    is_off = engine.parsed.values.get("--disable-hybrid-kv-cache-manager") is True
    is_off |= any(each.flag.startswith(flags) for each in engine.arguments)
    # those that keep nothing anyway may be among them
    sliding = max((facts.sliding_layers or 0) - (facts.shared_layers or 0), 0)
    layers = engine.kv_layers
    if engine.package != "vllm" or is_off or not (sliding and facts.window and layers):
        return 0, 0
    size = token_bytes(engine, math.ceil(sliding / engine.pp)) if sliding < layers else 0
    return (size, facts.window) if size else (0, 0)


def _states(engine: SGLangEngine, draft: Draft, copies: int) -> tuple[int, int]:
    """
    States that a GPU keeps in any case, and those that each request adds.

    A request has one, three or more with the prefix cache, and one for each token that is guessed.
    SGLang's own limit of requests with guesses has its room whether there are so many or not.
    """
    guessed = draft.tokens if engine.algorithm else 0
    kept = 1 if engine.no_prefix_cache else KEPT_STATES
    if not engine.no_prefix_cache and strategy(engine).startswith("extra_buffer"):
        kept += BUFFERS
    fixed = engine.count("--max-mamba-cache-size") or 0
    if fixed:
        kept = 0
    running, _ = engine.requests
    if running is None or engine.count(engine.requests_flag):
        return fixed, kept + guessed
    limit = -(-running // copies)
    if engine.no_prefix_cache:
        return fixed + limit * (kept + guessed), 0
    return fixed + limit * guessed, kept
