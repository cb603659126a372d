"""Vonggac's shared ground: events, the bus and store ports, settings, metrics and the `soc` command."""

__version__ = "0.1.0"
