"""Write the files that are made from the definitions of operations, from the commands and from what they write.

`tests/unit/packed/test_generated.py` holds them.

PYTHONPATH=src python scripts/generate.py
"""

from __future__ import annotations

import json
from pathlib import Path

from intaglio.cli import handbook as commands
from intaglio.cli import outputs
from intaglio.packed import handbook, json_schema, limits

FILES = {
    "csrc/engine/limits.inc": limits.text,
    "docs/cli.md": commands.text,
    "docs/operations.md": handbook.text,
    "docs/cli.schema.json": lambda: json.dumps(outputs.document(), indent=1) + "\n",
    "docs/packed.schema.json": lambda: json.dumps(json_schema.document(), indent=1) + "\n",
}

if __name__ == "__main__":
    for name, text in FILES.items():
        (Path(__file__).parents[1] / name).write_text(text(), encoding="utf-8")
