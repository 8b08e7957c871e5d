"""The translator application, written on the public API."""
