"""What detection costs: from the bus's value to the matches, against `orjson.loads` of the same value.

All of SigmaHQ's rules, on a recording of Windows hosts. A ratio is of the least processor times of several rounds, in
each of which both sides take their turn. Routes are built before; values that are called unseen are new in each round.
"""

import random
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import Any, Final

import orjson

from correlator.engine.memory import LIMIT
from correlator.load import load
from correlator.rules import RuleSet
from tests.bench.figures import Figure
from tests.bench.sigmahq import (
    ROUNDS,
    TOKEN,
    Change,
    Work,
    as_in_service,
    choice,
    detection,
    ended,
    fresh,
    inserted,
    least,
    recording,
    records,
    template,
)

SEED: Final = 20
REPEATS: Final = 64
"""How often each process creation comes in a round, each time with another command line."""

BLOCKS: Final = 1000
BLOCK: Final = 7000
"""Characters of a script block."""

ASCII: Final = f'"C:\\Users\\an.nguyen\\Documents\\report {TOKEN}.docx"'
VIETNAMESE: Final = f'"C:\\Users\\Nguyễn Văn An\\Tài liệu\\Báo cáo số {TOKEN}.docx"'


def run() -> Iterator[Figure]:
    """Yield the ratios."""
    rules, values = load(choice()), recording()
    with as_in_service():
        yield from _as_they_are(rules, values)
        yield from _unseen(rules, values)
        yield from _process_creation(rules, values)
        yield from _script_blocks(rules, values)
        yield from _by_number_of_rules(rules, values)


def _as_they_are(rules: RuleSet, values: Sequence[bytes]) -> Iterator[Figure]:
    events = records(values)
    least([[(detection(rules), events)]])
    loads, warm = least([(orjson.loads, values), (detection(rules), events)] for _ in range(ROUNDS))
    first = least([(detection(_forgetful(rules)), events)] for _ in range(ROUNDS))[0]
    yield Figure("detection / orjson.loads, events as they are", warm / loads, "", 2.5, "most")
    yield Figure("the same, nothing remembered when a pass begins", first / loads, "")
    yield Figure("orjson.loads", loads / len(values) * 1e6, "us")
    yield Figure("detection, events as they are", len(values) / warm, "events/s")


def _forgetful(rules: RuleSet) -> RuleSet:
    """Have the rules forget every value, as they do when the bound on memory is reached."""
    rules._memory.took(LIMIT + 1)
    return rules


def _unseen(rules: RuleSet, values: Sequence[bytes]) -> Iterator[Figure]:
    at_end = [template(value, lambda _, each: ended(each)) for value in values]
    yield Figure("every value never seen before", _ratio(rules, at_end), "", 8, "most")
    inside = [template(value, lambda _, each: inserted(each)) for value in values]
    yield Figure("every value never seen before, paths changed before their last part", _ratio(rules, inside), "")


def _process_creation(rules: RuleSet, values: Sequence[bytes]) -> Iterator[Figure]:
    documents = map(orjson.loads, values)
    created = [
        value
        for value, document in zip(values, documents, strict=True)
        if document["logsource"].get("category") == "process_creation" and document["fields"].get("CommandLine")
    ]
    for argument, language, target in ((ASCII, "", 12), (VIETNAMESE, " in Vietnamese", None)):
        name = f"process creation, unseen command lines{language}"
        lines = [template(value, _with(CommandLine=partial(_argued, argument))) for value in created]
        yield Figure(name, _ratio(rules, lines * REPEATS), "", target, "most")
        quiet = _quiet(rules, lines)
        yield Figure(f"{name}: {len(quiet)} of {len(lines)} without matches", _ratio(rules, quiet * REPEATS), "")


def _quiet(rules: RuleSet, templates: Sequence[bytes]) -> list[bytes]:
    """Return those on which no rule fires: making matches, with their reasons, is part of the cost of the others."""
    matches = detection(rules)
    return [each for each, record in zip(templates, records(templates), strict=True) if not matches(record)]


def _argued(argument: str, line: str) -> str:
    """Return a command line with one argument more."""
    return f"{line} {argument}"


def _with(**changes: Callable[[Any], Any]) -> Change:
    """Return the change of these fields alone."""
    return lambda name, value: changes[name](value) if name in changes else value


def _script_blocks(rules: RuleSet, values: Sequence[bytes]) -> Iterator[Figure]:
    """Measure parts of the recording's scripts, each begun by a comment that is new.

    What the event has beside them is that of the shortest. As recorded, the script is also in the field Message.
    """
    texts = {orjson.loads(value)["fields"].get("ScriptBlockText"): value for value in values}
    shortest = min((value for text, value in texts.items() if text), key=len)
    parts = list(_parts("\n".join(text for text in texts if text)))
    alone = [template(shortest, _with(ScriptBlockText=_always(part))) for part in parts]
    yield Figure("7 kB script block", _ratio(rules, alone), "", 10, "most")
    quiet = _quiet(rules, alone)
    yield Figure(f"7 kB script block: {len(quiet)} of {BLOCKS:,} without matches", _ratio(rules, quiet), "")
    told = [template(shortest, _with(ScriptBlockText=_always(part), Message=_always(part))) for part in parts]
    yield Figure("7 kB script block that is in Message too", _ratio(rules, told), "")


def _parts(script: str) -> Iterator[str]:
    source = random.Random(SEED)
    for _ in range(BLOCKS):
        start = source.randrange(len(script) - BLOCK)
        yield f"# {TOKEN}\n{script[start : start + BLOCK]}"


def _always(text: str) -> Callable[[Any], Any]:
    return lambda _: text


def _ratio(rules: RuleSet, templates: Sequence[bytes]) -> float:
    """Return detection's cost on events that are new in each round, as a multiple of decoding."""
    least([[(detection(rules), records(fresh(templates)))]])

    def rounds() -> Iterator[list[tuple[Work, Sequence[Any]]]]:
        for _ in range(ROUNDS):
            values = fresh(templates)
            yield [(orjson.loads, values), (detection(rules), records(values))]

    loads, unseen = least(rounds())
    return unseen / loads


def _by_number_of_rules(rules: RuleSet, values: Sequence[bytes]) -> Iterator[Figure]:
    """Measure sets of rules on the same events, each set with a memory of its own."""
    windows = [rule for rule in rules.rules if rule.logsource.product == "windows"]
    every, some = RuleSet(windows), RuleSet(random.Random(SEED).sample(windows, 500))
    events = records(values)
    least([[(detection(every), events), (detection(some), events)]])
    loads, many, few = least(
        [(orjson.loads, values), (detection(every), events), (detection(some), events)] for _ in range(ROUNDS)
    )
    name = f"all {len(windows)} Windows rules / 500 of them"
    yield Figure(name, many / few, "", 1.6, "most")
    yield Figure(f"{name}, without decoding", (many - loads) / (few - loads), "")
