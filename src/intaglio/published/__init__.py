"""Published results as package data: rows of the papers' tables with types, each with its source.

The CSV files are the data; nothing is measured or compared here.
"""

from intaglio.published.rows import Published, ablation_rows, published_rows, rows_of

__all__ = ["Published", "ablation_rows", "published_rows", "rows_of"]
