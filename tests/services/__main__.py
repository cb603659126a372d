"""Run a real Kafka and a real Elasticsearch until Ctrl-C: `python -m tests.services`.

When a service is ready, one line on standard output says where, as the setting that points `soc` at it.
"""

import argparse
import os
import select
import signal
import sys
import tempfile
import threading
import time
from contextlib import ExitStack
from pathlib import Path

from tests.services.elastic import Elastic
from tests.services.kafka import Kafka
from tests.services.process import ServiceError

KINDS: dict[str, type[Kafka | Elastic]] = {kind.name: kind for kind in (Kafka, Elastic)}


def setting(service: Kafka | Elastic) -> str:
    """Return the setting that makes the product use `service`, "NAME=URL"."""
    if isinstance(service, Kafka):
        return f"SOC_BUS__URL=kafka://{service.bootstrap}"
    return f"SOC_STORE__URL={service.url}"


def _run(names: list[str], work: Path, *, quick: bool) -> None:
    with ExitStack() as stack:
        services = [KINDS[name](work / name, quick=quick) for name in names]
        for service in services:
            stack.enter_context(service)
            print(setting(service), flush=True)
        while all(service.pid for service in services):
            time.sleep(0.2)
        raise ServiceError("\n".join(service.ending() for service in services if not service.pid))


def _end_with(owner: int) -> None:
    """End this process, in order, when the process `owner` ends."""
    handle = os.pidfd_open(owner)

    def watch() -> None:
        select.select([handle], [], [])
        os.kill(os.getpid(), signal.SIGTERM)

    threading.Thread(target=watch, daemon=True, name="owner").start()


def _stop(_number: int, _frame: object) -> None:
    raise KeyboardInterrupt


def main() -> int:
    """Start what the command line names, print where, and run until a signal or a service's end."""
    parser = argparse.ArgumentParser(prog="python -m tests.services", description=__doc__)
    parser.add_argument("--only", choices=KINDS, help="start this service alone")
    parser.add_argument("--quick", action="store_true", help="start with less CPU, serve a heavy load slower")
    parser.add_argument("--work", type=Path, help="keep data and logs here (default: a temporary folder)")
    parser.add_argument("--owner", type=int, help="end when this process ends")
    arguments = parser.parse_args()
    signal.signal(signal.SIGTERM, _stop)
    try:
        if arguments.owner:
            _end_with(arguments.owner)
        with tempfile.TemporaryDirectory(prefix="vonggac-services-") as temporary:
            _run(
                [arguments.only] if arguments.only else list(KINDS),
                arguments.work or Path(temporary),
                quick=arguments.quick,
            )
    except KeyboardInterrupt:
        return 0
    except (ServiceError, ProcessLookupError) as error:
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
