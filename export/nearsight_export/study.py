"""A search's memory: optuna's journal in the folder, which a later call goes on with."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

import msgspec
import optuna
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend, JournalFileOpenLock
from optuna.trial import TrialState

from nearsight.errors import InputError
from nearsight_export.recommendation import Trial

__all__ = ["JOURNAL", "Study", "check_folder"]

JOURNAL, _NAME = "study.journal", "tuning"
_STARTING = 6  # trials that are drawn before the sampler goes by what it saw
_FOUND, _SUBJECT = "found", "subject"
_DIRECTIONS: tuple[Literal["minimize", "maximize"], ...] = ("maximize", "minimize", "minimize")  # `Trial.values`


def check_folder(folder: Path) -> None:
    """Raises `InputError` where a folder holds something other than a search."""
    if folder.is_dir() and any(folder.iterdir()) and not (folder / JOURNAL).is_file():
        raise InputError(f"{folder} exists and isn't a search: pass another --out")


class Study:
    """The trials of one search. Opening it makes the folder, or refuses it with `InputError`.

    `subject` is what the trials are about, in terms of JSON: a folder goes on only with the same.
    """

    def __init__(self, folder: Path, subject: Mapping[str, Any], seed: int) -> None:
        check_folder(folder)
        optuna.logging.disable_default_handler()
        optuna.logging.set_verbosity(optuna.logging.ERROR)
        folder.mkdir(parents=True, exist_ok=True)
        path = str(folder / JOURNAL)
        try:
            storage = JournalStorage(JournalFileBackend(path, lock_obj=JournalFileOpenLock(path)))
            if _NAME not in optuna.get_all_study_names(storage):
                optuna.create_study(storage=storage, study_name=_NAME, directions=_DIRECTIONS)
            self._study = optuna.load_study(storage=storage, study_name=_NAME)
        except (ValueError, KeyError) as error:
            raise InputError(f"{path} is damaged ({error}): pass another --out, or delete it") from error
        self._check_subject(folder, subject)
        for left in self._study.get_trials(deepcopy=False, states=(TrialState.RUNNING,)):
            self._study.tell(left.number, state=TrialState.FAIL)  # its process ended in the middle of it
        seed = (seed + len(self._study.trials)) % 2**32  # or a later call would draw the same ones again
        self._study.sampler = optuna.samplers.TPESampler(n_startup_trials=_STARTING, multivariate=True, seed=seed)

    @property
    def trials(self) -> tuple[Trial, ...]:
        """Every trial that ended, in order."""
        found = [trial.user_attrs.get(_FOUND) for trial in self._study.get_trials(deepcopy=False)]
        return tuple(msgspec.convert(each, Trial) for each in found if each is not None)

    def begun(self, first: Mapping[str, Any] | None = None) -> optuna.trial.Trial:
        """The next trial; `first` are the choices that it shall make."""
        if first is not None:
            self._study.enqueue_trial(dict(first))
        return self._study.ask()

    def ended(self, trial: optuna.trial.Trial, found: Trial) -> None:
        """Keep what became of a trial; the sampler learns from those that are done."""
        trial.set_user_attr(_FOUND, msgspec.to_builtins(found))
        if found.state == "done":
            self._study.tell(trial, found.values)
        else:
            self._study.tell(trial, state=TrialState.FAIL)

    def _check_subject(self, folder: Path, subject: Mapping[str, Any]) -> None:
        """Raises `InputError` where the folder's trials are about something else."""
        known = self._study.user_attrs.get(_SUBJECT)
        if known is None:
            self._study.set_user_attr(_SUBJECT, dict(subject))
            return
        changed = [name for name, value in subject.items() if known.get(name) != value]
        if changed:
            raise InputError(
                f"{folder} holds trials with another {', '.join(changed)}: pass the same, or another --out"
            )
