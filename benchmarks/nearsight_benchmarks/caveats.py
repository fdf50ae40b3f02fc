"""What a reader must know before believing a figure."""

from collections.abc import Mapping

from nearsight_benchmarks.config import BenchConfig
from nearsight_benchmarks.observing import EARLY, LATE

__all__ = ["caveats"]

_ALWAYS = """
A figure is the whole Python call by time.perf_counter_ns, whose own cost of {timer:.0f} ns is in it. {rounds} rounds in
an order drawn anew for each; in every round each contestant has one block of calls, after as many (20 at most) that
aren't counted, so that caches are warm: the first calls after other work take longer. {calls:,} calls each, fewer where
they would take more than {seconds:g} s, but {fewest} at least. The garbage collector rests during a block.

One process and one thread for all that can share one. Steps and windows are handed encoded rows; session.observe,
LightGBM and BG/NBD are handed raw events, so that their figures hold the features as well.

Other tools convert the network as the passes left it, each by its defaults, with training steps where it calibrates.
Their files are called as ours are: an interpreter's own set_tensor and get_tensor would take longer.

session.observe starts each block from a snapshot after {early} or {late:,} events.

Accuracy comes from the binaries that were timed, run over the test split; users were resampled for the intervals.
A window sees at most as many events as it is long.

LightGBM and BG/NBD were fitted on training users. BG/NBD ranks by expected purchases; a logistic curve fitted on
training users turns them into probabilities.

Bytes are of the model's file alone. A fresh process includes the runtime's import; memory is its peak resident set.

Differences smaller than the intervals are noise, and so are differences of a few percent in latency.
"""
_THREADS = (
    "TensorFlow was loaded before the benchmark began, so that Keras may have used all cores. Where a model was "
    "trained in the same process, as by nearsight demo, session.observe takes about 5 % longer than in a fresh one."
)
_DEVICE = """
TFLite is tflite-runtime {tflite} in a process of its own, with NumPy {numpy}, and one thread: it times its own blocks,
in the same rounds and by the same rules.
"""
_QUICK = "A quick run: one kind of question and {resamples} resamples."


def caveats(
    config: BenchConfig, timer_nanoseconds: float, keras_is_one_thread: bool, device: Mapping[str, str]
) -> tuple[str, ...]:
    """One paragraph each, as plain text; `device` holds the versions of an interpreter that took part."""
    plan = config.plan
    texts = _ALWAYS.format(
        timer=timer_nanoseconds,
        rounds=plan.rounds,
        calls=plan.calls,
        seconds=plan.seconds,
        fewest=plan.fewest,
        early=EARLY,
        late=LATE,
    )
    found = [" ".join(text.split()) for text in texts.strip().split("\n\n")]
    if device:
        said = _DEVICE.format(tflite=device["tflite-runtime"], numpy=device["numpy"])
        found.insert(2, " ".join(said.split()))
    found += [] if keras_is_one_thread else [_THREADS]
    found += [_QUICK.format(resamples=config.resamples)] if config.quick else []
    return tuple(found)
