"""Files of samples that are none: an error that names the file, whatever is in it."""

from pathlib import Path

import pytest

from collectors.sources import Options
from soc.errors import RulesError
from soc.rules.samples import read


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("[" * 200_000, "nested deeper"),
        ("match: &a [*a]\n", "with an alias"),
        ("match: [" + "x" * 2**20 + "]", "not a file of up to"),
        ("- 1\n", "samples are a map"),
    ],
    ids=["deep", "itself", "large", "a list"],
)
def test_a_hostile_file_is_refused(tmp_path: Path, text: str, reason: str) -> None:
    """The loader behind it would crash the process, or never end."""
    file = tmp_path / "x.samples.yml"
    file.write_text(text, "utf-8")
    with pytest.raises(RulesError, match=rf"x\.samples\.yml.*{reason}"):
        list(read(file, Options("test")))


def test_a_recording_that_is_not_there_is_no_sample_that_passed(tmp_path: Path) -> None:
    """A name that is misspelt would make every rule's test pass."""
    file = tmp_path / "info.yml"
    file.write_text("rule_metadata: [{id: a}]\nregression_tests_info: [{path: x/nosuch.evtx}]\n", "utf-8")
    with pytest.raises(RulesError, match=r"no recording x/nosuch\.evtx"):
        list(read(file, Options("test")))
