"""Which of a graph's nodes come before which, and those that are on a cycle."""

from collections.abc import Mapping, Sequence
from contextlib import suppress
from graphlib import CycleError, TopologicalSorter


def in_order(edges: Mapping[str, Sequence[str]]) -> tuple[list[str], list[list[str]]]:
    """Return the nodes in an order, and the cycles, each once: its nodes lead each to the next, the last to the first.

    Behind all that it leads to comes each node that leads to no cycle; behind them each that leads to one, after at least
    one other, or a cycle, that it leads to there. Every edge leads to a node.
    """
    sorter = TopologicalSorter(edges)
    with suppress(CycleError):
        sorter.prepare()
    ordered: list[str] = []
    while ready := sorter.get_ready():
        ordered += ready
        sorter.done(*ready)
    stuck = set(edges).difference(ordered)
    ahead = {node: next(each for each in edges[node] if each in stuck) for node in edges if node in stuck}
    rings = []
    for way, ring in _walks(ahead):
        rings += [ring] if ring else []
        ordered += way[::-1]
    return ordered, rings


def _walks(ahead: Mapping[str, str]) -> list[tuple[list[str], list[str]]]:
    """Return walks that together see each node once: the nodes before the ring that a walk enters first, and the ring."""
    walks = []
    seen: set[str] = set()
    for start in ahead:
        way: dict[str, int] = {}
        node = start
        while node not in seen:
            seen.add(node)
            way[node] = len(way)
            node = ahead[node]
        nodes, entered = list(way), way.get(node, len(way))
        walks.append((nodes[:entered], nodes[entered:]))
    return walks
