"""A model with random weights and a specification that uses every kind of feature: fast, and wrong on purpose."""

import io

import msgspec
import numpy as np

from nearsight.bundle import Bundle, sealed
from nearsight.heads import BinaryHead, NextEventHead, activations, calibrated
from nearsight.manifest import Manifest, model_id
from nearsight.profile import Traits
from nearsight.segment import Segment
from nearsight.spec import Category, Clock, Groups, Number, Reset, Spec
from nearsight.surprise import Alarm
from nearsight.trunk import Trunk

DAY = 86_400.0
EVENTS = ("view", "cart", "purchase")


COUNTS = (
    Number(name="purchase", low=0.0, high=3.0, log=True, mean=0.4, scale=1.5),
    Number(name="view", low=0.0, high=2.5, log=True, mean=0.9, scale=2.0),
)


def spec(reset=Reset(), counts=COUNTS):
    return Spec(
        event=Category(name="event", vocabulary=EVENTS),
        categories=(Category(name="device", vocabulary=("phone", "desktop")),),
        groups=(Groups(name="age", edges=(18.0, 30.0, 65.0)),),
        numbers=(
            Number(name="price", low=0.0, high=500.0, log=True, mean=2.5, scale=0.8, flag=True),
            Number(name="balance", low=-10.0, high=10.0, mean=1.0, scale=0.25),
        ),
        clock=Clock(
            gap=Number(name="gap", low=0.0, high=90 * DAY, log=True, mean=9.0, scale=0.3),
            age=Number(name="age", low=0.0, high=400 * DAY, log=True, mean=11.0, scale=0.4),
            hour=True,
            weekday=True,
            season=True,
        ),
        counts=counts,
        reset=reset,
    )


def heads(vocabulary=EVENTS):
    return (
        BinaryHead(name="purchase", start=0, events=("purchase",), within_seconds=7 * DAY, scale=1.2, offset=-0.3),
        BinaryHead(name="cart", start=1, events=("cart",), within_seconds=DAY, threshold=0.4),
        NextEventHead(start=2, vocabulary=vocabulary, temperature=1.5),
    )


def trunk(of, questions, filters=8, units=12, skip=False):
    return Trunk(
        code_sizes=of.code_sizes,
        embedding_sizes=tuple(3 + k for k in range(len(of.code_sizes))),
        numbers=len(of.number_names),
        filters=filters,
        units=units,
        activations=activations(questions),
        skip=skip,
    )


def weights(shape, seed=0):
    rng = np.random.default_rng(seed)
    scale = {name: 0.9 if len(size) == 2 else 0.3 for name, size in shape.weight_shapes.items()}
    return {
        name: rng.normal(0, scale[name] / (size[0] ** 0.5 if len(size) == 2 else 1), size).astype(np.float32)
        for name, size in shape.weight_shapes.items()
    }


def npz(arrays):
    buffer = io.BytesIO()
    np.savez(buffer, **arrays)
    return buffer.getvalue()


def bundle(reset=Reset(), seed=0, counts=COUNTS, **more):
    """A bundle that the NumPy backend can run; `more` adds members."""
    of, questions = spec(reset, counts), heads()
    shape = trunk(of, questions)
    folded = calibrated(weights(shape, seed), questions)
    members = {"step.npz": npz(folded), **more}
    manifest = Manifest(
        name="made-up",
        model=model_id(folded),
        created="2026-11-24T00:00:00Z",
        spec=of,
        trunk=shape,
        heads=questions,
        window=32,
        members=sealed(members, {"step.npz": "fp32"}),
    )
    return Bundle(manifest, members)


ALARM = Alarm(threshold=0.4, false_alarms=0.01)


def beside(made, seed=0):
    """The same bundle with three segments, an average user and an alarm."""
    rng = np.random.default_rng(seed)
    centres = rng.normal(0, 0.2, (3, made.manifest.trunk.units))
    manifest = msgspec.structs.replace(
        made.manifest,
        segments=tuple(
            Segment(
                name=f"kind {place}", weights=tuple(centre.tolist()), offset=-float(centre @ centre) / 2, share=1 / 3
            )
            for place, centre in enumerate(centres)
        ),
        average=Traits(
            events=(0.1, 0.5, 0.3, 0.1),
            parts=(0.1, 0.3, 0.3, 0.3),
            weekend=0.3,
            per_visit=4.0,
            between_seconds=3 * DAY,
        ),
        alarm=ALARM,
    )
    return Bundle(manifest, made.members)
