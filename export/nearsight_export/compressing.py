"""`compress`: looks for the recipe that keeps a budget, and exports the run by it."""

import platform
import time
from collections.abc import Mapping
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path

import msgspec
import numpy as np

from nearsight.backends import Backend, choose
from nearsight.bundle import write_atomically
from nearsight.errors import InputError, NearsightError
from nearsight.heads import calibrated
from nearsight.manifest import model_id
from nearsight.trunk import Trunk, Weights
from nearsight_export.attempt import LateError
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
from nearsight_export.source import recalibrated, through
from nearsight_export.study import Study, check_folder
from nearsight_export.tuning import Limits
from nearsight_training.histories import SPLITS, Histories
from nearsight_training.learning import cutoff_of, rehearsal_of
from nearsight_training.metrics import Interval
from nearsight_training.progress import SILENT, Progress
from nearsight_training.run import Run, check_above, load_histories, load_run, load_weights

__all__ = ["Compressed", "compress"]

_RESULT, _ARTIFACTS, _PASSES = "compression.json", "trials", "passes"
_BUNDLE, _RECIPE = "model.nsight", "recipe.toml"
_PACKAGES = ("nearsight", "optuna", "tensorflow", "ai-edge-litert")
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


class _Search:
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
        self.study, self.subject, self.histories, self.judge = study, run, histories, judge
        self.out, self.progress = out, progress
        self.network, self.desk = Model(run.trunk, weights), Desk.of(run, histories)
        self.cookbook, self.cache = Cookbook(run), Cache(out / _PASSES)

    def run(self, deadline: float, most: int | None) -> bool:
        """Try recipes until the time is over or `most` were tried; returns whether Ctrl-C ended it."""
        tried = 0
        while (most is None or tried < most) and (self.reference is None or time.monotonic() < deadline):
            try:
                self._tried(deadline)
            except KeyboardInterrupt:
                if self.reference is None:
                    raise
                return True
            tried += 1
        return False

    @property
    def reference(self) -> Trial | None:
        """The done trial without any pass."""
        done = (trial for trial in self.study.trials if trial.state == "done")
        return next((trial for trial in done if trial.choices == self.cookbook.untouched), None)

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

    def _tried(self, deadline: float) -> Trial:
        """One trial, kept in the study. Raises what ends the first one, and `KeyboardInterrupt`."""
        reference, began = self.reference, time.monotonic()
        ahead = len(self.study.trials)
        drawn = self.study.begun(self.cookbook.first[ahead] if ahead < len(self.cookbook.first) else None)
        choices = self.cookbook.drawn(drawn)
        self.progress.start(f"trial {drawn.number}, {max(0.0, deadline - time.monotonic()) / 60:.0f} min left", 100)
        found = Trial(number=drawn.number, state="failed", choices=choices, seconds=0.0, reason="it was interrupted")
        try:
            found = self._figures(found, reference, deadline)
        except LateError as end:
            found = msgspec.structs.replace(found, state="pruned", reason=str(end))
        except NearsightError as error:
            found = msgspec.structs.replace(found, reason=str(error))
            if reference is None:
                raise
        finally:
            found = msgspec.structs.replace(found, seconds=time.monotonic() - began)
            self.study.ended(drawn, found)
        self.progress.finish(self._told(found))
        return found

    def _figures(self, trial: Trial, reference: Trial | None, deadline: float) -> Trial:
        """Make, judge and time the step of a recipe."""
        recipe = self.cookbook.recipe(trial.choices)
        within = _Within(self.progress, deadline if reference else float("inf"))
        model, _ = through(recipe.passes, self.network, self.desk, within, self.cache)
        within.advance("converting")
        content = self._artifact(model, recipe)
        write_atomically(self._path(trial.number), content)
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
        if recipe.variant == "int8-full":
            samples = collected(model.trunk, folded, window, self.desk.training, self.subject.seed)
        return converted(model.trunk, folded, window, f"{recipe.variant}/step.tflite", samples)

    def _replay(self, trial: Trial, histories: Histories) -> Replay:
        return replayed(self._loaded(trial), self._trunk(trial), histories)

    def _loaded(self, trial: Trial) -> Backend:
        return self._backend(self._path(trial.number).read_bytes(), self._trunk(trial))

    def _trunk(self, trial: Trial) -> Trunk:
        return through(self.cookbook.recipe(trial.choices).passes, self.network, self.desk, SILENT, self.cache)[0].trunk

    def _backend(self, content: bytes, trunk: Trunk) -> Backend:
        return choose("litert", {"step.tflite": content}, trunk)

    def _told(self, trial: Trial) -> str:
        if trial.state != "done":
            return f"{trial.state}: {trial.reason}"
        score, pace, size = trial.values
        return f"{self.judge.figure} {abs(score):.4f}, {trial.p50_us:.1f} µs ({pace:.2f}), {size / 1000:.1f} kB"

    def _path(self, number: int) -> Path:
        return self.out / _ARTIFACTS / f"{number:04d}.tflite"


class _Within:
    """Passes on the steps of a trial's passes, whose beginnings and ends are nobody's business, until time is over."""

    def __init__(self, outer: Progress, deadline: float) -> None:
        self._outer, self._deadline = outer, deadline

    def start(self, title: str, total: int) -> None:
        """The trial has begun already."""

    def advance(self, note: str = "") -> None:
        """One step of the trial. Raises `LateError` past the deadline."""
        if time.monotonic() > self._deadline:
            raise LateError("the time was over")
        self._outer.advance(note)

    def finish(self, summary: str = "") -> None:
        """The trial goes on."""


def _costs(trial: Trial, lost: Mapping[int, Interval]) -> tuple[float, float, float]:
    """What a budget limits: bytes, microseconds and the score that is lost."""
    return trial.values[2], trial.p50_us or 0.0, lost[trial.number].value
