"""Recipes: the options of ``intaglio quantize`` as a TOML file, strictly read, with command-line options on top.

This is the edge: pydantic checks what people wrote; the library gets frozen values (`intaglio.app.quantizing.Recipe`).
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from intaglio.app.calibrating import SYNTHETIC, CalibrationSource
from intaglio.errors import RecipeError
from intaglio.spec import Coverage, Granularity


class CalibrationTable(BaseModel):
    """``[calibration]``: where LR pictures come from."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    source: str = SYNTHETIC
    """A folder of pictures, or ``synthetic`` for pictures that are drawn."""
    hold_out: int = Field(default=0, ge=0)
    """How many pictures of a folder, the last by name, are left aside."""
    count: int = Field(default=32, ge=1)
    """How many synthetic pictures."""
    size: int = Field(default=128, ge=8)
    """Side of a synthetic picture in pixels."""
    seed: int = Field(default=0, ge=0)
    """Seed of the synthetic pictures."""

    def chosen(self) -> CalibrationSource:
        """The table as the library takes it."""
        return CalibrationSource(**self.model_dump())


class RecipeFile(BaseModel):
    """A whole recipe; every key may be left out."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    effort: str = "standard"
    """`quick`, `standard`, `long` or `paper`: the method, and settings of any method, where they are not given."""
    method: str | None = None
    weight_bits: int = 4
    act_bits: int = 4
    coverage: Coverage = Coverage.PAPER
    granularity: Granularity = Granularity.PER_TENSOR
    share_input: bool = False
    float_dtype: str = "float16"
    seed: int = Field(default=0, ge=0)
    settings: dict[str, bool | int | float | str] = Field(default_factory=dict)
    calibration: CalibrationTable = Field(default_factory=CalibrationTable)


def read_recipe(path: Path | None, overrides: Mapping[str, Any]) -> RecipeFile:
    """The recipe of a file (or the default one) with `overrides` in place of what it says; None overrides nothing.

    Tables are merged key by key.

    Raises: RecipeError for a missing or damaged file, an unknown key (naming the known ones), or a wrong value.
    """
    return check_recipe(_merged(_parse(path) if path else {}, overrides), str(path or "the command line"))


def check_recipe(content: Mapping[str, Any], source: str) -> RecipeFile:
    """A recipe from plain values; `source` names their origin in messages. Raises: RecipeError.

    >>> check_recipe({"methd": "dobi"}, "my.toml")
    Traceback (most recent call last):
    intaglio.errors.RecipeError: my.toml: unknown key 'methd'; known are effort, method, weight_bits, act_bits, ...
    """
    try:
        return RecipeFile.model_validate(content)
    except ValidationError as error:
        first = error.errors()[0]
        raise RecipeError(f"{source}: {_reason(first['type'], first['msg'], tuple(first['loc']))}") from None


def _reason(kind: str, message: str, location: tuple[int | str, ...]) -> str:
    key = ".".join(str(part) for part in location[:2])
    if kind == "extra_forbidden":
        table: type[BaseModel] = CalibrationTable if location[0] == "calibration" else RecipeFile
        return f"unknown key '{key}'; known are {', '.join(table.model_fields)}."
    return f"'{key}' is not usable: {message[0].lower()}{message[1:]}."


def _parse(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise RecipeError(f"cannot read the recipe {path} ({error.strerror}); check the path.") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise RecipeError(f"{path} is no TOML ({error}); correct it there.") from error


def _merged(base: Mapping[str, Any], overrides: Mapping[str, Any]) -> dict[str, Any]:
    result = dict(base)
    for key, value in overrides.items():
        if isinstance(value, Mapping):
            inner = base.get(key, {})
            result[key] = _merged(inner, value) if isinstance(inner, Mapping) else inner
        elif value is not None:
            result[key] = value
    return result
