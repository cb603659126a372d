"""The typer application that the commands of this room register themselves with, and the options that they share.

A command that takes a `selection: Selection` and is decorated with `selecting` has an option for each part of it.
"""

import inspect
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields, replace
from enum import StrEnum
from functools import wraps
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final, get_type_hints

import typer

from soc.settings import Settings

if TYPE_CHECKING:
    from correlator.choice import Choice

app = typer.Typer(no_args_is_help=True, help="Sigma rules: checked, listed, tested, explained, run over files.")

LevelName = StrEnum("LevelName", ["informational", "low", "medium", "high", "critical"])
Status = StrEnum("Status", ["stable", "test", "experimental", "deprecated", "unsupported"])

RulePaths = Annotated[
    list[Path] | None, typer.Argument(help="Files and folders of rules; none: the configured ones.", show_default=False)
]

_PANEL: Final = "Which rules"
_OF_LEVEL = "Rules of this level; may be given several times."
_FROM = "Rules of this level or a higher one."
_OF_STATUS = "Rules of this status; may be given several times."
_TAGGED = "Rules with this tag; * stands for anything: attack.t1059*"
_LOGSOURCE = "Rules of this logsource, PRODUCT/CATEGORY/SERVICE: windows, */process_creation"
_AUTHOR = "Rules whose author contains this."
_PIPELINE = "pySigma processing pipeline (YAML) that the rules go through first, beside the configured ones."


@dataclass(frozen=True, kw_only=True)
class Selection:
    """Which rules the command line asks for. What is not given leaves that part of the settings' choice as it is."""

    level: Annotated[list[LevelName] | None, typer.Option(help=_OF_LEVEL, metavar="LEVEL", rich_help_panel=_PANEL)] = (
        None
    )
    min_level: Annotated[LevelName | None, typer.Option(help=_FROM, metavar="LEVEL", rich_help_panel=_PANEL)] = None
    status: Annotated[list[Status] | None, typer.Option(help=_OF_STATUS, metavar="STATUS", rich_help_panel=_PANEL)] = (
        None
    )
    tag: Annotated[list[str] | None, typer.Option(help=_TAGGED, metavar="TAG", rich_help_panel=_PANEL)] = None
    logsource: Annotated[
        list[str] | None, typer.Option(help=_LOGSOURCE, metavar="LOGSOURCE", rich_help_panel=_PANEL)
    ] = None
    author: Annotated[list[str] | None, typer.Option(help=_AUTHOR, metavar="TEXT", rich_help_panel=_PANEL)] = None
    pipeline: Annotated[list[Path] | None, typer.Option(help=_PIPELINE, metavar="FILE", rich_help_panel=_PANEL)] = None

    def choice(self, settings: Settings, paths: Sequence[Path] | None = None) -> "Choice":
        """Return the settings' choice of rules, narrowed. Raises SettingsError where a logsource is none."""
        from correlator.choice import Choice  # noqa: PLC0415 - `soc --help` must stay quick

        chosen = Choice.of(settings)
        only = {name: value for name, value in self._only().items() if value}
        return replace(
            chosen,
            paths=tuple(paths) if paths else chosen.paths,
            pipelines=(*chosen.pipelines, *(self.pipeline or ())),
            only=replace(chosen.only, **only),
        )

    def _only(self) -> dict[str, Any]:
        from correlator import choice  # noqa: PLC0415 - as above
        from soc.alerts import Level  # noqa: PLC0415 - as above

        levels = set(map(Level.parse, self.level or ()))
        return {
            "levels": frozenset(levels | (choice.at_least(Level.parse(self.min_level)) if self.min_level else set())),
            "statuses": frozenset(self.status or ()),
            "tags": tuple(self.tag or ()),
            "logsources": tuple(map(choice.logsource, self.logsource or ())),
            "authors": tuple(self.author or ()),
        }


def cache_of(settings: Settings) -> Path | None:
    """Return the folder of compiled rules where the service has one and it is ours; a command leaves none elsewhere."""
    folder = settings.correlate.cache_folder
    try:
        return folder if folder and folder.is_dir() and folder.stat().st_uid == os.geteuid() else None
    except OSError:  # below a folder that is the service's alone
        return None


def selecting(command: Callable[..., None]) -> Callable[..., None]:
    """Give a command that takes a `selection: Selection` the options that make one."""
    names = [each.name for each in fields(Selection)]

    @wraps(command)
    def with_options(**given: Any) -> None:
        selection = Selection(**{name: given.pop(name) for name in names})
        command(**given, selection=selection)

    own = [each for name, each in inspect.signature(command).parameters.items() if name != "selection"]
    hints = get_type_hints(Selection, include_extras=True)
    options = [inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=None) for name in names]
    annotations = {**get_type_hints(command, include_extras=True), **hints}
    parameters = [each.replace(annotation=annotations[each.name]) for each in (*own, *options)]
    with_options.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined] # typer reads it
    with_options.__annotations__ = {name: kind for name, kind in annotations.items() if name != "selection"}
    return with_options
