"""Releases of a package, as pip finds and downloads them."""

import re
import subprocess
import sys
import zipfile
from pathlib import Path

import attrs

from infra.errors import InfraError
from infra.facts.flags import ordered

# Whatever this runs on: an engine's wheels are for Linux, and the text in them is the same.
LINUX = (
    *("--only-binary", ":all:", "--python-version", "3.11"),
    *("--platform", "manylinux_2_35_x86_64", "--platform", "manylinux_2_34_x86_64"),
    *("--platform", "manylinux_2_31_x86_64", "--platform", "manylinux_2_28_x86_64"),
    *("--platform", "manylinux_2_24_x86_64", "--platform", "manylinux2014_x86_64"),
    *("--platform", "manylinux1_x86_64"),
)
FILE = re.compile(r"(?P<package>\w+)-(?P<version>[^-]+)-.*\.whl")


@attrs.frozen(kw_only=True)
class Wheel:
    """
    An unpacked wheel.

    Attributes:
        version: Such as ``0.5.11``.
        date: When the wheel was made, as YYYY-MM-DD.
        tree: The folder with all of it that is not compiled.
        requires: The packages that it names, with their bounds.
    """

    version: str
    date: str
    tree: Path
    requires: tuple[str, ...]


def finals(package: str, since: str, numbers: int) -> list[str]:
    """
    The final releases from that version on, oldest first; of each the last mend only.

    Args:
        package: As pip knows it.
        since: The oldest version.
        numbers: How many of a version's numbers make it another release.

    Raises:
        InfraError: pip does not find the package.
    """
    listed = pip("index", "versions", package, *LINUX)
    found = re.search(r"^Available versions: (.+)$", listed, re.MULTILINE)
    if found is None:
        raise InfraError(f"{package}: pip lists no versions; see `pip index versions {package}`")
    known = sorted(found[1].split(", "), key=ordered)
    mended = {ordered(each)[0][:numbers]: each for each in known if ordered(each) >= ordered(since)}
    return list(mended.values())


def download(package: str, version: str, folder: Path) -> None:
    """
    Put the wheel of a release into a folder.

    Raises:
        InfraError: pip does not get it.
    """
    pip("download", "--quiet", "--no-deps", *LINUX, "--dest", str(folder), f"{package}=={version}")


def unpack(package: str, version: str, wheels: Path, into: Path) -> Wheel:
    """
    The wheel of a release, without what is compiled.

    Raises:
        InfraError: The folder has no such wheel.
    """
    for path in sorted(wheels.glob("*.whl")):
        named = FILE.fullmatch(path.name)
        if named and (named["package"], named["version"]) == (package, version):
            break
    else:
        raise InfraError(f"{wheels}: has no wheel of {package} {version}")
    tree = into / version
    with zipfile.ZipFile(path) as wheel:
        inside = wheel.infolist()
        about = next(each for each in inside if each.filename.endswith(".dist-info/METADATA"))
        lines = wheel.read(about).decode().splitlines()
        for each in inside:
            if not each.filename.endswith(".so"):
                wheel.extract(each, tree)
    needs = "Requires-Dist: "
    return Wheel(
        version=version,
        date="{:04}-{:02}-{:02}".format(*about.date_time),
        tree=tree,
        requires=tuple(line.removeprefix(needs) for line in lines if line.startswith(needs)),
    )


def pip(*words: str, python: Path = Path(sys.executable)) -> str:
    """
    What pip prints.

    Raises:
        InfraError: It fails.
    """
    command = [str(python), "-m", "pip", "--disable-pip-version-check", *words]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        last = (done.stderr.strip().splitlines() or ["no message"])[-1]
        raise InfraError(f"pip {' '.join(words)}: {last}")
    return done.stdout
