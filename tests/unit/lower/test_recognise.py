"""What large constants become: tables, picked by row and by column, and constants without repetitions."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from intaglio.lower.align import Constant
from intaglio.lower.graph import Graph, Node, reachable
from intaglio.lower.recognise import addends
from intaglio.lower.trace import Place
from intaglio.packed.program import Attr, Op
from intaglio.runtime.reference import KERNELS, Probe


def graph() -> Graph:
    return Graph(((32, 48),), Place("", "a test"))


def value_of(result: Node) -> np.ndarray:
    """The value of a node that needs no picture, by the reference."""
    values: dict[int, np.ndarray] = {}
    for node in reachable(result):
        lengths = {"shape": tuple(side[0] for side in node.shape)} if node.kind == "reshape" else {}
        attrs: dict[str, Attr] = {**node.attrs, **lengths}
        op = Op(node.kind, "x", tuple("x" for _ in node.inputs), "x", attrs, node.tensors)
        values[node.index] = KERNELS[node.kind](op, [values[x.index] for x in node.inputs], Probe(), (32, 48))
    return values[result.index]


def recognised(value: np.ndarray) -> Node:
    (found,) = addends(graph(), Constant((torch.from_numpy(value),))) or ()
    return found


def seen_from(heads: int, keys: tuple[int, int], apart: tuple[int, int], window: tuple[int, int]) -> np.ndarray:
    """Random numbers by the distance of a query from a key that lies `apart` from the next."""
    sides = [side + step * (count - 1) for side, step, count in zip(window, apart, keys, strict=True)]
    table = np.random.default_rng(0).normal(size=(heads, *sides)).astype(np.float32)
    rows, columns = (
        np.arange(side)[:, None] - step * np.arange(count)[None] + step * (count - 1)
        for side, step, count in zip(window, apart, keys, strict=True)
    )
    found = table[:, rows[:, None, :, None], columns[None, :, None, :]]
    return found.reshape(heads, window[0] * window[1], keys[0] * keys[1])


@settings(max_examples=20, deadline=None)
@given(
    heads=st.integers(2, 4),
    keys=st.tuples(st.integers(2, 4), st.integers(2, 4)),
    apart=st.tuples(st.integers(1, 4), st.integers(1, 4)),
)
def test_biases_of_keys_further_apart_keep_their_values(
    heads: int, keys: tuple[int, int], apart: tuple[int, int]
) -> None:
    window = (keys[0] * apart[0], keys[1] * apart[1])
    value = seen_from(heads, keys, apart, window)
    np.testing.assert_array_equal(value_of(recognised(value)), value)


@pytest.mark.parametrize(
    ("window", "keys", "apart"),
    [((32, 32), (8, 8), (4, 4)), ((16, 16), (24, 24), (1, 1)), ((8, 32), (4, 8), (2, 4))],
    ids=["cells of a window", "keys beyond the window", "cells that are no squares"],
)
def test_a_bias_of_moving_windows_is_stored_as_a_table(
    window: tuple[int, int], keys: tuple[int, int], apart: tuple[int, int]
) -> None:
    value = seen_from(2, keys, apart, window)
    found = recognised(value)
    stored = sum(tensor.size for node in reachable(found) for tensor in node.tensors.values())
    assert 4 * stored < value.size
    np.testing.assert_array_equal(value_of(found), value)


def test_a_bias_of_nothing_in_particular_is_a_constant() -> None:
    value = np.random.default_rng(0).normal(size=(2, 16, 64)).astype(np.float32)
    assert recognised(value).kind == "constant"
    value = seen_from(2, (4, 4), (2, 2), (8, 8))
    value[1, 3, 3] += 1.0
    assert recognised(value).kind == "constant"


def test_one_number_for_each_head_is_stored_once() -> None:
    made = graph()
    scores = made.node("input", (), made.shape(5, 3, 64, 64))
    heads = np.float32([1.0, -2.0, 3.0])
    constant = Constant((torch.from_numpy(np.broadcast_to(heads[:, None, None], (3, 64, 64)).copy()),))
    (bias,) = addends(made, constant) or ()
    total = made.binary("add", scores, bias)
    assert total.shape == scores.shape
    np.testing.assert_array_equal(total.inputs[1].tensors["value"], heads[:, None, None])


def test_repetitions_that_the_other_operand_lacks_stay() -> None:
    made = graph()
    small = made.node("input", (), made.shape(1, 64))
    total = made.binary("add", small, made.constant(np.ones((48, 64), np.float32)))
    assert total.shape == made.shape(48, 64)
    assert total.inputs[1].tensors["value"].shape == (48, 1)
