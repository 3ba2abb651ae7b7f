"""Calibration against a plain transcription of the published algorithm: seconds per bound search and per DQC
iteration.

Both sides work on the same tensors in the same run and take turns (A B A B ...); their results must be equal before a
time counts. ``python benchmarks/calibration.py CHECKPOINT --records results/speed.jsonl``
"""

from __future__ import annotations

import argparse
import copy
import itertools
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import median
from typing import Any

import torch
from torch import Tensor
from transcription import PlainDqc, search_bounds

from intaglio.arch import SRNetwork, load
from intaglio.distill import DistillConfig, Schedule, distill
from intaglio.evaluate import Calibration, Record, append_records
from intaglio.methods import make_method, quantize
from intaglio.observe import CalibrationSet, OneSidedMse, TwoSidedMse, visit_sites
from intaglio.observe.collect import histograms
from intaglio.provenance import file_sha256
from intaglio.quant import QuantModel, SiteInfo, wrap
from intaglio.spec import Bounds, QuantSpec, Shape

CANDIDATES = 100
STEP_TOLERANCE = 1e-3
"""Of a candidate's step: below it, bounds are the same candidate's. The pass rounds otherwise with another batch."""

LOSS_TOLERANCE = 1e-5
"""Relative, for the first iteration: both sides hold the same levels, but for shares within a rounding of a
threshold, and sum about 1e5 of them in single precision."""


@dataclass(frozen=True)
class Duel:
    """Times of two ways to do the same, in seconds, in the order in which they were taken."""

    ours: tuple[float, ...]
    plain: tuple[float, ...]

    @property
    def ratio(self) -> float:
        """How many times faster ours is, by the least times."""
        return min(self.plain) / min(self.ours)


def take_turns(ours: Callable[[], object], plain: Callable[[], object], rounds: int) -> Duel:
    """Run both `rounds` times, one after the other, so that what disturbs the machine disturbs both."""
    times: tuple[list[float], list[float]] = ([], [])
    for _ in range(rounds):
        for side, work in zip(times, (ours, plain), strict=True):
            began = time.perf_counter()
            work()
            side.append(time.perf_counter() - began)
    return Duel(tuple(times[0]), tuple(times[1]))


@dataclass(frozen=True)
class Site:
    """A site and the float tensor that it sees."""

    info: SiteInfo
    values: Tensor


def site_tensors(model: QuantModel, patches: Tensor) -> list[Site]:
    """The tensors of all sites of one float pass."""
    found = visit_sites(model, patches, lambda site, tensor: tensor.detach().float().contiguous().clone())
    return [Site(model.sites[name], values) for name, values in found.items()]


def our_search(sites: list[Site]) -> list[Bounds]:
    """DOBI by the library, site by site (the pass that shares q, k and v is left out: both search every site)."""
    two_sided, one_sided = TwoSidedMse(CANDIDATES), OneSidedMse(CANDIDATES)
    searches = [one_sided if _is_one_sided(site) else two_sided for site in sites]
    return [search(site.values.numpy().ravel(), site.info.bits) for search, site in zip(searches, sites, strict=True)]


def plain_search(sites: list[Site]) -> list[Bounds]:
    """DOBI by the transcription."""
    return [
        search_bounds(site.values.flatten(), site.info.bits, CANDIDATES, two_sided=not _is_one_sided(site))
        for site in sites
    ]


def _is_one_sided(site: Site) -> bool:
    return not site.info.is_weight and site.info.shape is Shape.ONE_SIDED


def require_equal_bounds(ours: list[Bounds], plain: list[Bounds], sites: list[Site]) -> int:
    """Assert that both chose the same candidate everywhere, but for ties to rounding; returns how many ties there
    were.

    The library sums in double precision between thresholds; the transcription rounds every value in single precision
    first. Two candidates whose errors agree to 1e-6 relative are the same to it.
    """
    ties = 0
    for mine, theirs, site in zip(ours, plain, sites, strict=True):
        span = float(site.values.max() - site.values.min())
        if max(abs(mine.lower - theirs.lower), abs(mine.upper - theirs.upper)) > 1e-6 * span:
            errors = [squared_error(site, bounds) for bounds in (mine, theirs)]
            assert abs(errors[0] - errors[1]) <= 1e-6 * max(errors), (site.info.name, mine, theirs, errors)
            ties += 1
    return ties


def squared_error(site: Site, bounds: Bounds) -> float:
    """Sum of squared errors of a site's values under bounds, in double precision."""
    x = site.values.double()
    step = (bounds.upper - bounds.lower) / (2**site.info.bits - 1)
    codes = ((x.clamp(bounds.lower, bounds.upper) - bounds.lower) / step).round()
    return float((x - (codes * step + bounds.lower)).square().sum())


def duel_of_searches(model: QuantModel, patches: Tensor, rounds: int) -> tuple[Duel, dict[str, Any]]:
    """Time both bound searches over all sites. Raises: AssertionError if their bounds differ."""
    sites = site_tensors(model, patches)
    results: dict[str, list[Bounds]] = {}
    duel = take_turns(
        lambda: results.update(ours=our_search(sites)), lambda: results.update(plain=plain_search(sites)), rounds
    )
    ties = require_equal_bounds(results["ours"], results["plain"], sites)
    return duel, {"sites": len(sites), "values": sum(site.values.numel() for site in sites), "ties": ties}


def duel_of_passes(model: QuantModel, patches: Tensor, rounds: int) -> tuple[Duel, dict[str, Any]]:
    """Time DOBI with its float pass: by histograms, a few crops at a time, and by all values of one batch in order.

    Raises: AssertionError if a bound is more than a candidate's step off.
    """
    two_sided, one_sided = TwoSidedMse(CANDIDATES), OneSidedMse(CANDIDATES)
    results: dict[str, dict[str, Bounds]] = {}

    def search_of(info: SiteInfo) -> TwoSidedMse | OneSidedMse:
        return one_sided if info.shape is Shape.ONE_SIDED else two_sided

    def by_histograms() -> None:
        seen = histograms(model, patches)
        results["ours"] = {
            name: search_of(model.sites[name]).fit(one, model.sites[name].bits) for name, one in seen.items()
        }

    def by_all_values() -> None:
        def visit(info: SiteInfo, tensor: Tensor) -> Bounds | None:
            if info.is_weight:
                return None
            return search_of(info)(tensor.detach().float().contiguous().numpy().ravel(), info.bits)

        found = visit_sites(model, patches, visit)
        results["plain"] = {name: bounds for name, bounds in found.items() if bounds is not None}

    duel = take_turns(by_histograms, by_all_values, rounds)
    ends = visit_sites(model, patches, lambda _, tensor: float(tensor.max() - tensor.min()))
    off = [_steps_off(results["ours"][name], exact, ends[name]) for name, exact in results["plain"].items()]
    assert max(off) <= 1.0 + STEP_TOLERANCE, max(off)
    moved = sum(one > STEP_TOLERANCE for one in off)
    return duel, {"sites": len(off), "sites_a_step_off": moved}


def _steps_off(ours: Bounds, exact: Bounds, span: float) -> float:
    """How many steps of a candidate the bounds lie apart; one of two-sided candidates moves a bound by half of that."""
    lower, upper = abs(ours.lower - exact.lower), abs(ours.upper - exact.upper)
    step = span / CANDIDATES / (2.0 if lower > 0.0 else 1.0)
    return max(lower, upper) / step if span > 0.0 else 0.0


def duel_of_iterations(
    network: SRNetwork, student: QuantModel, patches: Tensor, batch: int, iterations: int, rounds: int
) -> tuple[Duel, dict[str, Any]]:
    """Time `iterations` of DQC on both sides from the same bounds on the same batches.

    The pool is as large as one batch, so that both see the same patches at every step. Steps are timed one by one and
    the first of each run is left out: there the library's teacher answers, once, what it never computes again.
    Raises: AssertionError if the losses of the first step differ.
    """
    config = DistillConfig(iterations=iterations, batch=batch, schedule=Schedule.CONSTANT)
    losses: dict[str, list[float]] = {}
    ends: dict[str, list[float]] = {"ours": [], "plain": []}

    def ours() -> None:
        marks: list[float] = []
        model = copy.deepcopy(student)
        found = distill(model, network, patches[:batch], config, on_step=lambda *_: marks.append(time.perf_counter()))
        losses["ours"] = list(found)
        ends["ours"] += _differences(marks)

    def plain() -> None:
        marks: list[float] = []
        losses["plain"] = []
        model, taps = copy.deepcopy(student), network.feature_taps()
        loop = PlainDqc(model, network, taps, config.learning_rate, config.feature_weight)
        for _ in range(iterations):
            losses["plain"].append(loop.step(patches[:batch]))
            marks.append(time.perf_counter())
        ends["plain"] += _differences(marks)

    take_turns(ours, plain, rounds)
    first = (losses["ours"][0], losses["plain"][0])
    assert abs(first[0] - first[1]) <= LOSS_TOLERANCE * first[1], first
    duel = Duel(tuple(ends["ours"]), tuple(ends["plain"]))
    return duel, {"losses_ours": losses["ours"], "losses_plain": losses["plain"]}


def _differences(marks: list[float]) -> list[float]:
    return [after - before for before, after in itertools.pairwise(marks)]


def records_of(base: Record, what: str, settings: dict[str, Any], duel: Duel, found: dict[str, Any]) -> list[Record]:
    """Two records: the least seconds of each side, with all times beside."""
    sides = (("intaglio", duel.ours), ("plain transcription", duel.plain))
    return [
        replace(
            base,
            method=what,
            settings={**settings, "implementation": name},
            seconds=min(times),
            extra={**found, "median_seconds": median(times), "all_seconds": list(times), "ratio_of_least": duel.ratio},
        )
        for name, times in sides
    ]


def run(arguments: argparse.Namespace) -> list[Record]:
    """The duels asked for, on one checkpoint; records of kind ``speed``."""
    torch.set_num_threads(arguments.threads)
    network = load(arguments.checkpoint)
    pictures = CalibrationSet.synthetic(16, 128, seed=0)
    spec = QuantSpec(arguments.bits, arguments.bits)
    patches = pictures.patches(max(arguments.patches, arguments.batch), arguments.patch_size, seed=0)
    base = Record(
        kind="speed",
        network=arguments.network or arguments.checkpoint.stem,
        scale=network.scale,
        method="",
        weights_sha256=file_sha256(arguments.checkpoint),
        weight_bits=arguments.bits,
        act_bits=arguments.bits,
        coverage=spec.coverage.value,
        granularity=spec.weight_granularity.value,
        calibration=Calibration(pictures.name, pictures.content_hash, len(pictures.pictures)),
        protocol=None,
        seed=0,
    )
    shared = {"patch_size": arguments.patch_size, "threads": arguments.threads}
    records: list[Record] = []
    if "search" in arguments.duels:
        records += search_records(arguments, base, wrap(network, spec), patches, shared)
    if "pass" in arguments.duels:
        records += pass_records(arguments, base, wrap(network, spec), patches, shared)
    if "iteration" in arguments.duels:
        method = make_method("dobi", {"patches": 2, "patch_size": arguments.patch_size})
        start = quantize(network, spec, method, pictures).model
        records += iteration_records(arguments, base, network, start, patches, shared)
    return records


def search_records(
    arguments: argparse.Namespace, base: Record, model: QuantModel, patches: Tensor, shared: dict[str, Any]
) -> list[Record]:
    """The duel of bound searches."""
    searched, sites = duel_of_searches(model, patches[: arguments.patches], arguments.rounds)
    print(f"bound search over {sites['sites']} sites: {searched.ratio:.1f} times faster ({sites['ties']} ties)")
    settings = {"patches": arguments.patches, "candidates": CANDIDATES, **shared}
    return records_of(base, "DOBI, seconds for all sites", settings, searched, sites)


def pass_records(
    arguments: argparse.Namespace, base: Record, model: QuantModel, patches: Tensor, shared: dict[str, Any]
) -> list[Record]:
    """The duel of DOBI with its pass."""
    passed, sites = duel_of_passes(model, patches[: arguments.patches], arguments.rounds)
    moved = sites["sites_a_step_off"]
    print(f"DOBI with its pass, {sites['sites']} activations: {passed.ratio:.1f} times faster ({moved} a step off)")
    settings = {"patches": arguments.patches, "candidates": CANDIDATES, **shared}
    return records_of(base, "DOBI with its pass, histograms against all values", settings, passed, sites)


def iteration_records(
    arguments: argparse.Namespace,
    base: Record,
    network: SRNetwork,
    start: QuantModel,
    patches: Tensor,
    shared: dict[str, Any],
) -> list[Record]:
    """The duel of iterations of DQC."""
    stepped, losses = duel_of_iterations(
        network, start, patches, arguments.batch, arguments.iterations, arguments.rounds
    )
    print(f"DQC iteration, batch {arguments.batch}: {stepped.ratio:.1f} times faster")
    settings = {"batch": arguments.batch, "iterations": arguments.iterations, **shared}
    return records_of(base, "DQC, seconds per iteration", settings, stepped, losses)


def main() -> None:
    """Measure, print, and append the records where asked."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("checkpoint", type=Path)
    parser.add_argument("--network", help="name in records; default the checkpoint's stem")
    parser.add_argument("--duels", nargs="+", choices=["search", "pass", "iteration"], default=["search", "iteration"])
    parser.add_argument("--bits", type=int, default=4)
    parser.add_argument("--patches", type=int, default=1, help="for the bound search; few, for 100 passes take long")
    parser.add_argument("--patch-size", type=int, default=32)
    parser.add_argument("--batch", type=int, default=4)
    parser.add_argument("--iterations", type=int, default=5)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--records", type=Path, help="JSONL file to append to")
    arguments = parser.parse_args()
    records = run(arguments)
    for record in records:
        print(f"{record.method}, {record.settings['implementation']}: {record.seconds:.4g} s")
    if arguments.records:
        append_records(arguments.records, records)


if __name__ == "__main__":
    main()
