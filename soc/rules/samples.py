"""Samples as files: `NAME.samples.yml` beside a rule (rules/README.md), and SigmaHQ's regression_data/**/info.yml.

A correlation's samples are sequences of events, which `sequences` reads.
"""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Final, NamedTuple, cast

import yaml

from collectors import syslog
from collectors.sources import BadRecord, Options, Recording
from correlator.compiler.files import MAX_FILE
from correlator.tools.samples import EventSequence, Fields, Sample, stem
from soc.errors import DeadLetter, RulesError
from soc.events import LogSource
from soc.rules.sequences import Reader, Wrong, is_sequence, parts_of

MAX_DEPTH: Final = 64
"""Lists and maps within each other in a file of samples."""

REGRESSION: Final = "regression_data"
"""The folder beside SigmaHQ's rule folders that mirrors them."""

INFO: Final = "info.yml"
RECORDED: Final = frozenset({".evtx", ".json", ".jsonl", ".raw", ".log"})
"""Suffixes of recordings that may stand beside an info.yml under one name."""

RAW: Final = ".raw"
"""The suffix of lines as a device wrote them: only the rule knows of which logsource they are."""


class _Lists(NamedTuple):
    """The two lists of a samples file, and how many matches each of their events must give."""

    match: int = 1
    no_match: int = 0


def find(paths: Sequence[Path], more: Sequence[Path]) -> list[Path]:
    """Return the files of samples that belong to rule files and folders, and those in `more` folders."""
    found: dict[Path, None] = {}
    for path in paths:
        found |= dict.fromkeys(_beside(path))
        found |= dict.fromkeys(_regression(path))
    for folder in more:
        if not folder.exists():
            raise RulesError(f"there is no {folder}: name a folder of samples")
        found |= dict.fromkeys([*_beside(folder), *sorted(folder.rglob(INFO))])
    return list(found)


def _beside(path: Path) -> list[Path]:
    if path.is_dir():
        return sorted((*path.rglob("*.samples.yml"), *path.rglob("*.samples.yaml")))
    beside = (path.with_name(f"{path.stem}.samples{suffix}") for suffix in (".yml", ".yaml"))
    return [each for each in beside if each.is_file()]


def _regression(path: Path) -> list[Path]:
    """Return the info.yml files of a folder of rules, or of one rule: regression_data mirrors the folders beside it."""
    whole = path.resolve()
    for parent in whole.parents:
        mirror = (parent / REGRESSION / whole.relative_to(parent)).with_suffix("")
        if mirror.is_dir():
            return sorted(mirror.rglob(INFO))
    return []


def read(file: Path, options: Options) -> Iterator[Sample | EventSequence]:
    """Yield the samples of one file. Raises RulesError where it is not what it should be, and says what it should."""
    try:
        text = _text(file)
        document = yaml.load(text, Loader=yaml.CSafeLoader)
    except (OSError, UnicodeDecodeError) as error:
        raise RulesError(f"{file}: cannot be read: {error}") from None
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        line = mark.line + 1 if mark else 1
        raise RulesError(f"{file}:{line}: not YAML: {getattr(error, 'problem', error)}") from None
    if not isinstance(document, dict):
        raise RulesError(f"{file}:1: samples are a map; rules/README.md shows one")
    yield from _recorded(file, document, options) if file.name == INFO else _written(file, text, document, options)


def _text(file: Path) -> str:
    """Return the file's text, which is no larger and nests no deeper than a rule file: the loader would crash."""
    if not file.is_file() or file.stat().st_size > MAX_FILE:
        raise RulesError(f"{file}: cannot be read: not a file of up to {MAX_FILE} bytes")
    text = file.read_text("utf-8")
    depth = 0
    for event in yaml.parse(text, Loader=yaml.CSafeLoader):
        depth += isinstance(event, yaml.CollectionStartEvent) - isinstance(event, yaml.CollectionEndEvent)
        if depth > MAX_DEPTH or isinstance(event, yaml.AliasEvent):
            raise RulesError(
                f"{file}:{cast('yaml.Mark', event.start_mark).line + 1}: nested deeper than {MAX_DEPTH}, or with an alias"
            )
    return text


# Our own layout ------------------------------------------------------------------------------------------------------


def _written(file: Path, text: str, document: dict[str, Any], options: Options) -> Iterator[Sample | EventSequence]:
    unknown = document.keys() - set(_Lists._fields)
    if unknown or not all(isinstance(each, list) for each in document.values()):
        raise RulesError(f"{file}:1: samples are two lists, match and no_match; {sorted(map(str, unknown))} is none")
    for kind, matches in _Lists()._asdict().items():
        for number, each in enumerate(document.get(kind) or (), 1):
            if is_sequence(each):
                yield _sequence(_Place(file, text, kind, number), each, options)
            else:
                name = f"{kind} {number}"
                yield Sample(stem(str(file)), name, str(file), (_event(file, name, each, options),), matches)


class _Place(NamedTuple):
    """Which entry of a samples file: its list and its number there, from 1."""

    file: Path
    text: str
    kind: str
    number: int

    def line(self, index: int | None = None) -> int:
        """Return the line, from 1, of a sequence, or of its event of that index."""
        root = cast("yaml.MappingNode", yaml.compose(self.text, Loader=yaml.CSafeLoader))
        node = _child(root, self.kind).value[self.number - 1]
        if index is not None:
            events = _child(node, "events") if isinstance(node, yaml.MappingNode) else node
            node = events.value[index]
        return cast("int", node.start_mark.line) + 1


def _child(node: yaml.MappingNode, key: str) -> yaml.Node:
    found: yaml.Node = next(value for name, value in node.value if name.value == key)
    return found


def _sequence(place: _Place, sample: Any, options: Options) -> EventSequence:
    name = f"{place.kind} {place.number}"
    try:
        events, wanted = parts_of(sample)
        found = Reader(options).read(events)
    except Wrong as error:
        raise RulesError(f"{place.file}:{place.line(error.index)}: {name}: {error}") from None
    wanted = 0 if place.kind == "no_match" else wanted
    return EventSequence(stem(str(place.file)), name, str(place.file), place.line(), found, wanted)


def _event(file: Path, name: str, sample: Any, options: Options) -> tuple[LogSource, Fields]:
    match sample:
        case {"syslog": str(line)}:
            try:
                event = syslog.parse(line.encode(), received=options.now(), site=options.site, zone=options.zone)
            except DeadLetter as error:
                raise RulesError(f"{file}: {name}: no syslog message: {error}") from None
            return event.logsource, event.fields
        case {"logsource": dict(stated), "fields": dict(fields)}:
            return LogSource(*(stated.get(part) for part in LogSource._fields)), fields
    raise RulesError(
        f"{file}: {name}: a sample is `syslog: LINE`, or `logsource:` and `fields:`, a map each; a correlation's a list of them"
    )


# SigmaHQ's -----------------------------------------------------------------------------------------------------------


def _recorded(file: Path, document: dict[str, Any], options: Options) -> Iterator[Sample]:
    """Yield a sample for each recording that the file names, and for each beside it under the same name."""
    for rule in _maps(document, "rule_metadata"):
        for test in _maps(document, "regression_tests_info") or [{}]:
            if not (found := _recordings(file.parent, test)):
                raise RulesError(f"{file}: there is no recording {test.get('path', '')} beside it")
            for recording in found:
                yield Sample(str(rule.get("id")), recording.name, str(file), _events(recording, options), _count(test))


def _maps(document: dict[str, Any], key: str) -> list[dict[str, Any]]:
    found = document.get(key)
    return [each for each in found if isinstance(each, dict)] if isinstance(found, list) else []


def _recordings(folder: Path, test: dict[str, Any]) -> list[Path]:
    wanted = Path(str(test["path"])).stem if "path" in test else None
    beside = (path for path in sorted(folder.iterdir()) if path.suffix in RECORDED)
    return [path for path in beside if wanted in (None, path.stem)]


def _count(test: dict[str, Any]) -> int:
    count = test.get("match_count")
    return count if isinstance(count, int) else 1


def _events(recording: Path, options: Options) -> tuple[tuple[LogSource, Fields], ...]:
    events = []
    for record in Recording(recording, options):
        if isinstance(record, BadRecord):
            raise RulesError(f"{recording}: record {record.number}: {record.reason}: {record.detail}")
        events.append((LogSource() if recording.suffix == RAW else record.logsource, record.fields))
    return tuple(events)
