"""Places for labels beside points so that nothing covers anything else."""

import math
from collections.abc import Iterator, Sequence

import msgspec

__all__ = ["Box", "place"]

_DISTANCES = (6.0, 16.0, 28.0, 42.0, 58.0, 76.0, 96.0, 118.0)
_DIRECTIONS = 16


class Box(msgspec.Struct, frozen=True):
    """A rectangle in pixels."""

    left: float
    bottom: float
    width: float
    height: float

    def meets(self, other: "Box") -> bool:
        """Whether the two share any area."""
        apart_x = self.left + self.width <= other.left or other.left + other.width <= self.left
        apart_y = self.bottom + self.height <= other.bottom or other.bottom + other.height <= self.bottom
        return not (apart_x or apart_y)

    def holds(self, other: "Box") -> bool:
        """Whether the other lies inside."""
        return (
            self.left <= other.left
            and self.bottom <= other.bottom
            and other.left + other.width <= self.left + self.width
            and other.bottom + other.height <= self.bottom + self.height
        )


def place(
    points: Sequence[tuple[float, float]],
    sizes: Sequence[tuple[float, float]],
    area: Box,
    taken: Sequence[Box],
) -> list[Box | None]:
    """A box of `sizes[i]` near `points[i]` for each label, the first ones first.

    No box meets another one or anything `taken`, and all lie within `area`; None where no such place was found.
    """
    filled = list(taken)
    boxes: list[Box | None] = []
    for point, size in zip(points, sizes, strict=True):
        box = next((box for box in _candidates(point, size) if _is_free(box, area, filled)), None)
        boxes.append(box)
        filled += [box] if box else []
    return boxes


def _is_free(box: Box, area: Box, filled: Sequence[Box]) -> bool:
    return area.holds(box) and not any(box.meets(other) for other in filled)


def _candidates(point: tuple[float, float], size: tuple[float, float]) -> Iterator[Box]:
    """Boxes around a point, near ones first; at each distance to the right, then above and below, then to the left."""
    x, y = point
    width, height = size
    turns = sorted(range(_DIRECTIONS), key=lambda turn: min(turn, _DIRECTIONS - turn))
    for distance in _DISTANCES:
        for turn in turns:
            angle = 2 * math.pi * turn / _DIRECTIONS
            across, up = math.cos(angle), math.sin(angle)
            middle_x = x + across * (distance + width / 2 if abs(across) > 0.4 else distance)
            middle_y = y + up * (distance + height / 2)
            yield Box(middle_x - width / 2, middle_y - height / 2, width, height)
