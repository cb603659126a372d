"""When a correlation is judged, over which window, and what it feeds to those above it."""

from typing import Final

from tests.correlator.semantics.clause import SILENT, Area, Clause
from tests.correlator.semantics.documents import at, correlation, course, rejects

COUNT: Final = "type: event_count\nrules: a\ngroup-by: User\ntimespan: 10s\ncondition: {gte: 3}"
FEW: Final = COUNT.replace("gte: 3", "lt: 3")
LOW: Final = correlation(FEW, "Low", "name: low\n")
HOSTS: Final = "type: value_count\nrules: low\ntimespan: 1m\ncondition: {field: User, gte: 2}"

AREA: Final = Area(
    "Windows",
    (
        Clause(
            "window of a condition that more events can only make true",
            "Temporal Proximity (temporal)",
            "the timespan that ends at an event, wherever it lies: events exactly a timespan apart are not in one",
            (
                course(COUNT, [at(second, User="u") for second in (6, 8, 15.9)], 1),
                course(COUNT, [at(second, User="u") for second in (6, 8, 16)], 0),
            ),
        ),
        Clause(
            "window of any other condition",
            SILENT,
            "windows of the timespan's length, the first of which begins with 1970: with lt, lte, eq, neq, ranges, means, "
            "percentiles or `not` it is judged when the window is over; a group without events has none",
            (
                course(FEW, [at(second, User="u") for second in (8, 9, 10, 11)], 2),
                course(FEW, [at(second, User="u") for second in (0, 1, 9)], 0),
                course(FEW, [], 0),
            ),
            "a later event could make it false; windows that end at an event would be true at nearly every one",
        ),
        Clause(
            "how often it matches",
            SILENT,
            "once a group and window of the timespan's length, counted from 1970, however often it holds",
            (
                course(COUNT, "aaaaaaaaa", 1, User="u"),
                course(COUNT, [at(second, User="u") for second in (7, 8, 9, 10)], 2),
                course(COUNT, "aa", 0, User="u"),
            ),
            "the same match comes of the same events in whatever order; the alert joins what goes on",
        ),
        Clause(
            "order of arrival",
            SILENT,
            "has no effect: events are judged by their own times",
            (
                course(COUNT, [at(second, User="u") for second in (8, 1, 5)], 1),
                course(COUNT, [at(second, User="u") for second in (18, 1, 5)], 0),
            ),
            "sources deliver late, and in whatever order",
        ),
        Clause(
            "fields above a judged window",
            SILENT,
            "only those of its group are there; a correlation that asks for others",
            (
                rejects((HOSTS.replace("User", "Host"), LOW), "asks 'Low' for the field 'Host'"),
                rejects((HOSTS + "\ngroup-by: Host", LOW), "of fields that has only 'User'"),
                course((HOSTS, LOW), [at(0, User="u"), at(1, User="v")], 1),
            ),
            "many events made it true, or none",
        ),
        Clause(
            "fields above other correlations",
            SILENT,
            "those of the event at which it holds, and the names of its own group",
            (
                course(
                    (
                        "type: event_count\nrules: [low]\ngroup-by: Host\ntimespan: 1m\ncondition: {gte: 1}",
                        LOW.replace("lt", "gte"),
                    ),
                    [at(0, User="u"), at(1, User="u"), at(2, User="u", Host="h")],
                    1,
                ),
                course(
                    (
                        "type: event_count\nrules: [low]\ngroup-by: Host\ntimespan: 1m\ncondition: {gte: 1}",
                        LOW.replace("lt", "gte"),
                    ),
                    [at(0, User="u", Host="h"), at(1, User="u", Host="h"), at(2, User="u")],
                    0,
                ),
            ),
            "so a chain may group by what its first link does not",
        ),
    ),
)
