"""``intaglio version``: what is installed and what it can use here."""

from __future__ import annotations

from importlib.util import find_spec

import intaglio
from intaglio.cli.output import JsonOption, require_place, say, write_json


def version(json: JsonOption = None) -> None:
    """Show the version, whether the native core is available, and which instruction sets this machine runs.

    Example: intaglio version --json version.json
    """
    from intaglio.evaluate.machine import current_machine, current_versions

    require_place(json)
    machine, versions = current_machine(), current_versions()
    core, torch = (find_spec(name) is not None for name in ("intaglio.runtime._core", "torch"))
    say(f"intaglio {intaglio.__version__} (Python {versions['python']}, numpy {versions['numpy']})")
    say(f"native core: {'yes' if core else 'no, the numpy reference is used'}; torch: {'yes' if torch else 'no'}")
    say(f"{machine.cpu}, {machine.cores} cores, {' '.join(machine.instruction_sets) or 'no known instruction sets'}")
    content = {"version": intaglio.__version__, "native_core": core, "torch": torch, "cpu": machine.cpu}
    write_json(json, content | {"cores": machine.cores, "instruction_sets": list(machine.instruction_sets)})
