"""Pictures that move: frames of equal size with the time that each is shown."""

from __future__ import annotations

from dataclasses import dataclass

from intaglio.errors import ImageError
from intaglio.images.picture import Picture


@dataclass(frozen=True, eq=False)
class Animation:
    """Whole frames (what a viewer shows, not what the file stores), their times and the number of rounds.

    `durations` are milliseconds, one for each frame. `rounds` is 0 for endless, None where the file says nothing.
    Raises: ImageError for no frame, frames of different size or mode, or another number of times.
    """

    frames: tuple[Picture, ...]
    durations: tuple[float, ...]
    rounds: int | None = None

    def __post_init__(self) -> None:
        if len({frame.samples.shape for frame in self.frames}) != 1 or len(self.frames) != len(self.durations):
            raise ImageError(f"{len(self.frames)} frames, {len(self.durations)} times; pass equal frames, a time each.")

    @property
    def format(self) -> str:
        """The file's format, in Pillow's words."""
        return self.frames[0].format
