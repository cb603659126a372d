"""Fixtures that every test may ask for, and the test run's own beginning and end."""

import os

import pytest
from hypothesis import HealthCheck, settings

from tests.services import shared

# Property tests ---------------------------------------------------------------------------------------------------

# A busy machine is no failure, and the same code has the same examples; `make fuzz` looks for others.
settings.register_profile(
    "test", deadline=None, derandomize=True, database=None, suppress_health_check=[HealthCheck.too_slow]
)
settings.register_profile("fuzz", deadline=None, derandomize=False, max_examples=5_000)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "test"))

# The run ------------------------------------------------------------------------------------------------------------


def pytest_configure(config: pytest.Config) -> None:
    """Prepare the folder that the run's workers share."""
    shared.begin_run(config)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Say how much the tests of the engine compared, whichever worker ran them."""
    reports = [report for kind in ("", "passed", "failed") for report in terminalreporter.getreports(kind)]
    pairs = sum({r.nodeid: n for r in reports for name, n in r.user_properties if name == "pairs"}.values())
    if pairs:
        terminalreporter.write_line(f"engine and plain evaluator compared on {pairs:,} pairs of rule and event")


def pytest_unconfigure(config: pytest.Config) -> None:
    """Leave no process and no file behind, however the run ended."""
    shared.end_run(config)


# Real services, one of each a run; a test that kills or freezes one starts its own (tests/services) -------------------


@pytest.fixture(scope="session")
def kafka_service() -> shared.KafkaAddress:
    """A running broker at `.bootstrap`, shared by all tests: use topic and group names of your own."""
    return shared.kafka()


@pytest.fixture(scope="session")
def elastic_service() -> shared.ElasticAddress:
    """A running node at `.url`, shared by all tests: use index names of your own."""
    return shared.elastic()
