"""A paper's table in part: what is planned, what is missing, and how figures are held against each other."""

from __future__ import annotations

import json
from typing import Any

import pytest

from intaglio.cli import main
from intaglio.cli.reproducing import parse_checkpoints
from intaglio.errors import MethodError, RecipeError
from intaglio.published.paper import load_table
from intaglio.sweep.reproduce import Choice, compare, plan_reproduction

TINY = Choice(
    scales=(2,),
    bits=(4,),
    datasets=("set5",),
    methods=("minmax", "2dquant"),
    settings={"iterations": 7},
    checkpoints={2: "tiny.safetensors"},
    calibration="pictures",
)


def test_a_part_of_a_table_is_planned_with_overrides_where_they_apply(workplace: Any) -> None:
    made = plan_reproduction(load_table("2dquant-table3"), TINY, workplace.folders)
    assert [cell.method for cell in made.plan.cells] == ["float", "minmax", "2dquant"]
    assert made.plan.missing == ()
    assert dict(made.plan.cells[2].settings)["iterations"] == 7
    assert "iterations" not in dict(made.plan.cells[1].settings)
    assert made.plan.cells[0].weights.network == "tiny"


def test_missing_networks_are_listed_with_their_origin_and_the_rest_is_planned(workplace: Any) -> None:
    choice = Choice(bits=(4,), datasets=("Set5",), methods=("minmax",), checkpoints={2: "tiny.safetensors"})
    made = plan_reproduction(load_table("2dquant-table3"), choice, workplace.folders)
    assert [spot.scale for spot in made.spots if spot.cell] == [2]
    assert [item.what for item in made.plan.missing] == ["network SwinIR-light x3", "network SwinIR-light x4"]
    reason = made.plan.missing[0].reason
    assert "002_lightweightSR_DIV2K_s64w8_SwinIR-S_x3.pth is published in the releases of JingyunLiang/SwinIR" in reason
    assert "sha256 is not recorded" in reason


def test_figures_stand_beside_each_other_as_losses(workplace: Any) -> None:
    made = plan_reproduction(load_table("2dquant-table3"), TINY, workplace.folders)
    origin, minmax, _ = made.plan.cells
    records = [origin.record("Set5", psnr_y=30.0), minmax.record("Set5", psnr_y=28.0)]
    first, second = compare(made, records)
    # Published: float 38.15, MinMax 34.39, 2DQuant 37.87.
    assert (first.label, first.published, first.ours) == ("MinMax", 34.39, 28.0)
    assert first.published_loss == pytest.approx(3.76)
    assert first.ours_loss == pytest.approx(2.0)
    assert first.gap == pytest.approx(-1.76)
    assert (second.published, second.ours, second.gap) == (37.87, None, None)


def test_settings_that_define_a_row_win_over_overrides(workplace: Any) -> None:
    choice = Choice(settings={"iterations": 7, "batch": 2}, checkpoints={2: "tiny.safetensors"}, calibration="pictures")
    made = plan_reproduction(load_table("2dquant-table4"), choice, workplace.folders)
    settings = {spot.row.label: dict(spot.cell.settings) for spot in made.spots if spot.cell}
    assert settings["batch 16"]["batch"] == 16
    assert settings["learning rate 1e-3"] | {"batch": 2, "learning_rate": 1e-3} == settings["learning rate 1e-3"]
    assert settings["DQC from MinMax bounds"]["start"] == "minmax"
    assert len(made.spots) == 12


@pytest.mark.parametrize("choice", [Choice(bits=(5,)), Choice(scales=(8,)), Choice(datasets=("Set6",))])
def test_what_a_table_has_not_is_refused(workplace: Any, choice: Choice) -> None:
    with pytest.raises(RecipeError, match="it has"):
        plan_reproduction(load_table("2dquant-table3"), choice, workplace.folders)


def test_settings_of_no_method_are_refused(workplace: Any) -> None:
    with pytest.raises(MethodError, match="no method of this table has a setting 'iteratons'"):
        plan_reproduction(load_table("2dquant-table3"), Choice(settings={"iteratons": 3}), workplace.folders)


def test_own_checkpoints_are_named_by_scale() -> None:
    assert parse_checkpoints(["2=a.pth", "4=b=c.pth"]) == {2: "a.pth", 4: "b=c.pth"}
    with pytest.raises(RecipeError, match="SCALE=FILE"):
        parse_checkpoints(["a.pth"])


def test_the_command_runs_a_part_and_shows_it_beside_the_paper(
    workplace: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    figures = workplace.records.with_name("figures.json")
    folders = ("--checkpoints", workplace.folders.checkpoints, "--calibration", workplace.folders.calibration)
    part = ("--scale", "2", "--bits", "4", "--data-set", "Set5", "--method", "minmax", "--set", "patch_size=8")
    own = ("--checkpoint", "2=tiny.safetensors", "--calibration-set", "pictures", "--data", workplace.folders.data)
    words = ("reproduce", "2dquant-table3", "--records", workplace.records, *folders, *part, *own, "--json", figures)
    assert main([str(word) for word in words]) == 0
    assert "34.39" in capsys.readouterr().out
    (cell,) = json.loads(figures.read_text())["cells"]
    assert cell["published"] == 34.39
    assert cell["gap"] == pytest.approx(cell["ours_loss"] - cell["published_loss"])
    assert main([str(word) for word in (*words, "--dry-run")]) == 0
    assert "0 of 2 cells to do" in capsys.readouterr().out
