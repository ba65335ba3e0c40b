"""Names of a stack file as Python names of the generated modules."""

import keyword
import re
import sys

# What generated modules import, beside the standard library; their folder comes before it.
IMPORTED = {"aiohttp", "modal"}


def module_name(app: str) -> str:
    """The generated module's name: no dots, no name that would hide what a module imports."""
    mangled = re.sub(r"\W", "_", app)
    taken = mangled in sys.stdlib_module_names or mangled in IMPORTED or keyword.iskeyword(mangled)
    return f"app_{mangled}" if taken or mangled[:1].isdigit() else mangled


def prefix(name: str) -> str:
    """How the constants of something with a name begin, such as ``QWEN3_8B``."""
    mangled = re.sub(r"[^A-Za-z0-9]+", "_", name).strip("_").upper()
    return f"N{mangled}" if mangled[:1].isdigit() else mangled


def constant(name: str, kind: str) -> str:
    """A constant that ends in its kind, so that two kinds can't share a name."""
    return f"{prefix(name)}_{kind}"


def class_name(service: str) -> str:
    """A service's default class name, such as ``Qwen38b``: Modal puts it into the URL."""
    words = re.split(r"[^A-Za-z0-9]+", service)
    joined = "".join(word[:1].upper() + word[1:] for word in words)
    return f"Service{joined}" if joined[:1].isdigit() else joined
