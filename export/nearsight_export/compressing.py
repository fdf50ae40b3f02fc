"""`compress`: looks for the recipe that keeps a budget, and exports the run by it."""

import platform
import time
from collections.abc import Mapping
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec
import numpy as np

from nearsight.backends import Backend, choose
from nearsight.bundle import write_atomically
from nearsight.errors import InputError, NearsightError
from nearsight.heads import calibrated
from nearsight.manifest import model_id
from nearsight.trunk import Trunk, Weights
from nearsight_export.budget import Budget
from nearsight_export.config import ExportConfig
from nearsight_export.conversion import converted
from nearsight_export.cookbook import Cookbook
from nearsight_export.exam import Exam
from nearsight_export.export import export
from nearsight_export.judge import Judge
from nearsight_export.pace import raced
from nearsight_export.passes.cache import Cache
from nearsight_export.passes.model import Desk, Model
from nearsight_export.proof import losses
from nearsight_export.recipe import Recipe, written
from nearsight_export.recommendation import Trial, front, recommended
from nearsight_export.replay import Replay, replayed
from nearsight_export.samples import collected
from nearsight_export.search import Choices, Search, Within
from nearsight_export.source import recalibrated, through
from nearsight_export.study import Study, check_folder
from nearsight_export.tuning import Limits
from nearsight_export.variants import CALIBRATED
from nearsight_training.histories import SPLITS, Histories
from nearsight_training.learning import cutoff_of, rehearsal_of
from nearsight_training.metrics import Interval
from nearsight_training.progress import SILENT, Progress
from nearsight_training.run import Run, check_above, load_histories, load_run, load_weights

if TYPE_CHECKING:
    import optuna

__all__ = ["Compressed", "compress"]

_RESULT, _PASSES = "compression.json", "passes"
_BUNDLE, _RECIPE = "model.nsight", "recipe.toml"
_PACKAGES = ("nearsight", "optuna", "tensorflow", "ai-edge-litert")
_STAGES = 100  # of a trial, whose passes say themselves how far they are
_MOST_EVENTS = 100_000  # of validation, that trials are judged by


class Compressed(msgspec.Struct, frozen=True, kw_only=True):
    """A search: every trial, the numbers of those on the Pareto front, and what is recommended.

    `lost` is, for each trial on the front and by head, how much lower it scores than the network without passes on the
    test users, whom no trial was chosen by, with paired intervals of 95 %. Where no trial keeps the budget,
    `recommended` is the closest one, `obstacles` say what it exceeds, and there is no `bundle`.
    """

    format: int = 1
    created: str
    command: str
    run: str
    budget: Budget
    figure: str
    machine: str
    versions: dict[str, str]
    trials: tuple[Trial, ...]
    front: tuple[int, ...]
    reference: int
    recommended: int
    recipe: Recipe
    obstacles: tuple[str, ...] = ()
    lost: dict[int, dict[str, Interval]] = {}
    bundle: str | None = None
    is_stopped: bool = False

    def trial(self, number: int) -> Trial:
        """The trial with that number."""
        return next(trial for trial in self.trials if trial.number == number)


def compress(
    run_path: Path, budget: Budget, out: Path, limits: Limits, progress: Progress = SILENT, command: str = ""
) -> Compressed:
    """Search recipes for a run and export it by the recommended one; what is in `out` already is gone on with.

    Trials learn from the training users and are judged on the validation users. `command` is what repeats the call.
    Ctrl-C ends the search with what was found; where nothing was, it is raised. Raises `InputError` where the run or
    the folder can't be used, and `NearsightError` where the network without passes fails, or the export.
    """
    deadline = time.monotonic() + limits.seconds
    limits.check()
    check_above(out / _PASSES)
    check_folder(out)
    run, weights, histories = load_run(run_path), load_weights(run_path), load_histories(run_path)
    judge = _judge(run, histories)
    if budget.lost is not None and (budget.unit == "auc") != (judge.figure == "AUC"):
        raise InputError(f"{run_path} is judged by {judge.figure}, received a budget in {budget.unit}: name the other")
    study = Study(out, {"run": model_id(weights)}, run.seed)
    search = _Search(study, run, weights, histories, judge, out, progress)
    is_stopped = search.run(deadline, limits.trials)
    found = search.concluded(run_path, budget, command, is_stopped)
    write_atomically(out / _RECIPE, written(found.recipe).encode())
    if not found.obstacles and not is_stopped:
        variant = found.recipe.variant
        config = ExportConfig(variant=variant, variants=(variant,), passes=found.recipe.passes)
        if budget.lost is not None and budget.unit == "auc":
            config = msgspec.structs.replace(config, largest_loss=budget.lost)
        export(run_path, config, out / _BUNDLE, progress, out / _PASSES)
        found = msgspec.structs.replace(found, bundle=str(out / _BUNDLE))
    write_atomically(out / _RESULT, msgspec.json.format(msgspec.json.encode(found), indent=1))
    return found


def _judge(run: Run, histories: Histories) -> Judge:
    validation = histories.select(SPLITS.index("validation"))
    return Judge(validation.limited(_MOST_EVENTS, run.seed), run.heads, rehearsal_of(validation, run.config))


class _Search(Search):
    """The trials of one folder, and what follows from them."""

    def __init__(
        self,
        study: Study,
        run: Run,
        weights: Weights,
        histories: Histories,
        judge: Judge,
        out: Path,
        progress: Progress,
    ) -> None:
        super().__init__(study, out, progress, judge.figure)
        self.subject, self.histories, self.judge = run, histories, judge
        self.network, self.desk = Model(run.trunk, weights), Desk.of(run, histories)
        self.cookbook, self.cache = Cookbook(run), Cache(out / _PASSES)

    @property
    def wanted(self) -> tuple[Choices, ...]:
        """See `Search`: no pass, then one of each kind."""
        return self.cookbook.first

    @property
    def stages(self) -> int:
        """See `Search`."""
        return _STAGES

    def drawn(self, trial: "optuna.trial.Trial") -> Choices:
        """See `Search`."""
        return self.cookbook.drawn(trial)

    def concluded(self, run_path: Path, budget: Budget, command: str, is_stopped: bool) -> Compressed:
        """Front, recommendation and the front's figures on the test."""
        trials, reference = self.study.trials, self.reference
        if reference is None:
            raise NearsightError(f"{self.out} holds no trial of the network without passes: run the command again")
        winners = front(trials)
        self.progress.start("comparing", 2 * len(winners))
        before = self._replay(reference, self.judge.histories)
        lost = {trial.number: self._lost(before, trial) for trial in winners}
        chosen, obstacles = self._chosen(winners, lost, budget)
        on_test = self._on_test(winners)
        self.progress.finish(f"{len(winners)} of {len(trials)} trials are on the Pareto front")
        return Compressed(
            created=datetime.now(UTC).isoformat(timespec="seconds"),
            command=command,
            run=str(run_path),
            budget=budget,
            figure=self.judge.figure,
            machine=f"{platform.system()} {platform.machine()}",
            versions={name: metadata.version(name) for name in _PACKAGES},
            trials=trials,
            front=tuple(trial.number for trial in winners),
            reference=reference.number,
            recommended=chosen.number,
            recipe=self.cookbook.recipe(chosen.choices),
            obstacles=obstacles,
            lost=on_test,
            is_stopped=is_stopped,
        )

    def _chosen(
        self, winners: tuple[Trial, ...], lost: Mapping[int, Interval], budget: Budget
    ) -> tuple[Trial, tuple[str, ...]]:
        """The recommended trial, or the closest one and what it exceeds.

        Among those that keep the budget it is the one with the smallest product of step time and size; where the budget
        doesn't say what may be lost, only those count that can't be told apart from the best of them.
        """
        excess = {trial.number: list(budget.exceeded(*_costs(trial, lost))) for trial in winners}
        inside = [trial for trial in winners if not excess[trial.number]]
        if not inside:
            chosen = min(winners, key=lambda trial: max(each.times for each in excess[trial.number]))
            return chosen, tuple(each.said for each in excess[chosen.number])
        if budget.lost is not None:
            return min(inside, key=lambda trial: trial.values[1] * trial.values[2]), ()
        top = max(inside, key=lambda trial: trial.values[0])
        best = self._replay(top, self.judge.histories)
        return recommended(inside, {trial.number: self._lost(best, trial) for trial in inside}), ()

    def _lost(self, before: Replay, trial: Trial) -> Interval:
        """How much lower a trial scores than `before` on validation."""
        self.progress.advance(f"trial {trial.number}")
        return self.judge.ahead(before, self._replay(trial, self.judge.histories))

    def _on_test(self, winners: tuple[Trial, ...]) -> dict[int, dict[str, Interval]]:
        """What each trial on the front loses on the test, by head."""
        run = self.subject
        exam = Exam(
            trunk=run.trunk,
            heads=run.heads,
            weights=calibrated(self.network.weights, run.heads),
            histories=self.histories.select(SPLITS.index("test")),
            window=run.window,
            cutoff=cutoff_of(run.config),
            seed=run.seed,
        )
        before, found = replayed(exam.reference, run.trunk, exam.histories), {}
        for trial in winners:
            self.progress.advance(f"trial {trial.number} on the test")
            found[trial.number] = losses(exam, before, self._replay(trial, exam.histories))
        return found

    def measured(self, trial: Trial, reference: Trial | None, deadline: float) -> Trial:
        """See `Search`: make, judge and time the step of a recipe."""
        recipe = self.cookbook.recipe(trial.choices)
        within = Within(self.progress, deadline if reference else float("inf"))
        model, _ = through(recipe, self.network, self.desk, within, self.cache)
        within.advance("converting")
        content = self._artifact(model, recipe)
        write_atomically(self.artifact(trial.number), content)
        within.advance("judging and timing")
        mine = self._backend(content, model.trunk)
        other = self._loaded(reference) if reference else mine
        validation = self.judge.histories
        pace = raced(mine, other, validation.codes, validation.numbers)
        return msgspec.structs.replace(
            trial,
            state="done",
            reason="",
            score=self.judge.score(replayed(mine, model.trunk, validation)),
            weights=sum(int(np.prod(shape)) for shape in model.trunk.weight_shapes.values()),
            bytes=len(content),
            p50_us=pace.p50_us,
            reference_us=pace.reference_us,
            pace=pace.ratio if reference else 1.0,
        )

    def _artifact(self, model: Model, recipe: Recipe) -> bytes:
        """The step graph at the recipe's precision."""
        heads = recalibrated(model, self.desk) if recipe.passes else self.subject.heads
        folded, window = calibrated(model.weights, heads), self.subject.window
        samples = None
        if recipe.variant in CALIBRATED:
            run = self.subject
            samples = collected(model.trunk, folded, window, self.desk.training, run.seed, run.spec)
        return converted(model.trunk, folded, window, f"{recipe.variant}/step.tflite", samples)

    def _replay(self, trial: Trial, histories: Histories) -> Replay:
        return replayed(self._loaded(trial), self._trunk(trial), histories)

    def _loaded(self, trial: Trial) -> Backend:
        return self._backend(self.artifact(trial.number).read_bytes(), self._trunk(trial))

    def _trunk(self, trial: Trial) -> Trunk:
        return through(self.cookbook.recipe(trial.choices), self.network, self.desk, SILENT, self.cache)[0].trunk

    def _backend(self, content: bytes, trunk: Trunk) -> Backend:
        return choose("litert", {"step.tflite": content}, trunk)


def _costs(trial: Trial, lost: Mapping[int, Interval]) -> tuple[float, float, float]:
    """What a budget limits: bytes, microseconds and the score that is lost."""
    return trial.values[2], trial.p50_us or 0.0, lost[trial.number].value
