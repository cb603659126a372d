"""A rule's source by its id."""

from pathlib import Path

from alerting.console.rules import MAX_BYTES, RuleSources
from soc.settings import Settings
from soc.testing import ManualClock


def sources(root: Path, clock: ManualClock | None = None) -> RuleSources:
    """Return a lookup under `root`."""
    return RuleSources(Settings.model_validate({"correlate": {"rules": (root,)}}), clock or ManualClock())


async def test_the_document_with_the_id_is_found(tmp_path: Path) -> None:
    """In folders, in files of several documents, quoted or commented; the document alone, not its neighbours."""
    (tmp_path / "deep").mkdir()
    (tmp_path / "deep" / "two.yml").write_text("title: A\nid: aaa-1\n---\ntitle: B\nid: 'bbb-2' # note\nlevel: low\n")
    found = await sources(tmp_path).find("bbb-2")
    assert found is not None
    assert (found.file, found.text) == ("two.yml", "title: B\nid: 'bbb-2' # note\nlevel: low\n")


async def test_ids_are_never_paths(tmp_path: Path) -> None:
    """An id that looks like a path finds nothing, and nothing outside is read."""
    (tmp_path / "rules").mkdir()
    (tmp_path / "secret.yml").write_text("id: secret\n")
    lookup = sources(tmp_path / "rules")
    for rule_id in ("../secret.yml", str(tmp_path / "secret.yml"), "secret", "", "*", "\0"):
        assert await lookup.find(rule_id) is None


async def test_new_rules_are_found_after_half_a_minute(tmp_path: Path) -> None:
    """An unknown id does not make every request read the folders again."""
    clock = ManualClock()
    lookup = sources(tmp_path, clock)
    assert await lookup.find("new-1") is None
    (tmp_path / "new.yml").write_text("id: new-1\n")
    assert await lookup.find("new-1") is None
    clock.advance(31)
    assert await lookup.find("new-1") is not None
    (tmp_path / "new.yml").write_text("id: other\n")
    assert await lookup.find("new-1") is None


async def test_unreadable_files_are_passed_over(tmp_path: Path) -> None:
    """A huge file, broken text and a dangling link do not hide the others."""
    (tmp_path / "a.yml").write_bytes(b"id: big\n" + b"#" * MAX_BYTES)
    (tmp_path / "b.yml").write_bytes(b"\xff\xfe\nid: fine\n")
    (tmp_path / "c.yml").symlink_to(tmp_path / "nowhere")
    lookup = sources(tmp_path)
    assert await lookup.find("big") is None
    assert await lookup.find("fine") is not None
