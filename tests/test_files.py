"""Files are written whole, or not at all."""

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


@pytest.mark.parametrize("place", ["held", "plain/file", "x" * 253])
def test_what_can_t_be_written_leaves_nothing(tmp_path: Path, place: str) -> None:
    """The path is told with the reason, and no half of the text stays beside it."""
    (tmp_path / "held").mkdir()
    (tmp_path / "plain").write_text("kept")
    with pytest.raises(InfraError, match=r"can't be written \(.+\); a file in a folder that you"):
        write_file(tmp_path / place, b"text")
    assert sorted(each.name for each in tmp_path.iterdir()) == ["held", "plain"]
    assert (tmp_path / "plain").read_text() == "kept"
