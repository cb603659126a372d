"""Sigma rule files in, neutral rules out. pySigma parses; `translate` makes neutral syntax of what it parsed.

With `document`, `locate`, `modifiers` and `translate` the only importer of pySigma, and run as a short-lived process
(`python -m correlator.compiler.compile`), so that neither its memory nor its time burdens a running consumer: a request as JSON
on standard input, the pickled `Compiled` on standard output.
"""

import os
import pickle
import resource
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any as Anything
from typing import Final
from uuid import NAMESPACE_URL, uuid5

import orjson
import yaml
from sigma.rule import SigmaRule

from correlator.compiler import condition, modifiers, translate
from correlator.compiler.document import Loader, check_depth, check_size
from correlator.compiler.locate import Refused, line_of
from correlator.limit import limited
from correlator.source import Compiled, Failure, Rule
from correlator.syntax import Any, Node
from soc.alerts import Level, RuleRef
from soc.events import LogSource

MAX_FILE: Final = 1_048_576
"""Bytes of the largest rule file that is read."""

MAX_SECONDS: Final = 10.0
"""Processor time for one rule; an ordinary one takes a millisecond."""

MAX_MEMORY: Final = 4 * 1024**3
"""Bytes of address space of the compiler's process: a rule that explodes fails alone, the others are compiled."""

MAX_DESCRIPTION: Final = 4000
MAX_REMARKS: Final = 50
MAX_REMARK: Final = 500
"""Characters of a description, number of tags and of false positives, characters of each: every match carries them."""


def compile_files(paths: Sequence[Path], placeholders: translate.Placeholders) -> Compiled:
    """Return the rules of files and folders, and what could not be made into one. `paths` exist."""
    modifiers.register()
    rules: dict[str, Rule] = {}
    failures: list[Failure] = []

    def unreadable(error: OSError) -> None:
        failures.append(Failure(str(error.filename), 1, f"cannot be read: {error}"))

    for file in _files(paths, unreadable):
        for outcome in _compile_file(file, placeholders):
            if isinstance(outcome, Failure):
                failures.append(outcome)
            elif first := rules.get(outcome.ref.id):
                reason = f"the id {outcome.ref.id} is that of the rule in {first.file}:{first.line}; give it its own"
                failures.append(Failure(outcome.file, outcome.line, reason))
            else:
                rules[outcome.ref.id] = outcome
    return Compiled(tuple(rules.values()), tuple(failures))


def _files(paths: Sequence[Path], unreadable: Callable[[OSError], None]) -> Iterator[Path]:
    for path in paths:
        if path.is_file():
            yield path
            continue
        for folder, folders, names in os.walk(path, onerror=unreadable):
            folders.sort()
            yield from (Path(folder, name) for name in sorted(names) if _is_rule(name))


def _is_rule(name: str) -> bool:
    return name.endswith((".yml", ".yaml")) and not name.endswith((".samples.yml", ".samples.yaml"))


def _compile_file(file: Path, placeholders: translate.Placeholders) -> Iterator[Rule | Failure]:
    try:
        text = _read(file)
    except (OSError, ValueError) as error:
        yield Failure(str(file), 1, f"cannot be read: {error}")
        return
    try:
        yield from _compile_documents(file, text, placeholders)
    except yaml.YAMLError as error:  # the rest of the file cannot be read either
        mark = getattr(error, "problem_mark", None)
        yield Failure(str(file), mark.line + 1 if mark else 1, f"not YAML: {getattr(error, 'problem', error)}")


def _compile_documents(file: Path, text: str, placeholders: translate.Placeholders) -> Iterator[Rule | Failure]:
    check_depth(text)
    loader = Loader(text)
    try:
        while loader.check_node():
            if (node := loader.get_node()) is not None:
                yield from _compile_document(file, node, loader, placeholders)
    finally:
        loader.dispose()


def _read(file: Path) -> str:
    with file.open("rb") as stream:
        data = stream.read(MAX_FILE + 1)
    if len(data) > MAX_FILE:
        raise ValueError(f"larger than {MAX_FILE} bytes")
    return data.decode("utf-8-sig")


def _compile_document(
    file: Path, node: yaml.Node, loader: Loader, placeholders: translate.Placeholders
) -> Iterator[Rule | Failure]:
    document: Anything = None
    try:
        with limited(MAX_SECONDS):
            check_size(node)
            document = loader.construct_document(node)
            rule = None if document is None else _rule(document, file, node.start_mark.line + 1, placeholders)
        if rule is not None:
            yield rule
    except Exception as error:  # noqa: BLE001 - pySigma meets a malformed rule with exceptions of any type
        yield Failure(str(file), line_of(error, node, document, placeholders), _reason(error))


def _reason(error: Exception) -> str:
    known = isinstance(error, ValueError | yaml.YAMLError)  # pySigma's errors and ours are ValueErrors
    return str(error) if known else f"{type(error).__name__}: {error}"


def _rule(document: Anything, file: Path, line: int, placeholders: translate.Placeholders) -> Rule:
    if not isinstance(document, dict):
        raise Refused("not a Sigma rule: a map with title, logsource and detection is expected")
    for kind, remark in _UNSUPPORTED.items():
        if kind in document:
            raise Refused(remark, kind)
    if (taxonomy := document.get("taxonomy", "sigma")) != "sigma":
        raise Refused(f"the taxonomy {taxonomy!r} is unknown; write the rule with Sigma's names", "taxonomy")
    if isinstance(detection := document.get("detection"), dict) and isinstance(detection.get("timeframe"), str):
        raise Refused("'timeframe' is deprecated; write a correlation rule", "detection")
    parsed = SigmaRule.from_dict({**document, "detection": translate.texts(detection)})
    return Rule(
        ref=_ref(parsed),
        logsource=LogSource(*(_lower(getattr(parsed.logsource, part)) for part in LogSource._fields)),
        alert_key=_alert_key(document.get("alert_key", [])),
        file=str(file),
        line=line,
        condition=_condition(parsed, placeholders),
        status=parsed.status.name.lower() if parsed.status else "",
        author=(parsed.author or "")[:MAX_REMARK],
    )


_UNSUPPORTED: Final[Mapping[str, str]] = {
    "correlation": "correlation rules are not evaluated yet",
    "filter": "filters are not applied yet",
    "action": "rule collections with 'action' are deprecated; write each rule in full",
}


def _ref(parsed: SigmaRule) -> RuleRef:
    """Return what matches keep. A rule without an id gets one that depends on its title."""
    return RuleRef(
        id=str(parsed.id or uuid5(NAMESPACE_URL, f"sigma:{parsed.title}")),
        title=parsed.title,
        level=Level.parse(parsed.level.name) if parsed.level else Level.MEDIUM,
        tags=_bounded(parsed.tags),
        description=(parsed.description or "")[:MAX_DESCRIPTION],
        falsepositives=_bounded(parsed.falsepositives),
    )


def _bounded(texts: Sequence[Anything]) -> tuple[str, ...]:
    return tuple(str(each)[:MAX_REMARK] for each in texts[:MAX_REMARKS])


def _lower(name: str | None) -> str | None:
    return name.lower() if name else None


def _alert_key(value: Anything) -> tuple[str, ...]:
    if not isinstance(value, list) or not all(isinstance(field, str) and field for field in value):
        raise Refused("alert_key must be a list of field names", "alert_key")
    return tuple(value)


def _condition(parsed: SigmaRule, placeholders: translate.Placeholders) -> Node:
    """Return the rule's tree; several conditions are alternatives."""
    selections = {
        str(name): translate.detection(detection, placeholders)
        for name, detection in parsed.detection.detections.items()
    }
    nodes = tuple(condition.parse(str(each), selections) for each in parsed.detection.condition)
    return nodes[0] if len(nodes) == 1 else Any(nodes)


def main() -> None:
    """Answer one request: {"paths": [...], "placeholders": {...}}."""
    resource.setrlimit(resource.RLIMIT_AS, (MAX_MEMORY, MAX_MEMORY))
    request = orjson.loads(sys.stdin.buffer.read())
    compiled = compile_files([Path(path) for path in request["paths"]], request["placeholders"])
    sys.stdout.buffer.write(pickle.dumps(compiled, pickle.HIGHEST_PROTOCOL))


if __name__ == "__main__":
    main()
