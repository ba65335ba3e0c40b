"""Files are written whole, or not at all."""

import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from infra.errors import InfraError
from infra.files import write_file


def test_a_file_is_replaced(tmp_path: Path) -> None:
    """The folders are made, the old text is gone, and nothing else is left."""
    path = tmp_path / "a" / "b" / "plan.json"
    for text in (b"old", b"new"):
        write_file(path, text)
        assert path.read_bytes() == text
    assert [*path.parent.iterdir()] == [path]


def test_who_may_read_a_file_stays(tmp_path: Path) -> None:
    """A new file is as the user has new files; one that is replaced keeps what it allows."""
    path = tmp_path / "plan.json"
    before = os.umask(0o027)
    try:
        write_file(path, b"new")
        assert stat.S_IMODE(path.stat().st_mode) == 0o640
        path.chmod(0o600)
        write_file(path, b"newer")
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
    finally:
        os.umask(before)


def test_two_may_write_a_file_at_once(tmp_path: Path) -> None:
    """Neither takes the other's half-written text away, and what stands there is whole."""
    path = tmp_path / "plan.json"
    code = (
        "import sys; from pathlib import Path; from infra.files import write_file\n"
        "for _ in range(400): write_file(Path(sys.argv[1]), sys.argv[2].encode() * 50)"
    )
    writers = [subprocess.Popen([sys.executable, "-c", code, path, name]) for name in "ab"]
    assert [each.wait() for each in writers] == [0, 0]
    assert path.read_bytes() in (b"a" * 50, b"b" * 50)
    assert [*tmp_path.iterdir()] == [path]


@pytest.mark.parametrize("place", ["held", "plain/file", "x" * 253])
def test_what_can_t_be_written_leaves_nothing(tmp_path: Path, place: str) -> None:
    """The path is told with the reason, and no half of the text stays beside it."""
    (tmp_path / "held").mkdir()
    (tmp_path / "plain").write_text("kept")
    with pytest.raises(InfraError, match=r"can't be written \(.+\); a file in a folder that you"):
        write_file(tmp_path / place, b"text")
    assert sorted(each.name for each in tmp_path.iterdir()) == ["held", "plain"]
    assert (tmp_path / "plain").read_text() == "kept"
