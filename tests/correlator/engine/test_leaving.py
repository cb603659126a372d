"""A rule set that is replaced goes at once: what is frozen is never looked at for cycles again."""

import gc
from weakref import ref

from correlator.engine.hyper import Scanner
from correlator.engine.judge import Judge
from correlator.engine.kind import Kind
from correlator.engine.needles import Needles
from correlator.engine.route import Route
from correlator.engine.whole import Whole
from correlator.rules import RuleSet
from correlator.syntax import All, Glob, Not, Regex, Test, Wildcard
from tests.correlator.strategies import LOGSOURCE, rule_of

PARTS = (Kind, Route, Judge, Needles, Scanner, Whole)
FOUND = (Wildcard.ANY, "whoami", Wildcard.ANY)


def parts() -> list[object]:
    """Return the parts of all rule sets that there are."""
    return [each for each in gc.get_objects() if isinstance(each, PARTS)]


def test_nothing_of_a_rule_set_is_in_a_cycle() -> None:
    """Its automata and scanners, which are megabytes, included."""
    condition = All((Test("F", Regex("a+b")), Test(None, Glob(FOUND)), Not(Test("F", Glob(("c",))))))
    gc.collect()
    gc.disable()
    try:
        others = list(map(id, parts()))
        rules = RuleSet([rule_of(condition)])
        wire = b'{"F":"xaab","G":"' + b"whoami" * 500 + b'"}'
        assert rules.evaluate(LOGSOURCE, {"F": "xaab", "G": "whoami" * 500}, wire=wire)
        gone = [ref(each) for each in parts() if id(each) not in others]
        assert {type(each()) for each in gone} >= {Kind, Route, Judge}
        del rules
        assert not [each() for each in gone if each() is not None]
    finally:
        gc.enable()
