"""Whole documents of correlations, each with the detection rules `a`, `b` and `c`, which fire on an Action of that name."""

import textwrap
from typing import Any, Final

from tests.correlator.semantics.clause import Course, Rejection

ID: Final = "00000000-0000-4000-8000-00000000000"
"""The id of a rule, but for its last character, which is its name."""

Happening = tuple[float, dict[str, Any]]


def _rule(name: str) -> str:
    return (
        f"title: Rule {name}\nid: {ID}{name}\nname: {name}\nlogsource: {{product: linux}}\n"
        f"detection:\n    sel: {{Action: {name}}}\n    condition: sel\n"
    )


RULES: Final = "---\n".join(map(_rule, "abc"))


def correlation(section: str, title: str = "C", around: str = "") -> str:
    """Return the document of a correlation section. `around`: other keys of the document."""
    return f"title: {title}\n{around}correlation:\n{textwrap.indent(section.strip(), '    ')}\n"


def documents(*sections: str) -> str:
    """Return the documents of correlations, written as sections or as whole documents, and of the rules."""
    whole = [
        each if each.startswith("title:") else correlation(each, f"C{number}") for number, each in enumerate(sections)
    ]
    return "---\n".join([*whole, RULES])


def course(sections: tuple[str, ...] | str, events: str | list[Happening], matches: int, **fields: Any) -> Course:
    """Return what comes of events; as text, rules by the second: `a.b` is a at second 0 and b at second 2."""
    if isinstance(events, str):
        events = [(second, {"Action": name, **fields}) for second, name in enumerate(events) if name != "."]
    written = sections if isinstance(sections, tuple) else (sections,)
    return Course(documents(*written), tuple(events), matches)


def at(second: float, action: str = "a", **fields: Any) -> Happening:
    """Return an event."""
    return second, {"Action": action, **fields}


def rejects(sections: tuple[str, ...] | str, reason: str) -> Rejection:
    """Return that a correlation is refused."""
    written = sections if isinstance(sections, tuple) else (sections,)
    return Rejection(documents(*written), reason)
