"""What happens to pages when mkdocs builds the site.

Formulas become MathML, examples in docstrings become code blocks, the notebook becomes a page, and figures are drawn.
Nothing that a page shows is fetched from elsewhere, so formulas need no script in the browser.
"""

from __future__ import annotations

import json
import re
import sys
from importlib import import_module
from pathlib import Path
from typing import Any

import griffe
from latex2mathml.converter import convert
from mkdocs.structure.files import File, Files

# mkdocs and griffe load this file by its path, so that its neighbour is not found by name.
sys.path.insert(0, str(Path(__file__).parent))
_figures = import_module("docs_figures")

NOTEBOOK = Path("docs/notebook.ipynb")

_CODE = re.compile(r"(^```.*?^```$|`[^`\n]*`|^ {4}.*$)", re.DOTALL | re.MULTILINE)
_FORMULA = re.compile(r"(?<![\\\w])\$([^\s$](?:[^$]*?[^\s$])?)\$(?!\w)")
_FIGURE = re.compile(r"<!-- figure: ([\w-]+) -->")
_EXAMPLE = re.compile(r"^((?:>>> .*\n?)(?:.+\n?)*)", re.MULTILINE)


def on_page_markdown(markdown: str, **_: Any) -> str:
    """Formulas between dollar signs, outside of code, as MathML; figures where comments ask for them."""
    markdown = _FIGURE.sub(lambda found: f"![{_figures.FIGURES[found[1]][0]}](figures/{found[1]}.svg)", markdown)
    parts = _CODE.split(markdown)
    parts[::2] = [_FORMULA.sub(lambda found: f"<span>{convert(found[1])}</span>", part) for part in parts[::2]]
    return "".join(parts)


def on_files(files: Files, config: Any) -> Files:
    """The notebook as a page beside the file itself, and the figures."""
    files.append(File.generated(config, NOTEBOOK.with_suffix(".md").name, content=page_of(NOTEBOOK)))
    for name in _figures.FIGURES:
        files.append(File.generated(config, f"figures/{name}.svg", content=_figures.drawn(name, Path())))
    return files


def page_of(notebook: Path) -> str:
    """The cells of a notebook as Markdown: text as it is, code as code blocks."""
    cells = json.loads(notebook.read_text(encoding="utf-8"))["cells"]
    shown = []
    for cell in cells:
        source = "".join(cell["source"])
        shown.append(source if cell["cell_type"] == "markdown" else f"```python\n{source}\n```")
    return "\n\n".join(shown) + f"\n\nThe notebook itself: [{notebook.name}]({notebook.name}).\n"


class Examples(griffe.Extension):
    """Examples in docstrings (``>>> ...``) become code blocks."""

    def on_object(self, *, obj: griffe.Object, **_: Any) -> None:
        """Called for every object whose documentation may be shown."""
        if obj.docstring:
            obj.docstring.value = _EXAMPLE.sub(r"```pycon\n\1\n```\n", obj.docstring.value)
