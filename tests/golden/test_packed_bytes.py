"""The bytes of a tiny packed model, pinned: a change of the format shows here and asks for a new format version."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from intaglio.packed.format import load, save
from intaglio.packed.header import Calibration, Header, Provenance
from intaglio.packed.program import Op, Program, Site
from intaglio.spec import Coverage, Grid

ENDS = {"range": 1.0, "mean": (0.5, 0.5, 0.5)}
CONV = {"in": 3, "out": 3, "kernel": 1, "stride": 1, "pad": 0, "act": "none", "slope": 0.0}
SITES = {
    "conv.input": Site("tail:input", (Grid(-0.5, 0.0625, 4),)),
    "conv.weight": Site("tail:weight", (Grid(-1.0, 0.25, 3),)),
}
CODES = np.arange(9, dtype=np.uint8).reshape(3, 3, 1, 1) % 8
TINY = Program(
    1,
    "tiny",
    Coverage.FULL,
    (
        Op("picture", "picture", (), "x", {**ENDS, "multiple": 1}),
        Op(
            "conv2d",
            "tail",
            ("x",),
            "y",
            CONV,
            {"conv.codes": CODES, "bias": np.array([0, 0.5, -1], np.float32)},
            SITES,
        ),
        Op("output", "output", ("y",), "z", ENDS),
    ),
)
HEADER = Header({"method": "minmax"}, Calibration("two", "00ff", 2), "psnr-y", Provenance("ab", "0.1.0", "2025-01-01"))

BODY = bytes.fromhex(
    "000000bf 0000803d"  # grids: -0.5, 0.0625
    "000080bf 0000803e"  # -1.0, 0.25
    "0000 0038 00bc"  # bias in half precision: 0, 0.5, -1
    "88c6fa00"  # codes 0 1 2 3 4 5 6 7 0, three bits each, low bits first; five bits of padding
)
DOCUMENT = (
    '{"version":1,"scale":1,"architecture":"tiny","coverage":"full","remainder":"half","names":["+:input","+:weight"],"ops":['
    '{"kind":"picture","name":"picture","in":[],"out":"x","attrs":{"range":1.0,"mean":[0.5,0.5,0.5],"multiple":1},"sites":[]},'
    '{"kind":"conv2d","name":"tail","in":["x"],"out":"y","attrs":{"in":3,"out":3,"kernel":1,"stride":1,"pad":0,"act":"none",'
    '"slope":0.0},"sites":[[0,4,0,1],[1,3,1,1]]},'
    '{"kind":"output","name":"output","in":["y"],"out":"z","attrs":{"range":1.0,"mean":[0.5,0.5,0.5]},"sites":[]}],'
    '"header":{"recipe":{"method":"minmax"},"calibration":{"name":"two","content_hash":"00ff","count":2},"protocol":"psnr-y",'
    '"provenance":{"source_sha256":"ab","version":"0.1.0","created":"2025-01-01"}}}'
)
TABLE = (
    '{"__metadata__":{"intaglio":"' + DOCUMENT.replace('"', '\\"') + '"},'
    '"grids":{"dtype":"F32","shape":[2,2],"data_offsets":[0,16]},'
    '"1.bias":{"dtype":"F16","shape":[3],"data_offsets":[16,22]},'
    '"1.conv.codes":{"dtype":"U8","shape":[4],"data_offsets":[22,26]}}'
)


def golden() -> bytes:
    table = TABLE.encode()
    table += b" " * (-len(table) % 8)
    return len(table).to_bytes(8, "little") + table + BODY


def test_save_writes_these_bytes(tmp_path: Path) -> None:
    save(TINY, tmp_path / "tiny", HEADER)
    assert (tmp_path / "tiny").read_bytes() == golden()


def test_load_reads_them(tmp_path: Path) -> None:
    (tmp_path / "tiny").write_bytes(golden())
    model = load(tmp_path / "tiny")
    assert model.header == HEADER
    assert np.array_equal(model.program.ops[1].tensors["conv.codes"], CODES)
    assert dict(model.program.ops[1].sites) == SITES
