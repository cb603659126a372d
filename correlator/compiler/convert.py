"""Sigma rules as queries for Elasticsearch, by pySigma's own backends and its own reading of modifiers.

For searching in what was stored, not for detection: Elasticsearch's queries mean less than Sigma does (they cannot tell
null from missing, for one), and our corrections of modifiers are not used, as the backends do not know their results.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import orjson
import yaml
from sigma.backends.elasticsearch.elasticsearch_eql import EqlBackend
from sigma.backends.elasticsearch.elasticsearch_esql import ESQLBackend
from sigma.backends.elasticsearch.elasticsearch_lucene import LuceneBackend
from sigma.conversion.base import Backend
from sigma.pipelines import elasticsearch, windows
from sigma.pipelines.sysmon.sysmon import sysmon_pipeline
from sigma.processing.pipeline import ProcessingPipeline
from sigma.rule import SigmaRule

from correlator.compiler import pipelines
from correlator.compiler.document import Loader, check_depth, check_size
from correlator.compiler.files import RuleFile, read_all
from correlator.limit import limited
from correlator.source import Failure
from soc.errors import RulesError

MAX_SECONDS: Final = 10.0
"""Processor time for one rule."""

TARGETS: Final[Mapping[str, Callable[..., Backend]]] = {
    "lucene": LuceneBackend,
    "eql": EqlBackend,
    "esql": ESQLBackend,
}
PIPELINES: Final[Mapping[str, Callable[[], ProcessingPipeline]]] = {
    **elasticsearch.pipelines,
    **windows.pipelines,
    "sysmon": sysmon_pipeline,
}
"""Those that come with pySigma's packages, by the names that sigma-cli has for them."""

Place = tuple[str, int]
"""A rule's file and line, as `Rule` has them."""


@dataclass
class Query:
    """What became of one rule."""

    place: Place
    id: str
    title: str
    queries: list[Any]


@dataclass
class Converted:
    """The queries, the output that holds them all, and the rules that the backend cannot convert."""

    rules: list[Query] = field(default_factory=list)
    output: str = ""
    failures: list[Failure] = field(default_factory=list)


_FETCHING: Final = "siem_rule"
"""What formats begin with for which pySigma fetches MITRE's data from the network, which no command of ours does."""


def formats(target: str) -> Mapping[str, str]:
    """Return the output formats of a target, each with what it is."""
    known: Mapping[str, str] = TARGETS[target].formats  # type: ignore[attr-defined] # of the class
    return {name: what for name, what in known.items() if not name.startswith(_FETCHING)}


def convert(
    paths: Sequence[Path], wanted: Callable[[Place], bool], target: str, names: Sequence[str], output_format: str
) -> Converted:
    """Return the wanted rules of files and folders as queries.

    `names`: pipelines, by name or as YAML files. Raises RulesError where a pipeline or the format is unknown.
    """
    if output_format not in formats(target):
        known = ", ".join(formats(target))
        raise RulesError(f"{target} has no format {output_format!r}; it has {known}")
    backend = TARGETS[target](_pipeline(names))
    converted = Converted()
    for place, document in _documents(read_all(paths), wanted, converted.failures):
        try:
            with limited(MAX_SECONDS):
                rule = SigmaRule.from_dict(document)
                queries = backend.convert_rule(rule, output_format)
        except Exception as error:  # noqa: BLE001 - pySigma and its backends fail with exceptions of any type
            converted.failures.append(Failure(*place, f"{target}: {_said(error)}"))
        else:
            converted.rules.append(Query(place, str(rule.id or ""), rule.title, queries))
    converted.output = _text(
        backend.finalize([each for rule in converted.rules for each in rule.queries], output_format)
    )
    return converted


def _pipeline(names: Sequence[str]) -> ProcessingPipeline:
    made = [PIPELINES[name]() if name in PIPELINES else _file(name) for name in names]
    made.sort(key=lambda pipeline: pipeline.priority)
    return sum(made, ProcessingPipeline())


def _file(name: str) -> ProcessingPipeline:
    try:
        read = pipelines.read([(name, Path(name).read_text("utf-8"))])
    except (OSError, UnicodeDecodeError, pipelines.PipelineError) as error:
        known = ", ".join(sorted(PIPELINES))
        raise RulesError(f"{name}: no pipeline: {error}; there are {known}, or name a YAML file") from None
    return read or ProcessingPipeline()


def _documents(
    files: Iterable[RuleFile], wanted: Callable[[Place], bool], failures: list[Failure]
) -> Iterator[tuple[Place, Any]]:
    """Yield the wanted rules as they are written, each with its place."""
    for file in files:
        if file.error:
            failures.append(Failure(file.path, 1, file.error))
            continue
        try:
            yield from _of_file(file, wanted)
        except (UnicodeDecodeError, yaml.YAMLError) as error:
            mark = getattr(error, "problem_mark", None)
            failures.append(Failure(file.path, mark.line + 1 if mark else 1, f"not YAML: {_said(error)}"))


def _of_file(file: RuleFile, wanted: Callable[[Place], bool]) -> Iterator[tuple[Place, Any]]:
    text = file.data.decode("utf-8-sig")
    check_depth(text)
    loader = Loader(text)
    try:
        while loader.check_node():
            node = loader.get_node()
            if node is not None and wanted(place := (file.path, node.start_mark.line + 1)):
                check_size(node)
                yield place, loader.construct_document(node)
    finally:
        loader.dispose()


def _text(output: Any) -> str:
    """Return the output as text: a query or a document a line, a single document as JSON."""
    if isinstance(output, str | bytes):
        return output if isinstance(output, str) else output.decode()
    if isinstance(output, dict):
        return orjson.dumps(output, option=orjson.OPT_INDENT_2).decode()
    return "\n".join(each if isinstance(each, str) else orjson.dumps(each).decode() for each in output)


def _said(error: Exception) -> str:
    text = " ".join(str(getattr(error, "problem", None) or error).split())
    return text if isinstance(error, ValueError | yaml.YAMLError) else f"{type(error).__name__}: {text}"
