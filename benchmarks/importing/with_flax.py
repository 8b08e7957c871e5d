"""Importing flax.nnx."""

from benchmarks.importing import importing

run = importing("flax.nnx")
