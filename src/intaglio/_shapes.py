"""The names of array shapes for the subpackages that a picture passes through: jaxtyping's, where anyone checks them.

Annotations are text there, and enlarging a picture evaluates none of them; for nothing, jaxtyping would cost it 50 ms,
because its import hook brings `unittest.mock` and asyncio along. Whoever checks shapes (as the tests' import hook) has
loaded jaxtyping before and gets its types; to anyone else an annotation says the type of the array alone.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING or "jaxtyping" in sys.modules:
    from jaxtyping import Float, Float32, Float64, Int, Int32, Num, Real, Shaped, UInt8
else:
    from typing import Annotated

    Float = Float32 = Float64 = Int = Int32 = Num = Real = Shaped = UInt8 = Annotated

__all__ = ["Float", "Float32", "Float64", "Int", "Int32", "Num", "Real", "Shaped", "UInt8"]
