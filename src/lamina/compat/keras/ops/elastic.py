"""Elastic deformations of images, with random numbers of `keras.random`."""

from __future__ import annotations

from typing import Any

from lamina.compat.keras import random
from lamina.models.array_functions import image

__all__ = ["elastic_transform"]


def elastic_transform(
    images: Any,
    alpha: float = 20.0,
    sigma: float = 5.0,
    interpolation: str = "bilinear",
    fill_mode: str = "reflect",
    fill_value: float = 0.0,
    seed: Any = None,
    data_format: str | None = None,
) -> Any:
    """Move pixels by smoothed noise; see :class:`lamina.layers.RandomElasticTransform`."""

    def noise(shape: tuple[int, ...], dtype: Any) -> Any:
        return random.normal(shape, dtype=dtype, seed=seed)

    return image.elastic_transform(
        images, noise, alpha, sigma, interpolation, fill_mode, fill_value, data_format
    )
