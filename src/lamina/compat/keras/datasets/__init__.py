"""`keras.datasets`: Lamina downloads no data; each name is an error that says so."""

from __future__ import annotations

from lamina.compat.keras.forwarding import add_empty_modules, forwarded

_MODULES = add_empty_modules(
    __name__,
    "boston_housing california_housing cifar10 cifar100 fashion_mnist imdb mnist reuters",
)

__getattr__, __dir__ = forwarded("keras.datasets", {}, _MODULES)
