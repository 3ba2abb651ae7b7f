"""What happens to pages when mkdocs builds the site.

Formulas become MathML, examples in docstrings become code blocks, and the notebook becomes a page.
Nothing that a page shows is fetched from elsewhere, so formulas need no script in the browser.
"""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import griffe
from latex2mathml.converter import convert
from mkdocs.structure.files import File, Files

NOTEBOOK = Path("docs/notebook.ipynb")

_CODE = re.compile(r"(^```.*?^```$|`[^`\n]*`|^ {4}.*$)", re.DOTALL | re.MULTILINE)
_FORMULA = re.compile(r"(?<![\\\w])\$([^\s$](?:[^$]*?[^\s$])?)\$(?!\w)")
_EXAMPLE = re.compile(r"^((?:>>> .*\n?)(?:.+\n?)*)", re.MULTILINE)


def on_page_markdown(markdown: str, **_: Any) -> str:
    """Formulas between dollar signs, outside of code, as MathML."""
    parts = _CODE.split(markdown)
    parts[::2] = [_FORMULA.sub(lambda found: convert(found[1]), part) for part in parts[::2]]
    return "".join(parts)


def on_files(files: Files, config: Any) -> Files:
    """The notebook as a page, and the file itself beside it."""
    page = File.generated(config, NOTEBOOK.with_suffix(".md").name, content=page_of(NOTEBOOK))
    files.append(page)
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
