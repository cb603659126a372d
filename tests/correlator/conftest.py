"""What the correlator's tests share: rules written in a few lines, compiled as in the service."""

import textwrap
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import orjson
import pytest

from correlator.compiler.compile import compile_files
from correlator.filters import apply
from correlator.rules import RuleSet, plain
from soc.bus.base import Record, TopicPartition
from soc.clock import SystemClock
from soc.events import LogSource
from soc.metrics import Metrics
from soc.settings import BusSettings, CorrelateSettings, Settings, StoreSettings
from soc.testing import NOW
from tests.correlator.flaky import FlakyBus, FlakyStore

LOGSOURCE = LogSource("linux", None, "sshd")

HEAD = """\
title: A rule under test
id: 00000000-0000-4000-8000-000000000001
level: high
logsource:
    product: linux
    service: sshd
detection:
"""

RuleFrom = Callable[..., RuleSet]
Fires = Callable[..., bool]
Read = Callable[[str], Awaitable[list[Record]]]


@pytest.fixture
def rule_from(tmp_path: Path) -> RuleFrom:
    """Return a function that compiles one rule from its detection part; a refused rule is in `failures`.

    Behind a line of three dashes may stand whole documents: filters, which are applied on the day of a ManualClock.
    """

    def make(detection: str, placeholders: Mapping[str, Sequence[str | int]] | None = None) -> RuleSet:
        file = tmp_path / "rule.yml"
        part, dashes, others = detection.partition("\n---\n")
        file.write_text(HEAD + textwrap.indent(textwrap.dedent(part), "    ") + dashes + others, encoding="utf-8")
        compiled = apply(compile_files([file], placeholders or {}), NOW).compiled
        return RuleSet(compiled.rules, compiled.failures)

    return make


@pytest.fixture
def fires(rule_from: RuleFrom) -> Fires:
    """Return a function that tells whether a selection (or a whole detection part) fires on fields.

    The engine and the plain evaluator must agree, and the engine with itself when it remembers.
    """

    def decide(detection: str, fields: Mapping[str, Any], **placeholders: Sequence[str | int]) -> bool:
        if "condition:" not in detection:
            detection = "sel:\n" + textwrap.indent(textwrap.dedent(detection), "    ") + "\ncondition: sel\n"
        rules = rule_from(detection, placeholders)
        assert not rules.failures, rules.failures
        expected = bool(plain(rules.covering(LOGSOURCE), fields))
        for wire in (None, orjson.dumps({"fields": fields}), None):
            assert bool(rules.evaluate(LOGSOURCE, dict(fields), wire=wire)) is expected, (detection, fields, wire)
        return expected

    return decide


@pytest.fixture
def refused(rule_from: RuleFrom) -> Callable[[str], str]:
    """Return a function that compiles a detection part that must be refused and returns "LINE: REASON"."""

    def decide(detection: str) -> str:
        rules = rule_from(detection)
        assert not rules.rules
        return f"{rules.failures[0].line}: {rules.failures[0].reason}"

    return decide


# Ports ---------------------------------------------------------------------------------------------------------------


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    """Settings of a service whose whole state is in this test's folder."""
    return Settings(
        bus=BusSettings(url=f"sqlite:///{tmp_path}/bus", partitions=2),
        store=StoreSettings(url=f"sqlite:///{tmp_path}/store"),
        correlate=CorrelateSettings(flood_per_minute=100, flood_samples=2, cache=f"{tmp_path}/rules-cache"),
    )


@pytest.fixture
def metrics() -> Metrics:
    """Metrics of this test alone."""
    return Metrics()


@pytest.fixture
async def bus(settings: Settings, metrics: Metrics) -> AsyncIterator[FlakyBus]:
    """An open bus that can be told to fail."""
    async with FlakyBus(settings.bus, metrics, SystemClock()) as opened:
        assert isinstance(opened, FlakyBus)
        yield opened


@pytest.fixture
async def store(settings: Settings, metrics: Metrics) -> AsyncIterator[FlakyStore]:
    """An open store that can be told to fail."""
    async with FlakyStore(settings.store, metrics, SystemClock()) as opened:
        assert isinstance(opened, FlakyStore)
        yield opened


@pytest.fixture
def read(bus: FlakyBus) -> Read:
    """Return a function that reads everything on a topic."""

    async def everything(topic: str) -> list[Record]:
        ends = await bus.ends(topic)
        pages = [await bus.read(TopicPartition(topic, p), end.low, 100_000) for p, end in sorted(ends.items())]
        return [record for page in pages for record in page]

    return everything
