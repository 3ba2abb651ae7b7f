"""Generated texts: their content, that they are deterministic, that staleness is found. Figures are made up."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest

from intaglio.cli import main
from intaglio.errors import OutputError, RecordError
from intaglio.evaluate import Calibration, Machine, Record, append_records
from intaglio.results import START, STOP, build, methods_tables, readme_table, results_page, stale

MACHINE = Machine("cpu", 2, ())
PHOTOS, DRAWN = Calibration("div2k_lr", "a" * 64, 90), Calibration("synthetic", "b" * 64, 32)


def accuracy(method: str, psnr: float, calibration: Calibration | None = None, **more: object) -> Record:
    """A record of SwinIR-light x2 on Set5 with a made-up figure."""
    bits = {} if calibration is None else {"weight_bits": 4, "act_bits": 4, "coverage": "paper", "steps": 0, "seed": 0}
    fields = {
        **bits,
        "kind": "accuracy",
        "network": "SwinIR-light x2 photos",
        "scale": 2,
        "weights_sha256": "c" * 64,
        "dataset": "Set5",
        "ssim_y": 0.9,
        "machine": MACHINE,
        "calibration": calibration,
        **more,
    }
    return Record(method=method, psnr_y=psnr, **fields)  # type: ignore[arg-type]


RECORDS = [
    accuracy("dobi", 36.5, PHOTOS, bytes=900_000, extra={"engine": "native (avx2)"}),
    accuracy("float", 37.0),
    accuracy("dobi", 36.25, DRAWN, bytes=900_000),
    accuracy("2dquant", 36.75, PHOTOS, steps=300, settings={"batch": 4}),
    Record(
        "speed", "SwinIR-light x2 photos", 2, "bound search", settings={"of": "intaglio"}, seconds=1.5, machine=MACHINE
    ),
]


def learned(method: str, psnr: float, **more: object) -> Record:
    settings = {"batch": 1, "patch_size": 64, "iterations": 300}
    return accuracy(method, psnr, PHOTOS, steps=300, settings={**settings, **more})


LEARNED = [
    accuracy("float", 37.0),
    learned("2dquant", 36.5),
    learned("condiquant", 36.6),
    learned("engrave", 36.9, crop_size=64, patch_size=32),
    accuracy("condiquant", 36.8, PHOTOS, steps=3000, settings={"batch": 1, "patch_size": 64}),
    accuracy("dobi", 36.0, PHOTOS),
]


def test_losses_at_equal_steps_stand_side_by_side_with_their_share() -> None:
    for text in (readme_table({"published": LEARNED}), results_page({"published": LEARNED})):
        (row,) = (line for line in text.splitlines() if line.endswith(" | 0.25 |"))
        assert "| w4a4 | paper | 300 | 1 of 64 px | 0 | Set5 | 37.00 | 0.10 | 0.40 | 0.50 | 0.25 |" in row
    assert "share" not in results_page({"published": LEARNED[:2]})
    assert readme_table({"spine": LEARNED}) == ""


def by_way(way: str, psnr: float | None, **more: object) -> Record:
    record = accuracy("dobi", 0.0, PHOTOS, settings={"run by": way})
    fields = {"kind": "agreement", "psnr_y": psnr, **more}
    return dataclasses.replace(record, **fields)  # type: ignore[arg-type]


def test_every_way_that_runs_a_network_has_a_column() -> None:
    counted = {"products": 4, "products_in_integers": 3}
    records = [
        accuracy("float", 37.0),
        by_way("sites", None, dataset=None, extra={"arrived_flip_share": 2e-5}),
        by_way("native", 36.5004, bytes=1_234_567),
        by_way("export, openvino", 36.5, extra=counted),
    ]
    (row,) = (line for line in results_page({"strong": records}).splitlines() if line.endswith("2.0e-05 |"))
    assert "| 37.00 | - | 36.500 | - | 36.500 | 1,234,567 | - | 3 of 4 |" in row
    assert "From weights to every runtime" not in results_page({"spine": records})


def test_headline_has_losses_and_calibrations_side_by_side() -> None:
    text = methods_tables({"methods": RECORDS})
    lines = text.splitlines()
    (head,) = (line for line in lines if line.startswith("| method"))
    assert head.endswith("| Set5, div2k_lr | Set5, synthetic |")
    rows = [line for line in lines if line.startswith("| ")][1:]
    assert [row.split(" | ")[0] for row in rows] == ["| float", "| dobi", "| 2dquant"]
    assert rows[0].endswith("| 37.00 / 0.9000 | 37.00 / 0.9000 |")
    assert rows[1].endswith("| 36.50 / 0.9000 (0.50) | 36.25 / 0.9000 (0.75) |")
    assert "| w4a4 | paper | - | 300 | 0 |" in rows[2]
    assert rows[2].endswith("| 36.75 / 0.9000 (0.25) | - |")
    assert "- 2dquant: settings batch=4" in lines
    assert "- calibration div2k_lr (90 pictures, sha256 aaaaaaaaaaaa)" in lines


def test_page_sets_losses_beside_published_ones() -> None:
    page = results_page({"spine": RECORDS})
    # Table 3 of 2DQuant: 38.15 float, 37.44 DOBI, 37.87 2DQuant at 4 bits on Set5.
    assert "| dobi | w4a4 | 0 | div2k_lr | Set5 | 0.71 | 0.50 | -0.21 |" in page
    assert "| 2dquant | w4a4 | 300 | div2k_lr | Set5 | 0.28 | 0.25 | -0.03 |" in page
    assert "| SwinIR-light x2 photos | x2 | w4a4 | paper | 900,000 |" in page
    assert "| SwinIR-light x2 photos | bound search | - | of=intaglio | 1.5 | cpu, 2 cores |" in page


def test_methods_have_a_page_of_their_own_with_the_time_that_each_took() -> None:
    timed = [accuracy("dobi", 36.5, PHOTOS, extra={"quantize_cpu_seconds": 7.4}), *RECORDS[1:]]
    text = methods_tables({"methods": timed, "spine": RECORDS})
    rows = {line.split(" | ")[0]: line for line in text.splitlines() if line.startswith("| ")}
    assert "| quantizing |" in rows["| method"]
    assert "| 7 s | 36.50 / 0.9000 (0.50) |" in rows["| dobi"]
    assert "| - | 36.75 / 0.9000 (0.25) |" in rows["| 2dquant"]
    assert "Accuracy: methods" not in results_page({"methods": timed})
    assert methods_tables({"spine": RECORDS}) == ""


def test_later_record_of_a_cell_replaces_the_earlier() -> None:
    assert "36.60 / 0.9000 (0.40)" in results_page({"spine": [*RECORDS, accuracy("dobi", 36.6, PHOTOS)]})


def test_settings_that_differ_become_a_column() -> None:
    more = accuracy("2dquant", 36.7, PHOTOS, steps=300, settings={"batch": 8})
    rows = [line for line in methods_tables({"methods": [*RECORDS, more]}).splitlines() if line.startswith("| 2dquant")]
    assert [row.split(" | ")[6] for row in rows] == ["batch=4", "batch=8"]


def qat(method: str, psnr: float, seconds: float | None = None, **more: object) -> Record:
    """A record of RLFN x4 on held-out pictures with made-up figures; the processor took half of the seconds."""
    bits = {} if method == "float" else {"weight_bits": 4, "act_bits": 4, "coverage": "full", "steps": 5, "seed": 0}
    extra = {} if seconds is None else {"processor_seconds": seconds / 2, "times_oaq": seconds / 100.0}
    fields = {
        **bits,
        "dataset": "held out: last 8",
        "machine": MACHINE,
        **more,
        "extra": {**extra, **more.get("extra", {})},
    }  # type: ignore[dict-item]
    return Record("qat", "RLFN x4", 4, method, psnr_y=psnr, seconds=seconds, **fields)  # type: ignore[arg-type]


def test_calibration_stands_beside_training_and_extrapolation_is_told() -> None:
    far = {"updates": 30_000, "processor_seconds": 60_000.0, "times_oaq": 1200.0}
    end = {"extrapolated": far, "seconds_per_step": 2.0}
    records = [
        qat("float", 32.3),
        qat("oaq", 25.5, 100.0, calibration=PHOTOS),
        qat("qat", 26.0, 25.0, settings={"start": "dobi", "until": "PSNR-Y of oaq"}),
        qat("qat", 29.0, 90.0, settings={"start": "dobi", "until": "end"}, steps=40),
        qat("qat", 30.0, 110.0, settings={"start": "dobi", "until": "end"}, steps=50, extra=end),
    ]
    page = results_page({"qat": records})
    rows = [line for line in page.splitlines() if "RLFN x4 |" in line]
    assert [row.rpartition(" | ")[0].split(" | ", 6)[-1] + " | " + row.rpartition(" | ")[-1] for row in rows] == [
        "- | 32.30 | - | - | - | - |",
        "- | 25.50 | 6.80 | 100.0 | 50.0 | 1 |",
        "start=dobi, until=PSNR-Y of oaq | 26.00 | 6.30 | 25.0 | 12.5 | 0.25 |",
        "start=dobi, until=end | 30.00 | 2.30 | 110.0 | 55.0 | 1.1 |",
    ]
    assert "| qat | RLFN x4 | w4a4 | full | 50 | 0 |" in page
    assert "div2k_lr (90 pictures, sha256 aaaaaaaaaaaa)" in page
    assert "Extrapolated, not measured: from dobi, the 30,000 updates" in page
    assert "at the measured 2 processor seconds of one (mean of 50) would take 60,000 s, 1200 times" in page
    assert "quantization-aware" not in results_page({"spine": RECORDS})


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A repository with records and a README."""
    for folder in ("results", "docs"):
        (tmp_path / folder).mkdir()
    append_records(tmp_path / "results" / "published.jsonl", LEARNED)
    (tmp_path / "README.md").write_text(f"# Title\n\n{START}\nold\n{STOP}\n\nEnd.\n")
    return tmp_path


def test_build_then_check(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["results", "build", "--root", str(root), "--check"]) == 1
    assert "stale" in capsys.readouterr().out
    assert "old" in (root / "README.md").read_text(), "--check wrote something"
    assert main(["results", "build", "--root", str(root)]) == 0
    assert main(["results", "build", "--root", str(root), "--check"]) == 0
    readme = (root / "README.md").read_text()
    assert readme.startswith(f"# Title\n\n{START}\n### Quality")
    assert readme.endswith(f"{STOP}\n\nEnd.\n")
    append_records(root / "results" / "published.jsonl", [learned("engrave", 36.95, crop_size=64)])
    assert set(stale(root)) == {root / "README.md", root / "docs" / "results.md"}


def test_order_of_files_and_equal_input_give_equal_bytes(root: Path) -> None:
    build(root)
    first = (root / "docs" / "results.md").read_bytes()
    (root / "docs" / "results.md").unlink()
    build(root)
    assert (root / "docs" / "results.md").read_bytes() == first


def test_readme_without_marks_and_folder_without_records_are_refused(root: Path, tmp_path: Path) -> None:
    (root / "README.md").write_text("# Title\n")
    with pytest.raises(OutputError, match="no place for the results"):
        build(root)
    with pytest.raises(RecordError, match="no folder"):
        build(tmp_path / "nowhere")
