"""The command line of a release of vLLM is read from its source, and nothing of it is run."""

from pathlib import Path

import pytest

from scripts.facts.source import UnreadableError
from scripts.facts.vllm_source import options

FILES = {
    "config/utils.py": "def config(cls): return dataclass(cls, extra='forbid')\n",
    "config/speculative.py": """
        MTP = Literal["mtp"]
        SpeculativeMethod = Literal["ngram", MTP]
        @config
        class SpeculativeConfig:
            method: SpeculativeMethod | None = None
            tokens: int = Field(default=None, gt=0)
            computed: int = field(init=False)
        """,
    "config/model.py": """
        from vllm.config.speculative import SpeculativeConfig
        if TYPE_CHECKING:
            from vllm.elsewhere import Methods
        else:
            Methods = Any
        DType = Literal["half", "auto"]
        @config
        class ModelConfig:
            model: str = "a/b"
            dtype: DType | torch.dtype = "auto"
            quantization: Methods | None = None
            max_model_len: int = Field(default=None, gt=0)
            max_num_batched_tokens: int | None = None
            backend: Literal["b", "a"] | None = None
            names: list[str] | None = None
            eager: bool = False
            drafts: SpeculativeConfig | None = None
            '''Deprecated; use --speculative-config instead.'''
            enable_cache: SkipValidation[bool] = True
            share: float = Field(default=0.9, gt=0, le=1)
            LIMIT: ClassVar[int] = 3
        """,
    "utils/argparse_utils.py": "class EnableDisableAction: ...\n",
    "reasoning/__init__.py": "_REASONING_PARSERS_TO_REGISTER = {'r1': ('file', 'Class')}\n",
    "tool_parsers/__init__.py": "_TOOL_PARSERS_TO_REGISTER = {'hermes': ('file', 'Class')}\n",
    "entrypoints/protocol.py": """
        class LoRAModulePath:
            name: str
            path: str
        """,
    "entrypoints/common/cli_args.py": """
        from vllm.engine.arg_utils import AsyncEngineArgs
        from vllm.entrypoints.protocol import LoRAModulePath
        @config
        class BaseArgs:
            origins: list[str] = field(default_factory=lambda: ["*"])
            @classmethod
            def _customize_cli_kwargs(cls, frontend_kwargs):
                frontend_kwargs["origins"]["type"] = json.loads
                del frontend_kwargs["origins"]["nargs"]
                return frontend_kwargs
            @classmethod
            def add_cli_args(cls, parser):
                frontend_kwargs = get_kwargs(cls)
                frontend_kwargs = cls._customize_cli_kwargs(frontend_kwargs)
                for key, value in frontend_kwargs.items():
                    parser.add_argument(f"--{key.replace('_', '-')}", **value)
                return parser
        @config
        class FrontendArgs(BaseArgs):
            port: int = 8000
            @classmethod
            def _customize_cli_kwargs(cls, frontend_kwargs):
                frontend_kwargs = super()._customize_cli_kwargs(frontend_kwargs)
                return frontend_kwargs
        def make_arg_parser(parser):
            parser.add_argument("model_tag", type=str, nargs="?")
            parser.add_argument("--headless", action="store_true", help="No server.")
            parser = FrontendArgs.add_cli_args(parser)
            return parser
        """,
    "engine/arg_utils.py": """
        from vllm.config.model import ModelConfig
        from vllm.config.speculative import SpeculativeConfig
        def _compute_kwargs(cls):
            suffixed = {"max_num_batched_tokens"}
            kwargs["type"] = human_readable_int_or_auto
            kwargs["choices"].append(None)
        class EngineArgs:
            @staticmethod
            def add_cli_args(parser):
                kwargs = get_kwargs(ModelConfig)
                group = parser.add_argument_group(title="Model")
                if not ("serve" in sys.argv[1:] and "--help" in sys.argv[1:]):
                    group.add_argument("--model", **kwargs["model"])
                %s
                return parser
        class AsyncEngineArgs(EngineArgs):
            @staticmethod
            def add_cli_args(parser, async_args_only=False):
                if not async_args_only:
                    parser = EngineArgs.add_cli_args(parser)
                parser.add_argument("--log", action=argparse.BooleanOptionalAction, default=x)
                current_platform.pre_register_and_update(parser)
                return parser
        """,
}
STATEMENTS = """group.add_argument("--dtype", **kwargs["dtype"])
                group.add_argument("--quantization", "-q", **kwargs["quantization"])
                group.add_argument("--max-model-len", **kwargs["max_model_len"])
                group.add_argument("--tokens", **{**kwargs["max_num_batched_tokens"], "default": 1})
                kwargs["backend"]["choices"].remove("b")
                backend = kwargs["backend"]
                backend["type"] = lambda s: s.lower().replace("-", "_")
                group.add_argument("--backend", **backend)
                group.add_argument("--names", **kwargs["names"])
                group.add_argument("--enforce-eager", "-ee", **kwargs["eager"])
                group.add_argument("--enable-cache", **kwargs["enable_cache"])
                group.add_argument("--share", **kwargs["share"])
                group.add_argument("--drafts", **kwargs["drafts"])"""


def tree(folder: Path, statements: str = STATEMENTS) -> Path:
    """A release with the least that makes a command line."""
    for name, text in FILES.items():
        path = folder / "vllm" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        lines = (text % statements if "%s" in text else text).strip("\n").splitlines()
        cut = len(lines[0]) - len(lines[0].lstrip())
        path.write_text("\n".join(line[cut:] for line in lines), encoding="utf-8")
    return folder


def test_every_form_of_a_declaration(tmp_path: Path) -> None:
    """Types come from fields, and from what is done to them on the way to the parser."""
    assert options(tree(tmp_path)) == [
        {"names": ["--headless"], "kind": "switch"},
        {"names": ["--origins"], "type": "loads", "default": ["*"]},
        {"names": ["--port"], "type": "int", "default": 8000},
        {"names": ["--model"], "default": "a/b"},
        {"names": ["--dtype"], "choices": ["auto", "half"], "default": "auto"},
        {"names": ["--quantization", "-q"], "optional": True},
        {"names": ["--max-model-len"], "type": "decimal_int_or_auto"},
        {"names": ["--tokens"], "type": "decimal_int", "optional": True, "default": 1},
        {"names": ["--backend"], "type": "lowered", "choices": ["a", None]},
        {"names": ["--names"], "nargs": "+", "optional": True},
        {"names": ["--enforce-eager", "-ee"], "kind": "boolean"},
        {"names": ["--enable-cache"], "kind": "paired", "default": True},
        {"names": ["--share"], "type": "float", "default": 0.9},
        {
            "names": ["--drafts"],
            "type": "object",
            "optional": True,
            "fields": ["method", "tokens"],
            "deprecated": "--speculative-config",
        },
        {"names": ["--log"], "kind": "boolean"},
    ]


@pytest.mark.parametrize(
    "statement",
    [
        'while True: group.add_argument("--endless")',
        'group.add_argument(*names_of(), **kwargs["model"])',
        'kwargs["dtype"]["choices"].sort()',
        'group.add_argument("--dtype", type=parse_dtype(1))',
    ],
)
def test_what_is_not_understood_is_an_error(tmp_path: Path, statement: str) -> None:
    """A declaration of a new form is never left out unseen."""
    with pytest.raises(UnreadableError):
        options(tree(tmp_path, statement))
