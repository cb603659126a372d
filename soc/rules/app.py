"""The typer application that the commands of this room register themselves with."""

import typer

app = typer.Typer(no_args_is_help=True, help="Sigma rules.")
