"""pySigma's processing pipelines: YAML files that rename fields, map values and refuse rules before rules are compiled."""

import random
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

import yaml
from sigma.conditions import ConditionAND, ConditionOR
from sigma.correlations import SigmaCorrelationRule
from sigma.exceptions import SigmaError
from sigma.processing.pipeline import ProcessingPipeline
from sigma.processing.transformations import transformations
from sigma.processing.transformations.base import PreprocessingTransformation
from sigma.rule import SigmaDetection, SigmaDetectionItem, SigmaRule

from correlator.compiler.document import check_depth, check_size

_KINDS: Final[Mapping[str, type]] = {"priority": int, "vars": dict}
_OF_QUERIES: Final = ("postprocessing", "finalizers")
_OF_FIELDS: Final = ("add_field", "remove_field", "set_field")
_EXTERNAL: Final = frozenset({"file_placeholders", "http_placeholders", "command_placeholders"})


@dataclass
class OfNoUse(PreprocessingTransformation):
    """Stands for what changes a rule's list `fields`: a rule's alert key is there while a pipeline is at work."""

    field: Any = None
    fields: Any = None

    def apply(self, rule: SigmaRule | SigmaCorrelationRule) -> None:
        """Say that it was applied, which later parts of the pipeline may ask, and change nothing."""
        super().apply(rule)


class PipelineError(ValueError):
    """A pipeline cannot be read; the message names its file, and line or item."""


def read(texts: Iterable[tuple[str, str]]) -> ProcessingPipeline | None:
    """Return one pipeline made of those files, the lower priority first; None without any. Raises PipelineError."""
    transformations.update(dict.fromkeys(_OF_FIELDS, OfNoUse))
    random.seed(0)  # names that pipelines make up are the same every time
    made = sorted((_read(file, text) for file, text in texts), key=lambda each: each.priority)
    return sum(made[1:], made[0]) if made else None


def _read(file: str, text: str) -> ProcessingPipeline:
    try:
        document = _document(text)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        line = mark.line + 1 if mark else 1
        raise PipelineError(f"{file}:{line}: not YAML: {getattr(error, 'problem', error)}") from None
    _check(file, document)
    try:
        return ProcessingPipeline.from_dict(document)
    except Exception as error:  # noqa: BLE001 - pySigma meets a malformed pipeline with exceptions of any type
        raise PipelineError(f"{file}: no processing pipeline: {_said(error)}") from None


def _document(text: str) -> Any:
    check_depth(text)
    loader = yaml.CSafeLoader(text)
    try:
        if (node := loader.get_single_node()) is None:
            return None
        check_size(node)
        return loader.construct_document(node)
    finally:
        loader.dispose()


def _check(file: str, document: Any) -> None:
    if not isinstance(document, dict) or not isinstance(document.get("transformations"), list):
        raise PipelineError(f"{file}: no processing pipeline: a map with a list 'transformations' is expected")
    for name, kind in _KINDS.items():
        if not isinstance(document.get(name, kind()), kind):
            raise PipelineError(f"{file}: '{name}' is not what pySigma defines: {kind.__name__} is expected")
    for part in _OF_QUERIES:
        if document.get(part):
            raise PipelineError(
                f"{file}: '{part}' changes queries of other systems, and there are none here; remove it"
            )
    for type_name in _kinds(document["transformations"]):
        if type_name in _EXTERNAL:
            raise PipelineError(f"{file}: '{type_name}' is not followed; name the file in correlate.placeholder_files")


def _kinds(items: Any) -> Iterator[str]:
    for item in items if isinstance(items, list) else []:
        if isinstance(item, dict):
            yield str(item.get("type"))
            yield from _kinds(item.get("items"))


def _said(error: Exception) -> str:
    return str(error) if isinstance(error, SigmaError) else f"{type(error).__name__}: {error}"


def apply(pipeline: ProcessingPipeline | None, rule: SigmaRule) -> SigmaRule:
    """Return the rule as the pipeline makes it. Raises SigmaError or ValueError where it cannot be evaluated so."""
    if pipeline is not None:
        pipeline.apply(rule)
        for name, detection in rule.detection.detections.items():
            _mend(name, detection)
    return rule


def _mend(name: str, detection: SigmaDetection) -> None:
    """Give what pipelines made one meaning, or refuse it."""
    if not detection.detection_items:
        raise ValueError(f"the pipeline leaves nothing of '{name}'; exclude the rule, or keep a part of it")
    for each in detection.detection_items:
        if isinstance(each, SigmaDetection):
            _mend(name, each)
    if detection.item_linking is ConditionOR and _is_one_negation(detection):
        detection.item_linking = ConditionAND


def _is_one_negation(detection: SigmaDetection) -> bool:
    """Tell whether one `neq` was spread over several fields: NOT of any of them, where pySigma leaves any NOT."""
    items = [each for each in detection.detection_items if isinstance(each, SigmaDetectionItem) and each.negated]
    return len(items) == len(detection.detection_items) > 1 and all(each.value is items[0].value for each in items)
