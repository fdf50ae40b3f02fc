"""The filters and units of a network: which of its numbers belong to each, and the network with only some of them."""

from dataclasses import dataclass
from typing import Literal

import msgspec
import numpy as np
from numpy.typing import NDArray

from nearsight.trunk import Trunk, Weights
from nearsight_export.passes.model import Model

__all__ = ["Channels", "Size", "channels_of", "narrowed", "silenced"]

Places = NDArray[np.intp]
Size = Literal["filters", "units"]


@dataclass(frozen=True)
class _Slot:
    """Where a layer's channels lie in a weight: along `axis` from `start` on, in `times` blocks of all of them."""

    weight: str
    axis: int
    start: int = 0
    times: int = 1

    def places(self, channels: Places, width: int) -> Places:
        """Where these of a layer's `width` channels lie along the axis."""
        found: Places = (self.start + width * np.arange(self.times)[:, np.newaxis] + channels).ravel()
        return found


@dataclass(frozen=True)
class Channels:
    """What a layer gives, number by number: where each is made and where it is read. There are `width` of them."""

    width: int
    made: tuple[_Slot, ...]
    read: tuple[_Slot, ...]


def channels_of(trunk: Trunk) -> dict[Size, Channels]:
    """A network's filters and units; none of a `vae`, whose filters are its decoder's too (see `networks.vae`)."""
    filters, units, head = trunk.filters, trunk.units, _Slot("head_kernel", 0)
    read, made = ("lstm_down_kernel", "lstm_up_kernel") if trunk.rank else ("lstm_kernel", "lstm_kernel")
    match trunk.kind:
        case "cnn_lstm":
            return {"filters": _dense("conv", filters, _Slot(read, 0)), "units": _lstm(filters, units, read, made)}
        case "lstm":
            return {"units": _lstm(trunk.row_size, units, read, made)}
        case "cnn":
            return {
                "filters": _dense("conv", filters, _Slot("dense_kernel", 0)),
                "units": _dense("dense", units, head),
            }
        case "mlp":
            both = _Slot("dense_kernel", 0, times=2)  # the frames' mean and the newest one
            return {"filters": _dense("frame", filters, both), "units": _dense("dense", units, head)}
        case "vae":
            return {}


def silenced(weights: Weights, channels: Channels, channel: int) -> Weights:
    """The weights as if the channel were always 0: nothing reads it."""
    changed: dict[str, NDArray[np.float32]] = {}
    for slot in channels.read:
        changed[slot.weight] = changed.get(slot.weight, weights[slot.weight]).copy()
        changed[slot.weight][slot.places(np.array([channel]), channels.width)] = 0
    return {**weights, **changed}


def narrowed(model: Model, size: Size, kept: Places) -> Model:
    """The network with only these of its filters or units, in their order."""
    channels = channels_of(model.trunk)[size]
    gone = np.setdiff1d(np.arange(channels.width), kept)
    weights = dict(model.weights)
    for slot in (*channels.made, *channels.read):
        weights[slot.weight] = np.delete(weights[slot.weight], slot.places(gone, channels.width), slot.axis)
    return Model(msgspec.structs.replace(model.trunk, **{size: len(kept)}), weights)


def _dense(name: str, width: int, read: _Slot) -> Channels:
    return Channels(width, (_Slot(f"{name}_kernel", 1), _Slot(f"{name}_bias", 0)), (read,))


def _lstm(inputs: int, units: int, read: str, made: str) -> Channels:
    """Units read each other in the rows behind those for the inputs."""
    gates = (_Slot(made, 1, times=4), _Slot("lstm_bias", 0, times=4))
    return Channels(units, gates, (_Slot(read, 0, start=inputs), _Slot("head_kernel", 0)))
