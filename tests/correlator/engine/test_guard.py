"""Which texts need not be looked for at first."""

from correlator.engine.atlas import Atlas
from correlator.engine.guard import MAX_OPEN, Guarded
from correlator.engine.tree import Both, Either, Negated, Tree
from correlator.syntax import Glob, Test, Wildcard


class Written:
    """Numbers texts of a field, and asks which of them wait."""

    def __init__(self) -> None:
        """Begin without texts."""
        self.atlas = Atlas()

    def __call__(self, text: str, field: str = "F") -> int:
        """Return the number of a text that stands somewhere in a field."""
        return self.atlas.number(Test(field, Glob((Wildcard.ANY, text, Wildcard.ANY))))

    def waiting(self, *trees: Tree) -> dict[str | None, Guarded]:
        """Return what waits for what."""
        return dict(self.atlas.guarded(trees))


def test_a_common_text_waits_for_a_rare_one_beside_it() -> None:
    """Of several the rarest clause: all of an alternative, if each of its texts is rare."""
    text = Written()
    add, run, once = text("add"), text("\\windows\\currentversion\\run"), text("\\windows\\currentversion\\runonce")
    assert text.waiting(Both((add, text("system32"), Either((run, once))))) == {
        "F": Guarded(frozenset({run, once}), frozenset({add, text("system32")}))
    }


def test_no_text_waits_that_matters_elsewhere() -> None:
    """Alone, under a `not`, or beside none that is rare."""
    text = Written()
    rare, add = text("a rare text of a rule"), text("add")
    beside = Both((rare, add))
    assert text.waiting(beside)
    assert not text.waiting(beside, add)
    assert not text.waiting(beside, Both((text("reg"), add)))
    assert not text.waiting(beside, Negated(add))
    assert not text.waiting(Both((rare, Negated(add))))


def test_a_text_waits_for_one_of_its_own_field() -> None:
    """Another field's value is another search."""
    text = Written()
    assert not text.waiting(Both((text("a rare text of a rule", "G"), text("add"))))


def test_what_stands_deep_waits_for_what_stands_above() -> None:
    """A text may wait for one that waits itself; whoever is found first is the guard."""
    text = Written()
    top, middle, low = text("the very rarest text of all"), text("a rare text of a rule"), text("add")
    waiting = text.waiting(Both((top, Either((Both((middle, low)), text("reg"))))))
    assert waiting == {"F": Guarded(frozenset({top}), frozenset({middle, low, text("reg")}))}


def test_a_part_of_very_many_texts_waits_for_nothing() -> None:
    """Long lists are read once, however many rules have them."""
    text = Written()
    many = Either(tuple(text(f"n{number}") for number in range(MAX_OPEN + 1)))
    assert not text.waiting(Both((text("a rare text of a rule"), many)))
