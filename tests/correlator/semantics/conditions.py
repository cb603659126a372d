"""The condition, end to end; its grammar has a truth table of its own in test_condition.py."""

from typing import Final

from tests.correlator.semantics.clause import SILENT, Area, Clause, Example, Refusal, matches, misses, refuses

SELECTIONS: Final = """\
a: {A: 1}
b: {B: 1}
sel_1: {C: 1}
sel_2: {D: 1}
_hidden: {E: 1}
notepad: {G: 1}
condition: """


def _fires(condition: str, *present: str) -> Example:
    return matches(SELECTIONS + condition, **dict.fromkeys(present, 1))


def _silent(condition: str, *present: str) -> Example:
    return misses(SELECTIONS + condition, **dict.fromkeys(present, 1))


def _refused(condition: str, reason: str) -> Refusal:
    return refuses(SELECTIONS + condition, reason)


AREA: Final = Area(
    "Conditions",
    (
        Clause(
            "and, or, not",
            "Condition",
            "as in logic",
            (
                _fires("a and b", "A", "B"),
                _silent("a and b", "A"),
                _fires("a or b", "B"),
                _silent("a or b", "C"),
                _fires("a and not b", "A"),
                _silent("a and not b", "A", "B"),
            ),
        ),
        Clause(
            "precedence",
            "Condition",
            "`or` binds least, then `and`, `not`, `x of`, parentheses",
            (
                _fires("a or b and sel_1", "A"),
                _silent("(a or b) and sel_1", "A"),
                _fires("not a or b", "A", "B"),
                _silent("not (a or b)", "A", "B"),
                _fires("not 1 of sel_* and a", "A"),
                _silent("not 1 of sel_* and a", "A", "D"),
            ),
        ),
        Clause(
            "nested parentheses",
            "Condition",
            "up to 64 deep; deeper is refused",
            (
                _fires("((a) and (b or (sel_1 and (not (sel_2)))))", "A", "C"),
                _silent("((a) and (b or (sel_1 and (not (sel_2)))))", "A", "C", "D"),
                _refused("(" * 65 + "a" + ")" * 65, "nested deeper"),
            ),
        ),
        Clause(
            "1 of and all of a pattern",
            "Condition",
            "`*` at any place of it; a name alone is a pattern, too",
            (
                _fires("1 of sel_*", "D"),
                _silent("1 of sel_*", "A"),
                _fires("all of sel_*", "C", "D"),
                _silent("all of sel_*", "C"),
                _fires("1 of *_1", "C"),
                _fires("1 of s*_*2", "D"),
                _fires("all of a", "A"),
            ),
        ),
        Clause(
            "any of",
            SILENT,
            "`1 of`",
            (_fires("any of sel_*", "D"), _silent("any of sel_*", "A")),
            "pySigma has it",
        ),
        Clause(
            "1 of and all of them",
            "Condition",
            "of every selection but those whose name begins with `_`",
            (
                _fires("1 of them", "G"),
                _silent("1 of them", "E"),
                _fires("all of them", "A", "B", "C", "D", "G"),
                _silent("all of them", "A", "B", "C", "E", "G"),
            ),
        ),
        Clause(
            "names that begin with _",
            SILENT,
            "seen by their name, and by a pattern that begins with `_`, too",
            (
                _fires("_hidden", "E"),
                _fires("1 of _h*", "E"),
                _silent("1 of _h* and b", "E"),
                _refused("1 of *hidden", "names no selection"),
            ),
            "the convention for `them`, and pySigma's for patterns",
        ),
        Clause(
            "not 1 of a pattern",
            "Condition",
            "none of them; `not all of`: not every one",
            (
                _fires("a and not 1 of sel_*", "A"),
                _silent("a and not 1 of sel_*", "A", "C"),
                _fires("a and not all of sel_*", "A", "C"),
                _silent("a and not all of sel_*", "A", "C", "D"),
            ),
        ),
        Clause(
            "1 of that names nothing",
            SILENT,
            "`any of` and `all of` too",
            (
                _refused("a and not 1 of filter_*", "names no selection"),
                _refused("all of nosuch*", "names no selection"),
                refuses("_a: {A: 1}\ncondition: 1 of them", "names no selection"),
                _fires("1 of a*", "A"),
            ),
            "a typing error would be silent; pySigma drops it",
        ),
        Clause(
            "other quantifiers",
            "Condition",
            "`2 of`, and `1 of` without a name",
            (_refused("2 of sel_*", "only '1 of'"), _refused("1 of", "names no selection"), _fires("1 of sel_1", "C")),
        ),
        Clause(
            "names that contain operators",
            SILENT,
            "are names: notepad, or_x, nota; selections called all, any or 1 too",
            (
                _fires("notepad", "G"),
                _silent("not notepad", "G"),
                matches("or_x: {A: 1}\nnot_y: {B: 1}\ncondition: or_x and not not_y", A=1),
                misses("or_x: {A: 1}\nnot_y: {B: 1}\ncondition: or_x and not not_y", A=1, B=1),
                matches("all: {A: 1}\n1: {B: 1}\ncondition: all and 1", A=1, B=1),
                matches("them: {A: 1}\nx: {B: 1}\ncondition: them", A=1),
            ),
            "pySigma's grammar reads `notepad` as `not epad`",
        ),
        Clause(
            "names that are operators",
            SILENT,
            "and, or, not, of: seen through a pattern alone",
            (
                refuses("and: {A: 1}\ncondition: and", "missing before 'and'"),
                refuses("of: {A: 1}\ncondition: of", "missing before 'of'"),
                matches("and: {A: 1}\ncondition: 1 of an*", A=1),
            ),
            "the word is taken",
        ),
        Clause(
            "case in conditions",
            SILENT,
            "operators in any case, names as written",
            (
                _fires("a AND NOT b", "A"),
                _silent("a And Not b", "A", "B"),
                _fires("ALL OF sel_*", "C", "D"),
                _refused("A", "no selection 'A'"),
            ),
            "pySigma's grammar",
        ),
        Clause(
            "unknown names and stray words",
            SILENT,
            "the message has the names that there are",
            (
                _refused("nosuch", "no selection 'nosuch'.*a, b"),
                _refused("a b", "not expected"),
                _refused("a and", "missing"),
                _refused("(a", "parenthesis"),
                _refused("a)", "not expected"),
                _fires("a", "A"),
            ),
            "nothing is guessed",
        ),
        Clause(
            "several conditions",
            "Condition",
            "alternatives",
            (
                _fires("[a, b]", "B"),
                _silent("[a, b]", "C"),
                _fires("['a and b', 'not a']", "G"),
                _refused("[]", "at least one condition"),
            ),
        ),
        Clause(
            "no condition",
            "Condition",
            "missing or empty",
            (
                refuses("sel: {A: 1}\ncondition:\n", "no selection"),
                refuses("sel: {A: 1}\ncondition: ''\n", "missing"),
                matches("sel: {A: 1}\ncondition: sel", A=1),
            ),
        ),
        Clause(
            "selections that the condition does not name",
            SILENT,
            "have no effect, but must be right",
            (
                _fires("a", "A", "B"),
                _silent("a", "B"),
                refuses("a: {A: 1}\nb: {B|nosuch: 1}\ncondition: a", "nosuch"),
            ),
            "a mistake there is a mistake",
        ),
        Clause(
            "aggregations",
            SILENT,
            "`| count()` and `timeframe`; write a correlation rule",
            (
                _refused("a | count() > 5", "not expected|deprecated"),
                refuses("a: {A: 1}\ntimeframe: 5m\ncondition: a", "deprecated"),
                matches("timeframe: {A: 1}\ncondition: timeframe", A=1),
            ),
            "of version 1 of the specification, replaced by correlations",
        ),
    ),
)
