"""Cases of training and building under a placement."""

import itertools

from benchmarks.building import Problem as Layers
from benchmarks.case import Case, Target, everyone
from benchmarks.placement import Problem

DEVICES = {"XLA_FLAGS": "--xla_force_host_platform_device_count=8"}
KINDS = [
    {"kind": kind, "devices": devices}
    for kind, devices in itertools.product(("data parallel", "fully sharded"), (1, 8))
]

CASES = [
    Case(
        name="placement-step",
        title="Train step under a placement, 8 x Dense(1024), Adam",
        package="placement",
        problem=Problem,
        contenders=everyone("step", "raw JAX") | {"raw JAX: XLA gathers": "step_by_xla"},
        rows=KINDS,
        quick=[row | {"batch": 16, "layers": 2, "units": 16} for row in KINDS],
        tolerance=1e-4,
        checks=3,
        targets={"time": {"raw JAX": Target(1.05)}},
        settings=DEVICES,
        processes=3,
    ),
    Case(
        name="placement-build",
        title="Build 24 x Dense(2048), fully sharded over 8 devices",
        package="placement",
        problem=Layers,
        contenders={"Lamina": "build", "Lamina: one device": "build_on_one_device"},
        rows=[{"layers": 24, "units": 2048}],
        quick=[{"layers": 2, "units": 512}],
        metrics=("first", "peak"),
        tolerance=0.0,
        targets={"first": {"Lamina: one device": Target(1.1)}},
        settings=DEVICES,
    ),
]
