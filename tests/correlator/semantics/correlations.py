"""What stands in a correlation rule: references, groups, aliases, timespans, and which rules it silences."""

from typing import Final

from tests.correlator.semantics.clause import SILENT, Area, Clause
from tests.correlator.semantics.documents import ID, RULES, at, correlation, course, rejects


def counting(rules: str = "[a]", group: str = "group-by: User", timespan: str = "10s", more: str = "") -> str:
    """Return a section that asks for two events."""
    return f"type: event_count\nrules: {rules}\n{group}\ntimespan: {timespan}\ncondition: {{gte: 2}}\n{more}"


PAIR: Final = counting("[a, b]", "group-by: [ip, Host]", more="aliases:\n    ip: {a: From, b: To}")
LOW: Final = correlation(counting("[a]"), "Low", "name: low\n")
TOP: Final = counting("[low]", more="")
TWIN: Final = RULES.split("---\n", maxsplit=1)[0].replace(f"{ID}a", f"{ID}f")

ALIASED: Final = counting("[a]", "group-by: Host", more="aliases: {ip: {a: From}}")
WIDE: Final = f"group-by: [{', '.join(f'f{number}' for number in range(32))}]"

AREA: Final = Area(
    "Correlation rules",
    (
        Clause(
            "references",
            "Related rules",
            "by id, in any case, or by name; a list or one",
            (
                course(counting("[a]"), "aa", 1, User="u"),
                course(counting("a"), "aa", 1, User="u"),
                course(counting(f"[{ID.upper()}A]"), "aa", 1, User="u"),
                course(counting("[a]"), "bb", 0, User="u"),
            ),
        ),
        Clause(
            "references in vain",
            SILENT,
            "a rule that is not there, does not compile or is left out; a name that several rules have; a rule twice",
            (
                rejects(counting("[z]"), "no rule that was read has that id or name"),
                rejects((counting("[a]"), TWIN), "2 rules have the name 'a'"),
                rejects(counting(f"[a, {ID}a]"), "the same rule"),
                rejects(counting("[]"), "must be a list"),
                rejects((counting("[low]"), LOW.replace("[a]", "[z]")), "'low', which|Low', which is not evaluated"),
                course(counting("[a, b]"), "ab", 1, User="u"),
            ),
            "a rule that can never match, or means another than its author, is worse than one that is told",
        ),
        Clause(
            "correlations of correlations",
            "Related rules",
            "to any of eight levels; the one below feeds every event at which it holds",
            (
                course((TOP, LOW), "aaa", 1, User="u"),
                course((TOP, LOW), "aa", 0, User="u"),
                course((counting("[low, b]"), LOW), "aab", 1, User="u"),
            ),
        ),
        Clause(
            "correlations in a circle",
            SILENT,
            "all of it, and what rests on it",
            (
                rejects((TOP, LOW.replace("[a]", "[low]")), "refers to itself: 'Low' -> 'Low'"),
                rejects((TOP, LOW.replace("[a]", "[low]")), "it refers to 'Low', which is not evaluated"),
                course((TOP, LOW), "aaa", 1, User="u"),
            ),
            "nothing would ever begin",
        ),
        Clause(
            "group-by",
            "Grouping",
            "several fields together are one group",
            (
                course(counting(group="group-by: [User, Host]"), "aa", 1, User="u", Host="h"),
                course(counting(group="group-by: [User, Host]"), [at(n, User="u", Host=n) for n in range(2)], 0),
            ),
        ),
        Clause(
            "no group-by",
            SILENT,
            "all events are one group",
            (
                course(counting(group=""), [at(n, User=n) for n in range(2)], 1),
                course(counting(), [at(n, User=n) for n in range(2)], 0),
            ),
            "the text calls it mandatory and optional; pySigma does not ask for it",
        ),
        Clause(
            "events without a field of the group",
            SILENT,
            "a field that is missing, null or an empty list: the event is in no group, and is counted",
            (
                course(counting(), "aa", 0),
                course(counting(), "aa", 0, User=None),
                course(counting(), "aa", 0, User=[]),
                course(counting(), [at(n, User="") for n in range(2)], 1),
            ),
            "events that have nothing in common but a gap are not related",
        ),
        Clause(
            "lists in a group",
            SILENT,
            "their texts joined by commas",
            (
                course(counting(), [at(n, User=["x", "y"]) for n in range(2)], 1),
                course(counting(), [at(n, User=["x", str(n)]) for n in range(2)], 0),
            ),
            "one event is in one group",
        ),
        Clause(
            "aliases",
            "Field Name Aliases",
            "stand in group-by, and in the condition's field, for the field of each rule's events",
            (
                course(PAIR, [at(0, "a", From="x", Host="h"), at(1, "b", To="x", Host="h")], 1),
                course(PAIR, [at(0, "a", From="x", Host="h"), at(1, "b", From="x", Host="h")], 0),
            ),
        ),
        Clause(
            "aliases of other rules",
            SILENT,
            "a rule that the correlation does not refer to; of one that an alias leaves out, the field of that name is meant",
            (
                rejects(counting(more="aliases: {User: {b: To}}"), "'b', which the correlation does not refer to"),
                course(
                    counting("[a, b]", more="aliases: {User: {b: To}}"), [at(0, "a", User="x"), at(1, "b", To="x")], 1
                ),
            ),
            "it is a mistake; and an alias that a child groups by is a field of that name above it",
        ),
        Clause(
            "aliases of one rule twice, and of a correlation below",
            SILENT,
            "an alias that names a rule by id and by name; a field that is an alias of the one below, which that does not"
            " group by",
            (
                rejects(counting(more=f"aliases: {{User: {{a: From, {ID}a: To}}}}"), "names one rule twice"),
                rejects(
                    (counting("[low]", "group-by: ip"), correlation(ALIASED, "Low", "name: low\n")),
                    "'ip', an alias that 'Low' does not group by",
                ),
                course(
                    (counting("[low]", "group-by: Host"), correlation(ALIASED, "Low", "name: low\n")),
                    [at(n, "a", From="x", Host="h") for n in range(3)],
                    1,
                ),
            ),
            "one has two fields, the other none: it would never be in a group",
        ),
        Clause(
            "long values of a group",
            SILENT,
            "beyond 233 characters the first 200 and a digest of the whole, which tells them apart as the whole would",
            (
                course(counting(), [at(n, User="u" * 999) for n in range(2)], 1),
                course(counting(), [at(n, User="u" * 999 + str(n)) for n in range(2)], 0),
            ),
            "a group is written with every hit, and an attacker chooses how long a name is",
        ),
        Clause(
            "fields for the correlations above",
            SILENT,
            "hits of one correlation carry at most 64; a correlation that asks for new ones begins blind for one timespan",
            (
                rejects(
                    (*(counting("[low]", WIDE.replace("f", each)) for each in "fgh"), LOW), "carry more than 64 fields"
                ),
                course((counting("[low]"), LOW), "aaa", 1, User="u"),
            ),
            "each hit is written with all of them, and those that are written already do not have the new ones",
        ),
        Clause(
            "rules that were not chosen",
            SILENT,
            "kept for a correlation that was chosen and refers to them, and silent; a disabled one is not",
            (course((TOP, LOW), "aaa", 1, User="u"), course((TOP, LOW), "a", 0, User="u")),
            "a correlation is chosen for its own level: what it rests on is often of a lower one",
        ),
        Clause(
            "one event of two rules",
            SILENT,
            "its id counts once; where the rules give it different values the greatest counts, and none gives way to it",
            (
                course(counting("[a, b]"), [at(0, User="u")], 0),
                course(counting("[a, b]"), "ab", 1, User="u"),
            ),
            "the order in which hits come must not decide",
        ),
        Clause(
            "timespan",
            "Time Selection",
            "a whole number and s, m, h or d",
            (
                *(
                    course(counting(timespan=text), [at(0, User="u"), at(seconds - 1, User="u")], 1)
                    for text, seconds in (("5s", 5), ("2m", 120), ("3h", 10_800), ("2d", 172_800))
                ),
                course(counting(timespan="1m"), [at(0, User="u"), at(60, User="u")], 0),
                *(rejects(counting(timespan=text), "is no timespan") for text in ("0s", "1h30m", "-1m", "10", "1.5h")),
            ),
        ),
        Clause(
            "weeks, months and years",
            SILENT,
            "w is 7 days; M and y the Gregorian mean: 2,629,746 s and 31,556,952 s; the site's limit holds (one week)",
            (
                course(counting(timespan="1w"), [at(0, User="u"), at(604_799, User="u")], 1),
                course(counting(timespan="1w"), [at(0, User="u"), at(604_800, User="u")], 0),
                rejects(counting(timespan="1M"), "longer than 168 h.*max_timespan_hours"),
                rejects(counting(timespan="1y"), "longer than 168 h.*max_timespan_hours"),
            ),
            "pySigma has them; state and soc.hits must last as long",
        ),
        Clause(
            "generate",
            "Generate",
            "false unless written: what the correlation refers to makes no matches of its own; beside the section, or in it",
            (
                course((TOP, LOW), "aaa", 1, User="u"),
                course((counting("[low]", more="generate: true"), LOW), "aaa", 2, User="u"),
                course((correlation(counting("[low]"), around="generate: true\n"), LOW), "aaa", 2, User="u"),
                course((TOP, LOW), "aa", 0, User="u"),
            ),
            "the text has the key beside the section, pySigma in it",
        ),
        Clause(
            "several correlations of one rule",
            SILENT,
            "it falls silent as soon as one of them does not generate it",
            (
                course((counting("[low]", more="generate: true"), counting("[low]"), LOW), "aa", 0, User="u"),
                course((counting("[low]", more="generate: true"), LOW), "aa", 1, User="u"),
            ),
            "pySigma does the same",
        ),
        Clause(
            "what a correlation does not have",
            SILENT,
            "unknown keys, types and comparisons; a detection beside it",
            (
                rejects(counting(more="window: 5m"), "'window' is no key of a correlation"),
                rejects(counting().replace("event_count", "count"), "'count' is no type"),
                rejects(counting().replace("gte", "atleast"), "'atleast' is no key of a condition"),
                rejects(correlation(counting(), around="detection: {}\n"), "either 'correlation' or 'detection'"),
                course(counting(), "aa", 1, User="u"),
            ),
            "a typing error would change what is meant",
        ),
        Clause(
            "conditions that need more than is remembered",
            SILENT,
            "a count beyond `correlate.max_group_hits`",
            (
                rejects(counting().replace("gte: 2", "gte: 20001"), "correlate.max_group_hits"),
                rejects(counting().replace("gte: 2", "lt: 20001"), "correlate.max_group_hits"),
                course(counting().replace("gte: 2", "lt: 20000"), "a", 1, User="u"),
            ),
            "it could never be decided",
        ),
    ),
)
