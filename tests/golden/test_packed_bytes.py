"""The bytes of a tiny packed model, pinned: a change of the format shows here and asks for a new format version."""

from __future__ import annotations

import zlib
from pathlib import Path

import numpy as np
import pytest

from intaglio.packed.format import load, save
from intaglio.packed.header import Calibration, Header, Provenance
from intaglio.packed.program import Op, Program, Site
from intaglio.packed.size import H, W
from intaglio.spec import Coverage, Grid

ENDS = {"range": 1.0, "mean": (0.5, 0.5, 0.5)}
CONV = {"stride": (1, 1), "padding": (0, 0, 0, 0), "dilation": (1, 1), "groups": 1, "pad_mode": "zeros"}
SITES = {
    "input": Site("tail:input", (Grid(-0.5, 0.0625, 4),)),
    "weight": Site("tail:weight", (Grid(-1.0, 0.25, 3),)),
}
CODES = np.arange(9, dtype=np.uint8).reshape(3, 3, 1, 1) % 8
TENSORS = {"weight.codes": CODES, "bias": np.array([0, 0.5, -1], np.float32)}
SHAPE = (1, 3, 1, H, W)
TINY = Program(
    1,
    "tiny",
    Coverage.FULL,
    (
        Op("input", "input", (), "x", {"channels": 3, **ENDS, "multiple": 1, "pad": "mirror"}),
        Op("conv2d", "tail", ("x",), "y", CONV, TENSORS, SITES),
        Op("reshape", "split", ("y",), "s", {"shape": SHAPE}),
        Op("take", "take", ("s",), "t", {"axis": 1}, {"indices": np.array([2, 1, 0], np.int32)}),
        Op("reshape", "join", ("t",), "j", {"shape": (1, 3, H, W)}),
        Op("constant", "third", (), "c", {}, {"value": np.array(1 / 3, np.float32)}),
        Op("add", "add", ("j", "c"), "a"),
        Op("output", "output", ("a",), "z", ENDS),
    ),
)
HEADER = Header({"method": "minmax"}, Calibration("two", "00ff", 2), "psnr-y", Provenance("ab", "0.1.0", "2025-01-01"))

FIRST = bytes.fromhex(
    "000000bf 0000803d"  # grids: -0.5, 0.0625
    "000080bf 0000803e"  # -1.0, 0.25
    "abaaaa3e"  # a third, which half precision does not hold
    "02000000 01000000 00000000"  # indices 2, 1, 0
    "0000 0038 00bc"  # bias in half precision: 0, 0.5, -1
)
LAST = bytes.fromhex("88c6fa00")  # codes 0 1 2 3 4 5 6 7 0, three bits each, low bits first; five bits of padding
DOCUMENT = (
    '{"version":2,"scale":1,"architecture":"tiny","coverage":"full",'
    '"header":{"recipe":{"method":"minmax"},"calibration":{"name":"two","content_hash":"00ff","count":2},"protocol":"psnr-y",'
    '"provenance":{"source_sha256":"ab","version":"0.1.0","created":"2025-01-01"}}}'
)
OPERATIONS = (
    '[{"kind":"input","name":"input","in":[],"out":"x","attrs":{"channels":3,"range":1.0,"mean":[0.5,0.5,0.5],"multiple":1,'
    '"pad":"mirror"},"tensors":{},"sites":[]},'
    '{"kind":"conv2d","name":"tail","in":["x"],"out":"y","attrs":{"stride":[1,1],"padding":[0,0,0,0],"dilation":[1,1],'
    '"groups":1,"pad_mode":"zeros"},"tensors":{"weight.codes":["U8",3,3,1,1],"bias":["F16",3]},'
    '"sites":[["tail:input",4,0,1],["tail:weight",3,1,1]]},'
    '{"kind":"reshape","name":"split","in":["y"],"out":"s","attrs":{"shape":[1,3,1,[[1,1,1,0]],[[1,1,0,1]]]},"tensors":{},'
    '"sites":[]},'
    '{"kind":"take","name":"take","in":["s"],"out":"t","attrs":{"axis":1},"tensors":{"indices":["I32",3]},"sites":[]},'
    '{"kind":"reshape","name":"join","in":["t"],"out":"j","attrs":{"shape":[1,3,[[1,1,1,0]],[[1,1,0,1]]]},"tensors":{},'
    '"sites":[]},'
    '{"kind":"constant","name":"third","in":[],"out":"c","attrs":{},"tensors":{"value":["F32"]},"sites":[]},'
    '{"kind":"add","name":"add","in":["j","c"],"out":"a","attrs":{},"tensors":{},"sites":[]},'
    '{"kind":"output","name":"output","in":["a"],"out":"z","attrs":{"range":1.0,"mean":[0.5,0.5,0.5]},"tensors":{},"sites":[]}]'
)
TABLE = (
    '{"__metadata__":{"intaglio":"' + DOCUMENT.replace('"', '\\"') + '"},'
    '"grids":{"dtype":"F32","shape":[2,2],"data_offsets":[0,16]},'
    '"singles":{"dtype":"F32","shape":[1],"data_offsets":[16,20]},'
    '"indices":{"dtype":"I32","shape":[3],"data_offsets":[20,32]},'
    '"halves":{"dtype":"F16","shape":[3],"data_offsets":[32,38]},'
    '"operations":{"dtype":"U8","shape":[%d],"data_offsets":[38,%d]},'
    '"codes":{"dtype":"U8","shape":[4],"data_offsets":[%d,%d]}}'
)


def golden(level: int) -> bytes:
    """The file, its operations deflated at a level: which bytes come of one is zlib's affair, not the format's."""
    operations = zlib.compress(OPERATIONS.encode(), level)
    length = len(operations)
    table = (TABLE % (length, 38 + length, 38 + length, 42 + length)).encode()
    table += b" " * (-len(table) % 8)
    return len(table).to_bytes(8, "little") + table + FIRST + operations + LAST


def test_save_writes_these_bytes(tmp_path: Path) -> None:
    save(TINY, tmp_path / "tiny", HEADER)
    assert (tmp_path / "tiny").read_bytes() == golden(9)


@pytest.mark.parametrize("level", [0, 1, 9])
def test_load_reads_them(tmp_path: Path, level: int) -> None:
    (tmp_path / "tiny").write_bytes(golden(level))
    model = load(tmp_path / "tiny")
    assert model.header == HEADER
    ops = model.program.ops
    assert np.array_equal(ops[1].tensors["weight.codes"], CODES)
    assert dict(ops[1].sites) == SITES
    assert ops[2].attrs["shape"] == SHAPE
    assert ops[5].tensors["value"].shape == ()
    assert ops[5].tensors["value"] == np.float32(1 / 3)
