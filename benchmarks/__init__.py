"""Benchmarks of Lamina and other libraries on the same work: `python -m benchmarks`."""
