"""What a search for a recipe may choose for a model, and the recipe that choices make.

Zeros and shared values are no choice: a download packs better with them, and neither the file nor the step changes.
"""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Literal

from nearsight_export.passes.channels import channels_of
from nearsight_export.passes.factorisation import highest_rank
from nearsight_export.recipe import Distillation, LowRank, Pass, QuantisationAware, Recipe, StructuredPruning
from nearsight_training.run import Run

if TYPE_CHECKING:
    from optuna.trial import Trial

__all__ = ["Cookbook"]

Choices = Mapping[str, Any]
_VARIANTS = ("int8", "int4", "fp16", "int8-full", "int16x8")
_BITS: Mapping[str, Literal[4, 8]] = {"int8": 8, "int4": 4}
_FEWEST = 8  # filters and units
_SMALL = 16  # of each, tried early
_LOWEST, _LOW = 4, 8  # rank, and one that is tried early


class Cookbook:
    """The choices for one run's network.

    It stays `whole`, becomes `narrow`, gets a `thin` kernel, or teaches a `student` of its kind or of the kind with the
    fewest operators, an `lstm`.
    """

    def __init__(self, run: Run) -> None:
        self.trunk, self.sizes = run.trunk, tuple(channels_of(run.trunk))
        self.highest = max(1, highest_rank(run.trunk))
        cuts = {"narrow": bool(self.sizes), "thin": self.highest > 1}
        self.ways = ("whole", "student", *(way for way, can_be in cuts.items() if can_be), "lstm")

    @property
    def untouched(self) -> Choices:
        """No pass: what everything is compared with."""
        sizes = {"filters": self.trunk.filters, "units": self.trunk.units, "rank": self.highest}
        return {"way": "whole", **sizes, "variant": "int8"}

    @property
    def first(self) -> tuple[Choices, ...]:
        """What is tried ahead of anything drawn."""
        small = {"filters": min(_SMALL, self.trunk.filters), "units": min(_SMALL, self.trunk.units)}
        halves = {"filters": max(1, self.trunk.filters // 2), "units": max(1, self.trunk.units // 2)}
        sizes = {"narrow": halves, "thin": {"rank": min(_LOW, self.highest)}}
        return (
            self.untouched,
            *({**self.untouched, "way": way, **sizes.get(way, small)} for way in self.ways if way != "whole"),
        )

    def drawn(self, trial: "Trial") -> Choices:
        """A trial's choices, by name."""
        return {
            "way": trial.suggest_categorical("way", self.ways),
            "filters": trial.suggest_int("filters", min(_FEWEST, self.trunk.filters), self.trunk.filters, log=True),
            "units": trial.suggest_int("units", min(_FEWEST, self.trunk.units), self.trunk.units, log=True),
            "rank": trial.suggest_int("rank", min(_LOWEST, self.highest), self.highest, log=True),
            "variant": trial.suggest_categorical("variant", _VARIANTS),
        }

    def recipe(self, choices: Choices) -> Recipe:
        """The recipe that choices make."""
        passes, variant = self._passes(choices), choices["variant"]
        if variant in _BITS and choices != self.untouched:
            passes = (*passes, QuantisationAware(bits=_BITS[variant]))
        return Recipe(passes=passes, variant=variant)

    def _passes(self, choices: Choices) -> tuple[Pass, ...]:
        filters, units = choices["filters"], choices["units"]
        match choices["way"]:
            case "student":
                return (Distillation(filters=filters, units=units),)
            case "lstm":
                return (Distillation(network="lstm", filters=filters, units=units),)
            case "narrow":
                left = {name: choices[name] for name in self.sizes}
                return (StructuredPruning(**left),)
            case "thin":
                return (LowRank(rank=choices["rank"]),)
        return ()
