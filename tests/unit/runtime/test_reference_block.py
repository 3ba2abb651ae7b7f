"""The transformer block against a loop over windows and heads, written independently in double precision.

Each stage of the loop starts from the codes that the reference showed to its tap, so that a code at a rounding boundary
cannot hide a wrong stage or fail a right one.
"""

from __future__ import annotations

import math

import numpy as np
import pytest

from intaglio.packed.examples import random_program
from intaglio.packed.program import Op
from intaglio.runtime.reference import Block, Probe
from intaglio.spec import Grid

DIM, HEADS, WINDOW = 12, 2, 4
CHANNELS = DIM // HEADS
ROUNDING = 2.0**-24


def block_op(shift: int, bits: int = 4, per_channel: bool = False) -> Op:
    rng = np.random.default_rng(shift + bits)
    program = random_program(rng, bits=bits, dim=DIM, heads=HEADS, window=WINDOW, per_channel=per_channel)
    op = next(op for op in program.ops if op.kind == "window_block")
    return Op(op.kind, op.name, op.inputs, op.output, {**op.attrs, "shift": shift}, op.tensors, op.sites)


def real(codes: np.ndarray, grid: Grid) -> np.ndarray:
    return grid.lower + grid.step * codes.astype(np.float64)


def assert_codes(x: np.ndarray, codes: np.ndarray, grid: Grid, error: float) -> None:
    """`codes` are nearest levels of `x`, where x may be off by `error` and its code by rounding."""
    level = real(codes, grid)
    nearest = np.clip(x, grid.lower, grid.upper)
    slack = grid.step / 2 + error + 8 * ROUNDING * (abs(grid.lower) + grid.step * grid.top)
    assert np.max(np.abs(nearest - level)) <= slack


def layer_norm(x: np.ndarray, weight: np.ndarray, bias: np.ndarray) -> np.ndarray:
    return (x - x.mean()) / math.sqrt(x.var() + 1e-5) * weight + bias


class Loop:
    """One window, step by step as in section 5 of the numerics page."""

    def __init__(self, op: Op, seen: dict[str, np.ndarray], window: int) -> None:
        self.op = op
        self.seen = {role: seen[site.name][window] for role, site in op.sites.items() if site.name in seen}

    def check(self, x: np.ndarray, role: str, error: float) -> np.ndarray:
        """Assert that the codes of `role` are those of `x`; their real values."""
        grid = self.op.sites[role].grid
        assert_codes(x, self.seen[role], grid, error)
        return real(self.seen[role], grid)

    def linear(self, x: np.ndarray, part: str) -> np.ndarray:
        start = {"q": 0, "k": DIM, "v": 2 * DIM, "proj": 3 * DIM, "fc1": 4 * DIM, "fc2": 6 * DIM}[part]
        codes, grids = self.op.tensors[f"{part}.codes"], self.op.sites[f"{part}.weight"].grids
        weight = np.stack([real(row, grids[n % len(grids)]) for n, row in enumerate(codes)])
        return x @ weight.T + self.op.tensors["bias"][start : start + len(codes)]

    def attention(self, t: np.ndarray, visible: np.ndarray, error: float) -> np.ndarray:
        norm, table = self.op.tensors["norm"], self.op.tensors["table"]
        normed = np.stack([layer_norm(token, norm[0], norm[1]) for token in t])
        q, k, v = (self.linear(self.check(normed, f"{part}.input", error), part) for part in "qkv")
        out = np.zeros_like(t)
        heads = {role: self.seen[role] for role in ("scores.a", "scores.b", "context.a", "context.b")}
        for head in range(HEADS):
            self.seen |= {role: codes[head] for role, codes in heads.items()}
            mine = slice(head * CHANNELS, (head + 1) * CHANNELS)
            a = self.check(q[:, mine] * CHANNELS**-0.5, "scores.a", error)
            b = self.check(k[:, mine], "scores.b", error)
            shares = np.zeros((WINDOW**2, WINDOW**2))
            for i in range(WINDOW**2):
                scores = np.zeros(WINDOW**2)
                for j in range(WINDOW**2):
                    dy, dx = i // WINDOW - j // WINDOW, i % WINDOW - j % WINDOW
                    row = (dy + WINDOW - 1) * (2 * WINDOW - 1) + dx + WINDOW - 1
                    scores[j] = a[i] @ b[j] + table[row, head] - (0 if visible[i, j] else 100)
                shares[i] = np.exp(scores - scores.max()) / np.exp(scores - scores.max()).sum()
            mixed = self.check(shares, "context.a", error) @ self.check(v[:, mine], "context.b", error)
            out[:, mine] = mixed
        return t + self.linear(self.check(out, "proj.input", error), "proj")

    def mlp(self, t: np.ndarray, error: float) -> np.ndarray:
        norm = self.op.tensors["norm"]
        normed = np.stack([layer_norm(token, norm[2], norm[3]) for token in t])
        hidden = self.linear(self.check(normed, "fc1.input", error), "fc1")
        bent = hidden / 2 * (1 + np.vectorize(math.erf)(hidden / math.sqrt(2)))
        return t + self.linear(self.check(bent, "fc2.input", error), "fc2")


@pytest.mark.parametrize(("shift", "bits", "per_channel"), [(0, 4, False), (2, 4, False), (1, 2, True), (3, 8, False)])
@pytest.mark.parametrize(("rows", "columns"), [(1, 1), (2, 3)])
def test_block_equals_a_loop_over_windows(shift: int, bits: int, per_channel: bool, rows: int, columns: int) -> None:
    op = block_op(shift, bits, per_channel)
    height, width = rows * WINDOW, columns * WINDOW
    x = np.random.default_rng(3).standard_normal((DIM, height, width)).astype(np.float32)
    seen: dict[str, np.ndarray] = {}
    got = Block(op, Probe(tap=seen.__setitem__))(x)
    # the longest chain of roundings is a linear of fc1's 24 terms behind a LayerNorm of 12, values of at most 64
    error = (2 * DIM + DIM + 28) * ROUNDING * 64
    assert np.max(np.abs(x)) < 64
    assert np.max(np.abs(got)) < 64
    for window in range(rows * columns):
        corner = WINDOW * np.array(divmod(window, columns))
        places = [corner + divmod(token, WINDOW) + shift for token in range(WINDOW**2)]
        wrapped = [(int(y >= height), int(x_ >= width)) for y, x_ in places]
        # neighbours in the rolled map are strangers in the picture when only one of them came round its edge
        visible = np.array([[a == b for b in wrapped] for a in wrapped])
        source = [(y % height, x_ % width) for y, x_ in places]
        tokens = np.stack([x[:, y, x_] for y, x_ in source]).astype(np.float64)
        loop = Loop(op, seen, window)
        expected = loop.mlp(loop.attention(tokens, visible, error), error)
        actual = np.stack([got[:, y, x_] for y, x_ in source])
        assert np.max(np.abs(actual - expected)) <= error


def test_the_probe_changes_nothing_and_sees_exact_integers() -> None:
    op = block_op(shift=2)
    x = np.random.default_rng(0).standard_normal((DIM, 8, 12)).astype(np.float32)
    codes: dict[str, np.ndarray] = {}
    integers: dict[str, np.ndarray] = {}
    probed = Block(op, Probe(codes.__setitem__, integers.__setitem__))(x)
    assert np.array_equal(probed, Block(op, Probe())(x))
    for part in ("q", "k", "v", "proj", "fc1", "fc2"):
        expected = codes[op.sites[f"{part}.input"].name].astype(int) @ op.tensors[f"{part}.codes"].astype(int).T
        assert np.array_equal(integers[f"{op.name}/{part}"], expected)
    a, b, c, d = (codes[op.sites[role].name].astype(int) for role in ("scores.a", "scores.b", "context.a", "context.b"))
    assert np.array_equal(integers[f"{op.name}/scores"], a @ b.swapaxes(-1, -2))
    assert np.array_equal(integers[f"{op.name}/context"], c @ d)


def test_windows_are_computed_alike_in_chunks(monkeypatch: pytest.MonkeyPatch) -> None:
    op = block_op(shift=2)
    x = np.random.default_rng(1).standard_normal((DIM, 12, 8)).astype(np.float32)
    whole = Block(op, Probe())(x)
    monkeypatch.setattr("intaglio.runtime.reference.block._CHUNK_SCORES", HEADS * WINDOW**4)
    assert np.array_equal(Block(op, Probe())(x), whole)
