"""A made-up benchmark: figures of the right size that nobody measured, for the page and the verdict."""

from nearsight.trunk import Activation, Trunk
from nearsight_benchmarks.cost import Cost
from nearsight_benchmarks.host import Host
from nearsight_benchmarks.market import Kind, Market, Place
from nearsight_benchmarks.results import Entry, Footprint, Protocol, Ratio, Results, Throughput, Weight
from nearsight_benchmarks.timing import Latency
from nearsight_export.bounds import bound
from nearsight_export.index import Artifact, Index
from nearsight_export.reports import Certified, HeadFigures, PassReport, Tensor
from nearsight_export.work import Work
from nearsight_training.metrics import Interval


def quality(auc: float) -> dict[str, dict[str, Interval]]:
    figures = {"auc": auc, "average_precision": auc - 0.2, "log_loss": 1.2 - auc, "expected_calibration_error": 0.011}
    return {"ask": {name: Interval(value, value - 0.007, value + 0.007) for name, value in figures.items()}}


def entry(name: str, family: str, runtime: str, microseconds: float, auc: float, **more: object) -> Entry:
    latency = Latency(p50_us=microseconds, p95_us=1.3 * microseconds, p99_us=2 * microseconds, calls=1000)
    return Entry(name=name, family=family, runtime=runtime, latency=latency, quality=quality(auc), **more)


def step(precision: str, runtime: str, microseconds: float, auc: float, size: int) -> Entry:
    name = f"step {precision} · {runtime}"
    weight = Weight(raw=size, gzipped=size * 4 // 5)
    return entry(name, "step", runtime, microseconds, auc, precision=precision, weight=weight)


def window(precision: str, runtime: str, size: int, microseconds: float, auc: float, **more: object) -> Entry:
    name = f"window {size} {precision} · {runtime}"
    return entry(name, "window", runtime, microseconds, auc, precision=precision, window=size, **more)


LITERT, ORT = "LiteRT", "ONNX Runtime"
STEPS = (
    step("fp32", LITERT, 7.1, 0.7683, 281_000),
    step("fp16", LITERT, 7.2, 0.7683, 143_000),
    step("int8", LITERT, 4.6, 0.7680, 81_000),
    step("int8-full", LITERT, 5.2, 0.7662, 83_000),
    step("fp32", ORT, 14.0, 0.7683, 285_000),
    step("int8", ORT, 21.0, 0.7679, 84_000),
    step("fp32", "NumPy", 16.0, 0.7683, 279_000),
)
WINDOWS = tuple(
    window(
        precision, runtime, size, microseconds * (1 if size == 128 else 0.28), auc, weight=Weight(raw=raw, gzipped=raw)
    )
    for precision, runtime, microseconds, auc, raw in (
        ("fp32", LITERT, 390, 0.7682, 283_000),
        ("fp16", LITERT, 392, 0.7682, 144_000),
        ("int8", LITERT, 307, 0.7680, 82_000),
        ("int8-full", LITERT, 640, 0.7664, 90_000),
        ("fp32", ORT, 180, 0.7682, 286_000),
        ("int8", ORT, 220, 0.7677, 85_000),
    )
    for size in (32, 128)
)
KERAS = tuple(
    entry(f"Keras {call}, T={size}", "window", "Keras", microseconds, 0.7682, precision="fp32", window=size)
    for call, microseconds in (("model(x)", 16_000), ("predict", 37_000))
    for size in (32, 128)
)
OBSERVED = tuple(
    entry(f"observe · {runtime}, event {event}", "observe", runtime, microseconds, 0.7680, precision="int8",
          footprint=Footprint(seconds=0.05, megabytes=12.5, processes=5))
    for runtime, microseconds in ((LITERT, 9.9), (ORT, 22.0), ("NumPy", 25.0))
    for event in ("10", "100,000")
)  # fmt: skip
RIVALS = (
    entry(
        "step quantize_dynamic · ONNX Runtime", "rival", ORT, 15.7, 0.7679, weight=Weight(raw=76_900, gzipped=45_000)
    ),
    entry("step ai-edge-quantizer · LiteRT", "rival", LITERT, 4.7, 0.7681, weight=Weight(raw=85_400, gzipped=54_000)),
)
PEERS = (
    entry("LightGBM", "peer", "LightGBM", 160.0, 0.7701, weight=Weight(raw=120_000, gzipped=40_000)),
    entry("BG/NBD", "peer", "lifetimes", 60.0, 0.7632, weight=Weight(raw=120, gzipped=110)),
)
ENTRIES = (*OBSERVED, *STEPS, *WINDOWS, *KERAS, *RIVALS, *PEERS)
HOST = Host(
    processor="Imagined CPU", cores=2, memory_gigabytes=8.0, system="Linux x86_64", python="CPython 3.11",
    versions={"numpy": "2.0"},
)  # fmt: skip
PROTOCOL = Protocol(
    calls=1000, seconds=2.0, rounds=20, timer_nanoseconds=40.0, processes=3, resamples=200, questions={"ask": 4000},
    users=4000, yes_share={"ask": 0.3}, numpy_seconds=0.2, numpy_megabytes=31.0,
)  # fmt: skip


MARKET = Market(
    kinds=(
        Kind(name="often look & wait", share=0.7, test_share=0.68, traits=("look: 90 % of events (all users 60 %)",),
             rates={"purchase": Interval(0.1, 0.08, 0.12)}),
        Kind(name="often buy", share=0.3, test_share=0.32, traits=("every 2 days (all users 6 days)",), rates={}),
    ),
    places=tuple(Place(float(k % 7), float(k % 5), k % 2) for k in range(40)),
    explained=0.61, stability=0.93, silhouette=0.47, moves=0.13,
)  # fmt: skip

COSTS = (
    Cost(
        entry="step int8 · LiteRT",
        work=Work(
            computes=17, moves=19, multiplications={"int8": 70_016, "fp32": 100},
            weight_bytes={"int8": 70_016, "fp32": 2272}, activation_bytes=43_736,
        ),
        arithmetic_us=0.25, memory_us=0.8, call_us=1.0, operators_us=0.9, p50_us=4.0,
    ),
)  # fmt: skip


FIGURES = HeadFigures(
    decisions=4664, flipped=0.01, auc=0.7, auc_change=-0.0003, calibration_error=None, calibration_change=None,
    decidable=True,
)  # fmt: skip
CERTIFIED = Certified(
    artifact="int8/step.tflite", runtime="ai-edge-litert 2", compared=5000, largest_error=0.004, mean_error=0.001,
    heads={"purchase": FIGURES}, drift=0.002, bound=bound("int8/step.tflite"),
)  # fmt: skip
INDEX = Index(
    model="0",
    trunk=Trunk(
        code_sizes=(3,), embedding_sizes=(2,), numbers=1, filters=4, units=4,
        activations=(Activation(kind="sigmoid", start=0, size=1),),
    ),
    heads=(),
    passes=(
        PassReport(
            name="magnitude_pruning", said="half of it is <zero>", tensors={"conv_kernel": Tensor(4416, 0.5, 2209)},
            skipped={"head_kernel": "small"}, steps=1200, validation_difference=0.0059,
        ),
    ),
    artifacts=(
        Artifact(
            artifact="int8/step.tflite", precision="int8", bytes=81_000, gzipped=65_000, sparsity=0.5,
            certified=CERTIFIED,
        ),
    ),
    failures={"fp16/step.tflite": "signal 11"},
)  # fmt: skip


def results(**changes: object) -> Results:
    figures: dict[str, object] = {
        "created": "2020-01-01T00:00:00Z", "run": "demo", "bundle": "model.nsight", "bundle_bytes": 400_000,
        "head": "purchase", "question": "will any of purchase happen within 39 weeks?", "primary": "ask",
        "pick": "step int8 · LiteRT", "verdict": ("Ship the int8 step graph.", "It is quick."), "entries": ENTRIES,
        "front": ("step int8 · LiteRT", "step fp32 · LiteRT", "LightGBM"),
        "ratios": (Ratio(fast=OBSERVED[1].name, slow="window 128 fp32 · ONNX Runtime", times=18.2),),
        "differences": {"LightGBM": Interval(-0.002, -0.006, 0.003)},
        "throughput": (Throughput(runtime=LITERT, events_per_second=350_000.0, events=60_000, repeats=3),),
        "market": MARKET, "index": INDEX, "costs": COSTS,
        "skipped": {"tflite-runtime": "it can't share a process with TensorFlow"}, "host": HOST, "protocol": PROTOCOL,
        "caveats": ("Made up.",), "command": "nearsight bench runs/demo", **changes,
    }  # fmt: skip
    return Results(**figures)
