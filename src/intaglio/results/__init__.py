"""Tables generated from Records: the page of results and the table of the README, as deterministic text.

Nothing is measured here, and no number is typed by hand.
"""

from intaglio.results.build import START, STOP, build, stale
from intaglio.results.page import methods_tables, readme_table, results_page

__all__ = ["START", "STOP", "build", "methods_tables", "readme_table", "results_page", "stale"]
