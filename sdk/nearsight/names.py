"""A column of names, each spelled once: what an array of strings says in a twelfth of the memory."""

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["Names"]


class Names:
    """E names as places in a vocabulary: `vocabulary` (V,) is sorted and holds each once, `codes` (E,) point into it.

    It is read like the array of strings that it stands for: compared, indexed, listed. Not every entry of the
    vocabulary needs to occur.
    """

    __hash__ = None  # type: ignore[assignment]  # as arrays

    def __init__(self, vocabulary: NDArray[np.str_], codes: NDArray[np.integer[Any]]) -> None:
        self.vocabulary = vocabulary
        self.codes = codes.astype(np.min_scalar_type(max(len(vocabulary) - 1, 0)), copy=False)

    @classmethod
    def of(cls, values: "Names | NDArray[np.str_] | Sequence[str]") -> "Names":
        """The names in an array of strings `(E,)`; `Names` as they are."""
        if isinstance(values, Names):
            return values
        vocabulary, codes = np.unique(np.asarray(values, np.str_), return_inverse=True)
        return cls(vocabulary, codes)

    @property
    def dtype(self) -> np.dtype[np.str_]:
        """The type of the array that this stands for."""
        return self.vocabulary.dtype

    def __len__(self) -> int:
        return len(self.codes)

    def __getitem__(self, place: Any) -> Any:
        """The name at a whole number; `Names` for a slice, a mask or places."""
        found = self.codes[place]
        return Names(self.vocabulary, found) if isinstance(found, np.ndarray) else self.vocabulary[found]

    def __iter__(self) -> Iterator[str]:
        return iter(self.tolist())

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> NDArray[Any]:
        spelled: NDArray[Any] = self.vocabulary[self.codes]
        return spelled.astype(dtype or self.dtype, copy=False)

    def __eq__(self, other: object) -> NDArray[np.bool_]:  # type: ignore[override]
        if isinstance(other, str):
            return self.isin([other])
        alike = isinstance(other, Names) and np.array_equal(self.vocabulary, other.vocabulary)
        same: NDArray[np.bool_] = self.codes == other.codes if alike else np.asarray(self) == np.asarray(other)  # type: ignore[attr-defined]
        return same

    def __ne__(self, other: object) -> NDArray[np.bool_]:  # type: ignore[override]
        return ~(self == other)

    def tolist(self) -> list[str]:
        """The names as strings."""
        spelled = self.vocabulary.tolist()
        return [spelled[code] for code in self.codes.tolist()]

    def isin(self, names: Sequence[str]) -> NDArray[np.bool_]:
        """Which are one of `names`, (E,)."""
        meant: NDArray[np.bool_] = np.isin(self.vocabulary, list(names))[self.codes]
        return meant

    def present(self) -> NDArray[np.str_]:
        """The names that occur, sorted."""
        return self.vocabulary[np.bincount(self.codes, minlength=len(self.vocabulary)) > 0]
