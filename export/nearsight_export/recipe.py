"""A recipe: which passes a network goes through on its way into a bundle, and at which precision it ships."""

from pathlib import Path
from typing import Literal

import msgspec
import tomli_w

from nearsight.errors import InputError
from nearsight.trunk import Kind
from nearsight_export.variants import VARIANTS
from nearsight_training.misreading import misread

__all__ = [
    "COSTS",
    "RECIPES",
    "Distillation",
    "LowRank",
    "MagnitudePruning",
    "Pass",
    "QuantisationAware",
    "Recipe",
    "StructuredPruning",
    "WeightClustering",
    "read_recipe",
    "written",
]


class MagnitudePruning(
    msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag_field="kind", tag="magnitude_pruning"
):
    """Make the smallest weights of each large tensor zero, the share `sparsity` of them."""

    sparsity: float = 0.5

    def __post_init__(self) -> None:
        if not 0 < self.sparsity < 1:
            raise ValueError(f"the sparsity must lie between 0 and 1, received {self.sparsity}: leave the pass out")


class Distillation(
    msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag_field="kind", tag="distillation"
):
    """Train a smaller network from the beginning to answer as its teacher does; it comes first in a recipe.

    The `teacher` is the "network" before, or the mean of several "networks" of other seeds, or that of the network and
    "trees" (LightGBM) that have never seen the user in question. The student is a `network` of the teacher's kind where
    nothing is said, whose heads read the newest row with `skip`, and learns for so many `epochs` as make 3,000 steps, 6
    at least.
    """

    teacher: Literal["network", "networks", "trees"] = "trees"
    network: Kind | None = None
    filters: int = 16
    units: int = 16
    largest_embedding: int = 5
    skip: bool = False
    epochs: int | None = None

    def __post_init__(self) -> None:
        for name in ("filters", "units", "largest_embedding", "epochs"):
            if (number := getattr(self, name)) is not None and number < 1:
                raise ValueError(f"{name} must be at least 1, received {number}")


class StructuredPruning(
    msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag_field="kind", tag="structured_pruning"
):
    """Remove the filters and units that matter least until `filters` and `units` are left; None keeps all of them.

    Instead of both, `keep` is the share of each that is left, of as many as the network has, or `kilobytes` is what the
    step artifact may take at the recipe's precision: the largest share is left that fits.
    """

    filters: int | None = None
    units: int | None = None
    keep: float | None = None
    kilobytes: float | None = None

    def __post_init__(self) -> None:
        counts = [count for count in (self.filters, self.units) if count is not None]
        ways = sum((bool(counts), self.keep is not None, self.kilobytes is not None))
        if ways != 1:
            raise ValueError(
                "structured_pruning must say one of how many filters or units are left, which share to keep and how "
                f"many kilobytes the step may take, received {ways or 'none'} of these"
            )
        if counts and min(counts) < 1:
            raise ValueError(f"structured_pruning must leave 1 filter or unit at least, received {min(counts)}")
        if self.keep is not None and not 0 < self.keep < 1:
            raise ValueError(f"structured_pruning must keep a share between 0 and 1, received {self.keep}")
        if self.kilobytes is not None and not self.kilobytes > 0:
            raise ValueError(f"structured_pruning must allow more than 0 kB, received {self.kilobytes:g}")


class LowRank(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag_field="kind", tag="low_rank"):
    """Make the LSTM's kernel the product of two thinner matrices, of that `rank`."""

    rank: int = 8

    def __post_init__(self) -> None:
        if self.rank < 1:
            raise ValueError(f"low_rank must leave a rank of 1 at least, received {self.rank}")


class WeightClustering(
    msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag_field="kind", tag="weight_clustering"
):
    """Let the weights of each large tensor share `clusters` values, so that the file packs into fewer bytes."""

    clusters: int = 16

    def __post_init__(self) -> None:
        if not 2 < self.clusters <= 256:
            raise ValueError(
                f"weight_clustering must leave 3 to 256 values, as 8 bits tell no more apart, received {self.clusters}"
            )


class QuantisationAware(
    msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag_field="kind", tag="quantisation_aware"
):
    """Fine-tune with weights rounded to `bits` bits, as the step graph of that variant has them."""

    bits: Literal[4, 8] = 8


Pass = MagnitudePruning | StructuredPruning | LowRank | WeightClustering | Distillation | QuantisationAware
_PASSES: tuple[type[msgspec.Struct], ...] = (
    MagnitudePruning,
    StructuredPruning,
    LowRank,
    WeightClustering,
    Distillation,
    QuantisationAware,
)


class Recipe(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Passes in the order in which they run, and the precision that the bundle ships."""

    passes: tuple[Pass, ...] = ()
    variant: str = "int8"

    def __post_init__(self) -> None:
        if self.variant not in VARIANTS:
            raise ValueError(f"a variant must be one of {', '.join(VARIANTS)}, received {self.variant!r}")
        if any(isinstance(each, Distillation) for each in self.passes[1:]):
            raise ValueError("distillation must be the first pass, since it would undo what came before: move it up")
        if any(isinstance(each, QuantisationAware) for each in self.passes[:-1]):
            raise ValueError(
                "quantisation_aware must be the last pass: another one would take the weights off its grid"
            )
        last = max((number for number, each in enumerate(self.passes) if isinstance(each, LowRank)), default=0)
        if any(isinstance(each, MagnitudePruning | WeightClustering) for each in self.passes[:last]):
            raise ValueError(
                "low_rank must come before magnitude_pruning and weight_clustering, whose zeros and shared values it "
                "would undo: move it up"
            )


RECIPES = {
    "quick": Recipe(passes=(MagnitudePruning(), QuantisationAware())),
    "exact": Recipe(variant="fp32"),
    "balanced": Recipe(
        passes=(Distillation(filters=24, units=28, largest_embedding=8, skip=True), QuantisationAware())
    ),
    "smallest": Recipe(passes=(Distillation(), QuantisationAware())),
    "fastest": Recipe(passes=(Distillation(network="lstm"), QuantisationAware())),
}

COSTS = {
    "quick": "77 to 128 kB, half a minute",
    "balanced": "12 to 33 kB, no AUC lost beyond chance, 2 minutes",
    "smallest": "7 to 16 kB, up to 0.004 of AUC lost, 2 minutes",
    "fastest": "6 to 14 kB, two thirds of the time at most, up to 0.004 of AUC lost, 2 minutes",
    "exact": "32-bit floats, 288 to 485 kB, nothing lost",
}  # the step's bytes on the public data sets, and what their test users tell


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


def written(recipe: Recipe) -> str:
    """A recipe as the TOML file that `read_recipe` reads."""
    passes = [
        {name: value for name, value in msgspec.to_builtins(each).items() if value is not None}
        for each in recipe.passes
    ]
    return tomli_w.dumps({"variant": recipe.variant, "passes": passes})


def _words() -> tuple[str, ...]:
    """All that a pass's table may say."""
    words = ["kind"]
    for each in _PASSES:
        words += [str(each.__struct_config__.tag), *each.__struct_fields__]
    return tuple(dict.fromkeys(words))


_KEYS = {"": Recipe.__struct_fields__, "passes": _words()}
