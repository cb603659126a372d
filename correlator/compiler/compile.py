"""Sigma rule files in, neutral rules out. pySigma parses; `translate` makes neutral syntax of what it parsed.

With `document`, `locate`, `modifiers`, `pipelines` and `translate` the only importer of pySigma, and run as a short-lived
process (`python -m correlator.compiler.compile`), so that neither its memory nor its time burdens a running consumer: a
request as JSON on standard input, the pickled `Compiled` on standard output.
"""

import gc
import os
import pickle
import resource
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any as Anything
from typing import Final

import orjson
import yaml
from sigma.processing.pipeline import ProcessingPipeline
from sigma.rule import SigmaDetection, SigmaRule

from correlator.compiler import condition, head, modifiers, pipelines, translate
from correlator.compiler.correlation import compile_correlation
from correlator.compiler.document import Loader, check_depth, check_size
from correlator.compiler.files import FINGERPRINT, REFUSED, Fingerprint, RuleFile, read_all
from correlator.compiler.filters import compile_filter
from correlator.compiler.locate import Refused, line_of, lines_within
from correlator.compiler.sharing import shared
from correlator.correlation.rule import Correlation
from correlator.limit import Overtime, limited
from correlator.source import Compiled, Failure, Filter, Rule
from correlator.syntax import Any, Node
from soc.events import LogSource

MAX_SECONDS: Final = 10.0
"""Processor time for one rule; an ordinary one takes a millisecond."""

MAX_MEMORY: Final = 4 * 1024**3
"""Bytes of address space of the compiler's process: a rule that explodes fails alone, the others are compiled."""

Outcome = Rule | Correlation | Filter | Failure
"""What one document gives."""


@dataclass(frozen=True)
class Means:
    """What every rule is compiled with: values of placeholders, and the pipeline that rules go through first."""

    placeholders: translate.Placeholders
    pipeline: ProcessingPipeline | None = None


def compile_files(
    paths: Sequence[Path], placeholders: translate.Placeholders, pipeline: ProcessingPipeline | None = None
) -> Compiled:
    """Return the rules of files and folders, and what could not be made into one. `paths` exist; ids may repeat."""
    return _compile(read_all(paths), Means(placeholders, pipeline))


def _compile(files: Iterable[RuleFile], means: Means) -> Compiled:
    modifiers.register()
    outcomes: dict[type, list[Anything]] = {Rule: [], Failure: [], Correlation: [], Filter: []}
    for file in files:
        for outcome in _compile_file(file, means):
            outcomes[type(outcome)].append(outcome)
    rules, failures, correlations, filters = map(tuple, outcomes.values())
    return Compiled(rules, failures, correlations=correlations, filters=filters)


def _compile_file(file: RuleFile, means: Means) -> Iterator[Outcome]:
    if file.error:
        yield Failure(file.path, 1, file.error)
        return
    try:
        yield from _compile_documents(file.path, file.data.decode("utf-8-sig"), means)
    except UnicodeDecodeError as error:
        yield Failure(file.path, 1 + file.data.count(b"\n", 0, error.start), f"cannot be read: {error}")
    except yaml.YAMLError as error:  # the rest of the file cannot be read either
        mark = getattr(error, "problem_mark", None)
        yield Failure(file.path, mark.line + 1 if mark else 1, f"not YAML: {getattr(error, 'problem', error)}")


def _compile_documents(file: str, text: str, means: Means) -> Iterator[Outcome]:
    check_depth(text)
    loader = Loader(text)
    try:
        while loader.check_node():
            if (node := loader.get_node()) is not None:
                yield from _compile_document(file, node, loader, means)
    finally:
        loader.dispose()


def _compile_document(file: str, node: yaml.Node, loader: Loader, means: Means) -> Iterator[Outcome]:
    document: Anything = None
    try:
        with limited(MAX_SECONDS):
            check_size(node)
            document = loader.construct_document(node)
            rule = None if document is None else _outcome(document, file, node.start_mark.line + 1, means)
        if isinstance(rule, Correlation):
            rule = replace(rule, lines=lines_within(node, "correlation"))
        if rule is not None:
            yield rule
    except Exception as error:  # noqa: BLE001 - pySigma meets a malformed rule with exceptions of any type
        passing = isinstance(error, Overtime | MemoryError)
        line = line_of(error, node, document, partial(_part, document, means))
        named = (_text(document, "id"), passing, _text(document, "name"))
        yield Failure(file, line, _reason(error), *named, kind=_kind(document))


def _kind(document: Anything) -> str:
    kinds = (each for each in ("filter", "correlation") if isinstance(document, dict) and each in document)
    return next(kinds, "rule")


def _text(document: Anything, key: str) -> str:
    found = document.get(key) if isinstance(document, dict) else None
    return found[: head.MAX_TEXT] if isinstance(found, str) else ""


def _reason(error: Exception) -> str:
    known = isinstance(error, ValueError | yaml.YAMLError)  # pySigma's errors and ours are ValueErrors
    return str(error) if known else f"{type(error).__name__}: {error}"


def _outcome(document: Anything, file: str, line: int, means: Means) -> Rule | Correlation | Filter:
    if not isinstance(document, dict):
        raise Refused("not a Sigma rule: a map with title, logsource and detection is expected")
    for kind, remark in _UNSUPPORTED.items():
        if kind in document:
            raise Refused(remark, kind)
    if (taxonomy := document.get("taxonomy", "sigma")) != "sigma":
        raise Refused(f"the taxonomy {taxonomy!r} is unknown; write the rule with Sigma's names", "taxonomy")
    if "filter" in document:
        return compile_filter(document, partial(_rule, file=file, line=line, means=means))
    if "correlation" in document:
        return compile_correlation(document, file, line)
    return _rule(document, file, line, means)


def _rule(document: Anything, file: str, line: int, means: Means) -> Rule:
    if isinstance(detection := document.get("detection"), dict) and isinstance(detection.get("timeframe"), str):
        raise Refused("'timeframe' is deprecated; write a correlation rule", "detection")
    parsed = SigmaRule.from_dict({**document, "detection": translate.texts(detection)})
    parsed.fields = _alert_key(document.get("alert_key", []))  # pipelines rename these with those of the detection
    pipelines.apply(means.pipeline, parsed)
    return Rule(
        ref=head.ref(parsed),
        logsource=LogSource(*(_lower(getattr(parsed.logsource, part)) for part in LogSource._fields)),
        alert_key=tuple(parsed.fields),
        file=file,
        line=line,
        condition=_condition(parsed, means.placeholders),
        status=head.status(parsed),
        author=head.author(parsed),
        name=head.name(parsed),
    )


_UNSUPPORTED: Final[Mapping[str, str]] = {
    "action": "rule collections with 'action' are deprecated; write each rule in full",
}


def _lower(name: str | None) -> str | None:
    return name.lower() if name else None


def _alert_key(value: Anything) -> list[str]:
    if not isinstance(value, list) or not all(isinstance(field, str) and field for field in value):
        raise Refused("alert_key must be a list of field names", "alert_key")
    return list(value)


def _condition(parsed: SigmaRule, placeholders: translate.Placeholders) -> Node:
    """Return the rule's tree; several conditions are alternatives."""
    selections = {
        str(name): translate.detection(detection, placeholders)
        for name, detection in parsed.detection.detections.items()
    }
    written = [each.condition for each in parsed.detection.parsed_condition]  # pipelines change these
    nodes = tuple(condition.parse(str(each), selections) for each in written)
    return nodes[0] if len(nodes) == 1 else Any(nodes)


def _part(document: Anything, means: Means, definition: Anything) -> Node:
    """Translate a part of the rule's detection, as it is translated within the whole."""
    if means.pipeline is None:
        return translate.detection(SigmaDetection.from_definition(translate.texts(definition)), means.placeholders)
    alone = {"part": translate.texts(definition), "condition": "part"}
    parsed = pipelines.apply(means.pipeline, SigmaRule.from_dict({**document, "detection": alone}))
    return translate.detection(parsed.detection.detections["part"], means.placeholders)


def answer(request: bytes) -> tuple[str, Compiled]:
    """Answer {"paths": [...], "placeholders": {...}, "pipelines": [[FILE, TEXT], ...]} (JSON).

    The fingerprint of all that was read goes with it, or "" where the answer is not worth keeping: another try may give
    a better one. Raises PipelineError where a pipeline cannot be read.
    """
    asked = orjson.loads(request)
    means = Means(asked["placeholders"], pipelines.read(asked["pipelines"]))
    fingerprint = Fingerprint(request)
    compiled = _compile(_noted(read_all([Path(path) for path in asked["paths"]]), fingerprint), means)
    return "" if any(failure.passing for failure in compiled.failures) else str(fingerprint), compiled


def main() -> None:
    """Answer the request on standard input: the fingerprint, blanks for none, and behind it the pickle.

    Where a pipeline cannot be read, exit with REFUSED and the reason on standard error.
    """
    resource.setrlimit(resource.RLIMIT_AS, (MAX_MEMORY, MAX_MEMORY))
    gc.disable()  # what is made lives to the end
    try:
        fingerprint, compiled = answer(sys.stdin.buffer.read())
    except pipelines.PipelineError as error:
        print(error, file=sys.stderr)  # noqa: T201 - the caller reads it
        sys.exit(REFUSED)
    sys.stdout.buffer.write(fingerprint.ljust(FINGERPRINT).encode())
    pickle.dump(shared(compiled), sys.stdout.buffer, pickle.HIGHEST_PROTOCOL)
    sys.stdout.flush()
    os._exit(0)  # a million values need not be taken apart one by one


def _noted(files: Iterable[RuleFile], fingerprint: Fingerprint) -> Iterator[RuleFile]:
    for file in files:
        fingerprint.add(file)
        yield file


if __name__ == "__main__":
    main()
