"""Our log: structlog to standard error, what libraries log included. Log content never drives a terminal."""

import logging
import sys
from typing import Final

import structlog
from structlog.typing import EventDict, Processor

QUIET: Final = ("aiokafka", "elastic_transport")
"""Libraries that say many times a second what a stage says once: that the other side is away."""


def to_stderr(level: str) -> None:
    """Log from `level` on: for people at a terminal, as JSON lines otherwise."""
    people = sys.stderr.isatty()
    renderer: Processor = structlog.dev.ConsoleRenderer() if people else structlog.processors.JSONRenderer()
    prepare: list[Processor] = [
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso"),
        structlog.processors.format_exc_info,  # a traceback's text, never the values in its frames
        _printable,
    ]
    structlog.configure(
        processors=[*prepare, renderer],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
        cache_logger_on_first_use=True,
    )
    _take_in_libraries(prepare, renderer)


def _take_in_libraries(prepare: list[Processor], renderer: Processor) -> None:
    """Give what libraries log the same form; only warnings, and of the QUIET ones nothing short of the end."""
    finish = [structlog.stdlib.ProcessorFormatter.remove_processors_meta, renderer]
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(structlog.stdlib.ProcessorFormatter(processors=finish, foreign_pre_chain=prepare))
    logging.basicConfig(handlers=[handler], level=logging.WARNING, force=True)
    for name in QUIET:
        logging.getLogger(name).setLevel(logging.CRITICAL)


def visible(text: str) -> str:
    """Return the text with each control or other unprintable character but newlines spelled out."""
    return "".join(char if char.isprintable() or char == "\n" else repr(char)[1:-1] for char in text)


def _printable(_logger: object, _method: str, event: EventDict) -> EventDict:
    return {key: visible(value) if isinstance(value, str) else value for key, value in event.items()}
