"""The rules of one process: one stage loads them, the others wait for them and look at what is in force."""

import asyncio

from correlator.correlation.plan import Plan
from correlator.rules import RuleSet


class RulesInForce:
    """Empty until the first rule set is put in force."""

    def __init__(self) -> None:
        """Begin empty."""
        self._rules: RuleSet | None = None
        self._loaded = asyncio.Event()

    def put(self, rules: RuleSet) -> None:
        """Put a rule set in force from now on."""
        self._rules = rules
        self._loaded.set()

    async def loaded(self) -> bool:
        """Return True once there is a rule set."""
        return await self._loaded.wait()

    def plan(self) -> Plan:
        """Return the correlations in force; none before the first rule set."""
        return self._rules.plan if self._rules else Plan()
