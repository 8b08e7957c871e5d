"""Importing equinox."""

from benchmarks.importing import importing

run = importing("equinox")
