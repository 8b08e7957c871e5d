"""Importing torch."""

from benchmarks.importing import importing

run = importing("torch")
