"""The types of correlations, and what their conditions compare."""

from typing import Any, Final

from tests.correlator.semantics.clause import SILENT, Area, Clause, Course
from tests.correlator.semantics.documents import at, course, rejects


def typed(kind: str, condition: str = "", rules: str = "[a, b, c]", more: str = "group-by: User") -> str:
    """Return a section with a timespan of ten seconds."""
    asked = f"condition: {condition}\n" if condition else ""
    return f"type: {kind}\nrules: {rules}\ntimespan: 10s\n{asked}{more}\n"


COUNT: Final = typed("event_count", "{gte: 3}", "a")
VALUES: Final = typed("value_count", "{field: Port, gte: 3}", "a")
PAIRS: Final = typed("value_count", "{field: [Port, To], gte: 3}", "a")
SUM: Final = typed("value_sum", "{field: Bytes, gt: 100}", "a")
MEAN: Final = typed("value_avg", "{field: Bytes, gte: 2.5}", "a")
MEDIAN: Final = typed("value_median", "{field: Bytes, gte: 5}", "a")
HIGH: Final = typed("value_percentile", "{field: Bytes, percentile: 90, gte: 4.6}", "a")
ANY: Final = typed("temporal")
ORDER: Final = typed("temporal_ordered")
LOGIC: Final = typed("temporal", "(a or b) and not c", more="group-by: User")


def each(section: str, *values: Any, field: str = "Bytes", matches: int) -> Course:
    """Return what comes of one value a second, of one user."""
    return course(
        section, [(second, {"Action": "a", "User": "u", field: value}) for second, value in enumerate(values)], matches
    )


AREA: Final = Area(
    "Correlation types",
    (
        Clause(
            "event_count",
            "Event Count (event_count)",
            "events of the referred rules, all counted together, in a group within the timespan",
            (
                course(COUNT, "aaa", 1, User="u"),
                course(COUNT, "aab", 0, User="u"),
                course(typed("event_count", "{gte: 3}"), "abc", 1, User="u"),
                course(COUNT, [at(0, User="u"), at(1, User="v"), at(2, User="u")], 0),
            ),
        ),
        Clause(
            "value_count",
            "Value Count (value_count)",
            "distinct values of a field",
            (each(VALUES, 1, 2, 3, field="Port", matches=1), each(VALUES, 1, 2, 2, 1, field="Port", matches=0)),
        ),
        Clause(
            "value_count of several fields",
            "Value Count (value_count)",
            "their values together are one value; an event without one of them has none",
            (
                course(PAIRS, [at(n, User="u", Port=n % 2, To=n // 2) for n in range(4)], 1),
                course(PAIRS, [at(n, User="u", Port=n, To=0) for n in (0, 1, 0, 1)], 0),
                course(PAIRS, [at(n, User="u", Port=n) for n in range(4)], 0),
            ),
        ),
        Clause(
            "values without case",
            SILENT,
            "values are told apart, and groups, as Sigma compares values: without case",
            (
                each(VALUES, "x", "y", "z", field="Port", matches=1),
                each(VALUES, "x", "X", "y", field="Port", matches=0),
                course(COUNT, [at(0, User="U"), at(1, User="u"), at(2, User="U")], 1),
            ),
            "an attacker picks the case of a user name",
        ),
        Clause(
            "temporal",
            "Temporal Proximity (temporal)",
            "an event of each referred rule, in any order",
            (
                course(ANY, "cab", 1, User="u"),
                course(ANY, "caa", 0, User="u"),
                course(ANY, "a.....b.....c", 0, User="u"),
            ),
        ),
        Clause(
            "condition of temporal",
            "Condition",
            "counts different rules",
            (
                course(typed("temporal", "{gte: 2}"), "acc", 1, User="u"),
                course(typed("temporal", "{gte: 2}"), "aaa", 0, User="u"),
            ),
        ),
        Clause(
            "temporal_ordered",
            "Ordered Temporal Proximity (temporal_ordered)",
            "an event of each referred rule, in the order of `rules`",
            (
                course(ORDER, "abc", 1, User="u"),
                course(ORDER, "aababc", 1, User="u"),
                course(ORDER, "acb", 0, User="u"),
            ),
        ),
        Clause(
            "condition of temporal_ordered",
            SILENT,
            "counts how many of the rules there are in their order up to the hit, one after another",
            (
                course(typed("temporal_ordered", "{gte: 2}"), "ac", 1, User="u"),
                course(typed("temporal_ordered", "{gte: 2}"), "cba", 0, User="u"),
                course(typed("temporal_ordered", "{lt: 2}"), "cba", 1, User="u"),
                course(typed("temporal_ordered", "{lt: 2}"), "bc", 0, User="u"),
            ),
            "the text counts rules, and asks for their order besides",
        ),
        Clause(
            "events at the same time",
            SILENT,
            "count as ordered",
            (
                course(ORDER, [at(0, "c", User="u"), at(0, "b", User="u"), at(0, "a", User="u")], 1),
                course(ORDER, [at(1, "a", User="u"), at(0, "b", User="u"), at(1, "c", User="u")], 0),
            ),
            "clocks of one second say no more",
        ),
        Clause(
            "value_sum",
            "Value Sum (value_sum)",
            "the sum of a numeric field",
            (each(SUM, 60, "41", matches=1), each(SUM, 60, 40, matches=0), each(SUM, 100.5, matches=1)),
        ),
        Clause(
            "values that are no numbers",
            SILENT,
            "are left out, and counted; a window without a number is not judged",
            (
                each(SUM, "many", 101, matches=1),
                each(SUM, "101 bytes", None, matches=0),
                each(typed("value_avg", "{field: Bytes, lt: 5}", "a"), "x", matches=0),
            ),
            "text of a number is one, as for `gt`; nothing can be added to anything else",
        ),
        Clause(
            "negative values in value_sum",
            SILENT,
            "with `gt` and `gte` they are left out, and counted",
            (each(SUM, 101, -50, matches=1), each(SUM, -200, 100, matches=0)),
            "the sum is then one that later events can only raise, and is judged at once",
        ),
        Clause(
            "value_avg",
            "Value Average (value_avg)",
            "the mean of a numeric field in a window",
            (each(MEAN, 1, 4, matches=1), each(MEAN, 1, 3, matches=0)),
        ),
        Clause(
            "value_percentile",
            "Value Percentile (value_percentile)",
            "the percentile of a numeric field that `percentile` in the condition says is compared; between two values it "
            "is interpolated",
            (each(HIGH, 1, 2, 3, 4, 5, matches=1), each(HIGH, 1, 2, 3, 4, 4.9, matches=0)),
            "the text's example compares a share of values, and says not of which; pySigma has the key `percentile`",
        ),
        Clause(
            "value_percentile without percentile",
            SILENT,
            "with the remedy",
            (
                rejects(
                    typed("value_percentile", "{field: Bytes, gte: 5}", "a"), "needs 'percentile' in its condition"
                ),
                rejects(
                    typed("value_sum", "{field: Bytes, gte: 5, percentile: 5}", "a"), "use 'type: value_percentile'"
                ),
                each(typed("value_percentile", "{field: Bytes, gte: 5, percentile: 0}", "a"), 5, 6, matches=1),
            ),
            "which percentile is meant cannot be guessed",
        ),
        Clause(
            "value_median",
            SILENT,
            "the 50th percentile",
            (each(MEDIAN, 1, 5, 6, matches=1), each(MEDIAN, 1, 4, 50, matches=0)),
            "pySigma has it",
        ),
        Clause(
            "fields of a condition",
            "Value Sum (value_sum)",
            "`field` is needed by every value_ type, only value_count takes several, other types none",
            (
                rejects(typed("value_sum", "{gte: 5}", "a"), "needs 'field'"),
                rejects(typed("value_sum", "{field: [A, B], gte: 5}", "a"), "looks at one field"),
                rejects(typed("event_count", "{field: A, gte: 5}", "a"), "looks at no field"),
                each(typed("value_sum", "{field: [Bytes], gte: 5}", "a"), 5, matches=1),
            ),
        ),
        Clause(
            "and, or, not over rules",
            SILENT,
            "a condition that is text: `not` binds most, then `and`, `or`; of `type: temporal`; `rules` may be left out",
            (
                course(LOGIC, "ab", 1, User="u"),
                course(LOGIC, "ac", 0, User="u"),
                course("type: temporal_extended\ntimespan: 10s\ncondition: b or a and c", "ac", 1),
                course("type: temporal\ntimespan: 10s\ncondition: b or a and c", "aa", 0),
            ),
            "pySigma has it, and the older name temporal_extended",
        ),
        Clause(
            "conditions of rules elsewhere",
            SILENT,
            "an expression on another type; one that names other rules than `rules`, or leaves one out",
            (
                rejects(typed("temporal_ordered", "a and b and c"), "an expression has no order"),
                rejects(typed("temporal_ordered_extended", "a and b and c"), "an expression has no order"),
                rejects(typed("event_count", "a and b and c"), "belongs to 'type: temporal'"),
                rejects(typed("temporal", "a and b"), "'c' is in 'rules' and not in the condition"),
                rejects(typed("temporal", "a and b", "[a]"), "'b' is not in 'rules'"),
                course(typed("temporal", "a and b and c"), "abc", 1, User="u"),
            ),
            "an order is of a list; what is listed and not used is a mistake",
        ),
        Clause(
            "comparisons",
            "Condition",
            "gt, gte, lt, lte, eq, neq",
            (
                *(
                    course(typed("event_count", f"{{{bound}: 2}}", "a"), "a" * number, int(true), User="u")
                    for bound, truths in {
                        "gt": (False, False, True),
                        "gte": (False, True, True),
                        "lt": (True, False, False),
                        "lte": (True, True, False),
                        "eq": (False, True, False),
                        "neq": (True, False, True),
                    }.items()
                    for number, true in enumerate(truths, 1)
                ),
            ),
        ),
        Clause(
            "ranges",
            "Condition",
            "every comparison must hold",
            (
                course(typed("event_count", "{gt: 1, lte: 3}", "a"), "aaa", 1, User="u"),
                course(typed("event_count", "{gt: 1, lte: 3}", "a"), "aaaa", 0, User="u"),
                course(typed("event_count", "{gt: 1, lte: 3}", "a"), "a", 0, User="u"),
            ),
        ),
        Clause(
            "decimal thresholds",
            "Value Average (value_avg)",
            "as written; text, infinity and what is no number are refused",
            (
                course(typed("event_count", "{gt: 1.5}", "a"), "aa", 1, User="u"),
                course(typed("event_count", "{gt: 1.5}", "a"), "a", 0, User="u"),
                *(
                    rejects(typed("event_count", f"{{gt: {x}}}", "a"), "number")
                    for x in ("'5'", ".inf", ".nan", "true")
                ),
            ),
            "pySigma reads whole numbers, and cuts others",
        ),
    ),
)
