"""`benchmarks/RESULTS.md` from figures: `python -m nearsight_benchmarks.results_page RESULTS.json CDNOW.json RUN ...`.

`RESULTS.json` is what `nearsight bench` wrote, `CDNOW.json` what `python -m nearsight_benchmarks.cdnow --out` wrote,
and each `RUN` what `nearsight train` wrote of a public data set.
Every sentence is computed from them, so that the page says nothing that wasn't measured.
"""

import argparse
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TypeVar

import msgspec

from nearsight.bundle import write_atomically
from nearsight.errors import InputError, NearsightError
from nearsight_benchmarks.audit import Audits
from nearsight_benchmarks.cdnow import CrossFit
from nearsight_benchmarks.exposure import Exposure
from nearsight_benchmarks.fuzz import Fuzzed
from nearsight_benchmarks.networks import Networks
from nearsight_benchmarks.privacy import Privacy
from nearsight_benchmarks.private_training import PrivateTraining
from nearsight_benchmarks.recipes import Recipes
from nearsight_benchmarks.results import Results, read_results
from nearsight_benchmarks.scale import Scale
from nearsight_benchmarks.sections import accuracy, choices, damage, latency, privacy, scale
from nearsight_benchmarks.soak import Soak
from nearsight_training.run import Run, load_run

__all__ = ["read_figures", "render"]

_INTRODUCTION = """\
# Results

Figures of one host, with the commands that give them. Ratios carry over to other machines better than times do.
`nearsight demo` makes the run that they are about, and `python -m nearsight_benchmarks.results_page results.json
cdnow.json runs/cdnow runs/eshop2008 runs/online_retail runs/bpic2012` makes this page of them."""

More = Networks | Recipes | Scale | Privacy | PrivateTraining | Audits | Soak | Fuzzed | Exposure
Figures = TypeVar("Figures", bound=CrossFit | More)


def read_figures(path: Path, kind: type[Figures], maker: str) -> Figures:
    """Read what the module `maker` wrote. Raises `InputError` where it is missing or something else."""
    maker = f"nearsight_benchmarks.{maker}"
    try:
        return msgspec.json.decode(path.read_bytes(), type=kind)
    except OSError as error:
        raise InputError(f"{path} can't be read ({error.strerror}): pass what {maker} wrote") from error
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise InputError(f"{path} isn't what {maker} writes ({error}): run python -m {maker}") from error


def render(
    results: Results,
    crossfit: CrossFit,
    runs: Sequence[Run] = (),
    more: Sequence[More] = (),
) -> str:
    """The whole page as Markdown; `runs` are of public data sets, and `more` has sections of its own."""
    found = {kind: [each for each in more if isinstance(each, kind)] for kind in _SECTIONS}
    parts = [
        _INTRODUCTION,
        latency.host(results),
        *accuracy.cross_fitted(crossfit),
        *accuracy.public(runs),
        *latency.latency(results),
        *latency.ratios(results),
        *latency.starts(results),
        *(part for kind, write in _SECTIONS.items() if found[kind] for part in write(*found[kind])),
        *latency.caveats(results),
    ]
    return "\n\n".join(parts) + "\n"


_SECTIONS: Mapping[type[More], Callable[..., Iterator[str]]] = {
    Networks: choices.networked,
    Recipes: choices.cooked,
    Scale: scale.scaled,
    Privacy: privacy.noised,
    PrivateTraining: privacy.trained_privately,
    Audits: privacy.audited,
    Soak: damage.soaked,
    Fuzzed: damage.damaged,
    Exposure: damage.exposed,
}
_MAKERS: Mapping[type[More], str] = {
    Networks: "networks",
    Recipes: "recipes",
    Scale: "scale",
    Privacy: "privacy",
    PrivateTraining: "private_training",
    Audits: "audit",
    Soak: "soak",
    Fuzzed: "fuzz",
    Exposure: "exposure",
}
_SEVERAL = (Networks, Exposure)  # a file for each data set, or runtime


def main(arguments: Sequence[str]) -> None:
    """Parse, read, write."""
    parser = argparse.ArgumentParser("python -m nearsight_benchmarks.results_page", description="RESULTS.md anew.")
    parser.add_argument("results", type=Path, metavar="RESULTS.json", help="what nearsight bench wrote")
    parser.add_argument("crossfit", type=Path, metavar="CDNOW.json", help="what nearsight_benchmarks.cdnow wrote")
    parser.add_argument("runs", type=Path, nargs="*", metavar="RUN", help="what nearsight train wrote of public data")
    for kind, maker in _MAKERS.items():
        count = "+" if kind in _SEVERAL else 1
        wrote = f"what nearsight_benchmarks.{maker} wrote"
        parser.add_argument(f"--{maker}", type=Path, nargs=count, default=(), metavar="FIGURES.json", help=wrote)
    parser.add_argument("--out", type=Path, default=Path("benchmarks/RESULTS.md"), help="the page")
    options = parser.parse_args(arguments)
    try:
        runs = [load_run(path) for path in options.runs]
        crossfit = read_figures(options.crossfit, CrossFit, "cdnow")
        more = [read_figures(path, kind, maker) for kind, maker in _MAKERS.items() for path in getattr(options, maker)]
        page = render(read_results(options.results), crossfit, runs, more)
    except NearsightError as error:
        parser.error(str(error))
    write_atomically(options.out, page.encode())


if __name__ == "__main__":
    main(sys.argv[1:])
