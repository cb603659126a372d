"""The commands for people who write and keep rules: check, list, test and explain."""

from pathlib import Path
from typing import Annotated, Literal

import typer

from soc.arguments import SettingsFile, explained, settings_of
from soc.events import LogSource
from soc.rules.app import RulePaths, Selection, app, selecting

TextOrJson = Annotated[Literal["text", "json"], typer.Option("--format", help="For people, or for a program.")]
ListFormat = Annotated[Literal["table", "json", "ids"], typer.Option("--format", help="ids: one a line.")]
Strict = Annotated[bool, typer.Option("--strict", help="Exit with 1 on a warning too.")]
Every = Annotated[bool, typer.Option("--all", help="Leave nothing out of what is otherwise folded.")]
RulesOption = Annotated[
    list[Path] | None,
    typer.Option("--rules", help="Where RULE is looked for, a file or folder; none: the configured rules."),
]
Samples = Annotated[
    list[Path] | None, typer.Option("--samples", help="More folders of samples, beside those that stand by the rules.")
]


@app.command()
@selecting
def check(
    *,
    selection: Selection,
    paths: RulePaths = None,
    settings: SettingsFile = None,
    strict: Strict = False,
    every: Every = False,
    form: TextOrJson = "text",
) -> None:
    """Name each rule that cannot be evaluated, and warn of each that can never fire or says something twice."""
    from soc.rules.checked import run  # noqa: PLC0415 - `soc --help` must stay quick

    loaded = settings_of(settings)
    with explained():
        raise typer.Exit(run(loaded, selection.choice(loaded, paths), strict=strict, every=every, form=form))


@app.command("list")
@selecting
def list_rules(
    *,
    selection: Selection,
    paths: RulePaths = None,
    settings: SettingsFile = None,
    form: ListFormat = "table",
) -> None:
    """List the rules, gravest first, with totals by level."""
    from soc.rules.listed import run  # noqa: PLC0415 - as above

    loaded = settings_of(settings)
    with explained():
        run(loaded, selection.choice(loaded, paths), form)


@app.command("test")
@selecting
def try_samples(
    *,
    selection: Selection,
    paths: RulePaths = None,
    settings: SettingsFile = None,
    samples: Samples = None,
    every: Every = False,
    form: TextOrJson = "text",
) -> None:
    """Evaluate each rule on its samples: NAME.samples.yml beside it, or SigmaHQ's regression_data.

    Exits with 1 where a sample's rule does not do what it should.
    """
    from soc.rules.tested import run  # noqa: PLC0415 - as above

    loaded = settings_of(settings)
    with explained():
        choice = selection.choice(loaded, paths)
        raise typer.Exit(run(loaded, choice, samples or (), every=every, form=form))


@app.command()
def explain(
    *,
    rule: Annotated[
        str, typer.Argument(help="A rule's file, or a part of its id, title or file name that no other has.")
    ],
    event: Annotated[str, typer.Argument(help="A file of events (JSON, EVTX, syslog text), or - for standard input.")],
    settings: SettingsFile = None,
    rules: RulesOption = None,
    record: Annotated[
        int | None,
        typer.Option(help="Which event of the file, from 1; none: the first that the rule fires on, or sees.", min=1),
    ] = None,
    product: Annotated[str | None, typer.Option(help="Logsource of records that do not tell their own.")] = None,
    category: Annotated[str | None, typer.Option()] = None,
    service: Annotated[str | None, typer.Option()] = None,
    every: Every = False,
    group: Annotated[
        str, typer.Option(help="Of a correlation: a part of the values of the group that is asked about.")
    ] = "",
    form: TextOrJson = "text",
) -> None:
    """Say why a rule fires on an event or does not: each part of its condition, true or false, with the value seen.

    Of a correlation: whether it fires on the whole recording, for which group, and how near it came.
    """
    from soc.rules.explained import run  # noqa: PLC0415 - as above

    loaded = settings_of(settings)
    with explained():
        choice = Selection().choice(loaded, rules)
        stated = LogSource(product, category, service)
        run(loaded, choice, rule, event, record=record, logsource=stated, every=every, group=group, form=form)
