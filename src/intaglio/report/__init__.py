"""One self-contained HTML page about a model: figures, plots, sites, pictures, artifacts, provenance.

Needs matplotlib and jinja2 (the extra ``report``); torch is never imported here.
"""

from intaglio.report.compare import Comparison, Contestant, Views, compare
from intaglio.report.content import Content, Distribution, Facts, Row, SiteLine
from intaglio.report.page import render
from intaglio.report.records import rows_of_records

__all__ = [
    "Comparison",
    "Content",
    "Contestant",
    "Distribution",
    "Facts",
    "Row",
    "SiteLine",
    "Views",
    "compare",
    "render",
    "rows_of_records",
]
