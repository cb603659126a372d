"""Sequences of events as samples: their times, what they stand for, and errors that name file, line and remedy."""

from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from collectors.sources import Options
from correlator.choice import Choice
from correlator.tools.samples import EventSequence
from soc.clock import DAY, SECOND
from soc.errors import RulesError
from soc.events import Event
from soc.rules import tested
from soc.rules.samples import read
from soc.rules.sequences import BEGIN, MAX_EVENTS, Reader, Wrong
from soc.settings import Settings
from soc.settings.correlate import CorrelateSettings

NOON = BEGIN + DAY // 2
FIELDS = "logsource: {product: windows, service: security}, fields: {EventID: 4625}"


def sequences(tmp_path: Path, text: str) -> list[EventSequence]:
    """Return the sequences of a file."""
    file = tmp_path / "x.samples.yml"
    file.write_text(text, "utf-8")
    found = list(read(file, Options("hanoi", zone=ZoneInfo("Asia/Ho_Chi_Minh"))))
    assert all(isinstance(each, EventSequence) for each in found)
    return [each for each in found if isinstance(each, EventSequence)]


def events(tmp_path: Path, *entries: str) -> tuple[Event, ...]:
    """Return the events of one sequence of flow maps."""
    (sequence,) = sequences(tmp_path, "match:\n-\n" + "".join(f"  - {{{each}}}\n" for each in entries))
    return sequence.events


def test_lists_say_how_many_matches_there_must_be(tmp_path: Path) -> None:
    """One or more, so many, or none; each sequence knows its line."""
    event = f"- {{{FIELDS}}}"
    text = f"match:\n- {event}\n# more\n- matches: 2\n  events:\n  {event}\nno_match:\n- {event}\n"
    assert [(each.name, each.line, each.matches) for each in sequences(tmp_path, text)] == [
        ("match 1", 2, None),
        ("match 2", 4, 2),
        ("no_match 1", 8, 0),
    ]


def test_times_are_absolute_or_count_from_the_event_before(tmp_path: Path) -> None:
    """A first event that states none has a time that is always the same; `every` lies between those of one entry."""
    found = events(
        tmp_path,
        FIELDS,
        f"{FIELDS}, time: 2026-11-22T12:00:00Z",
        f"{FIELDS}, after: 5s",
        FIELDS,
        f"{FIELDS}, after: 1m, repeat: 3, every: 500ms",
        f"{FIELDS}, after: 1d",
        f"{FIELDS}, time: '2026-11-22T19:00:00.25'",
    )
    minute = NOON + 65 * SECOND
    assert [each.time for each in found] == [
        BEGIN,
        NOON,
        NOON + 5 * SECOND,
        NOON + 5 * SECOND,
        minute,
        minute + SECOND // 2,
        minute + SECOND,
        minute + SECOND + DAY,
        NOON + SECOND // 4,
    ]
    assert len({each.id for each in found}) == len(found)


def test_a_line_has_its_own_time_whatever_the_day_is(tmp_path: Path) -> None:
    """Samples must not fail a month after they were written, nor where the line's hour has not come yet."""
    line = "syslog: '<38>{} gw01 sshd[406]: Failed password for bob from 192.0.2.51 port 38054 ssh2'"
    found = events(
        tmp_path,
        line.format("Nov 22 19:00:00"),
        line.format("Jan  1 00:00:00") + ", after: 1s, host: gw02, site: hue",
        line.format("2031-01-01T00:00:00Z"),
    )
    assert [each.time for each in found] == [NOON, NOON + SECOND, 1_924_992_000 * SECOND]
    assert [(each.host, each.site) for each in found] == [("gw01", "hanoi"), ("gw02", "hue"), ("gw01", "hanoi")]
    assert found[0].fields["User"] == "bob"


def test_each_stands_for_a_value_in_texts_fields_host_and_site(tmp_path: Path) -> None:
    """A number stays one where it is the whole value."""
    entry = "logsource: {product: windows}, fields: {U: 'x{each}y', N: '{each}', L: ['{each}']}, host: 'h{each}', site: 's{each}'"
    found = events(tmp_path, f"{entry}, each: [1, b], every: 2s")
    assert [(each.fields, each.host, each.site, each.time - BEGIN) for each in found] == [
        ({"U": "x1y", "N": 1, "L": [1]}, "h1", "s1", 0),
        ({"U": "xby", "N": "b", "L": ["b"]}, "hb", "sb", 2 * SECOND),
    ]


@pytest.mark.parametrize(
    ("entry", "reason"),
    [
        ("syslog: x, each: [a], repeat: 2", "both there"),
        ("syslog: x", "no time that can be read"),
        ("syslog: 1", "is no text"),
        ("syslog: '<38>1 broken'", "no syslog message"),
        ("fields: {}", "an event is"),
        ("logsource: {}, fields: {}", "names no product"),
        ("logsource: {product: 1}, fields: {}", "names no product"),
        ("logsource: a, fields: {}", "an event is"),
        (f"{FIELDS}, after: 5", "no length of time"),
        (f"{FIELDS}, after: 5 s", "no length of time"),
        (f"{FIELDS}, time: yesterday", "no time; write"),
        (f"{FIELDS}, time: 5", "no time; write"),
        (f"{FIELDS}, time: 2026-11-22", "no time; write"),
        (f"{FIELDS}, repeat: 0", "from 1 to"),
        (f"{FIELDS}, repeat: {MAX_EVENTS + 1}", "from 1 to"),
        (f"{FIELDS}, each: []", "no list of texts"),
        (f"{FIELDS}, each: [[]]", "no list of texts"),
        (f"{FIELDS}, every: 1s", "stands alone"),
        (f"{FIELDS}, host: 1", "host: is no text"),
        (f"{FIELDS}, hots: a", "nothing that an event may have"),
    ],
)
def test_what_is_no_event_is_told_with_its_line(tmp_path: Path, entry: str, reason: str) -> None:
    """The third line of the file is at fault, in a sequence with and without a number of matches."""
    for text in (
        f"match:\n- - {{{FIELDS}}}\n  - {{{entry}}}\n",
        f"match:\n- events: [{{{FIELDS}}},\n    {{{entry}}}]\n",
    ):
        with pytest.raises(RulesError, match=rf"x\.samples\.yml:3: match 1: .*{reason}"):
            sequences(tmp_path, text)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("no_match:\n\n- events: 1\n", "x.samples.yml:3: no_match 1: events: is no list"),
        ("match:\n- events: []\n  matches: 0\n", "x.samples.yml:2: match 1: matches: is no number from 1"),
        ("match:\n- events: []\n  match: 2\n", "is nothing that a sequence may have"),
        (f"match:\n- - {{{FIELDS}, repeat: {MAX_EVENTS}}}\n  - {{{FIELDS}}}\n", "x.samples.yml:3: match 1: more than"),
    ],
)
def test_what_is_no_sequence_is_told_with_its_line(tmp_path: Path, text: str, reason: str) -> None:
    """A sequence has a bound too: repeats within a small file could fill the memory."""
    with pytest.raises(RulesError) as caught:
        sequences(tmp_path, text)
    assert reason in str(caught.value)


SIMPLE = st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=20), st.datetimes())
ANYTHING = st.recursive(
    SIMPLE,
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(
            st.sampled_from(["syslog", "logsource", "fields", "time", "after", "repeat", "each", "every", "host", "x"]),
            inner,
            max_size=6,
        )
    ),
    max_leaves=12,
)


@given(st.lists(ANYTHING, max_size=4))
def test_whatever_stands_there_it_is_events_or_wrong(entries: list[object]) -> None:
    """No other exception comes of what somebody wrote."""
    try:
        found = Reader(Options("test")).read(entries)
    except Wrong:
        return
    assert len({each.id for each in found}) == len(found)


def test_correlations_are_tested_with_the_rules_that_they_refer_to(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Where their files alone are given: of the rules in force beside them, nothing else is said."""
    rules, asked = tmp_path / "rules", tmp_path / "asked"
    rules.mkdir()
    asked.mkdir()
    head = "logsource: {product: windows, service: security}\ndetection: {s: {EventID: 4625}, condition: s}\n"
    (rules / "low.yml").write_text(f"title: Low\nname: low\n{head}", "utf-8")
    section = "{type: event_count, rules: low, timespan: 1m, condition: {gte: 2}}"
    (asked / "top.yml").write_text(f"title: Top\ncorrelation: {section}\n", "utf-8")
    (asked / "top.samples.yml").write_text(f"match:\n-\n  - {{{FIELDS}, repeat: 2}}\n", "utf-8")
    settings = Settings(correlate=CorrelateSettings(rules=(rules,)))
    assert tested.run(settings, Choice(paths=(asked,)), (), every=True, form="text") == 0
    told = capsys.readouterr().out
    assert "1 samples of 1 rules: 1 passed, 0 failed; 0 rules have no samples" in told
