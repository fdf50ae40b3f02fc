"""What each contestant does in a fresh process: import what it needs, load, answer once."""

import tempfile
from collections.abc import Mapping
from pathlib import Path

import msgspec

from nearsight_benchmarks.fresh import Start, measure
from nearsight_benchmarks.results import Footprint
from nearsight_training.progress import SILENT, Progress

__all__ = ["NUMPY", "PROGRAMS", "Program", "footprints"]

NUMPY = "import numpy"
PROGRAMS = {
    "observe": """
import json, sys
import nearsight
path, runtime, event, time, fields = sys.argv[1:]
session = nearsight.load(path, runtime=runtime).session()
session.observe(event, json.loads(time), **json.loads(fields))
""",
    "tflite": """
import sys
import numpy
from ai_edge_litert.interpreter import Interpreter
interpreter = Interpreter(sys.argv[1], num_threads=1)
interpreter.allocate_tensors()
for detail in interpreter.get_input_details():
    interpreter.set_tensor(detail["index"], numpy.ones(detail["shape"], detail["dtype"]))
interpreter.invoke()
interpreter.get_tensor(interpreter.get_output_details()[0]["index"])
""",
    "onnx": """
import os, sys
os.environ["ORT_DISABLE_TELEMETRY"] = "1"
import numpy
import onnxruntime
options = onnxruntime.SessionOptions()
options.intra_op_num_threads = options.inter_op_num_threads = 1
session = onnxruntime.InferenceSession(sys.argv[1], options, providers=["CPUExecutionProvider"])
size, kinds, numbers = map(int, sys.argv[2:])
session.run(["heads"], {
    "codes": numpy.ones((1, size, kinds), numpy.int32),
    "numbers": numpy.ones((1, size, numbers), numpy.float32),
    "length": numpy.array([size], numpy.int32),
})
""",
    "keras": """
import sys
from nearsight_training.tensorflow import tf_keras
import numpy
model = tf_keras.models.load_model(sys.argv[1], compile=False)
size, kinds, numbers = map(int, sys.argv[2:])
model([
    numpy.ones((1, size, kinds), numpy.int32),
    numpy.ones((1, size, numbers), numpy.float32),
    numpy.array([size], numpy.int32),
])[0].numpy()
""",
    "LightGBM": """
import sys
import numpy
import lightgbm
booster = lightgbm.Booster(model_file=sys.argv[1])
booster.predict(numpy.ones((1, booster.num_feature())), num_threads=1)
""",
    "LightGBM in ONNX": """
import os, sys
os.environ["ORT_DISABLE_TELEMETRY"] = "1"
import numpy
import onnxruntime
session = onnxruntime.InferenceSession(sys.argv[1], providers=["CPUExecutionProvider"])
row = session.get_inputs()[0]
session.run(["probabilities"], {row.name: numpy.ones((1, row.shape[1]), numpy.float32)})
""",
    "BG/NBD": """
import json, sys
import pandas
from lifetimes import BetaGeoFitter
fitter = BetaGeoFitter()
fitter.params_ = pandas.Series({k: v for k, v in json.load(open(sys.argv[1])).items() if k != "curve"})
fitter.conditional_expected_number_of_purchases_up_to_time(30.0, 2.0, 30.0, 40.0)
""",
}


class Program(msgspec.Struct, frozen=True):
    """One of `PROGRAMS` with its arguments; `content`, where given, is put into a file that is the first of them.

    One that `is_slow` takes seconds: it's started a third as often, and not once uncounted before.
    """

    program: str
    arguments: tuple[str, ...]
    content: bytes | None = None
    suffix: str = ""
    is_slow: bool = False


def footprints(
    programs: Mapping[str, Program], processes: int, progress: Progress = SILENT
) -> tuple[Start, dict[str, Footprint]]:
    """Measure NumPy's own process, and by name what each program takes beyond it."""
    progress.start("fresh processes", len(programs) + 1)
    bare = measure(NUMPY, (), processes)
    progress.advance("numpy")
    found: dict[str, Footprint] = {}
    with tempfile.TemporaryDirectory() as folder:
        for name, program in programs.items():
            count = max(1, processes // 3) if program.is_slow else processes
            arguments = _arguments(program, Path(folder, f"{len(found)}{program.suffix}"))
            start = measure(PROGRAMS[program.program], arguments, count, is_warm=program.is_slow)
            found[name] = Footprint(
                seconds=start.seconds - bare.seconds, megabytes=start.megabytes - bare.megabytes, processes=count
            )
            progress.advance(name)
    progress.finish()
    return bare, found


def _arguments(program: Program, path: Path) -> tuple[str, ...]:
    if program.content is None:
        return program.arguments
    path.write_bytes(program.content)
    return (str(path), *program.arguments)
