"""What private training promises each user, and how much noise that takes.

Accounted by `dp-accounting`: privacy loss distributions (Koskela et al. 2020, arXiv:1906.03049) of the Gaussian
mechanism on Poisson samples of users, for users who are added or removed as a whole.
"""

from typing import Any

import msgspec

from nearsight.errors import InputError
from nearsight_training.config import LogConfig, Privacy, TableConfig

__all__ = ["Guarantee", "check_private", "limits", "promised", "spent", "spoken"]

_POWER = 1.1  # of the number of users, in the default delta
_TOLERANCE = 1e-3
_INTERVAL = 1e-3  # of losses: rounded up, and ten times faster than 1e-4, for 2 % more ε over 12,000 steps


class Guarantee(msgspec.Struct, frozen=True, kw_only=True):
    """(`epsilon`, `delta`)-differential privacy of `users`, and by what.

    Each of `steps` draws every user with the chance `sampling_rate`, clips each one's gradient to `clip_norm` and adds
    noise of `noise_multiplier` times that to the sum. `is_repeatable` where the noise came from a seed.
    """

    epsilon: float
    delta: float
    noise_multiplier: float
    clip_norm: float
    sampling_rate: float
    steps: int
    users: int
    is_repeatable: bool = False


def promised(privacy: Privacy, users: int, epochs: int) -> Guarantee:
    """The guarantee for so many users and epochs, with the least noise that keeps it.

    An epoch has as many steps as let each user take part once on average. Raises `InputError` where `dp-accounting` is
    missing.
    """
    rate = min(1.0, privacy.users_per_step / users)
    steps, delta = epochs * round(1 / rate), privacy.delta or users**-_POWER
    return Guarantee(
        epsilon=privacy.epsilon,
        delta=delta,
        noise_multiplier=_noise_multiplier(privacy, delta, rate, steps),
        clip_norm=privacy.clip_norm,
        sampling_rate=rate,
        steps=steps,
        users=users,
        is_repeatable=privacy.noise_seed is not None,
    )


def spent(noise_multiplier: float, sampling_rate: float, steps: int, delta: float) -> float:
    """The ε of so many steps."""
    return float(_accountant().compose(_event(noise_multiplier, sampling_rate, steps)).get_epsilon(delta))


def spoken(guarantee: Guarantee | None) -> str:
    """The guarantee as the end of a sentence."""
    if guarantee is None:
        return "trained without differential privacy"
    said = f"({guarantee.epsilon:g}, {guarantee.delta:.2g})-differential privacy per user"
    if guarantee.is_repeatable:
        return f"trained as for {said}, but with noise from a seed, which protects nobody"
    return f"trained with {said}"


def limits(guarantee: Guarantee) -> tuple[str, ...]:
    """What the promise doesn't hold for, in sentences for a run's notes."""
    said = (
        f"differential privacy protects the {guarantee.users:,} users trained on, not those of validation, who give "
        "names, bounds, calibration, thresholds, segments, the average user, the alarm, when to stop, and pruning"
    )
    figures = "figures, counts and these notes are exact; how many users were trained on is taken for public"
    untaught = "no trees taught: they would have told of the users that they learned from"
    seeded = ("the noise came from a seed: whoever knows it can take it away again",) if guarantee.is_repeatable else ()
    return (said, figures, untaught, *seeded)


def check_private(config: LogConfig | TableConfig) -> None:
    """Raise `InputError` where private training is asked for together with what its accounting doesn't cover."""
    if config.fitting.private is None:
        return
    if config.size.network == "vae":
        raise InputError(
            "private training clips each user's gradient, which a vae's loss mixes: choose cnn_lstm, lstm, cnn or mlp"
        )
    if unaccounted := _unaccounted(config):
        raise InputError(
            f"private training accounts for one training of the whole log alone, received {unaccounted}: drop it"
        )


def _unaccounted(config: LogConfig | TableConfig) -> str:
    """What else would learn of the training users, in words."""
    found = ["pretrain_epochs (--pretrain-epochs)"] if config.fitting.pretrain_epochs else []
    if isinstance(config, LogConfig):
        found += ["origin (--from)"] if config.origin is not None else []
        found += ["parts (--memory)"] if config.parts > 1 else []
        found += ["augmentation (--event-dropout, --time-jitter)"] if config.augmentation.varies else []
    return " and ".join(found)


def _noise_multiplier(privacy: Privacy, delta: float, rate: float, steps: int) -> float:
    """The least that keeps ε, to a thousandth."""
    try:
        from dp_accounting import calibrate_dp_mechanism
        from dp_accounting.mechanism_calibration import ExplicitBracketInterval
    except ImportError as error:
        raise InputError(
            "private training needs dp-accounting, which isn't installed: pip install 'nearsight[train]'"
        ) from error
    high = 1.0
    while spent(high, rate, steps, delta) > privacy.epsilon:
        high *= 2
    while spent(high / 2, rate, steps, delta) <= privacy.epsilon:
        high /= 2
    found = calibrate_dp_mechanism(
        _accountant,
        lambda multiplier: _event(multiplier, rate, steps),
        privacy.epsilon,
        delta,
        ExplicitBracketInterval(high / 2, high),
        tol=high * _TOLERANCE,
    )
    return float(found)


def _accountant() -> Any:
    from dp_accounting.pld import PLDAccountant

    return PLDAccountant(value_discretization_interval=_INTERVAL)


def _event(noise_multiplier: float, rate: float, steps: int) -> Any:
    import dp_accounting

    once = dp_accounting.PoissonSampledDpEvent(rate, dp_accounting.GaussianDpEvent(noise_multiplier))
    return dp_accounting.SelfComposedDpEvent(once, steps)
