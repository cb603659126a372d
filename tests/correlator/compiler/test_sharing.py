"""Equal values become one object, and nothing becomes another value."""

from hypothesis import given

from correlator.compiler.sharing import shared
from correlator.syntax import Compare, Glob, Named, Node, Relation, Test, Wildcard
from soc.events import LogSource
from tests.correlator.strategies import conditions


@given(conditions)
def test_the_value_is_the_same(node: Node) -> None:
    """Down to how a number is written."""
    assert repr(shared(node)) == repr(node)


def other(text: str) -> str:
    """Return an equal text that is another object."""
    return text.encode().decode()


def test_what_is_equal_is_one_object() -> None:
    """Texts, tuples, dataclasses and named tuples, however deep."""
    test, again = (Test(other("Image"), Glob((Wildcard.ANY, other("ab")))) for _ in range(2))
    first, second, third = shared((test, again, Named("selection", again)))
    assert first is second is third.node
    one, same = shared((LogSource("windows"), LogSource(other("windows"))))
    assert one is same
    assert type(one) is LogSource


def test_numbers_of_another_kind_stay_apart() -> None:
    """A reason tells the number as the rule wrote it."""
    whole, real = shared((Compare(Relation.EQ, 1), Compare(Relation.EQ, 1.0)))
    assert (str(whole), str(real)) == ("= 1", "= 1.0")
