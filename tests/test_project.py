"""What holds for the whole project: documents that are true, modules of bounded size, tests that say what they show."""

import ast
import importlib.util
import re
import tomllib
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest

from soc.settings import load

ROOT = Path(__file__).parent.parent
ROOMS = ("soc", "collectors", "correlator", "alerting")
LONGEST_MODULE = 400


def sources() -> Iterator[Path]:
    """Every module of the product."""
    for room in ROOMS:
        yield from sorted((ROOT / room).rglob("*.py"))


def generator() -> ModuleType:
    """The script that writes the generated pages."""
    spec = importlib.util.spec_from_file_location("generate", ROOT / "docs" / "generate.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize("page", ["settings", "metrics", "sigma"])
def test_the_generated_pages_are_those_of_the_code(page: str) -> None:
    """Run `python docs/generate.py` when this fails."""
    assert (ROOT / "docs" / f"{page}.md").read_text("utf-8") == getattr(generator(), page)()


def test_every_setting_and_metric_is_explained() -> None:
    """A row without a meaning is undocumented."""
    for page in ("settings", "metrics", "sigma"):
        rows = [line for line in (ROOT / "docs" / f"{page}.md").read_text("utf-8").splitlines() if line.startswith("|")]
        assert not [row for row in rows if row.endswith("|  |")]


def test_no_module_is_longer_than_a_reader_bears() -> None:
    """400 lines at most."""
    long = {
        str(path): lines for path in sources() if (lines := len(path.read_text("utf-8").splitlines())) > LONGEST_MODULE
    }
    assert not long


def test_every_module_opens_with_a_docstring() -> None:
    """The first line says what the module is for."""
    assert not [str(path) for path in sources() if not ast.get_docstring(ast.parse(path.read_text("utf-8")))]


def test_every_test_says_what_it_shows() -> None:
    """One docstring a test."""
    silent = []
    for path in sorted((ROOT / "tests").rglob("test_*.py")):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.name.startswith("test_"):
                silent += [] if ast.get_docstring(node) else [f"{path.name}: {node.name}"]
    assert not silent


def test_the_lock_has_hashes_and_no_index_address() -> None:
    """What is installed is what was looked at, from whichever index the machine uses."""
    for lock in (ROOT / "requirements.lock", ROOT / "deploy" / "requirements.lock"):
        text = lock.read_text("utf-8")
        assert "--hash=sha256:" in text
        assert "://" not in text


def test_the_lock_holds_every_dependency() -> None:
    """`make lock` was run after pyproject.toml changed."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
    wanted = [*project["project"]["dependencies"], *project["dependency-groups"]["dev"]]
    locked = (ROOT / "requirements.lock").read_text("utf-8").lower()
    names = [requirement.split(">")[0].split("=")[0].split("[")[0].split(";")[0].strip() for requirement in wanted]
    assert not [name for name in names if f"\n{name.lower()}==" not in f"\n{locked}"]


def test_the_settings_of_the_readme_are_settings(tmp_path: Path) -> None:
    """Whoever copies them gets a service."""
    example = (ROOT / "README.md").read_text("utf-8").split("```toml\n")[1].split("```")[0]
    file = tmp_path / "soc.toml"
    file.write_text(example, "utf-8")
    settings = load(file, {})
    assert settings.bus.url.startswith("kafka://")
    assert settings.receivers[0].name == "operators"


def test_every_link_within_the_documents_leads_somewhere() -> None:
    """A page that moved takes its links along."""
    pages = [*ROOT.glob("*.md"), *(ROOT / "docs").glob("*.md"), *(ROOT / "deploy").rglob("*.md")]
    broken = [
        f"{page.name}: {target}"
        for page in [*pages, ROOT / "rules" / "README.md"]
        for target in re.findall(r"\]\(([^)#]+)\)", page.read_text("utf-8"))
        if "://" not in target and not (page.parent / target).exists()
    ]
    assert not broken
