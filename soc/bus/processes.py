"""Whether another process of this machine still lives: a process id alone is used again by the next process."""

import os
from functools import cache
from pathlib import Path

_PROC = Path("/proc")
_START_TIME = 19
"""Where proc(5)'s starttime (field 22) stands after the command's closing parenthesis."""


@cache
def _world() -> str:
    """Return what process ids are relative to: this boot and this namespace (containers see ids of their own)."""
    try:
        boot = (_PROC / "sys/kernel/random/boot_id").read_text().strip()
        return f"{boot}/{(_PROC / 'self/ns/pid').stat().st_ino}"
    except OSError:
        return ""


def this_process() -> str:
    """Return a name that no other process of this machine has or will have: boot and namespace, id, start time."""
    return f"{_world()}/{os.getpid()}/{_start(os.getpid()) or 0}"


def is_gone(process: str) -> bool:
    """Tell whether the process of that name has certainly ended. False where that cannot be seen from here."""
    world, pid, start = process.rsplit("/", 2)
    boot = world.partition("/")[0]
    if not _world() or not boot:
        return False
    if boot != _world().partition("/")[0]:
        return True
    return world == _world() and _start(int(pid)) != start


def _start(pid: int) -> str | None:
    """Return the process's start time in clock ticks since boot, or None where there is none or only its remains."""
    try:
        fields = (_PROC / str(pid) / "stat").read_text().rpartition(")")[2].split()
    except OSError:
        return None
    return None if fields[0] in "ZX" else fields[_START_TIME]
