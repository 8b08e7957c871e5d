"""Placements of models on several devices: plans that are placed, built and trained in shards."""

from lamina.core.base.processes import is_main_process, to_host
from lamina.distribute.placed_plan import PlacedPlan, PlacedVariable
from lamina.distribute.placement import Placement
from lamina.distribute.processes import initialize

__all__ = [
    "PlacedPlan",
    "PlacedVariable",
    "Placement",
    "initialize",
    "is_main_process",
    "to_host",
]
