"""Filter documents, each on the rule that follows."""

import textwrap
from typing import Final

from tests.correlator.semantics.clause import SILENT, Area, Clause, Example, matches, misses, refuses

RULE: Final = "sel: {Action: login}\nname: {User: root}\ncondition: sel\n---\n"
"""A rule for the logsource linux, sshd."""

ID: Final = "00000000-0000-4000-8000-000000000001"
NOT_BACKUP: Final = "sel: {User: backup}\ncondition: not sel"


def on(
    selections: str = NOT_BACKUP, rules: str = "any", logsource: str = "{product: linux, service: sshd}", head: str = ""
) -> str:
    """Return the rule and a filter."""
    body = textwrap.indent(f"rules: {rules}\n{selections}".replace("rules: -\n", ""), "    ")
    return f"{RULE}title: A filter\nlogsource: {logsource}\n{head}filter:\n{body}\n"


def and_another(text: str, selections: str) -> str:
    """Return the text with another filter."""
    return f"{text}---\n{on(selections).partition('---')[2].strip().replace('A filter', 'Another')}\n"


def hides(text: str) -> tuple[Example, Example]:
    """Return that the filter hides what backup does, and nothing else."""
    return misses(text, Action="login", User="backup"), matches(text, Action="login", User="jane")


def leaves(text: str) -> tuple[Example, Example]:
    """Return that the filter hides nothing."""
    return matches(text, Action="login", User="backup"), misses(text, Action="logout", User="backup")


def day(written: str) -> str:
    """Return a filter that ends on that day."""
    return on(head=f"expires: {written}\n")


ADMINS: Final = on("sel: {User|startswith: adm_}\ncondition: sel")
TWO: Final = and_another(on(), "sel: {User: root}\ncondition: not sel")
PATTERN: Final = on("sel_a: {User: a}\nsel_b: {User: b}\nkeep: {User: c}\ncondition: not 1 of sel_*")
EXPANDED: Final = on("sel: {User|expand: '%admins%'}\ncondition: not sel")

AREA: Final = Area(
    "Filters",
    (
        Clause(
            "filter is ANDed as written",
            "filter condition",
            "the rule fires where its condition and the filter's are true; so `not` hides, and without it the filter requires",
            (
                *hides(on()),
                matches(ADMINS, Action="login", User="adm_jane"),
                misses(ADMINS, Action="login", User="jane"),
                misses(ADMINS, Action="login"),
                misses(ADMINS, Action="logout", User="adm_jane"),
            ),
        ),
        Clause(
            "filter selections",
            "filter selection",
            "as in a rule: modifiers, keywords, lists, patterns of names; the rule's own are not among them",
            (
                misses(PATTERN, Action="login", User="b"),
                matches(PATTERN, Action="login", User="c"),
                misses(on("sel: ['bac*p']\ncondition: not sel"), Action="login", Text="so backup it is"),
                matches(on("sel: ['bac*p']\ncondition: not sel"), Action="login"),
                refuses(on("sel: {User: backup}\ncondition: not name"), "no selection 'name'"),
            ),
        ),
        Clause(
            "filter names its rules",
            "Relative rules",
            "a list of ids, or one",
            (
                *hides(on(rules=f"[{ID}]")),
                *hides(on(rules=ID)),
                *leaves(on(rules="[00000000-0000-4000-8000-000000000002]")),
            ),
        ),
        Clause(
            "filter for any rule",
            SILENT,
            "`rules: any`, in any case: every rule that its logsource covers",
            (*hides(on(rules="any")), *hides(on(rules="ANY")), *leaves(on(logsource="{product: windows}"))),
            "pySigma has it; an empty list means the same there, and nobody who writes one means it",
        ),
        Clause(
            "filter, ids in any case and names",
            SILENT,
            "an id in any case; a rule's `name` as it is written",
            (*hides(on(rules=ID.upper())), *leaves(on(rules="[A rule under test]"))),
            "as correlations refer to rules; a title is no name",
        ),
        Clause(
            "filter and logsource",
            SILENT,
            "each part that the filter states is the rule's too; what it leaves out may be anything, what the rule leaves "
            "out is not covered; families (`service: auth`) are not taken apart",
            (
                *hides(on(logsource="{product: linux}")),
                *hides(on(logsource="{service: sshd}")),
                *leaves(on(logsource="{product: linux, category: process_creation}")),
                *leaves(on(logsource="{product: linux, service: auth}")),
                *leaves(on(rules=ID, logsource="{product: windows}")),
            ),
            "as pySigma, whose test this is held to; a filter must not hide more than it says",
        ),
        Clause(
            "several filters",
            SILENT,
            "all apply, each ANDed",
            (
                misses(TWO, Action="login", User="backup"),
                misses(TWO, Action="login", User="root"),
                matches(TWO, Action="login", User="jane"),
            ),
            "none of them knows of the others",
        ),
        Clause(
            "filter and placeholders",
            SILENT,
            "as in a rule, pipelines too: a filter goes through them as a rule of its own logsource would",
            (
                misses(EXPANDED, Action="login", User="adm1"),
                matches(EXPANDED, Action="login", User="jane"),
                refuses(on("sel: {User|expand: '%none%'}\ncondition: not sel"), "%none% has no value"),
            ),
            "a site's names are the same in its rules and its filters",
            placeholders={"admins": ["adm*"]},
        ),
        Clause(
            "filter that expires",
            SILENT,
            "`expires`, a day (ISO 8601): from its beginning in UTC the filter hides nothing, and that is told",
            (*hides(day("2026-09-22")), *leaves(day("2026-09-21")), *leaves(day("2020-02-29"))),
            "an attribute of ours, as `owner` and `reason`; a filter that nobody looks at again hides attacks for ever",
        ),
        Clause(
            "filter, what is refused",
            SILENT,
            "a malformed day, no `rules`, an empty list of them, `any` among others, no or several conditions, no selection, "
            "a filter and a rule in one document",
            (
                refuses(day("2026-02-30"), "no day"),
                refuses(day("tomorrow"), "2027-03-31"),
                refuses(on(rules="-"), "which rules it is for"),
                refuses(on(rules="[]"), "a list of ids or names"),
                refuses(on(rules="[any, a]"), "write rules: any"),
                refuses(on("sel: {User: a}"), "one condition"),
                refuses(on("sel: {User: a}\ncondition: [sel, not sel]"), "one condition"),
                refuses(on("condition: not sel"), "no selection"),
                refuses(on(head="detection: {}\n"), "write two"),
                matches(on(), Action="login", User="jane"),
            ),
            "a typing error must not hide an attack, and what is refused hides nothing",
        ),
    ),
)
