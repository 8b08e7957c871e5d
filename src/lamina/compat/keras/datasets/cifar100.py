"""`keras.datasets.cifar100`: small pictures of 100 classes."""

from __future__ import annotations

from typing import Any, Literal

from lamina.compat.keras.datasets.cached_files import cached_file
from lamina.compat.keras.datasets.cifar import batch
from lamina.compat.keras.datasets.tables import Split
from lamina.compat.keras.missing import missing
from lamina.compat.keras.utils.arguments import choice

__all__ = ["load_data"]

_SHA256 = "85cd44d02ba6437773c5bbd22e183051d648de2e7d6b014e1ef29b855ba677a7"


def load_data(label_mode: Literal["fine", "coarse"] = "fine") -> Split:
    """Read CIFAR-100.

    Args:
        label_mode: ``"fine"`` (default) for 100 classes, ``"coarse"`` for 20.

    Returns:
        ``(x_train, y_train), (x_test, y_test)``: uint8 ``[images, 32, 32, 3]``, and
        ``[images, 1]``.
    """
    choice("load_data", "label_mode", label_mode, ("fine", "coarse"))
    folder = cached_file(
        "cifar-100-python-target",
        "https://www.cs.toronto.edu/~kriz/cifar-100-python.tar.gz",
        _SHA256,
        extract=True,
    )
    folder /= "cifar-100-python"
    labels = f"{label_mode}_labels"
    return batch(folder / "train", labels), batch(folder / "test", labels)


def __getattr__(name: str) -> Any:
    raise missing("keras.datasets.cifar100", name, __all__)
