"""From aligned passes to a graph: every call that the picture depends on becomes nodes, by the rules of `aten`."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from intaglio.errors import LoweringError
from intaglio.lower.align import Aligned, AlignedCall, Constant
from intaglio.lower.aten import RULES
from intaglio.lower.graph import Graph, Node
from intaglio.lower.operands import Operands, Value
from intaglio.lower.trace import Place, Ref


def translate(found: Aligned, channels: int) -> tuple[Graph, Node]:
    """The graph of a traced network and the node of its result; the picture is the node of kind ``input``.

    Raises: LoweringError for operators that programs do not have, all of them named with the module that calls them
    and the line of source.
    """
    graph = Graph(found.sizes, Place("", "the picture"), found.inside)
    sides = tuple(zip(*found.sizes, strict=True))
    picture = graph.node("input", (), (graph.side(1), graph.side(channels), *sides))
    values: dict[int, Value] = {0: picture}
    calls = _needed(found)
    _require_rules(calls)
    for call in calls:
        graph.place = call.place
        result = RULES[call.op](Operands(call, graph, values))
        results: Sequence[Any] = [result] if isinstance(result, Node) else result
        values.update({number: value for number, value in zip(call.outputs, results, strict=True) if value is not None})
    final = values[found.result]
    assert isinstance(final, Node)
    return graph, final


def _needed(found: Aligned) -> list[AlignedCall]:
    """The calls that the result depends on."""
    wanted, kept = {found.result}, []
    for call in reversed(found.calls):
        if wanted.intersection(call.outputs):
            kept.append(call)
            wanted.update(_numbers(call.args.values()))
    return kept[::-1]


def _numbers(values: Any) -> Iterator[int]:
    for value in values:
        if isinstance(value, Ref):
            yield value.number
        elif isinstance(value, tuple) and not isinstance(value, Constant):
            yield from _numbers(value)


def _require_rules(calls: Sequence[AlignedCall]) -> None:
    missing: dict[str, list[AlignedCall]] = {}
    for call in calls:
        if call.op not in RULES:
            missing.setdefault(call.op, []).append(call)
    if missing:
        told = "; ".join(f"{op}, {len(of)} times, first in {of[0].place}" for op, of in missing.items())
        raise LoweringError(f"programs have no operation for {told}. Evaluate the network in simulation.")
