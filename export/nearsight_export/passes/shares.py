"""How much of a network is left: a share of its filters and units, or as many as a number of bytes has room for."""

import math

import msgspec

from nearsight.errors import InputError
from nearsight.trunk import Trunk
from nearsight_export.conversion import converted
from nearsight_export.footprint import Footprint
from nearsight_export.passes.channels import Size, channels_of
from nearsight_export.passes.model import Desk, Model
from nearsight_export.recipe import StructuredPruning
from nearsight_export.samples import collected
from nearsight_export.variants import CALIBRATED

__all__ = ["Counts", "counted"]

Counts = dict[Size, int]


def counted(asked: StructuredPruning, model: Model, desk: Desk, variant: str) -> StructuredPruning:
    """How many filters and units are asked for, where that is said as a share or as kilobytes of `variant`.

    Of the shares in percent it is the largest whose step artifact has no more bytes; everything where that has no more
    already. Raises `InputError` where there is nothing to remove, or where the least is too much, and
    `ConversionError` where the network's own artifact can't be made.
    """
    if asked.keep is None and asked.kilobytes is None:
        return asked
    if not channels_of(model.trunk):
        raise InputError(f"structured_pruning can't remove anything from a {model.trunk.kind} network: leave it out")
    if asked.keep is not None:
        return StructuredPruning(**_share(model.trunk, asked.keep))
    return StructuredPruning(**_roomy(model.trunk, asked.kilobytes or 0, _footprint(model, desk, variant)))


def _share(trunk: Trunk, keep: float) -> Counts:
    """That share of each; even numbers, in which LiteRT packs 4-bit weights."""
    there = channels_of(trunk)
    return {size: min(each.width, max(2, 2 * round(keep * each.width / 2))) for size, each in there.items()}


def _roomy(trunk: Trunk, kilobytes: float, footprint: Footprint) -> Counts:
    """The most that fits."""
    whole: Counts = {size: each.width for size, each in channels_of(trunk).items()}
    choices = [whole, *(_share(trunk, percent / 100) for percent in range(99, 0, -1))]
    taken = [footprint.bytes(msgspec.structs.replace(trunk, **counts)) for counts in choices]
    for counts, size in zip(choices, taken, strict=True):
        if size <= 1000 * kilobytes:
            return counts
    raise InputError(
        f"the step of this network takes {math.ceil(min(taken) / 100) / 10:.1f} kB of {footprint.variant} at least, "
        f"however much structured_pruning removes, received {kilobytes:g}: allow as many in a recipe of your own, or "
        "let it distil a smaller network"
    )


def _footprint(model: Model, desk: Desk, variant: str) -> Footprint:
    """What the network's step takes as it is."""
    trunk, run = model.trunk, desk.run
    samples = None
    if variant in CALIBRATED:
        samples = collected(trunk, model.weights, run.window, desk.training, run.seed)
    content = converted(trunk, model.weights, run.window, f"{variant}/step.tflite", samples)
    return Footprint.of(trunk, variant, content)
