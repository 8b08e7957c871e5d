"""Importing jax."""

from benchmarks.importing import importing

run = importing("jax")
