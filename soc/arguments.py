"""What the commands share: the settings file as an option, and what was raised on purpose said without a traceback."""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, NoReturn

import typer

from soc import logs
from soc.errors import VonggacError
from soc.settings import Settings, load

SettingsFile = Annotated[
    Path | None, typer.Option("--settings", "-s", help="TOML file; SOC_* variables go over it.", envvar="SOC_SETTINGS")
]


def settings_of(file: Path | None) -> Settings:
    """Return the settings, the process's log set up by them; exit with 1 where they are wrong."""
    with explained():
        settings = load(file, os.environ)
        logs.to_stderr(settings.log_level)
    return settings


@contextmanager
def explained() -> Iterator[None]:
    """Print what Vonggac raised on purpose as one message, without a traceback, and exit with 1."""
    try:
        yield
    except VonggacError as error:
        _fail([error])
    except BaseExceptionGroup as group:
        known, others = group.split(VonggacError)
        if known is None or others is not None:
            raise
        _fail(list(_leaves(known)))


def _fail(errors: list[BaseException]) -> NoReturn:
    for error in errors:
        print(f"soc: {logs.visible(str(error))}", file=sys.stderr)  # noqa: T201 - the commands print
    sys.exit(1)


def _leaves(error: BaseException) -> Iterator[BaseException]:
    if isinstance(error, BaseExceptionGroup):
        for inner in error.exceptions:
            yield from _leaves(inner)
    else:
        yield error
