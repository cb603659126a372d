"""Numbers and times."""

from typing import Final

from tests.correlator.semantics.clause import SILENT, Area, Clause, matches, misses, refuses

TIME: Final = "2020-06-10T02:50:56.539Z"

AREA: Final = Area(
    "Numbers and times",
    (
        Clause(
            "gt",
            "Numeric Modifiers",
            "greater",
            (matches("F|gt: 5", F=6), misses("F|gt: 5", F=5), matches("F|gt: 1.5", F=1.75), misses("F|gt: 1.5", F=1)),
        ),
        Clause("gte", "Numeric Modifiers", "greater or equal", (matches("F|gte: 5", F=5), misses("F|gte: 5", F=4.9))),
        Clause(
            "lt",
            "Numeric Modifiers",
            "less",
            (matches("F|lt: 5", F=4), misses("F|lt: 5", F="5.0"), matches("F|lt: -1", F="-2")),
        ),
        Clause("lte", "Numeric Modifiers", "less or equal", (matches("F|lte: 5", F="5.0"), misses("F|lte: 5", F=5.1))),
        Clause(
            "text of a number",
            SILENT,
            "is read as one: decimal, of at most 64 characters, spaces around it allowed",
            (
                *(
                    matches("F|gt: 0.1", F=text)
                    for text in ("4", "0.5", ".5", "5.", "+5", "1e3", "2.5E-1", " 5 ", "9" * 64)
                ),
                *(
                    misses("F|gt: 0.1", F=text)
                    for text in ("nan", "inf", "1_000", "1,000", "0x17", "٣", "9" * 5000, "")
                ),
            ),
            "logs write numbers as text",
        ),
        Clause(
            "comparison with what is no number",
            SILENT,
            "false in every direction: text, booleans, null, maps",
            (
                *(
                    misses(f"F|{each}: 0", F=value)
                    for each in ("lt", "gte")
                    for value in ("four", True, None, {"a": 1})
                ),
                matches("F|gte: 0", F=0),
            ),
            "they have no order",
        ),
        Clause(
            "comparison with a list",
            SILENT,
            "any value of it",
            (matches("F|gt: [5, 10]", F=7), misses("F|gt: [5, 10]", F=5), misses("F|gt|all: [5, 10]", F=7)),
            "as other lists",
        ),
        Clause(
            "comparison with text in the rule",
            "Numeric Modifiers",
            "'5' with quotes and booleans too",
            (
                refuses("F|gt: 'abc'", "incompatible"),
                refuses("F|gt: '5'", "incompatible"),
                refuses("F|lte: true", "incompatible"),
                matches("F|gt: 5", F="6"),
            ),
        ),
        Clause(
            "parts of a time",
            "Time Modifiers",
            "`minute`, `hour`, `day`, `month`, `year` of ISO 8601 text equal the number",
            (
                matches("F|minute: 50", F=TIME),
                matches("F|hour: 2", F=TIME),
                matches("F|day: 10", F=TIME),
                matches("F|month: [5, 6]", F=TIME),
                matches("F|year: 2020", F=TIME),
                *(misses(f"F|{unit}: 7", F=TIME) for unit in ("minute", "hour", "day", "month", "year", "week")),
            ),
        ),
        Clause(
            "week",
            "Time Modifiers",
            "ISO 8601's, 1 to 53",
            (
                matches("F|week: 24", F="2020-06-10"),
                matches("F|week: 53", F="2020-12-31"),
                matches("F|week: 53", F="2021-01-01"),
                misses("F|week: 1", F="2021-01-01"),
            ),
            "the text says 52; some years have 53 weeks, and every week needs a number",
        ),
        Clause(
            "parts of a time, compared",
            SILENT,
            "`lt`, `lte`, `gt`, `gte` and `neq` may follow",
            (
                matches("F|hour|gte: 2", F=TIME),
                misses("F|hour|lt: 2", F=TIME),
                misses("F|hour|neq: 2", F=TIME),
                matches("F|hour|neq: 2", F="no time"),
            ),
            "a part is a number; office hours are a range",
        ),
        Clause(
            "forms of a time",
            SILENT,
            "ISO 8601: with T or a space, with any fraction, dates alone, weeks; other formats are no time",
            (
                *(
                    matches("F|day: 10", F=text)
                    for text in (
                        "2020-06-10",
                        "2020-06-10 02:50:54.631",
                        "2020-06-10T02:50:54,631+07:00",
                        "2020-06-10T02:50:54.6310000Z",
                        "20200610T025054Z",
                        "2020-W24-3",
                    )
                ),
                *(
                    misses("F|day: 10", F=text)
                    for text in ("10/06/2020", "Jun 10 02:50:54", "1591757454", "2020-06-10x")
                ),
            ),
            '"not designed to handle timezone or format conversions"',
        ),
        Clause(
            "time zones",
            "Time Modifiers",
            "the time is taken as written, whatever its zone",
            (matches("F|hour: 23", F="2020-06-10T23:50:56-05:00"), misses("F|hour: 4", F="2020-06-10T23:50:56-05:00")),
        ),
        Clause(
            "numbers that no time has",
            SILENT,
            "hour 24, week 54, minute 2.5",
            (
                *(
                    refuses(f"F|{part}", "never")
                    for part in ("hour: 24", "minute: 60", "day: 0", "week: 54", "month: 13")
                ),
                refuses("F|hour: 2.5", "whole number"),
                refuses("F|hour|gte: 2.5", "whole number"),
                matches("F|hour|lt: 24", F=TIME),
                matches("F|hour: 0", F="2020-06-10"),
            ),
            "a typing error would be silent",
        ),
    ),
)
