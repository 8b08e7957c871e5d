"""All benchmark cases by name."""

from __future__ import annotations

import importlib

from benchmarks.case import Case

__all__ = ["CASES", "FAMILIES"]

FAMILIES = (
    "mlp",
    "convnet",
    "decoder",
    "half",
    "translation",
    "search",
    "generation",
    "building",
    "importing",
    "overhead",
    "placement",
    "loading",
    "opening",
    "serving",
    "programs",
    "layers",
    "breakdown",
)

CASES: dict[str, Case] = {
    case.name: case
    for family in FAMILIES
    for case in importlib.import_module(f"benchmarks.{family}.cases").CASES
}
