"""Conditions over numbers: what decides them, and what they imply, against the tree itself."""

from collections.abc import Iterator

from hypothesis import given
from hypothesis import strategies as st

from correlator.engine.atlas import Atlas
from correlator.engine.cover import Cover, Known, cover
from correlator.engine.decision import Decision, decision
from correlator.engine.tree import Both, Either, Negated, Tree, among, numbered, renamed
from correlator.engine.tree import tests as all_tests
from correlator.syntax import All, Exists, FieldRef, Named, Node, Not, Test
from correlator.syntax import Any as Some
from tests.correlator.strategies import conditions

ATOMS = 6
KNOWN = {
    0: Known("F", 0.1), 1: Known("F", 0.5), 2: Known("G", 0.2), 3: Known("G", 0.9), 4: Known(None, 0.3), 5: Known("H", 1),
}  # fmt: skip


def _branches(inner: st.SearchStrategy[Tree]) -> st.SearchStrategy[Tree]:
    several = st.lists(inner, min_size=2, max_size=4).map(tuple)
    return st.one_of(st.builds(Both, several), st.builds(Either, several), st.builds(Negated, inner))


trees = st.one_of(st.just(Both(())), st.recursive(st.integers(0, ATOMS - 1), _branches, max_leaves=12))
assignments = st.frozensets(st.integers(0, ATOMS - 1))


def value(tree: Tree, atoms: frozenset[int]) -> bool:
    """Evaluate as the definition says."""
    match tree:
        case Both(parts):
            return all(value(part, atoms) for part in parts)
        case Either(parts):
            return any(value(part, atoms) for part in parts)
        case Negated(part):
            return not value(part, atoms)
        case _:
            return tree in atoms


def leaves(tree: Tree) -> frozenset[int]:
    """Every number in a tree."""
    match tree:
        case Both(parts) | Either(parts):
            return frozenset[int]().union(*map(leaves, parts))
        case Negated(part):
            return leaves(part)
        case _:
            return frozenset((tree,))


def truth(node: Node, holds: frozenset[Test]) -> bool:
    """Evaluate a condition as the definition says."""
    match node:
        case Test():
            return node in holds
        case Not(inner):
            return not truth(inner, holds)
        case Named(_, inner):
            return truth(inner, holds)
        case All(nodes):
            return all(truth(each, holds) for each in nodes)
        case Some(nodes):
            return any(truth(each, holds) for each in nodes)


def every() -> Iterator[frozenset[int]]:
    """Every assignment there is."""
    for bits in range(1 << ATOMS):
        yield frozenset(number for number in range(ATOMS) if bits >> number & 1)


@given(trees)
def test_a_decision_is_the_trees_value(tree: Tree) -> None:
    """For every set of atoms that may hold."""
    decided = decision(tree, {})
    assert all(decided(atoms) is value(tree, atoms) for atoms in every())


@given(trees)
def test_whatever_holds_has_an_atom_of_each_clause(tree: Tree) -> None:
    """So an event without one is rightly passed over."""
    implied = cover(tree, KNOWN, {})
    clauses = [*implied.fields.values(), *([implied.rarest] if implied.rarest else [])]
    for atoms in every():
        if value(tree, atoms):
            assert all(clause.atoms & atoms for clause in clauses)


@given(trees)
def test_the_clause_of_a_field_is_about_that_field(tree: Tree) -> None:
    """Each column masks by its own atoms alone."""
    for field, clause in cover(tree, KNOWN, {}).fields.items():
        assert {KNOWN[atom].field for atom in clause.atoms} == {field}


@given(conditions, st.data())
def test_numbering_keeps_the_meaning(condition: Node, data: st.DataObject) -> None:
    """Where some tests are decided beforehand and the others hold or not."""
    leaves = sorted(set(all_tests(condition)), key=repr)
    holds = data.draw(st.sets(st.sampled_from(leaves))) if leaves else set()
    decided = data.draw(st.sets(st.sampled_from(leaves))) if leaves else set()
    numbers = {test: number for number, test in enumerate(leaves)}
    tree = numbered(condition, lambda test: test in holds if test in decided else numbers[test], {})
    expected = truth(condition, frozenset(holds))
    if isinstance(tree, bool):
        assert tree is expected
    else:
        assert value(tree, frozenset(numbers[test] for test in holds)) is expected


@given(st.lists(conditions, min_size=1, max_size=4), conditions, st.frozensets(st.integers(0, 40)))
def test_what_is_known_of_a_shared_part_changes_no_answer(nodes: list[Node], part: Node, held: frozenset[int]) -> None:
    """A filter is one object in the conditions of many rules: they mean and imply what each does alone."""
    shared = [All((node, Not(part), part)) for node in nodes] + [Some((part, node)) for node in nodes]
    numbers = {test: number for number, test in enumerate(all_tests(*shared))}
    known: dict[int, Tree | bool] = {}
    together = [numbered(node, numbers.__getitem__, known) for node in shared]
    assert together == [numbered(node, numbers.__getitem__, {}) for node in shared]
    kept = [tree for tree in together if not isinstance(tree, bool)]
    atoms = {number: Known(test.field, 1 / (2 + number)) for test, number in numbers.items()}
    covers: dict[int, Cover] = {}
    assert [cover(tree, atoms, covers) for tree in kept] == [cover(tree, atoms, {}) for tree in kept]
    found: dict[int, frozenset[int]] = {}
    assert [among(tree, held, found) for tree in kept] == [held & leaves(tree) for tree in kept]
    decisions: dict[int, Decision] = {}
    assert [decision(tree, decisions)(held) for tree in kept] == [value(tree, held) for tree in kept]


def test_a_shared_part_is_numbered_once() -> None:
    """A list of a thousand hosts that three thousand rules excuse would else be three million tests."""
    part = Not(Some(tuple(Test("Computer", Exists(wanted)) for wanted in (True, False))))
    nodes = [All((Test("Image", Exists(True)), part)) for _ in range(5)]
    asked: list[Test] = []

    def leaf(test: Test) -> int:
        asked.append(test)
        return len(asked)

    known: dict[int, Tree | bool] = {}
    trees = [numbered(node, leaf, known) for node in nodes]
    assert len({id(tree.parts[1]) for tree in trees if isinstance(tree, Both)}) == 1
    assert sum(test.field == "Computer" for test in asked) == 2
    assert sum(test.field == "Computer" for test in all_tests(*nodes)) == 2


def test_nothing_is_numbered_behind_what_decides() -> None:
    """A route has a column for each field that is: those of rules for another EventID would cost every event."""
    decides, other = Test("EventID", Exists(True)), Test("Image", Exists(True))
    asked: list[Test] = []

    def leaf(test: Test) -> bool:
        asked.append(test)
        return False

    assert numbered(All((decides, other)), leaf, {}) is False
    assert numbered(Not(Some((Not(decides), other))), leaf, {}) is False
    assert set(asked) == {decides}


@given(st.lists(conditions, min_size=1, max_size=6), st.data())
def test_no_mask_rules_out_what_holds(nodes: list[Node], data: st.DataObject) -> None:
    """The masks of the atoms that hold leave every condition that holds, whatever else they leave."""
    atlas = Atlas()
    numbers = [numbered(node, atlas.number, {}) for node in nodes]
    kept = [tree for tree in numbers if not isinstance(tree, bool)]
    columns, sure = atlas.masks(kept)
    everything = atlas.columns()
    fields: dict[int, str | None] = dict.fromkeys(atlas.keywords().values())
    fields |= dict.fromkeys(atlas.references(), "no column's")
    fields |= {number: field for field, atoms in everything.items() for number in atoms.values()}
    holds = frozenset(data.draw(st.sets(st.sampled_from(sorted(fields))))) if fields else frozenset[int]()
    left, may = -1, sure
    for field, masks in columns.items():
        mine = [atom for atom in holds if atom in fields and fields[atom] == field]
        must = masks.free
        for atom in mine:
            must |= masks.must.get(atom, 0)
            may |= masks.may.get(atom, 0)
        left &= must
    for position, tree in enumerate(kept):
        if value(tree, holds):
            assert left & may & 1 << position


@given(conditions)
def test_renaming_there_and_back_changes_nothing(condition: Node) -> None:
    """Fields under an event's names, those that are referred to included."""
    there = {"F": "f", "G": "g", "H": "h", "EventID": "id"}
    moved = renamed(condition, there)
    assert renamed(moved, {name: field for field, name in there.items()}) == condition
    seen = {test.field for test in all_tests(moved)} | {
        t.atom.other for t in all_tests(moved) if isinstance(t.atom, FieldRef)
    }
    assert seen <= {*there.values(), None}


def test_an_empty_condition_holds() -> None:
    """What was decided to be true of every event of a kind is kept as a conjunction of nothing."""
    assert decision(Both(()), {})(frozenset())
    assert cover(Both(()), {}, {}).rarest is None
    assert numbered(All((Test("F", Exists(True)),)), lambda _: True, {}) is True
