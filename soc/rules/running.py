"""The commands that run rules over events, and tell what they find and cost: match, preview, coverage, bench and others."""

from dataclasses import replace
from pathlib import Path
from typing import Annotated, Literal

import typer

from soc.arguments import SettingsFile, explained, settings_of
from soc.events import LogSource
from soc.rules.app import LevelName, RulePaths, Selection, app, selecting

RulesOption = Annotated[
    list[Path] | None,
    typer.Option("--rules", "-r", help="File or folder of rules; may be given several times.", show_default=False),
]
Recordings = Annotated[list[Path], typer.Argument(help="JSON, EVTX or syslog, also .gz and .zst; folders are walked.")]
MatchFormat = Annotated[Literal["table", "jsonl", "json"], typer.Option("--format", "-f", help="How it is shown.")]
PreviewFormat = Annotated[Literal["table", "jsonl"], typer.Option("--format", "-f", help="How it is shown.")]
SamplesShown = Annotated[
    int, typer.Option("--samples", "-n", min=0, help="Hidden matches that are shown of each rule.")
]
Output = Annotated[Path | None, typer.Option("--output", "-o", help="Write there, not to standard output.")]
Order = Annotated[Literal["level", "time"], typer.Option(help="Order of the table's rows.")]
Each = Annotated[bool, typer.Option("--each", help="A row for each match, not for each rule and host.")]
Events = Annotated[bool, typer.Option("--events", help="In JSON, with the fields of the event.")]
Shown = Annotated[int, typer.Option("--limit", "-n", min=0, help="Rows, or matches, that are shown; 0: all.")]
FailOn = Annotated[LevelName | None, typer.Option(help="Exit with 3 on a match of this level or above.")]
Workers = Annotated[int, typer.Option(min=0, help="Processes; 0: one a core.")]
Product = Annotated[str | None, typer.Option(help="Logsource of records that do not tell their own.")]
LogsourcePart = Annotated[str | None, typer.Option()]
Form = Annotated[Literal["table", "json"], typer.Option("--format", "-f", help="For people, or for a program.")]

EventFiles = Annotated[list[Path] | None, typer.Argument(help="Recordings, as for match; none: what is collected.")]
Navigator = Annotated[Path | None, typer.Option(help="Write a layer for the ATT&CK Navigator there.")]

Target = Annotated[Literal["lucene", "eql", "esql"], typer.Option("--target", "-t", help="Language of the queries.")]
QueryFormat = Annotated[
    str,
    typer.Option(
        "--format", "-f", help="jsonl, or one of pySigma's for the target: kibana_ndjson, dsl_lucene, eqlapi."
    ),
]

Url = Annotated[str, typer.Option(help="Page of metrics of `soc correlate`; none: that of the settings.")]
TopShown = Annotated[int, typer.Option("--limit", "-n", min=0, help="Rules that are shown; 0: all.")]


@app.command()
@selecting
def match(
    *,
    files: Recordings,
    selection: Selection,
    rules: RulesOption = None,
    form: MatchFormat = "table",
    output: Output = None,
    sort: Order = "level",
    each: Each = False,
    events: Events = False,
    limit: Shown = 0,
    fail_on: FailOn = None,
    workers: Workers = 0,
    product: Product = None,
    category: LogsourcePart = None,
    service: LogsourcePart = None,
    settings: SettingsFile = None,
) -> None:
    """Evaluate rules on recordings and show what matches."""
    from soc.alerts import Level  # noqa: PLC0415 - `soc --help` must stay quick
    from soc.rules.match import Wanted, run  # noqa: PLC0415 - as above

    loaded = settings_of(settings)
    wanted = Wanted(
        logsource=LogSource(product, category, service),
        format=form,
        output=output,
        sort=sort,
        each=each,
        events=events,
        limit=limit,
        workers=workers,
        fail_on=Level.parse(fail_on) if fail_on else None,
    )
    with explained():
        raise typer.Exit(run(loaded, files, selection.choice(loaded, rules), wanted))


@app.command()
@selecting
def preview(
    *,
    name: Annotated[
        str,
        typer.Argument(
            metavar="FILTER", help="A filter's file, or a part of its id, title or file name that no other has."
        ),
    ],
    files: Recordings,
    selection: Selection,
    rules: RulesOption = None,
    form: PreviewFormat = "table",
    output: Output = None,
    samples: SamplesShown = 3,
    workers: Workers = 0,
    product: Product = None,
    category: LogsourcePart = None,
    service: LogsourcePart = None,
    settings: SettingsFile = None,
) -> None:
    """Say which matches on recordings a filter would hide."""
    from soc.rules.preview import Wanted, run  # noqa: PLC0415 - `soc --help` must stay quick

    loaded = settings_of(settings)
    stated = LogSource(product, category, service)
    with explained():
        wanted = Wanted(logsource=stated, format=form, output=output, samples=samples, workers=workers)
        raise typer.Exit(run(loaded, name, files, selection.choice(loaded, rules), wanted))


@app.command()
@selecting
def coverage(
    *,
    selection: Selection,
    files: EventFiles = None,
    rules: RulesOption = None,
    form: Form = "table",
    navigator: Navigator = None,
    workers: Workers = 0,
    product: Product = None,
    category: LogsourcePart = None,
    service: LogsourcePart = None,
    settings: SettingsFile = None,
) -> None:
    """Tell which rules could fire on recorded events: those of a logsource that is seen, with fields that are there."""
    from soc.rules.coverage import Wanted, run  # noqa: PLC0415 - `soc --help` must stay quick

    loaded = settings_of(settings)
    stated = LogSource(product, category, service)
    with explained():
        wanted = Wanted(logsource=stated, form=form, navigator=navigator, workers=workers)
        raise typer.Exit(run(loaded, files or [], selection.choice(loaded, rules), wanted))


@app.command()
@selecting
def convert(
    *,
    target: Target,
    selection: Selection,
    paths: RulePaths = None,
    form: QueryFormat = "default",
    output: Output = None,
    settings: SettingsFile = None,
) -> None:
    """Write rules as queries for Elasticsearch.

    --pipeline takes pySigma's names too: ecs_windows (which is used where none is named), sysmon, windows-logsources,
    none and others.
    """
    from soc.rules.convert import Wanted, named, run  # noqa: PLC0415 - `soc --help` must stay quick

    loaded = settings_of(settings)
    with explained():
        names, files = named(selection.pipeline or [])
        choice = replace(selection, pipeline=files).choice(loaded, paths)
        raise typer.Exit(run(loaded, choice, names, Wanted(target=target, format=form, output=output)))


@app.command()
@selecting
def bench(
    *,
    selection: Selection,
    files: Annotated[list[Path] | None, typer.Argument(help="Recordings, as for match; none: a sample.")] = None,
    rules: RulesOption = None,
    form: Form = "table",
    product: Product = None,
    category: LogsourcePart = None,
    service: LogsourcePart = None,
    settings: SettingsFile = None,
) -> None:
    """Measure what the rules cost here: their load, and each event."""
    from soc.rules.bench import run  # noqa: PLC0415 - `soc --help` must stay quick

    loaded = settings_of(settings)
    stated = LogSource(product, category, service)
    with explained():
        raise typer.Exit(run(loaded, files or [], selection.choice(loaded, rules), form, stated))


@app.command()
def top(*, url: Url = "", limit: TopShown = 20, form: Form = "table", settings: SettingsFile = None) -> None:
    """Show the costliest rules of the running service."""
    from soc.rules.top import run  # noqa: PLC0415 - `soc --help` must stay quick

    loaded = settings_of(settings)
    with explained():
        raise typer.Exit(run(loaded, url, Selection().choice(loaded), limit, form))


def correlations(*, url: Url = "", form: Form = "table", settings: SettingsFile = None) -> None:
    """Show where each correlation of the running service stands: groups, windows, clock, and what was left out."""
    from soc.rules.standing import run  # noqa: PLC0415 - `soc --help` must stay quick

    loaded = settings_of(settings)
    with explained():
        raise typer.Exit(run(loaded, url, Selection().choice(loaded), form))
