"""The cases of the translator."""

from benchmarks.case import Case, Target, everyone
from benchmarks.translation import Problem

QUICK = [{"batch": 4, "source": 5, "target": 3, "vocabulary": 50, "embedding": 8, "units": 16}]
PEERS = "raw JAX", "Keras", "PyTorch", "Keras on TensorFlow"
FULL = {"batch": 64, "source": 16, "target": 16, "vocabulary": 5000, "embedding": 128, "units": 256}

CASES = [
    Case(
        name="translation",
        title="Translation step: GRU encoder, attention decoder, Adam",
        package="translation",
        problem=Problem,
        contenders=everyone("step", *PEERS),
        rows=[FULL],
        quick=QUICK,
        tolerance=1e-4,
        checks=3,
        targets={"time": {"Keras": Target(0.65), "PyTorch": Target(1.0)}},
        headline=True,
    ),
    Case(
        name="translation-gpu",
        title="Translation step on a GPU: GRU encoder, attention decoder, Adam",
        package="translation",
        problem=Problem,
        contenders=everyone("step", "raw JAX", "Keras", "PyTorch")
        | {"PyTorch: compiled": "compiled_step"},
        rows=[FULL],
        quick=QUICK,
        tolerance=1e-4,
        checks=3,
        targets={
            "time": {
                "Keras": Target(0.65),
                "PyTorch": Target(1.0),
                "PyTorch: compiled": Target(1.0),
            }
        },
        headline=True,
        optional=True,
        device="gpu",
    ),
    Case(
        name="translation-pages",
        title="Translation step with large memory pages (glibc)",
        package="translation",
        problem=Problem,
        contenders=everyone("step", "raw JAX", "Keras", "PyTorch"),
        rows=[FULL],
        quick=QUICK,
        tolerance=1e-4,
        checks=3,
        settings={"GLIBC_TUNABLES": "glibc.malloc.hugetlb=1"},
    ),
    Case(
        name="translation-first",
        title="Translation: model creation and first step",
        package="translation",
        problem=Problem,
        contenders=everyone("first_step", *PEERS),
        rows=[FULL],
        quick=QUICK,
        metrics=("first",),
        tolerance=1e-4,
        targets={"first": {"Keras": Target(0.45)}},
        headline=True,
        processes=21,
    ),
    Case(
        name="translation-first-cached",
        title="Translation: model creation and first step, with JAX's compilation cache",
        package="translation",
        problem=Problem,
        contenders=everyone("first_step", "raw JAX", "Keras"),
        rows=[FULL],
        quick=QUICK,
        metrics=("first",),
        tolerance=1e-4,
        cached=True,
    ),
    Case(
        name="translation-first-length",
        title="First translation step by sequence length; small model, mostly compilation",
        package="translation",
        problem=Problem,
        contenders=everyone("first_step", "raw JAX", "Keras"),
        rows=[
            {"source": length, "target": length, "batch": 2, "vocabulary": 500, "units": 32}
            for length in (16, 64, 256)
        ],
        quick=QUICK,
        metrics=("first",),
        tolerance=1e-4,
    ),
    Case(
        name="translation-scaling",
        title="Translation step by length, vocabulary and units",
        package="translation",
        problem=Problem,
        contenders=everyone("step", "raw JAX", "Keras", "PyTorch"),
        rows=[
            *({"source": length, "target": length} for length in (8, 32, 64)),
            *({"vocabulary": count} for count in (1000, 20000)),
            *({"units": count} for count in (128, 512)),
        ],
        quick=[{"batch": 4, "vocabulary": 50, "units": units} for units in (8, 16)],
        tolerance=1e-4,
        checks=3,
    ),
]
