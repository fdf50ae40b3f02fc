"""What an export is told."""

import msgspec

from nearsight.errors import InputError
from nearsight_export.recipe import RECIPES, Pass, Recipe
from nearsight_export.variants import MEMBERS, USUAL, VARIANTS

__all__ = ["ExportConfig"]

NUMPY = "step.npz"


class ExportConfig(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Which model is made and what the bundle carries.

    `variant` is the bundle's precision, `variants` all that are made, proven and kept in the run for benchmarks.
    `passes` are what the network goes through before, and `largest_loss` is how much of a head's AUC they and the
    precision may cost against the trained network, beyond what chance explains. `members` are the graphs that the
    bundle carries; `step.npz` among them lets the SDK run without any runtime. `name` is the run's where it is None.
    """

    variant: str = "int8"
    variants: tuple[str, ...] = USUAL
    passes: tuple[Pass, ...] = RECIPES["quick"].passes
    largest_loss: float = 0.002
    members: tuple[str, ...] = MEMBERS
    name: str | None = None
    seed: int = 1

    @property
    def recipe(self) -> Recipe:
        """The passes, and the precision that ships. Raises `ValueError` where they don't go together."""
        return Recipe(passes=self.passes, variant=self.variant)

    def check(self) -> None:
        """Raise `InputError` where a choice can't be used."""
        try:
            _ = self.recipe
        except ValueError as error:
            raise InputError(f"the passes and the variant must be a recipe's: {error}") from None
        for variant in self.variants:
            if variant not in VARIANTS:
                raise InputError(f"a variant must be one of {', '.join(VARIANTS)}, received {variant!r}")
        if self.variant not in self.variants:
            raise InputError(f"the bundle's variant {self.variant} must be among those that are made: add it")
        if not 0 <= self.largest_loss < 0.5:
            raise InputError(
                f"the largest loss of AUC must be 0 or lie below 0.5, received {self.largest_loss}: pass one like 0.002"
            )
        known = (*MEMBERS, NUMPY)
        strange = [member for member in self.members if member not in known]
        if strange or not any(member.startswith("step") for member in self.members):
            raise InputError(f"a bundle needs a step graph; its members are among {', '.join(known)}")
