"""Quantization-aware training as a rival: held-out pictures stay unseen, everything learns, it stops when it should."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import count
from pathlib import Path

import numpy as np
import pytest
import torch
from benchmarks.aware.pairs import Pairs, draw, mean_psnr, psnr_of, read_pairs
from benchmarks.aware.training import Learner, Point, Settings, Spent, Stop, first_at, train
from benchmarks.qat import HELD_OUT, PUBLISHED_UPDATES, main, records_of, settings_of, with_ratio

from intaglio.arch.rlfn import RLFN, RLFNConfig
from intaglio.errors import CalibrationError, DatasetError, SpecError
from intaglio.evaluate import Record, read_records
from intaglio.images import downscale, write_image
from intaglio.methods import make_method, quantize
from intaglio.observe import CalibrationSet
from intaglio.quant import AffineQuantizer, QuantModel
from intaglio.spec import Coverage, QuantSpec

SIDE = 64
SETTINGS = Settings(batch=2, patch=16, weight_rate=1e-3, bound_rate=1e-2)


def small_network() -> RLFN:
    with torch.random.fork_rng(devices=()):
        torch.manual_seed(0)
        return RLFN(RLFNConfig(scale=2, features=4, mid_features=4, attention_features=4, blocks=1))


def noise(count: int) -> tuple[np.ndarray, ...]:
    rng = np.random.default_rng(0)
    return tuple(rng.integers(0, 256, (SIDE, SIDE + 6, 3), dtype=np.uint8) for _ in range(count))


@pytest.fixture
def pairs() -> Pairs:
    hr = noise(3)
    return Pairs(2, ("a", "b", "c"), tuple(downscale(picture, 2) for picture in hr), hr)


@pytest.fixture
def student(pairs: Pairs) -> QuantModel:
    method = make_method("minmax", {"patches": 2, "patch_size": 16})
    return quantize(small_network(), QuantSpec(4, 4, Coverage.FULL), method, CalibrationSet("noise", pairs.lr)).model


def ticking() -> Iterator[Spent]:
    """A step looks at the clock when it begins and when it ends: 2 s of wall and 1 s of the processor."""
    return (Spent(2.0 * tick, 1.0 * tick) for tick in count())


def test_the_last_pictures_by_name_are_held_out(tmp_path: Path) -> None:
    for index in range(5):
        write_image(tmp_path / f"{index}.png", np.full((SIDE, SIDE + 3, 3), 10 * (index + 1), np.uint8))
    seen, held_out = read_pairs(tmp_path, 2, held_out=2)
    assert held_out.names == ("3", "4")
    assert {picture.shape for picture in held_out.hr} == {(SIDE, SIDE + 2, 3)}
    drawn = {int(value) for step in range(20) for crop in draw(seen, 4, 8, 0, step) for value in (crop * 255).unique()}
    assert drawn == {10, 20, 30}
    for wrong in (0, 5):
        with pytest.raises(DatasetError, match="held out"):
            read_pairs(tmp_path, 2, held_out=wrong)


def test_crops_are_pairs_under_every_flip_and_turn() -> None:
    lr = noise(2)
    hr = tuple(np.repeat(np.repeat(picture, 2, axis=0), 2, axis=1) for picture in lr)
    pairs = Pairs(2, ("a", "b"), lr, hr)
    for step in range(12):
        small, large = draw(pairs, 3, 16, 0, step)
        assert torch.equal(small, large[:, :, ::2, ::2])
    assert torch.equal(draw(pairs, 3, 16, 0, 1)[0], draw(pairs, 3, 16, 0, 1)[0])
    assert not torch.equal(draw(pairs, 3, 16, 0, 1)[0], draw(pairs, 3, 16, 1, 1)[0])
    with pytest.raises(DatasetError, match="smaller crops"):
        draw(pairs, 3, SIDE + 1, 0, 0)


def test_weights_biases_and_bounds_learn_and_levels_stay_few(student: QuantModel, pairs: Pairs) -> None:
    before = {name: tensor.clone() for name, tensor in student.state_dict().items()}
    learner = Learner(student, SETTINGS)
    losses = [learner.step(*draw(pairs, 2, 16, 0, step)) for step in range(25)]
    assert np.mean(losses[-5:]) < np.mean(losses[:5])
    after = student.state_dict()
    assert before.keys() == after.keys()
    learned = [name for name in before if name != "_extra_state"]  # kinds and widths of the quantizers
    assert [name for name in learned if torch.equal(before[name], after[name])] == []
    for name, site in student.sites.items():
        quantizer = student.quantizer(name)
        assert isinstance(quantizer, AffineQuantizer)
        if site.is_weight:
            assert len(quantizer(student.weight(site)).unique()) <= 2**site.bits


def test_a_loss_that_is_not_finite_is_told(student: QuantModel, pairs: Pairs) -> None:
    with pytest.raises(CalibrationError, match="smaller rates"):
        Learner(student, SETTINGS).step(torch.full((1, 3, 16, 16), torch.nan), torch.zeros(1, 3, 32, 32))
    with pytest.raises(SpecError, match="positive"):
        Settings(batch=0)


@pytest.mark.parametrize(
    ("target", "least", "budget", "steps"),
    [
        (30.0, 0.0, 100.0, 4),  # reached at the validation after the fourth step
        (20.0, 7.0, 100.0, 5),  # reached before the first step, goes on until as much is spent
        (90.0, 0.0, 9.0, 7),  # never reached
        (20.0, 0.0, 100.0, 0),
    ],
)
def test_it_ends_when_both_questions_are_answered(
    student: QuantModel, pairs: Pairs, target: float, least: float, budget: float, steps: int
) -> None:
    readings, ticks, told = iter([20.0, 25.0, 30.0, 35.0, 40.0]), ticking(), []
    points = train(
        Learner(student, SETTINGS),
        pairs,
        SETTINGS,
        lambda: next(readings),
        Stop(target, least, budget),
        2,
        spent=Spent(3.0, 2.0),
        clock=lambda: next(ticks),
        on_point=told.append,
    )
    assert points[-1].step == steps
    assert points[-1].spent == Spent(3.0 + 2.0 * steps, 2.0 + steps)
    assert [point.step for point in points] == [*range(0, steps + 1, 2), *([steps] if steps % 2 else [])]
    assert list(points) == told


def test_equal_seeds_train_alike(pairs: Pairs, student: QuantModel) -> None:
    import copy

    found = []
    for _ in range(2):
        model = copy.deepcopy(student)
        learner = Learner(model, SETTINGS)
        found.append([learner.step(*draw(pairs, 2, 16, 0, step)) for step in range(3)])
    assert found[0] == found[1]


def rival() -> Record:
    return Record("qat", "n", 4, "oaq", psnr_y=25.0, seconds=90.0, extra={"processor_seconds": 50.0})


def training_of(**settings: object) -> tuple[tuple[Point, ...], Record]:
    points = tuple(
        Point(step, Spent(20.0 + 2 * step, 10.0 + step), psnr) for step, psnr in ((0, 20.0), (10, 26.0), (40, 24.0))
    )
    return points, Record("qat", "n", 4, "qat", settings={"batch": 16, "patch": 48, **settings})


def test_records_hold_the_first_point_at_equal_psnr_and_the_end() -> None:
    reached, last = records_of(*training_of(), rival())
    assert (reached.steps, reached.psnr_y, reached.seconds, reached.settings["until"]) == (
        10,
        26.0,
        40.0,
        "PSNR-Y of oaq",
    )
    assert with_ratio(reached, rival()).extra["times_oaq"] == 20.0 / 50.0
    assert (last.steps, last.psnr_y, last.extra["reached"]) == (40, 24.0, True)
    assert last.extra["curve"][1] == [10, 40.0, 20.0, 26.0]
    assert last.extra["seconds_per_step"] == 1.0
    whole = 10.0 + PUBLISHED_UPDATES
    assert last.extra["extrapolated"] == {
        "updates": PUBLISHED_UPDATES,
        "processor_seconds": whole,
        "times_oaq": whole / 50.0,
    }


def test_nothing_is_extrapolated_from_other_batches_or_said_to_be_reached() -> None:
    points, base = training_of(batch=8)
    (last,) = records_of(points[:1], base, rival())
    assert not last.extra["reached"]
    assert not {"extrapolated", "seconds_per_step"} & set(last.extra)
    assert "extrapolated" not in records_of(points, base, rival())[-1].extra
    assert first_at(points, 27.0) is None


def test_settings_are_sorted_by_method() -> None:
    assert settings_of(["oaq.epochs=2", "dbdc-pac.act_rate_first=1e-3", "oaq.signed=full"]) == {
        "oaq": {"epochs": 2, "signed": "full"},
        "dbdc-pac": {"act_rate_first": 1e-3},
    }


def test_the_whole_command_on_a_small_network(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "hr").mkdir()
    for index, picture in enumerate(noise(HELD_OUT + 2)):
        write_image(tmp_path / "hr" / f"{index:02}.png", picture)
    torch.save(small_network().state_dict(), tmp_path / "small.pth")
    words = ["--checkpoints", str(tmp_path), "--weights", "small.pth", "--calibration", str(tmp_path / "hr")]
    words += ["--batch", "2", "--patch", "16", "--every", "1", "--budget", "0", "--starts", "minmax"]
    words += ["--beside", "percentile", "--records", str(tmp_path / "qat.jsonl")]
    few = ["oaq.epochs=1", "oaq.updates=2", "oaq.pictures=2", "oaq.pool=2", "oaq.patch_size=16"]
    few += ["minmax.patches=2", "minmax.patch_size=16", "percentile.patches=2", "percentile.patch_size=16"]
    words += [word for one in few for word in ("--set", one)]
    assert main(words) == 0, capsys.readouterr().err
    records = read_records(tmp_path / "qat.jsonl")
    assert [record.method for record in records if record.settings.get("until") != "PSNR-Y of oaq"] == [
        *("float", "oaq", "qat", "percentile")
    ]
    assert {record.kind for record in records} == {"qat"}
    assert {record.scale for record in records} == {2}
    origin, found = records[0], records[1]
    assert (origin.weight_bits, origin.seconds, found.weight_bits, found.coverage, found.steps) == (
        None,
        None,
        4,
        "full",
        2,
    )
    assert found.extra["times_oaq"] == 1.0
    assert len(found.extra["psnr_y"]) == HELD_OUT
    assert main([*words, "--set", "oaq.nonsense=1"]) == 2
    assert "no setting 'nonsense'" in capsys.readouterr().err


def test_psnr_is_of_whole_pictures(pairs: Pairs) -> None:
    network = small_network()
    found = psnr_of(network, pairs)
    assert list(found) == ["a", "b", "c"]
    assert mean_psnr(network, pairs) == pytest.approx(sum(found.values()) / 3)
