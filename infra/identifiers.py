"""Names of a stack file as Python names of the generated modules."""

import keyword
import re
import sys

# What generated modules, modal 1.6.4 and infra itself import, beside the standard library, and what
# those import in their turn, if only where it is there: the modules' folder comes before them.
IMPORTED = """
aiodns aiohappyeyeballs aiohttp aiosignal anyio async_timeout attr attrs backports brotli brotlicffi
cbor2 certifi charset_normalizer click components dotenv exceptiongroup frozenlist google grpclib h2
hpack hyperframe idna infra jinja2 markdown_it markupsafe mdurl modal modal_docs modal_proto
modal_version multidict propcache pygments requests rich synchronicity toml typing_extensions
urllib3 watchfiles yarl
"""


# How the constants of the generated modules end.
KINDS = (
    *("COMMAND", "GPU", "IMAGE", "MODEL", "PORT", "SECRET", "SECRETS", "STARTUP_TIMEOUT"),
    *("VOLUME", "VOLUMES"),
)


def module_name(app: str) -> str:
    """The generated module's name: no dots, no name that would hide what a module imports."""
    mangled = re.sub(r"\W", "_", app)
    is_imported = mangled in sys.stdlib_module_names or mangled in IMPORTED.split()
    is_none = keyword.iskeyword(mangled) or mangled[:1].isdigit()
    return f"app_{mangled}" if is_imported or is_none else mangled


def prefix(name: str) -> str:
    """How the constants of something with a name begin, such as ``QWEN3_8B``."""
    mangled = re.sub(r"[^A-Za-z0-9]+", "_", name).strip("_").upper()
    return f"N{mangled}" if mangled[:1].isdigit() else mangled


def constant(name: str, kind: str) -> str:
    """A constant that ends in its kind, so that two kinds can't share a name."""
    return f"{prefix(name)}_{kind}"


def is_constant(name: str) -> bool:
    """Whether a constant of a generated module may be called so."""
    return name.isupper() and name.endswith(tuple(f"_{kind}" for kind in KINDS))


def class_name(service: str) -> str:
    """A service's default class name, such as ``Qwen38b``: Modal puts it into the URL."""
    words = re.split(r"[^A-Za-z0-9]+", service)
    joined = "".join(word[:1].upper() + word[1:] for word in words)
    return f"Service{joined}" if joined[:1].isdigit() else joined
