"""Importing lamina."""

from benchmarks.importing import importing

run = importing("lamina")
