"""`nearsight export`: a run in, a bundle out, proven equal or not written at all."""

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from nearsight_cli.manual import manual
from nearsight_cli.output import Json, print_json, print_prose, print_table, print_text
from nearsight_export.config import NUMPY, ExportConfig
from nearsight_export.fairness import worst
from nearsight_export.recipe import COSTS, MagnitudePruning, QuantisationAware, Recipe, read_recipe
from nearsight_export.steadiness import steadied

if TYPE_CHECKING:
    from nearsight_export.export import Exported
    from nearsight_export.index import Artifact

__all__ = ["export", "register"]

_CHOICE = ExportConfig()
_RECIPE = "quick"


class Variant(StrEnum):
    """The precisions that can ship."""

    fp32 = "fp32"
    fp16 = "fp16"
    int8 = "int8"
    int8_full = "int8-full"
    int16x8 = "int16x8"
    int4 = "int4"


def _presets() -> str:
    """A paragraph for each."""
    return "\n\n".join(["", *(f"{name}: {cost}." for name, cost in COSTS.items()), ""])


def register(app: typer.Typer) -> None:
    """Add the command."""
    examples = [
        "nearsight export runs/events",
        "nearsight export runs/events --recipe exact --only --out shop.nsight",
    ]
    after = "Next: nearsight inspect shows what is inside, and nearsight bench RUN measures it."
    app.command(epilog=manual(examples, after))(export)


def export(
    run: Annotated[Path, typer.Argument(metavar="RUN", help="The run's folder.", show_default=False)],
    recipe: Annotated[
        str | None,
        typer.Option(
            metavar="NAME|FILE",
            help="Which passes the network goes through: a TOML file, or one of these, with the step's size and what "
            f"it costs on public data.{_presets()}Without it: {_RECIPE}; a private run goes through none, since few "
            "users may help.",
            show_default=False,
        ),
    ] = None,
    variant: Annotated[
        Variant | None,
        typer.Option(
            help="What the bundle holds: floats of 32 or 16 bits, 8-bit weights, with ranges of 8 bits fixed ahead "
            "(int8-full) or integers throughout (int16x8), or 4-bit weights. "
            "Without it: what the recipe says.",
            show_default=False,
        ),
    ] = None,
    sparsity: Annotated[
        float | None,
        typer.Option(
            metavar="SHARE",
            min=0.0,
            max=0.99,
            help="Instead of the recipe's passes: make this share of the large weights zero and teach the others to "
            "live with 8 bits; 0 leaves all as they are.",
            show_default=False,
        ),
    ] = None,
    only: Annotated[
        bool, typer.Option("--only", help="Make this variant alone. Without it, all are made for nearsight bench.")
    ] = False,
    numpy: Annotated[
        bool,
        typer.Option("--numpy", help="Pack float weights too, so that the SDK runs where no runtime is installed."),
    ] = False,
    name: Annotated[
        str | None,
        typer.Option(
            metavar="NAME", help="What the bundle calls itself. Without it: the run's name.", show_default=False
        ),
    ] = None,
    seed: Annotated[int, typer.Option(metavar="N", min=0, help="The same seed repeats an export.")] = _CHOICE.seed,
    out: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE", help="The bundle. Without it: model.nsight in the run's folder.", show_default=False
        ),
    ] = None,
    json: Json = False,
) -> None:
    """Compress, quantise and convert a run, prove every artifact equal to the trained model, and pack one file.

    Where a proof fails, nothing is written and the exit code is 1.
    """
    from nearsight_cli.progress import Drawn
    from nearsight_export.export import export as exported

    chosen = _recipe(run, recipe, sparsity)
    precision = variant.value if variant else chosen.variant
    config = ExportConfig(
        variant=precision,
        variants=(precision,) if only else tuple(dict.fromkeys((*_CHOICE.variants, precision))),
        passes=chosen.passes,
        members=(*_CHOICE.members, NUMPY) if numpy else _CHOICE.members,
        name=name,
        seed=seed,
    )
    with Drawn() as progress:
        result = exported(run, config, out or run / "model.nsight", progress)
    show(result, run, json)


def _recipe(run: Path, name: str | None, sparsity: float | None) -> Recipe:
    """The recipe of that name; without one, what a run's users allow. A `sparsity` stands for its passes."""
    from nearsight_training.run import load_run

    if name is None and sparsity is None and load_run(run).guarantee:
        return Recipe()
    found = read_recipe(name or _RECIPE)
    if sparsity is None:
        return found
    passes = (MagnitudePruning(sparsity=sparsity), QuantisationAware()) if sparsity else ()
    return Recipe(passes=passes, variant=found.variant)


def show(result: "Exported", run: Path, json: bool) -> None:
    """Print what an export made and proved: JSON, or a table and what comes next."""
    if json:
        print_json(result)
        return
    certificate = result.certificate
    columns = ["", "kB", "gzipped", "largest error", "flipped", "AUC change"]
    title = (
        f"Against the trained model, on {certificate.histories:,} held-out histories ({certificate.events:,} events)"
    )
    print_table(title, columns, [_row(artifact) for artifact in result.index.artifacts])
    for artifact, reason in result.index.failures.items():
        print_prose(f"{artifact} could not be made: {reason}")
    print_text()
    for line in (*(report.said for report in certificate.passes), *worst(certificate.groups)):
        print_prose(f"{line[0].upper()}{line[1:]}.")
    shipped = certificate.artifacts[0]
    print_prose(f"{shipped.artifact}: {steadied(shipped)}.")
    print_text(f"\n{result.bundle} is ready: {result.bytes / 1000:.0f} kB, {result.variant}.")
    print_text(f"Next: nearsight inspect {result.bundle}, nearsight bench {run}")


def _row(artifact: "Artifact") -> list[str]:
    certified = artifact.certified
    changes: list[float] = [head.auc_change for head in certified.heads.values() if head.auc_change is not None]
    flipped = [head.flipped for head in certified.heads.values()]
    return [
        artifact.artifact,
        f"{artifact.bytes / 1000:,.0f}",
        f"{artifact.gzipped / 1000:,.0f}",
        f"{certified.largest_error:.1e}",
        _percent(max(flipped), 2) if flipped else "",
        _signed(max(changes, key=lambda change: abs(change))) if changes else "",
    ]


def _signed(change: float) -> str:
    """With a sign, but none before a zero that is only too small to show."""
    return f"{round(change, 4) + 0.0:+.4f}"


def _percent(share: float, digits: int) -> str:
    return f"{100 * share:.{digits}f} %"
