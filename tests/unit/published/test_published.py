"""The shipped results: complete, typed, and every table that can be reproduced finds its own in them."""

from __future__ import annotations

import pytest

from intaglio.errors import RecipeError, RecordError
from intaglio.published import ablation_rows, published_rows, rows_of
from intaglio.published.paper import load_table, table_names


def test_nothing_was_dropped() -> None:
    assert (len(published_rows()), len(ablation_rows())) == (720, 12)


def test_results_are_plausible() -> None:
    for row in (*published_rows(), *ablation_rows()):
        assert 15.0 < row.psnr < 45.0, row
        assert row.ssim is None or 0.2 < row.ssim < 1.0, row
        assert row.source, row


@pytest.mark.parametrize("name", table_names())
def test_every_row_of_a_table_has_published_results(name: str) -> None:
    table = load_table(name)
    for row in table.rows:
        results = [
            table.published(row, scale, bits, dataset)
            for scale in table.scales
            for bits in table.bits
            for dataset in table.datasets
        ]
        assert any(results), row
    for scale in table.scales:
        assert table.checkpoint(scale).origin
        assert all(table.published_float(scale, dataset) for dataset in table.datasets)


def test_unknown_names_are_refused_with_the_known_ones() -> None:
    with pytest.raises(RecipeError, match="2dquant-table3"):
        load_table("table-9")
    with pytest.raises(RecordError, match="sr_ptq"):
        rows_of("nothing")
