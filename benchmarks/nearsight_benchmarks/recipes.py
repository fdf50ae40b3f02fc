"""What do recipes cost? `python -m nearsight_benchmarks.recipes RUN ...` exports each run by each preset.

What ships answers the test's questions in LiteRT beside the trained network, and its step is timed in turns with the
default recipe's in one process. Exports take minutes: those that are in `--folder` already are not made again.
"""

import argparse
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import msgspec
import numpy as np
from numpy.typing import NDArray

from nearsight.backends import choose
from nearsight.bundle import Bundle, read_bundle, write_atomically
from nearsight.errors import NearsightError
from nearsight.heads import BinaryHead, Head, calibrated
from nearsight.trunk import Kind
from nearsight_benchmarks.contestants import weight
from nearsight_benchmarks.exports import Made, made
from nearsight_benchmarks.host import Host, describe, load_average
from nearsight_benchmarks.results import Weight
from nearsight_benchmarks.sections.markdown import difference
from nearsight_benchmarks.sections.markdown import table as tabled
from nearsight_export.exam import Exam
from nearsight_export.pace import Pace, raced
from nearsight_export.proof import losses
from nearsight_export.recipe import RECIPES
from nearsight_export.replay import Replay, replayed
from nearsight_training.answers import Answers
from nearsight_training.baselines import over_trees
from nearsight_training.histories import Histories
from nearsight_training.learning import cutoff_of
from nearsight_training.metrics import Interval
from nearsight_training.progress import SILENT, Progress
from nearsight_training.run import Run, load_histories, load_run, load_weights
from nearsight_training.split import TEST

__all__ = ["Cooked", "Moved", "Recipes", "RunRecipes", "compared", "measured", "notes", "table"]

_STEP, _REFERENCE, _TREES = "step.tflite", "quick", "LightGBM"
_LEAST = 1e-9  # of a probability


class Moved(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A yes/no head beside the trained network's.

    `more` is its AUC less that one's, with a paired interval of 95 %, None where all test users gave one answer.
    `over_trees` is its AUC less LightGBM's, None where that can't be fitted. `flipped` is the share of all answers that
    lie on the other side of the threshold, each network's own.
    """

    more: Interval | None
    over_trees: Interval | None
    flipped: float


class Cooked(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a recipe made of a run: the network that is left, its step artifact, and its heads by name.

    `pace` is how long the runtime takes for a step, and for one by the recipe `quick`.
    """

    recipe: str
    seconds: float
    network: Kind
    filters: int
    units: int
    size: Weight
    pace: Pace
    heads: dict[str, Moved]


class RunRecipes(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A run by its data's name. `trees` is the trained network's AUC less LightGBM's by head, as training found it.

    `failures` say why a recipe has no bundle.
    """

    data: str
    users: int
    trees: dict[str, Interval]
    cooked: tuple[Cooked, ...]
    failures: dict[str, str]


class Recipes(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """All runs."""

    runs: tuple[RunRecipes, ...]
    load_average: float | None
    host: Host
    command: str


def measured(
    paths: Sequence[Path],
    recipes: Sequence[str],
    folder: Path,
    progress: Progress = SILENT,
    command: str = "",
) -> Recipes:
    """Export and compare; bundles are left in `folder`. Raises `InputError` where a run can't be read."""
    names = tuple(dict.fromkeys((_REFERENCE, *recipes)))
    return Recipes(
        runs=tuple(compared(path, {name: made(path, name, folder, progress) for name in names}) for path in paths),
        load_average=load_average(),
        host=describe(),
        command=command,
    )


def compared(path: Path, exports: Mapping[str, tuple[Made, Path]]) -> RunRecipes:
    """Time the step graphs of a run's bundles and hold their answers to the trained network's.

    Raises `NearsightError` where the recipe that times are multiples of has no bundle.
    """
    if exports[_REFERENCE][0].failure:
        raise NearsightError(f"{path} needs an export by {_REFERENCE} ({exports[_REFERENCE][0].failure})")
    run, exam = load_run(path), _exam(path)
    bundles = {name: read_bundle(bundle) for name, (each, bundle) in exports.items() if not each.failure}
    before, over = replayed(exam.reference, run.trunk, exam.histories), _over_trees(run, load_histories(path), bundles)
    return RunRecipes(
        data=run.source.name,
        users=len(exam.histories),
        trees=_less_trees(run),
        cooked=tuple(
            _cooked(
                name,
                exports[name][0],
                bundle,
                _pace(exam, bundle, bundles[_REFERENCE]),
                _moved(exam, before, bundle, over[name]),
            )
            for name, bundle in bundles.items()
        ),
        failures={name: each.failure for name, (each, _) in exports.items() if each.failure},
    )


def _exam(path: Path) -> Exam:
    """The test's questions and the trained network, ahead of any pass."""
    run = load_run(path)
    return Exam(
        trunk=run.trunk,
        heads=run.heads,
        weights=calibrated(load_weights(path), run.heads),
        histories=load_histories(path).select(TEST),
        window=run.window,
        cutoff=cutoff_of(run.config),
        seed=run.seed,
    )


def _pace(exam: Exam, bundle: Bundle, reference: Bundle) -> Pace:
    mine, its = (choose("litert", each.members, each.manifest.trunk) for each in (bundle, reference))
    return raced(mine, its, exam.histories.codes, exam.histories.numbers)


def _cooked(name: str, made: Made, bundle: Bundle, pace: Pace, heads: dict[str, Moved]) -> Cooked:
    trunk = bundle.manifest.trunk
    return Cooked(
        recipe=name,
        seconds=made.seconds,
        network=trunk.kind,
        filters=trunk.filters,
        units=trunk.units,
        size=weight(bundle.members[_STEP]),
        pace=pace,
        heads=heads,
    )


def _moved(exam: Exam, before: Replay, bundle: Bundle, over: Mapping[str, Interval]) -> dict[str, Moved]:
    trunk = bundle.manifest.trunk
    after = replayed(choose("litert", bundle.members, trunk), trunk, exam.histories)
    lost = losses(exam, before, after)
    first, second = _decisions(before, exam.heads), _decisions(after, bundle.manifest.heads)
    return {
        name: Moved(
            more=Interval(-lost[name].value, -lost[name].high, -lost[name].low) if name in lost else None,
            over_trees=over.get(name),
            flipped=float(np.mean(decisions != second[name])),
        )
        for name, decisions in first.items()
    }


def _over_trees(run: Run, histories: Histories, bundles: Mapping[str, Bundle]) -> dict[str, dict[str, Interval]]:
    """By how much higher each bundle's AUC is than LightGBM's, by recipe and head."""
    test, given = histories.select(TEST), {}
    for name, bundle in bundles.items():
        trunk = bundle.manifest.trunk
        after = replayed(choose("litert", bundle.members, trunk), trunk, test)
        given[name] = Answers(_logits(after.heads), _logits(after.asked))
    told = (
        msgspec.structs.replace(head, scale=1.0, offset=0.0)  # the graphs' answers are calibrated already
        for head in run.heads
        if isinstance(head, BinaryHead)
    )
    return over_trees(run.spec, histories, tuple(told), given, cutoff_of(run.config), run.seed)


def _logits(chances: NDArray[np.float32]) -> NDArray[np.float32]:
    bounded = np.clip(chances.astype(np.float64), _LEAST, 1 - _LEAST)
    logits: NDArray[np.float32] = np.log(bounded / (1 - bounded)).astype(np.float32)
    return logits


def _decisions(replay: Replay, heads: Sequence[Head]) -> dict[str, NDArray[np.bool_]]:
    """Whether each answer `(E + Q,)` reaches its head's threshold."""
    given = np.concatenate([replay.heads, replay.asked])
    return {head.name: given[:, head.start] >= head.threshold for head in heads if isinstance(head, BinaryHead)}


def _less_trees(run: Run) -> dict[str, Interval]:
    return {
        name: rival.ahead["auc"]
        for name, gate in run.gates.items()
        for rival in gate.rivals
        if rival.name == _TREES and "auc" in rival.ahead
    }


def table(found: RunRecipes) -> str:
    """One run's figures in Markdown."""
    heads = list(dict.fromkeys(name for each in found.cooked for name in each.heads))
    columns = [
        "recipe",
        "left",
        "kB",
        f"time of {_REFERENCE}'s",
        *(f"{name}: AUC, less {_TREES}'s, flipped" for name in heads),
        "s",
    ]
    return tabled(columns, [[*_row(each), *_heads(each, heads), f"{each.seconds:.0f}"] for each in found.cooked])


def notes(found: RunRecipes) -> Iterator[str]:
    """What stands beside a run's table: what trees rank like, and which recipes have no bundle."""
    for name, ahead in found.trees.items():
        yield f"{name}: the trained network's AUC less {_TREES}'s is {difference(ahead)}."
    for name, reason in found.failures.items():
        yield f"{name} made no bundle: {reason}."


def _row(each: Cooked) -> list[str]:
    left = f"{each.units} units" if each.network == "lstm" else f"{each.filters} filters, {each.units} units"
    return [each.recipe, f"{each.network}, {left}", f"{each.size.raw / 1000:.1f}", f"{each.pace.ratio:.2f}"]


def _heads(each: Cooked, names: Sequence[str]) -> Iterator[str]:
    for name in names:
        head = each.heads[name]
        more, over = (difference(each) if each else "–" for each in (head.more, head.over_trees))
        yield f"{more}; {over}; {100 * head.flipped:.2f} %"


def main(arguments: Sequence[str]) -> None:
    """Parse, export, compare, print, write."""
    parser = argparse.ArgumentParser("python -m nearsight_benchmarks.recipes", description="What each recipe costs.")
    parser.add_argument("runs", type=Path, nargs="+", metavar="RUN", help="what nearsight train wrote")
    parser.add_argument("--recipe", action="append", choices=RECIPES, help="only some presets; repeat it")
    parser.add_argument("--folder", type=Path, help="where bundles are kept, and found by the next call")
    parser.add_argument("--out", type=Path, help="where to write the figures as JSON")
    options = parser.parse_args(arguments)
    try:
        with tempfile.TemporaryDirectory() as temporary:
            found = measured(
                options.runs,
                options.recipe or tuple(RECIPES),
                options.folder or Path(temporary),
                command=" ".join(["python -m nearsight_benchmarks.recipes", *arguments]),
            )
    except NearsightError as error:
        parser.error(str(error))
    for run in found.runs:
        sys.stdout.write("\n".join([f"{run.data}, {run.users:,} test users", "", table(run), "", *notes(run), ""]))
    if options.out:
        write_atomically(options.out, msgspec.json.format(msgspec.json.encode(found), indent=1))


if __name__ == "__main__":
    main(sys.argv[1:])
