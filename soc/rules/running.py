"""The commands that run rules over events, and tell what they can see and cost: match, coverage, convert, bench, top."""

from pathlib import Path
from typing import Annotated, Literal

import typer

from soc.arguments import SettingsFile, explained, settings_of
from soc.events import LogSource
from soc.rules.app import LevelName, Selection, app, selecting

RulesOption = Annotated[
    list[Path] | None,
    typer.Option("--rules", "-r", help="File or folder of rules; may be given several times.", show_default=False),
]
Recordings = Annotated[list[Path], typer.Argument(help="JSON, EVTX or syslog, also .gz and .zst; folders are walked.")]
MatchFormat = Annotated[Literal["table", "jsonl", "json"], typer.Option("--format", "-f", help="How it is shown.")]
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
