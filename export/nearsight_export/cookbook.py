"""What a search for a recipe may choose for a model, and the recipe that choices make.

Zeros and shared values are no choice: a download packs better with them, and neither the file nor the step changes.
"""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Literal

from nearsight_export.passes.channels import channels_of
from nearsight_export.recipe import Distillation, Pass, QuantisationAware, Recipe, StructuredPruning
from nearsight_training.run import Run

if TYPE_CHECKING:
    from optuna.trial import Trial

__all__ = ["Cookbook"]

Choices = Mapping[str, Any]
_VARIANTS = ("int8", "int4", "fp16", "int8-full")
_BITS: Mapping[str, Literal[4, 8]] = {"int8": 8, "int4": 4}
_FEWEST = 8  # filters and units
_SMALL = 16  # of each, tried early


class Cookbook:
    """The choices for one run's network.

    It stays `whole`, becomes `narrow`, or teaches a `student` of its kind or of the kind with the fewest operators,
    an `lstm`.
    """

    def __init__(self, run: Run) -> None:
        self.trunk, self.sizes = run.trunk, tuple(channels_of(run.trunk))
        self.ways = tuple(dict.fromkeys(("whole", "student", *(["narrow"] if self.sizes else []), "lstm")))

    @property
    def untouched(self) -> Choices:
        """No pass: what everything is compared with."""
        return {"way": "whole", "filters": self.trunk.filters, "units": self.trunk.units, "variant": "int8"}

    @property
    def first(self) -> tuple[Choices, ...]:
        """What is tried ahead of anything drawn."""
        small = {"filters": min(_SMALL, self.trunk.filters), "units": min(_SMALL, self.trunk.units)}
        halves = {"filters": max(1, self.trunk.filters // 2), "units": max(1, self.trunk.units // 2)}
        ways = [way for way in self.ways if way != "whole"]
        return (
            self.untouched,
            *({**self.untouched, "way": way, **(halves if way == "narrow" else small)} for way in ways),
        )

    def drawn(self, trial: "Trial") -> Choices:
        """A trial's choices, by name."""
        return {
            "way": trial.suggest_categorical("way", self.ways),
            "filters": trial.suggest_int("filters", min(_FEWEST, self.trunk.filters), self.trunk.filters, log=True),
            "units": trial.suggest_int("units", min(_FEWEST, self.trunk.units), self.trunk.units, log=True),
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
        return ()
