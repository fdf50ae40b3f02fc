"""A recipe: which passes a network goes through on its way into a bundle, and at which precision it ships."""

from pathlib import Path
from typing import Literal

import msgspec

from nearsight.errors import InputError
from nearsight_export.variants import VARIANTS
from nearsight_training.misreading import misread

__all__ = ["RECIPES", "MagnitudePruning", "Pass", "QuantisationAware", "Recipe", "read_recipe"]


class MagnitudePruning(
    msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag_field="kind", tag="magnitude_pruning"
):
    """Make the smallest weights of each large tensor zero, the share `sparsity` of them."""

    sparsity: float = 0.5

    def __post_init__(self) -> None:
        if not 0 < self.sparsity < 1:
            raise ValueError(f"the sparsity must lie between 0 and 1, received {self.sparsity}: leave the pass out")


class QuantisationAware(
    msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag_field="kind", tag="quantisation_aware"
):
    """Fine-tune with weights rounded to `bits` bits, as the step graph of that variant has them."""

    bits: Literal[4, 8] = 8


Pass = MagnitudePruning | QuantisationAware
_PASSES: tuple[type[msgspec.Struct], ...] = (MagnitudePruning, QuantisationAware)


class Recipe(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Passes in the order in which they run, and the precision that the bundle ships."""

    passes: tuple[Pass, ...] = ()
    variant: str = "int8"

    def __post_init__(self) -> None:
        if self.variant not in VARIANTS:
            raise ValueError(f"a variant must be one of {', '.join(VARIANTS)}, received {self.variant!r}")
        if any(isinstance(each, QuantisationAware) for each in self.passes[:-1]):
            raise ValueError(
                "quantisation_aware must be the last pass: another one would take the weights off its grid"
            )


RECIPES = {
    "exact": Recipe(variant="fp32"),
    "balanced": Recipe(passes=(MagnitudePruning(),)),
}


def read_recipe(name: str) -> Recipe:
    """The preset of that name, or what a TOML file says. Raises `InputError`, with line and nearest word."""
    if name in RECIPES:
        return RECIPES[name]
    try:
        text = Path(name).read_bytes().decode()
        return msgspec.toml.decode(text, type=Recipe)
    except OSError as error:
        raise InputError(
            f"a recipe must be one of {', '.join(RECIPES)}, or a TOML file, received {name!r} ({error.strerror}): "
            "pass one of these"
        ) from None
    except msgspec.ValidationError as error:
        place, advice = misread(text, str(error), _KEYS)
        raise InputError(f"{name}{place} isn't a recipe ({error}): {advice}") from None
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise InputError(f"{name} isn't a recipe ({error}): correct it") from None


def _words() -> tuple[str, ...]:
    """All that a pass's table may say."""
    words = ["kind"]
    for each in _PASSES:
        words += [str(each.__struct_config__.tag), *each.__struct_fields__]
    return tuple(dict.fromkeys(words))


_KEYS = {"": Recipe.__struct_fields__, "passes": _words()}
