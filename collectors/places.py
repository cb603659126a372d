"""Places for connections: as many as the settings allow and as the process's file descriptors last."""

import resource
from typing import Final

import structlog

log = structlog.get_logger()

RESERVE: Final = 256
"""Descriptors kept for what is no sender's connection: the bus's files, the door, the health page."""


class Places:
    """Connections that may be open at once, over all listeners: a flood must not take the bus its files."""

    def __init__(self, wanted: int) -> None:
        """Give `wanted` places, or as many as descriptors last: then a warning says how to have more."""
        self._left = affordable(wanted)
        if self._left < wanted:
            remedy = "raise the hard limit of open files (LimitNOFILE, ulimit -Hn)"
            log.warning(
                "fewer connections than collect.max_connections", places=self._left, wanted=wanted, remedy=remedy
            )

    def take(self) -> bool:
        """Take a place; tell whether there was one."""
        if self._left <= 0:
            return False
        self._left -= 1
        return True

    def give_back(self) -> None:
        """Leave a place that was taken."""
        self._left += 1


def affordable(wanted: int) -> int:
    """Return how many connections, up to `wanted`, leave RESERVE descriptors (half of them where there are few).

    The soft limit of open files (1024 by default) is raised towards the hard one for that.
    """
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    need = wanted + RESERVE
    if soft == resource.RLIM_INFINITY:
        return wanted
    most = need if hard == resource.RLIM_INFINITY else min(need, hard)
    if soft < most:
        soft = most
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    return min(wanted, soft - min(RESERVE, soft // 2))
