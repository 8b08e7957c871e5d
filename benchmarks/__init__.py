"""The same work done by Lamina and by its peers, side by side: `python -m benchmarks`."""
