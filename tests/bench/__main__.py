"""Prints every benchmark's figures and writes them to bench.json: `python -m tests.bench [NAME...]`."""

import importlib
import json
import os
import platform
import sys
from pathlib import Path

from tests.bench.figures import Figure

HERE = Path(__file__).parent


def main(names: list[str]) -> int:
    """Run the named benchmarks, or all; return 1 where a figure is missed."""
    figures: list[Figure] = []
    for name in names or sorted(path.stem for path in HERE.glob("bench_*.py")):
        print(f"-- {name}", flush=True)
        for figure in importlib.import_module(f"tests.bench.{name}").run():
            print(
                f"{figure.name:60} {figure.value:12,.2f} {figure.unit:10} want {figure.wanted}  {figure.verdict}",
                flush=True,
            )
            figures.append(figure)
    machine = {"cores": os.cpu_count(), "python": platform.python_version(), "machine": platform.machine()}
    document = {"machine": machine, "figures": [figure.to_document() for figure in figures]}
    Path("bench.json").write_text(json.dumps(document, indent=2) + "\n", "utf-8")
    return 0 if all(figure.ok for figure in figures) else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
