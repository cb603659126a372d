"""What a compile gives: rules as neutral values, and what could not be one. No pySigma here."""

from dataclasses import dataclass, field

from correlator.correlation.plan import Plan
from correlator.correlation.rule import Correlation
from correlator.syntax import Node
from soc.alerts import RuleRef
from soc.events import LogSource


@dataclass(frozen=True, slots=True)
class Rule:
    """One rule, ready to be evaluated.

    `alert_key`: fields that group its matches, none for site and host. `status`, `author`, `name`: as
    written, "" where not; correlations and filters may refer to a rule by its name.
    """

    ref: RuleRef
    logsource: LogSource
    alert_key: tuple[str, ...]
    file: str
    line: int
    condition: Node
    status: str = ""
    author: str = ""
    name: str = ""


@dataclass(frozen=True, slots=True)
class Filter:
    """One Sigma filter: ANDed, as it is written, to each rule that it names, by id or name; `rules` is None for any.

    It applies to rules whose logsource its own covers. `owner`, `reason`: whose it is and why, "" where not written. `expires`: the
    day (ISO 8601) from which on it no longer filters, "" for never.
    """

    id: str
    title: str
    logsource: LogSource
    rules: tuple[str, ...] | None
    condition: Node
    file: str
    line: int
    owner: str = ""
    reason: str = ""
    expires: str = ""


@dataclass(frozen=True, slots=True)
class Failure:
    """A rule, or a file, that is not evaluated: where it is written and why. `line` counts from 1.

    `id`, `name`: the rule's, "" where it has none that can be read. `passing`: time or memory ran out, another try may succeed.
    `kind`: "rule", "correlation" or "filter".
    """

    file: str
    line: int
    reason: str
    id: str = ""
    passing: bool = False
    name: str = ""
    kind: str = "rule"

    def __str__(self) -> str:
        """Return FILE:LINE: REASON."""
        return f"{self.file}:{self.line}: {self.reason}"


@dataclass(frozen=True, slots=True)
class Skipped:
    """A rule that could be evaluated and was not chosen: by which part of the choice ("disabled", "only.levels")."""

    rule: Rule | Correlation
    part: str


@dataclass(frozen=True, slots=True)
class Compiled:
    """Everything that the files held. `remarks`: what should be looked at, though no rule is lost by it.

    `plan`: how correlations are linked, once they are: then `correlations` are those in force. `inputs`: those of `rules`
    and `correlations` that were not chosen, and are evaluated only for a correlation that was: they make no matches.
    """

    rules: tuple[Rule, ...]
    failures: tuple[Failure, ...]
    skipped: tuple[Skipped, ...] = ()
    remarks: tuple[str, ...] = ()
    correlations: tuple[Correlation, ...] = ()
    filters: tuple[Filter, ...] = ()
    plan: Plan = field(default_factory=Plan)
    inputs: tuple[Skipped, ...] = ()
