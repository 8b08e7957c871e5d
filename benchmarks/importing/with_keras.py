"""Importing keras."""

from benchmarks.importing import importing

run = importing("keras")
