"""`soc rules convert`: rules as queries for Elasticsearch, to search in what was stored."""

import sys
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

import orjson
from rich.console import Console
from rich.text import Text

from correlator.choice import Choice
from correlator.compiler.convert import PIPELINES, Converted, convert
from correlator.load import builtin, compile_rules
from soc import printing
from soc.errors import Stop
from soc.rules.match import compiled_cache
from soc.settings import Settings

JSONL: Final = "jsonl"
"""Our own format: a rule a line, with its title, id and file beside its queries."""

USUAL: Final = "ecs_windows"
"""The pipeline where none is named: the names that Elastic's agents, and our own store, give to fields of Windows."""

NONE: Final = "none"


@dataclass(frozen=True, kw_only=True)
class Wanted:
    """What the command line asks for. `format`: one of the target's, or JSONL."""

    target: str
    format: str = "default"
    output: Path | None = None


def named(pipelines: Sequence[Path]) -> tuple[list[str], list[Path]]:
    """Return which of those are pipelines that come with pySigma, and the others, which are files."""
    names = [str(each) for each in pipelines if str(each) in PIPELINES or str(each) == NONE]
    return names, [each for each in pipelines if str(each) not in names]


def run(settings: Settings, choice: Choice, names: Sequence[str], wanted: Wanted) -> int:
    """Print the queries, name the rules that have none, and return the exit status: 1 where there are such.

    Raises RulesError where a pipeline or a format is unknown.
    """
    compiled = compile_rules(replace(choice, pipelines=()), compiled_cache(settings))
    chosen = {(rule.file, rule.line) for rule in compiled.rules}
    used = [*([USUAL] if not names and not choice.pipelines else names), *map(str, choice.pipelines)]
    converted = convert(
        choice.paths or (builtin(),),
        chosen.__contains__,
        wanted.target,
        [name for name in used if name != NONE],
        "default" if wanted.format == JSONL else wanted.format,
    )
    converted.failures += compiled.failures
    text = _lines(converted) if wanted.format == JSONL else converted.output
    _write(text, wanted.output)
    console = Console(stderr=True, highlight=False, soft_wrap=True)
    for failure in converted.failures:
        console.print(Text(printing.visible(str(failure), 500), style="yellow"))
    done, failed = len(converted.rules), len(converted.failures)
    pipelines = f" through {', '.join(used)}" if used else ""
    console.print(Text(f"{done:,} rules converted to {wanted.target}{pipelines}, {failed:,} not"))
    return 1 if converted.failures else 0


def _lines(converted: Converted) -> str:
    documents = (
        {"id": each.id, "title": each.title, "file": each.place[0], "line": each.place[1], "queries": each.queries}
        for each in converted.rules
    )
    return "\n".join(orjson.dumps(document).decode() for document in documents)


def _write(text: str, output: Path | None) -> None:
    """Write the text; on a terminal with its control characters spelled out, as rules are somebody else's."""
    if output is not None:
        try:
            output.write_text(f"{text}\n", "utf-8")
        except OSError as error:
            raise Stop(f"{output}: cannot be written: {error.strerror}") from None
    elif text:
        shown = "\n".join(printing.visible(line, len(line)) for line in text.split("\n"))
        sys.stdout.write(f"{shown if sys.stdout.isatty() else text}\n")
