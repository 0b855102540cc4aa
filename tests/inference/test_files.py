import json
from pathlib import Path

import pytest

from inference.files import TEMPORARY, replacing, write_json


def test_a_file_is_replaced_whole_or_not_at_all(tmp_path: Path) -> None:
    path = tmp_path / "new" / "file.txt"
    with replacing(path) as temporary:
        temporary.write_text("first")
        assert not path.exists() and temporary.suffix == ".txt"
        assert TEMPORARY.fullmatch(temporary.name)
    assert path.read_text() == "first"
    with pytest.raises(RuntimeError), replacing(path) as temporary:
        temporary.write_text("half of the sec")
        raise RuntimeError
    assert path.read_text() == "first"
    assert list(path.parent.iterdir()) == [path]


def test_a_full_disk_names_the_file(tmp_path: Path) -> None:
    path = tmp_path / "file.txt"
    with pytest.raises(OSError, match="full") as caught, replacing(path):
        raise OSError(28, "disk full")
    assert caught.value.filename == str(path)


def test_json_is_one_line_or_indented(tmp_path: Path) -> None:
    path, content = tmp_path / "new" / "file.json", {"läsion": [1, 2]}
    write_json(path, content)
    assert path.read_bytes().count(b"\n") == 1 and json.loads(path.read_bytes()) == content
    write_json(path, content, indent=2)
    assert path.read_text().splitlines()[2] == "    1," and json.loads(path.read_bytes()) == content
    with pytest.raises(TypeError):
        write_json(path, {"path": path})
    assert json.loads(path.read_bytes()) == content


def test_a_planted_link_is_not_followed(tmp_path: Path) -> None:
    path, victim = tmp_path / "file.txt", tmp_path / "victim"
    victim.write_text("precious")
    with replacing(path) as temporary:
        temporary.write_text("once")
    temporary.symlink_to(victim)
    with replacing(path) as temporary:
        temporary.write_text("twice")
    assert victim.read_text() == "precious" and path.read_text() == "twice"


def test_a_name_as_long_as_the_system_allows(tmp_path: Path) -> None:
    for stem in ("a" * 251, "\u00e9" * 120 + "x"):
        path = tmp_path / f"{stem}.txt"
        with replacing(path) as temporary:
            assert TEMPORARY.fullmatch(temporary.name)
            temporary.write_text("long")
        assert path.read_text() == "long"
