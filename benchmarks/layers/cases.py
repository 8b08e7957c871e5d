"""Cases of single layers."""

from benchmarks.case import Case, Target, everyone
from benchmarks.layers import Problem, Recurrent
from benchmarks.layers.table import ENTRIES

DETERMINISTIC = [name for name, entry in ENTRIES.items() if not entry.random]
RANDOM = [name for name, entry in ENTRIES.items() if entry.random]

RECURRENT = [
    {"layer": layer, "batch": batch, "time": time, "units": units}
    for layer in ("GRU", "LSTM")
    for batch, time, units in (
        (1, 64, 128),
        (32, 16, 128),
        (32, 64, 128),
        (32, 64, 512),
        (32, 16, 1024),
        (128, 64, 128),
        (32, 256, 128),
        (32, 512, 64),
    )
]
TINY = [
    {"layer": layer, "batch": 2, "time": 3, "units": units}
    for layer in ("GRU", "LSTM")
    for units in (4, 8)
]


def _case(
    name: str,
    title: str,
    function: str,
    layers: list[str],
    tolerance: float | None,
    processes: int = 1,
) -> Case:
    return Case(
        name=name,
        title=title,
        package="layers",
        problem=Problem,
        contenders=everyone(function, "Keras"),
        rows=[{"layer": layer} for layer in layers],
        quick=[{"layer": layer, "batch": 2} for layer in layers],
        tolerance=tolerance,
        processes=processes,
    )


CASES = [
    _case("layers-forward", "Layers, forward", "forward", DETERMINISTIC, 1e-4, 5),
    _case("layers-both", "Layers, forward and backward", "both", DETERMINISTIC, 1e-3, 3),
    _case(
        "layers-random", "Layers with random numbers, forward and backward", "both", RANDOM, None
    ),
    Case(
        name="recurrent",
        title="GRU and LSTM, forward and backward, by size",
        package="layers",
        problem=Recurrent,
        contenders=everyone("both", "Keras"),
        rows=RECURRENT,
        quick=TINY,
        tolerance=1e-3,
        targets={"time": {"Keras": Target(0.8)}},
    ),
    Case(
        name="recurrent-gpu",
        title="GRU and LSTM on a GPU, forward and backward, by size; PyTorch uses cuDNN",
        package="layers",
        problem=Recurrent,
        contenders=everyone("both", "Keras", "PyTorch"),
        rows=RECURRENT,
        quick=TINY,
        tolerance=1e-3,
        targets={"time": {"Keras": Target(0.8), "PyTorch": Target(1.0)}},
        optional=True,
        device="gpu",
    ),
]
