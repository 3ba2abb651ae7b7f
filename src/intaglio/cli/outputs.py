"""What each command writes to the file of ``--json``: its keys as types, from which the schema is made.

Tests hold every file that a command writes to these types (`tests/unit/cli/conftest.py`), and the page
``docs/cli-json.md`` to their keys. The commands build plain dictionaries and do not import this.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, Literal, NotRequired

from pydantic import TypeAdapter
from typing_extensions import TypedDict  # pydantic needs it below Python 3.12


class DemoRow(TypedDict):
    name: str
    psnr_y: float
    ssim_y: float
    bytes: int | None
    ratio: float | None
    quantize_seconds: float | None
    upscale_seconds: float
    runs_on: str


class Demo(TypedDict):
    protocol: str
    iterations: int
    calibration: str
    seconds: float
    rows: list[DemoRow]
    files: dict[str, str]


class CalibrationPictures(TypedDict):
    name: str
    sha256: str
    count: NotRequired[int]


class LeftFloat(TypedDict):
    path: str
    reason: str
    share: float


class Check(TypedDict):
    integer_products: int
    flip_share: float
    worst_site: str
    worst_flip_share: float
    picture_psnr_y: float
    grey_levels: float


class Quantize(TypedDict):
    checkpoint: str
    weights: str
    output: str
    architecture: str
    scale: int
    recipe: dict[str, Any]
    calibration: CalibrationPictures
    left_float: list[LeftFloat]
    sites: int
    seconds: float
    bytes: int
    float32_bytes: int
    ratio: float
    metrics: dict[str, Any]
    check: Check | None
    note: str | None
    card: NotRequired[str]


class PictureRow(TypedDict):
    input: str
    output: str
    status: str
    reason: str
    width: int
    height: int
    mode: str
    bits: int
    frames: int
    seconds: float
    notes: list[str]


class Upscale(TypedDict):
    model: str
    scale: int
    runs_on: str
    enlarged: int
    skipped: int
    failed: int
    pictures: list[PictureRow]


class Film(TypedDict):
    model: str
    scale: int
    runs_on: str
    input: str
    output: str
    frames: int
    computed: int
    resumed: int
    width: int
    height: int
    pixels: str
    encoder: str
    seconds: float


class Scores(TypedDict):
    psnr_y: float
    ssim_y: float
    seconds: float


class TestSet(Scores):
    set: str
    pictures: dict[str, Scores]


class Measure(TypedDict):
    value: float
    level: str


class Artifacts(TypedDict):
    verdict: str
    reasons: list[str]
    measures: dict[str, Measure]


class Eval(TypedDict):
    model: str
    network: str
    scale: int
    ensemble: bool
    runs_on: str
    protocol: str
    artifacts: NotRequired[Artifacts]
    sets: list[TestSet]


class InspectedSite(TypedDict):
    site: str
    bits: int
    used: list[int]
    lower: float
    upper: float
    grids: int
    codes: int
    bytes: int


class InspectedBytes(TypedDict):
    total: int
    codes: int
    floats: int
    overhead: int


class Packed(TypedDict, total=False):
    architecture: str
    scale: int
    coverage: str
    recipe: dict[str, Any]
    calibration: dict[str, Any] | None
    provenance: dict[str, Any]
    bytes: InspectedBytes
    operations: dict[str, int]
    sites: list[InspectedSite]
    machine: dict[str, Any]
    plan: dict[str, Any]


class Checkpoint(TypedDict):
    architecture: str
    scale: int
    channels: int
    parameters: int
    float32_bytes: int
    linears: int
    convolutions: int
    settings: dict[str, Any]
    names: list[str]
    averaged: bool
    bytes: int | None
    sha256: str | None
    quantize: str
    machine: NotRequired[dict[str, Any]]


class Runtime(TypedDict):
    runtime: str
    products: int
    products_in_integers: int
    psnr: float
    largest_difference: float
    kernels: dict[str, int]


class Export(TypedDict):
    output: str
    bytes: int
    runtimes: list[Runtime]


class Method(TypedDict):
    name: str
    summary: str
    paper: str
    cost: str
    distils: bool
    settings: dict[str, Any]


class Methods(TypedDict):
    methods: list[Method]


class KindTime(TypedDict):
    count: int
    seconds: float


class Peer(TypedDict):
    precision: str
    median_seconds: float
    best_seconds: float
    ratio: float
    grey_levels_off_float: float | None


class Bench(TypedDict):
    model: str
    bytes: int
    size: str
    threads: int
    backend: str
    median_seconds: float
    best_seconds: float
    spread: float
    pixels_per_second: float
    memory_bytes: int
    peak_rss_bytes: int | None
    operations: dict[str, KindTime]
    speedup_vs_fastest_fp32: NotRequired[float | None]
    speedup_vs_fastest_any: NotRequired[float | None]
    median_seconds_in_turn: NotRequired[float]
    peers: NotRequired[dict[str, Peer]]
    peers_failed: NotRequired[dict[str, str]]
    peers_missing: NotRequired[list[str]]


class FailedCell(TypedDict):
    cell: str
    error: str


class Sweep(TypedDict):
    done: int
    skipped: int
    failed: list[FailedCell]


class PlannedCell(TypedDict):
    cell: str
    hash: str
    test_sets: list[str]
    seconds: float


class DryRun(TypedDict):
    cells: int
    to_do: list[PlannedCell]
    seconds: float


class ComparedCell(TypedDict):
    label: str
    method: str
    scale: int
    bits: int
    dataset: str
    published: float | None
    published_loss: float | None
    ours: float | None
    ours_loss: float | None
    gap: float | None
    record: str | None


class MissingInput(TypedDict):
    what: str
    reason: str


class Reproduce(TypedDict):
    title: str
    cells: list[ComparedCell]
    missing: list[MissingInput]


class Analyze(TypedDict):
    analysis: str
    architecture: str
    scale: int
    weights_sha256: str | None
    bits: list[int]
    coverage: str
    methods: list[str]
    settings: dict[str, Any]
    calibration: CalibrationPictures
    patches: int
    size: int
    seed: int
    sites: NotRequired[list[dict[str, Any]]]
    height: NotRequired[int]
    width: NotRequired[int]
    operations: NotRequired[dict[str, Any]]
    parameters: NotRequired[dict[str, Any]]
    published_operations: NotRequired[dict[str, Any] | None]
    published_parameters: NotRequired[int | None]
    quantized_parameters: NotRequired[int]
    ratios: NotRequired[list[dict[str, Any]]]


class Version(TypedDict):
    version: str
    native_core: bool
    torch: bool
    cpu: str
    cores: int
    instruction_sets: list[str]


OUTPUTS: Mapping[str, tuple[type, ...]] = MappingProxyType(
    {
        "demo": (Demo,),
        "quantize": (Quantize,),
        "upscale": (Upscale, Film),
        "eval": (Eval,),
        "inspect": (Packed, Checkpoint),
        "export": (Export,),
        "methods": (Methods,),
        "bench": (Bench,),
        "sweep": (Sweep, DryRun),
        "reproduce": (Reproduce, DryRun),
        "analyze": (Analyze,),
        "version": (Version,),
    }
)
"""By command, the forms that its file may have."""


def document() -> dict[str, Any]:
    """A JSON Schema (draft 2020-12) with a definition for each command under ``$defs``; other keys may be added."""
    mode: Literal["validation"] = "validation"
    adapters = [(name, mode, TypeAdapter(_any_of(forms))) for name, forms in OUTPUTS.items()]
    found, whole = TypeAdapter.json_schemas(adapters, ref_template="#/$defs/{model}")
    commands = {name: found[name, mode] for name in OUTPUTS}
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "What the commands of intaglio write to the file of --json",
        "$comment": "The definition of a command has its name, as in #/$defs/quantize.",
        "$defs": {**whole["$defs"], **commands},
    }


def validated(command: str, content: object) -> object:
    """The content of a command's file, checked; keys that are not documented are errors here.

    Raises: pydantic's ValidationError.
    """
    return TypeAdapter(_any_of(OUTPUTS[command])).validate_python(content, strict=True, extra="forbid")


def _any_of(forms: tuple[type, ...]) -> Any:
    found: Any = forms[0]
    for form in forms[1:]:
        found |= form
    return found
