"""What a search may choose for a log: a small space around the default configuration, which is always inside of it."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from msgspec.structs import replace

from nearsight.spec import Spec
from nearsight_training.config import LogConfig
from nearsight_training.embeddings import widths
from nearsight_training.histories import Histories

if TYPE_CHECKING:
    from optuna.trial import Trial

__all__ = ["Space"]

_SIZE = ("filters", "units", "largest_embedding")
_FITTING = ("learning_rate", "dropout", "batch_events", "ask_weight")
_WHOLE = {"filters": (8, 96), "units": (12, 128), "batch_events": (512, 4096)}
_REAL = {"learning_rate": (1e-3, 1.5e-2), "ask_weight": (0.25, 4.0)}
_MOST_DROPOUT = 0.4
_EMBEDDINGS, _WINDOWS = (4, 8, 16, 32), (16, 32, 64, 128)


class Space:
    """The choices for one log: those that would change nothing for it aren't offered.

    Sizes and rates are drawn on logarithmic scales, since it is the small networks that matter.
    """

    def __init__(self, config: LogConfig, spec: Spec, histories: Histories) -> None:
        self.config = config
        longest = int(histories.lengths.max(initial=1))
        widest = max(widths(spec.code_sizes))
        self.choices = {
            "largest_embedding": _offered(_EMBEDDINGS, config.size.largest_embedding, widest),
            "window": _offered(_WINDOWS, config.window, longest),
        }
        self.asks = bool(config.targets) and len(histories.ask_time) > 0

    @property
    def default(self) -> dict[str, int | float]:
        """The default configuration's choices."""
        config = self.config
        every = {name: getattr(config.size, name) for name in _SIZE}
        every |= {"window": config.window} | {name: getattr(config.fitting, name) for name in _FITTING}
        return {name: value for name, value in every.items() if self._offers(name)}

    def drawn(self, trial: "Trial") -> dict[str, int | float]:
        """A trial's choices, by name."""
        default, found = self.default, dict[str, Any]()
        for name, value in default.items():
            if name in _WHOLE:
                low, high = _WHOLE[name]
                found[name] = trial.suggest_int(name, min(low, int(value)), max(high, int(value)), log=True)
            elif name in _REAL:
                low_rate, high_rate = _REAL[name]
                found[name] = trial.suggest_float(name, min(low_rate, value), max(high_rate, value), log=True)
            elif name == "dropout":
                found[name] = trial.suggest_float(name, 0.0, max(_MOST_DROPOUT, value))
            else:
                found[name] = trial.suggest_categorical(name, self.choices[name])
        return found

    def configured(self, choices: Mapping[str, Any]) -> LogConfig:
        """The configuration with these choices."""
        size = {name: choices[name] for name in _SIZE if name in choices}
        fitting = {name: choices[name] for name in _FITTING if name in choices}
        config = self.config
        return replace(
            config,
            window=choices.get("window", config.window),
            size=replace(config.size, **size),
            fitting=replace(config.fitting, **fitting),
        )

    def _offers(self, name: str) -> bool:
        return self.asks if name == "ask_weight" else len(self.choices.get(name, (0, 1))) > 1


def _offered(values: tuple[int, ...], default: int, most: int) -> tuple[int, ...]:
    """The values below `most` and the first one above, since more does no more; the default is always there."""
    below = [value for value in values if value < most]
    return tuple(sorted({*values[: len(below) + 1], default}))
