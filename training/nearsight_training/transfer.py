"""Begins a training with another run's weights: what both runs know by name is taken, the rest starts fresh.

Numbers are standardised by each run's own training data, and weights are taken as they are: "a long gap" means long
among the log's own gaps.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import msgspec
import numpy as np
from numpy.typing import NDArray

from nearsight.errors import InputError
from nearsight.heads import BinaryHead, Head, NextEventHead
from nearsight.manifest import model_id
from nearsight.spec import Spec
from nearsight.trunk import Trunk, Weights
from nearsight_training.config import LogConfig, TableConfig
from nearsight_training.run import Run, Source, load_run, load_weights

__all__ = ["Parent", "begun", "parent_of", "pinned", "widened"]

Array = NDArray[np.float32]
Pairs = tuple[list[int], list[int]]  # places in the parent's weight, and in one's own
Label = tuple[str, str]  # a field and one of its words or dimensions, or a number and nothing
_SPLITTING = ("split", "cutoff", "validation_share", "test_share", "parts")


@dataclass(frozen=True)
class Parent:
    """A run to begin from, with its canonical weights."""

    run: Run
    weights: Weights

    @property
    def name(self) -> str:
        """What a note calls it."""
        return f"{self.run.name} (weights {model_id(self.weights)})"


def parent_of(config: LogConfig | TableConfig) -> Parent | None:
    """The run that a training begins from; None where it begins fresh.

    Raises `InputError` where the run can't be read, has other weights than `Origin.weights` says, or another size.
    """
    origin = config.origin if isinstance(config, LogConfig) else None
    if origin is None:
        return None
    parent = Parent(load_run(origin.run), load_weights(origin.run))
    found, size, trunk = model_id(parent.weights), config.size, parent.run.trunk
    if origin.weights not in ("", found):
        raise InputError(f"{origin.run} must hold the weights {origin.weights}, received {found}: it was trained again")
    if {trunk.kind, size.network} != {"cnn_lstm"}:
        raise InputError(
            f"a training may begin with a cnn_lstm alone, received {origin.run} ({trunk.kind}) for a {size.network}: "
            "leave --from or --network out"
        )
    if (trunk.filters, trunk.units) != (size.filters, size.units):
        raise InputError(
            f"{origin.run} has {trunk.filters} filters and {trunk.units} units, received {size.filters} and "
            f"{size.units}: pass --filters {trunk.filters} --units {trunk.units}"
        )
    return parent


def pinned(config: LogConfig | TableConfig, source: Source) -> LogConfig | TableConfig:
    """The configuration with the parent's weights pinned, so that a repetition begins with the same.

    Raises `InputError` as `parent_of` does, and where the parent learned from the same log in another split: it would
    have seen the users of this test.
    """
    parent = parent_of(config)
    if parent is None or not isinstance(config, LogConfig) or config.origin is None:
        return config
    if parent.run.source.sha256 == source.sha256 and _split(parent.run.config) != _split(config):
        raise InputError(
            f"{config.origin.run} learned from the same log in another split, and has seen users who would test this "
            "training: pass its --seed, --split, --cutoff, --test-share, --validation-share and --memory"
        )
    origin = msgspec.structs.replace(config.origin, weights=model_id(parent.weights))
    return msgspec.structs.replace(config, origin=origin)


def _split(config: LogConfig | TableConfig) -> tuple[object, ...]:
    return (config.fitting.seed, *(getattr(config, name, None) for name in _SPLITTING))


def widened(trunk: Trunk, spec: Spec, parent: Parent | None) -> Trunk:
    """The same network with embeddings as wide as the parent's where both runs have the field."""
    if parent is None:
        return trunk
    widths = dict(zip(_fields(parent.run.spec), parent.run.trunk.embedding_sizes, strict=True))
    own = zip(_fields(spec), trunk.embedding_sizes, strict=True)
    return msgspec.structs.replace(trunk, embedding_sizes=tuple(widths.get(name, width) for name, width in own))


def begun(
    fresh: Weights, trunk: Trunk, spec: Spec, heads: tuple[Head, ...], parent: Parent
) -> tuple[dict[str, Array], str]:
    """The weights to begin with, and a note on what was taken. `trunk` is `widened`.

    Embeddings are matched by field and word, rows of the convolution and of the heads by field or number, outputs by
    the head's name and kind; every other weight is taken whole. Raises `InputError` where the parent is another kind
    of network.
    """
    run, weights = parent.run, {name: array.copy() for name, array in fresh.items()}
    shared = 0
    for place, name in enumerate(_fields(spec)):
        if name in _fields(run.spec):
            given = parent.weights[f"embedding_{_fields(run.spec).index(name)}"]
            pairs = _pairs(_words(run.spec, name), _words(spec, name))
            _copy(weights[f"embedding_{place}"], given, pairs)
            shared += sum(_words(spec, name)[mine][0] == "word" for mine in pairs[1])
    taps = _pairs(_taps(run.spec, run.trunk), _taps(spec, trunk))
    read = _pairs(_read(run.spec, run.trunk), _read(spec, trunk))
    outputs = _pairs(_outputs(run.heads), _outputs(heads))
    for name in weights:
        if name.startswith("embedding_"):
            continue
        if name == "conv_kernel":
            _copy(weights[name], parent.weights[name], taps)
        elif name == "head_kernel":
            _copy(weights[name], parent.weights[name], read, outputs)
        elif name == "head_bias":
            _copy(weights[name], parent.weights[name], outputs)
        elif name in parent.weights and parent.weights[name].shape == weights[name].shape:
            weights[name][:] = parent.weights[name]
        else:
            raise InputError(f"{run.name} is another kind of network, whose {name} can't be taken: pass another --from")
    return weights, _note(parent, spec, shared, heads)


def _note(parent: Parent, spec: Spec, shared: int, heads: tuple[Head, ...]) -> str:
    names = sum(len(category.vocabulary) for category in (spec.event, *spec.categories))
    numbers = set(spec.number_names) & set(parent.run.spec.number_names)
    kept = [head.name for head in heads if (head.name, _kind(head)) in {(h.name, _kind(h)) for h in parent.run.heads}]
    return (
        f"began with {parent.name}: {shared} of {names} names and {len(numbers)} of {len(spec.number_names)} numbers "
        f"are known to both, heads taken: {', '.join(kept) or 'none'}. The test is honest only if no user of it "
        "taught that run"
    )


def _copy(into: Array, given: Array, *pairs: Pairs) -> None:
    """Take what both have along the first axes."""
    theirs, mine = zip(*pairs, strict=True)
    into[np.ix_(*mine)] = given[np.ix_(*theirs)]


def _pairs(theirs: list[Label], mine: list[Label]) -> Pairs:
    """The places of what both have, in either."""
    known = {label: place for place, label in enumerate(theirs)}
    shared = [(known[label], place) for place, label in enumerate(mine) if label in known]
    return [pair[0] for pair in shared], [pair[1] for pair in shared]


def _fields(spec: Spec) -> list[str]:
    return [category.name for category in (spec.event, *spec.categories)]


def _words(spec: Spec, name: str) -> list[Label]:
    """What each row of a field's embedding stands for: unknown names, the vocabulary and, of events, the *now* row."""
    place = _fields(spec).index(name)
    words = (spec.event, *spec.categories)[place].vocabulary
    return [("unknown", ""), *(("word", word) for word in words), *([] if place else [("now", "")])]


def _taps(spec: Spec, trunk: Trunk) -> list[Label]:
    """What each row of the convolution's kernel reads, tap by tap."""
    row = _row(spec, trunk)
    taps = trunk.weight_shapes["conv_kernel"][0] // len(row)
    return [(f"{tap} {name}", part) for tap in range(taps) for name, part in row]


def _read(spec: Spec, trunk: Trunk) -> list[Label]:
    """What each row of the heads' kernel reads."""
    return [*(("given", str(place)) for place in range(trunk.given_size)), *(_row(spec, trunk) if trunk.skip else ())]


def _row(spec: Spec, trunk: Trunk) -> list[Label]:
    """What each number of an embedded row is."""
    sizes = zip(_fields(spec), trunk.embedding_sizes, strict=True)
    embedded = [(f"embedded {name}", str(k)) for name, width in sizes for k in range(width)]
    return [*embedded, *((f"number {name}", "") for name in spec.number_names)]


def _kind(head: Head) -> str:
    return head.kind if isinstance(head, BinaryHead) else type(head).__name__


def _outputs(heads: tuple[Head, ...]) -> list[Label]:
    return [label for head in sorted(heads, key=lambda head: head.start) for label in _labels(head)]


def _labels(head: Head) -> Iterator[Label]:
    words = head.vocabulary if isinstance(head, NextEventHead) else [str(place) for place in range(head.size)]
    yield from ((f"{_kind(head)} {head.name}", word) for word in words)
