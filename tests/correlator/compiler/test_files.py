"""Which files are read, in which order, and what tells that one of them is another than it was."""

import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from correlator.compiler import files
from correlator.compiler.files import FINGERPRINT, MAX_FILE, Fingerprint, RuleFile, read_all


def write(folder: Path, *names: str) -> Path:
    """Write files that hold their names, and return the folder."""
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(name, encoding="utf-8")
    return folder


def names(folder: Path, *paths: Path) -> list[str]:
    """Return what is read, relative to the folder; of what cannot be, the reason behind it."""
    return [str(Path(each.path).relative_to(folder)) + each.error for each in read_all(paths or (folder,))]


def fingerprint(*paths: Path, request: bytes = b"{}") -> str:
    """Return the fingerprint of a request and what it reads."""
    made = Fingerprint(request)
    for file in read_all(paths):
        made.add(file)
    return str(made)


def test_files_come_in_the_order_of_names_each_with_its_bytes(tmp_path: Path) -> None:
    """The same on every machine: of rules that share an id the first stays."""
    write(tmp_path, "b.yml", "c/a.yml", "c/b/z.yaml", "a/x.yml")
    assert names(tmp_path) == ["b.yml", "a/x.yml", "c/a.yml", "c/b/z.yaml"]
    assert [file.data for file in read_all([tmp_path / "b.yml"])] == [b"b.yml"]


def test_hidden_files_samples_and_others_are_not_rules(tmp_path: Path) -> None:
    """A checkout holds .github, an editor's lock begins with a dot."""
    write(tmp_path, "a.yml", ".b.yml", ".github/workflows/test.yml", "a.samples.yml", "README.md", ".yml")
    assert names(tmp_path) == ["a.yml"]


def test_a_path_that_is_named_is_read_whatever_its_name(tmp_path: Path) -> None:
    """Who names it means it."""
    write(tmp_path, ".hidden/a.yml", "rule.txt")
    assert names(tmp_path, tmp_path / ".hidden", tmp_path / "rule.txt") == [".hidden/a.yml", "rule.txt"]


def test_each_file_is_read_once(tmp_path: Path) -> None:
    """A folder named twice, within another, or linked to: its rules are no second ones."""
    write(tmp_path, "a/x.yml", "b.yml")
    (tmp_path / "c").symlink_to("a")
    (tmp_path / "d.yml").symlink_to("b.yml")
    assert names(tmp_path, tmp_path / "a", tmp_path, tmp_path / "b.yml") == ["a/x.yml", "b.yml"]


def test_links_are_followed_and_loops_end(tmp_path: Path) -> None:
    """Rules are often elsewhere; a link that leads back is no endless folder."""
    write(tmp_path, "elsewhere/x.yml", "rules/y.yml")
    (tmp_path / "rules" / "linked").symlink_to("../elsewhere")
    (tmp_path / "elsewhere" / "back").symlink_to("../rules")
    (tmp_path / "rules" / "self").symlink_to(".")
    assert names(tmp_path, tmp_path / "rules") == ["rules/y.yml", "rules/linked/x.yml"]


def test_links_that_lead_nowhere_are_told(tmp_path: Path) -> None:
    """A rule that is not there is not silently none."""
    (tmp_path / "gone.yml").symlink_to("nosuch")
    (tmp_path / "loop.yml").symlink_to("loop.yml")
    gone, loop = names(tmp_path)
    assert "No such file" in gone
    assert "symbolic links" in loop


def test_what_is_no_file_is_told_and_not_waited_for(tmp_path: Path) -> None:
    """A FIFO that nobody writes would be read for ever."""
    os.mkfifo(tmp_path / "a.yml")
    (tmp_path / "b.yml").symlink_to("/dev/zero")
    assert [file.error for file in read_all([tmp_path])] == ["cannot be read: not a file"] * 2


def test_a_file_of_the_largest_size_is_read_and_no_larger_one(tmp_path: Path) -> None:
    """1 MiB."""
    (tmp_path / "a.yml").write_bytes(b"#" * MAX_FILE)
    (tmp_path / "b.yml").write_bytes(b"#" * (MAX_FILE + 1))
    good, bad = read_all([tmp_path])
    assert len(good.data) == MAX_FILE
    assert "larger than" in bad.error
    assert not bad.data


def test_a_file_that_cannot_be_read_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The others are read."""
    write(tmp_path, "a.yml", "b.yml")
    opened = os.open

    def refuse(path: Path, flags: int) -> int:
        if path.name == "a.yml":
            raise PermissionError(13, "Permission denied", str(path))
        return opened(path, flags)

    monkeypatch.setattr(os, "open", refuse)
    first, second = read_all([tmp_path])
    assert "Permission denied" in first.error
    assert second.data == b"b.yml"


def test_a_folder_that_vanishes_while_it_is_walked_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An update under way; the next reload reads the rest."""
    write(tmp_path, "a/x.yml", "b/y.yml")
    walk = os.walk

    def vanishing(*given: Any, **named: Any) -> Iterator[tuple[str, list[str], list[str]]]:
        for step in walk(*given, **named):
            if step[0].endswith("a"):
                shutil.rmtree(step[0])
            yield step

    monkeypatch.setattr(os, "walk", vanishing)
    found = list(read_all([tmp_path]))
    assert [file.data for file in found if not file.error] == [b"b/y.yml"]
    assert [str(Path(file.path).relative_to(tmp_path)) for file in found if file.error] == ["a/x.yml", "a"]


def test_a_fingerprint_is_that_of_the_same_files(tmp_path: Path) -> None:
    """Times and inodes say nothing."""
    write(tmp_path, "a.yml", "b/c.yml")
    before = fingerprint(tmp_path)
    assert len(before) == FINGERPRINT
    text = (tmp_path / "a.yml").read_text("utf-8")
    (tmp_path / "a.yml").unlink()
    (tmp_path / "a.yml").write_text(text, "utf-8")
    os.utime(tmp_path / "b" / "c.yml", (1, 1))
    assert fingerprint(tmp_path) == before


def test_a_change_that_keeps_time_and_size_changes_it(tmp_path: Path) -> None:
    """Two writes in one second, or an archive unpacked with its times."""
    file = write(tmp_path, "a.yml") / "a.yml"
    before = fingerprint(tmp_path)
    found = file.stat()
    file.write_text("b.yml", "utf-8")
    os.utime(file, ns=(found.st_atime_ns, found.st_mtime_ns))
    assert file.stat().st_size == found.st_size
    assert fingerprint(tmp_path) != before


def test_whatever_an_answer_depends_on_changes_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A name, another file, an empty one, one that cannot be read, the request, the code, a library."""
    write(tmp_path, "a.yml", "b.yml")
    seen = {fingerprint(tmp_path), fingerprint(tmp_path, request=b"[]")}
    (tmp_path / "b.yml").rename(tmp_path / "c.yml")
    seen.add(fingerprint(tmp_path))
    (tmp_path / "d.yml").touch()
    seen.add(fingerprint(tmp_path))
    (tmp_path / "d.yml").unlink()
    (tmp_path / "d.yml").symlink_to("nosuch")
    seen.add(fingerprint(tmp_path))
    monkeypatch.setattr(files, "version", lambda _name: "99")
    files._code.cache_clear()
    seen.add(fingerprint(tmp_path))
    monkeypatch.setattr(files, "DEPENDS_ON", ("load.py",))
    files._code.cache_clear()
    seen.add(fingerprint(tmp_path))
    files._code.cache_clear()
    assert len(seen) == 7


def test_where_one_part_ends_and_the_next_begins_is_part_of_it() -> None:
    """Bytes that move from one file to the next are a change."""
    made = []
    for pair in ([("a", b"bc"), ("d", b"")], [("a", b"b"), ("cd", b"")], [("ab", b"c"), ("", b"d")]):
        each = Fingerprint(b"")
        for path, data in pair:
            each.add(RuleFile(path, data))
        made.append(str(each))
    assert len(set(made)) == 3


def test_the_code_that_rules_depend_on_is_there() -> None:
    """A module that moves must not drop out of the fingerprint unseen."""
    for pattern in files.DEPENDS_ON:
        assert list(files.ROOM.glob(pattern)), pattern
