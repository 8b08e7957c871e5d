"""Cases of the parts of a step and a build. The first row is the whole."""

from benchmarks.breakdown import BuildPart, StepPart
from benchmarks.case import Case, everyone

SMALL = {"batch": 4, "source": 5, "target": 3, "vocabulary": 50, "embedding": 8, "units": 16}
STEP = "whole step", "encoder", "decoder without logits", "logits and loss", "optimizer"
BUILD = "whole build", "tracing", "initial values", "transfer to JAX"
BUILD_MANY = *BUILD[:2], "tracing in JAX alone", *BUILD[2:]

CASES = [
    Case(
        name="breakdown-step",
        title="Parts of the translation step, each forward and backward",
        package="breakdown",
        problem=StepPart,
        contenders=everyone("step_part", "raw JAX"),
        rows=[{"part": part} for part in STEP],
        quick=[{"part": part, **SMALL} for part in STEP],
        tolerance=1e-3,
    ),
    Case(
        name="breakdown-build",
        title="Parts of the build of 24 x Dense(2048)",
        package="breakdown",
        problem=BuildPart,
        contenders={"Lamina": "build_part"},
        rows=[{"part": part, "layers": 24, "units": 2048} for part in BUILD],
        quick=[{"part": part, "layers": 2, "units": 64} for part in BUILD],
        tolerance=0.0,
    ),
    Case(
        name="breakdown-build-many",
        title="Parts of the build of 100 x Dense(64), not the first build of the process",
        package="breakdown",
        problem=BuildPart,
        contenders={"Lamina": "build_part"},
        rows=[{"part": part, "layers": 100, "units": 64} for part in BUILD_MANY],
        quick=[{"part": part, "layers": 2, "units": 8} for part in BUILD_MANY],
        tolerance=0.0,
    ),
]
