"""The `soc` command: parses arguments, names what went wrong, and leaves the work to the rooms."""

import asyncio
from functools import partial
from pathlib import Path
from typing import Annotated

import typer

from soc import __version__
from soc.arguments import SettingsFile, explained, settings_of
from soc.events import LogSource
from soc.rules import reading, running  # noqa: F401 - reading registers its commands
from soc.rules.app import app as rules
from soc.settings import Address, Settings

app = typer.Typer(
    name="soc",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    help="Vonggac: log monitoring for a province's Security Operations Center.",
)
deadletter = typer.Typer(no_args_is_help=True, help="Inputs that could not be processed, each with its reason.")
app.add_typer(deadletter, name="deadletter")
app.add_typer(rules, name="rules")
app.command()(running.correlations)


@app.command()
def up(settings: SettingsFile = None) -> None:
    """Run every role, one process each; when one ends, all end."""
    loaded = settings_of(settings)
    import soc.app as wiring
    from soc.supervise import supervise

    with explained():
        supervise(list(wiring.ROLES), partial(_role, settings=loaded))


@app.command()
def collect(settings: SettingsFile = None) -> None:
    """Run the collectors alone."""
    _role("collect", settings_of(settings))


@app.command()
def correlate(settings: SettingsFile = None) -> None:
    """Run the correlator alone."""
    _role("correlate", settings_of(settings))


@app.command()
def alert(settings: SettingsFile = None) -> None:
    """Run alerting and the console alone."""
    _role("alert", settings_of(settings))


@app.command()
def replay(
    files: Annotated[list[Path], typer.Argument(help="JSON lines (gzip, zstd), EVTX or syslog text.")],
    settings: SettingsFile = None,
    pace: Annotated[
        float, typer.Option(help="0: full speed; 1: at the recorded pace; 10: ten times as fast.", min=0)
    ] = 0,
    product: Annotated[str | None, typer.Option(help="Logsource of records that do not tell their own.")] = None,
    category: Annotated[str | None, typer.Option()] = None,
    service: Annotated[str | None, typer.Option()] = None,
) -> None:
    """Publish recorded events, through the running collector where there is one."""
    from soc.commands import replay as run

    with explained():
        asyncio.run(run(settings_of(settings), files, pace, LogSource(product, category, service)))


@app.command()
def alerts(settings: SettingsFile = None, limit: Annotated[int, typer.Option(min=1, max=500)] = 20) -> None:
    """Print the latest alerts as a table."""
    from soc.commands import alerts as run

    with explained():
        asyncio.run(run(settings_of(settings), limit))


@app.command()
def demo(
    recordings: Annotated[Path, typer.Argument(help="Folder of syslog recordings.")],
    settings: SettingsFile = None,
) -> None:
    """Start everything, send the recordings to the syslog port, show the alerts, and stay until Ctrl-C."""
    from soc.demo import run

    with explained():
        asyncio.run(run(settings_of(settings), recordings, settings))


@app.command()
def national_mock(
    listen: Annotated[str, typer.Option(help="HOST:PORT")] = "127.0.0.1:9200",
    data: Annotated[Path | None, typer.Option(help="Folder for what was received; none: memory.")] = None,
) -> None:
    """Run the mock of the National SOC's receiving end."""
    from soc.commands import national_mock as run

    try:
        address = Address.model_validate(listen)
    except ValueError:
        raise typer.BadParameter(f"{listen!r}: want HOST:PORT", param_hint="--listen") from None
    with explained():
        asyncio.run(run(address, data))


@app.command()
def password() -> None:
    """Ask for a password and print the hash for console.users."""
    from argon2 import PasswordHasher

    hasher = PasswordHasher(time_cost=2, memory_cost=19 * 1024, parallelism=1)  # OWASP's figures: small machines verify
    print(hasher.hash(typer.prompt("Password", hide_input=True, confirmation_prompt=True)))


@app.command()
def version() -> None:
    """Print the version."""
    print(f"vonggac {__version__}")


@deadletter.command("ls")
def deadletter_ls(settings: SettingsFile = None, limit: Annotated[int, typer.Option(min=1)] = 50) -> None:
    """List the latest dead letters."""
    from soc.commands import deadletter_ls as run

    with explained():
        asyncio.run(run(settings_of(settings), limit))


@deadletter.command("show")
def deadletter_show(number: int, settings: SettingsFile = None) -> None:
    """Show one dead letter whole."""
    from soc.commands import deadletter_show as run

    with explained():
        asyncio.run(run(settings_of(settings), number))


@deadletter.command("retry")
def deadletter_retry(numbers: list[int], settings: SettingsFile = None) -> None:
    """Publish dead letters again on the topic that they came from."""
    from soc.commands import deadletter_retry as run

    with explained():
        asyncio.run(run(settings_of(settings), numbers))


def _role(role: str, settings: Settings) -> None:
    from soc.app import run_role

    with explained():
        run_role(role, settings)


def main() -> None:
    """Run the command."""
    app()


if __name__ == "__main__":
    main()
