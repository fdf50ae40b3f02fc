"""What a search for a recipe may choose for a model, and the recipe that choices make."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from nearsight_export.recipe import MagnitudePruning, Pass, Recipe
from nearsight_training.run import Run

if TYPE_CHECKING:
    from optuna.trial import Trial

__all__ = ["Cookbook"]

Choices = Mapping[str, Any]
_VARIANTS = ("int8", "fp16", "int8-full")
_LEAST_SPARSITY, _MOST_SPARSITY = 0.1, 0.9


class Cookbook:
    """The choices for one run's network."""

    def __init__(self, run: Run) -> None:
        self.run = run

    @property
    def untouched(self) -> Choices:
        """No pass: what everything is compared with."""
        return {"variant": "int8", "sparsity": 0.0}

    @property
    def first(self) -> tuple[Choices, ...]:
        """What is tried ahead of anything drawn."""
        return (self.untouched, {"variant": "int8", "sparsity": 0.5})

    def drawn(self, trial: "Trial") -> Choices:
        """A trial's choices, by name."""
        return {
            "variant": trial.suggest_categorical("variant", _VARIANTS),
            "sparsity": trial.suggest_float("sparsity", 0.0, _MOST_SPARSITY),
        }

    def recipe(self, choices: Choices) -> Recipe:
        """The recipe that choices make."""
        passes: list[Pass] = []
        if choices["sparsity"] >= _LEAST_SPARSITY:
            passes.append(MagnitudePruning(sparsity=choices["sparsity"]))
        return Recipe(passes=tuple(passes), variant=choices["variant"])
