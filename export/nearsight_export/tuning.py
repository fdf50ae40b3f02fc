"""`tune`: looks for a network that is smaller and faster and ranks as well, and trains it into a run."""

import math
import platform
import time
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from nearsight.bundle import write_atomically
from nearsight.errors import InputError
from nearsight_export.recommendation import RULE, Against, Trial, best, front, recommended
from nearsight_export.search import Choices, Search, Within
from nearsight_export.study import Study, check_folder
from nearsight_training.columns import Table
from nearsight_training.config import LogConfig
from nearsight_training.log import log_of
from nearsight_training.metrics import Interval
from nearsight_training.preparation import Prepared, prepare
from nearsight_training.progress import SILENT, Progress
from nearsight_training.run import Run, check_place, load_run
from nearsight_training.train import sha256, train_log

if TYPE_CHECKING:
    import optuna

__all__ = ["BEST", "Limits", "Tuned", "configuration", "tune"]

BEST, _RESULT = "best", "tuning.json"
_PACKAGES = ("nearsight", "optuna", "tensorflow", "ai-edge-litert")


@dataclass(frozen=True)
class Limits:
    """How long to look for configurations, in seconds, and how many to try in this call at most.

    The default configuration is tried in any case. Training the recommended one comes on top.
    """

    seconds: float = 1200.0
    trials: int | None = None

    def check(self) -> None:
        """Raise `InputError` where a limit isn't positive."""
        if not (0 < self.seconds < math.inf) or (self.trials is not None and self.trials < 1):
            raise InputError(f"a search needs time and trials, received {self.seconds:g} s, {self.trials} trials")


class Tuned(msgspec.Struct, frozen=True, kw_only=True):
    """A search: every trial, the numbers of those on the Pareto front, of the best and of the recommended one.

    `ahead` is by how much the best one's validation score is higher than that of each trial on the front, paired.
    `run` is the folder of the recommended configuration's run and `metrics` are its figures on the test; there is none
    where the search was stopped before.
    """

    format: int = 1
    created: str
    command: str
    log: str
    config: LogConfig
    figure: str
    rule: str
    machine: str
    versions: dict[str, str]
    trials: tuple[Trial, ...]
    front: tuple[int, ...]
    default: int
    best: int
    recommended: int
    ahead: dict[int, Interval]
    against: Against
    is_stopped: bool = False
    run: str | None = None
    metrics: dict[str, dict[str, Interval]] = {}

    def trial(self, number: int) -> Trial:
        """The trial with that number."""
        return next(trial for trial in self.trials if trial.number == number)


def configuration(run: Path, source: Path) -> LogConfig:
    """The configuration of a run, to search around it.

    Raises `InputError` where the run can't be read, is of a wide table or of a log in parts, began with another run,
    whose size it must keep, was private, or learned from another file than `source`.
    """
    found = load_run(run)
    if not isinstance(found.config, LogConfig):
        raise InputError(f"a search needs a run of an event log, received {run}, of a table: train one on a log")
    if found.config.origin is not None:
        raise InputError(
            f"a search needs a run that began fresh, received {run}, which keeps the size of another: "
            "train one without --from"
        )
    if found.config.fitting.private is not None:
        raise InputError(
            f"a search needs a run without --private, received {run}: every trial would tell something of the users, "
            "which no accounting covers; train one without"
        )
    if found.config.parts > 1:
        raise InputError(
            f"a search needs a log in memory, received {run}, which learned from one in {found.config.parts} parts: "
            "train one on fewer users, without --memory"
        )
    try:
        known = sha256(source)
    except OSError as error:
        raise InputError(f"{source} can't be read ({error.strerror}): pass the log that {run} learned from") from error
    if known != found.source.sha256:
        raise InputError(f"{run} learned from another {found.source.name} than {source}: pass that one, or train again")
    return found.config


def tune(
    source: Path, config: LogConfig, out: Path, limits: Limits, progress: Progress = SILENT, command: str = ""
) -> Tuned:
    """Search around `config` and train what is recommended into `out/best`; what is in `out` already is gone on with.

    Trials are trained on the training users and judged on the validation users. `command` is what repeats the call.
    Ctrl-C ends the search with what was found; where nothing was, it is raised. Raises `InputError` where the log, the
    configuration or the folder can't be used, and `NearsightError` where the default configuration fails.
    """
    deadline = time.monotonic() + limits.seconds
    limits.check()
    check_place(out / BEST)
    check_folder(out)
    prepared = _prepared(source, config, progress)
    search = _Search(Study(out, _subject(source, config), config.fitting.seed), prepared, config, out, progress)
    is_stopped = search.run(deadline, limits.trials)
    tuned = search.concluded(source, command, is_stopped)
    if not is_stopped:
        chosen = search.space.configured(tuned.trial(tuned.recommended).choices)
        run = _trained(source, chosen, out / BEST, progress)
        tuned = msgspec.structs.replace(tuned, run=str(out / BEST), metrics=run.metrics)
    write_atomically(out / _RESULT, msgspec.json.format(msgspec.json.encode(tuned), indent=1))
    return tuned


def _subject(source: Path, config: LogConfig) -> dict[str, Any]:
    """What a search is about: the log and every part of the configuration."""
    return {"log": sha256(source), **msgspec.json.decode(msgspec.json.encode(config))}


def _prepared(source: Path, config: LogConfig, progress: Progress) -> Prepared:
    progress.start("reading", 1)
    log = log_of(Table.read(source), config)
    prepared = prepare(log, config)
    progress.finish(f"{len(log.times):,} events of {len(log.users):,} users")
    return prepared


def _trained(source: Path, config: LogConfig, folder: Path, progress: Progress) -> Run:
    """Train into `folder`, unless an earlier call did: the same log and configuration give the same run."""
    if folder.exists() and (run := load_run(folder)).config == config:
        return run
    return train_log(source, config, folder, progress)


class _Search(Search):
    """The trials of one folder, and what follows from them."""

    def __init__(self, study: Study, prepared: Prepared, config: LogConfig, out: Path, progress: Progress) -> None:
        from nearsight_export.attempt import Attempts
        from nearsight_export.space import Space

        self.config, self.attempts = config, Attempts(prepared, config)
        self.space = Space(config, prepared.spec, self.attempts.training)
        super().__init__(study, out, progress, self.attempts.judge.figure)

    @property
    def wanted(self) -> tuple[Choices, ...]:
        """See `Search`: the default configuration's choices."""
        return (self.space.default,)

    @property
    def stages(self) -> int:
        """See `Search`."""
        return self.config.fitting.epochs + 2

    def drawn(self, trial: "optuna.trial.Trial") -> Choices:
        """See `Search`."""
        return self.space.drawn(trial)

    def concluded(self, source: Path, command: str, is_stopped: bool) -> Tuned:
        """Front, recommendation and its comparison with the default."""
        trials, default = self.study.trials, self.reference
        if default is None:
            raise InputError(f"{self.out} holds no trial of the default configuration: run the command again")
        winners, top = front(trials), best(trials)
        self.progress.start("comparing", len(winners))
        ahead = {trial.number: self._ahead(top, trial) for trial in winners}
        chosen = recommended(winners, ahead)
        against = Against(
            size=chosen.values[2] / default.values[2],
            time=chosen.values[1] / default.values[1],
            change=self._ahead(chosen, default),
        )
        self.progress.finish(f"{len(winners)} of {len(trials)} trials are on the Pareto front")
        return Tuned(
            created=datetime.now(UTC).isoformat(timespec="seconds"),
            command=command,
            log=source.name,
            config=self.config,
            figure=self.attempts.judge.figure,
            rule=RULE.format(figure=self.attempts.judge.figure),
            machine=f"{platform.system()} {platform.machine()}",
            versions={name: metadata.version(name) for name in _PACKAGES},
            trials=trials,
            front=tuple(trial.number for trial in winners),
            default=default.number,
            best=top.number,
            recommended=chosen.number,
            ahead=ahead,
            against=against,
            is_stopped=is_stopped,
        )

    def _ahead(self, first: Trial, second: Trial) -> Interval:
        self.progress.advance(f"trial {first.number} and trial {second.number}")
        one, other = (
            self.attempts.replay(self.space.configured(trial.choices), self.artifact(trial.number).read_bytes())
            for trial in (first, second)
        )
        return self.attempts.judge.ahead(one, other)

    def measured(self, trial: Trial, reference: Trial | None, deadline: float) -> Trial:
        """See `Search`."""
        other = None
        if reference is not None:
            other = self.config, self.artifact(reference.number).read_bytes()
        config, inner = self.space.configured(trial.choices), Within(self.progress)
        found = self.attempts.tried(config, other, self.study.trials, deadline, inner)
        write_atomically(self.artifact(trial.number), found.artifact)
        return msgspec.structs.replace(
            trial,
            state="done",
            reason="",
            score=found.score,
            early=found.early,
            weights=found.weights,
            bytes=len(found.artifact),
            p50_us=found.pace.p50_us,
            reference_us=found.pace.reference_us,
            pace=found.pace.ratio if reference is not None else 1.0,
        )
