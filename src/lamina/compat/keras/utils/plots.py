"""Pictures of models."""

from __future__ import annotations

from typing import Any

import lamina

__all__ = ["plot_model"]


def plot_model(
    model: lamina.Layer,
    to_file: str = "model.png",
    show_shapes: bool = False,
    show_dtype: bool = False,
    show_layer_names: bool = False,
    rankdir: str = "TB",
    expand_nested: bool = False,
    dpi: int = 200,
    show_layer_activations: bool = False,
    show_trainable: bool = False,
    splines: str = "ortho",
    **kwargs: Any,
) -> Any:
    """Draw a model; see :func:`lamina.plot_model`.

    Args:
        model: the model.
        to_file: the file to write. Default ``"model.png"``.
        show_shapes: see :func:`lamina.plot_model`; so are the others.
        show_dtype: Default False.
        show_layer_names: Default False.
        rankdir: Default ``"TB"``.
        expand_nested: Default False.
        dpi: Default 200.
        show_layer_activations: Default False.
        show_trainable: Default False.
        splines: has no effect.
        **kwargs: have no effect.
    """
    options: Any = {"rankdir": rankdir}
    return lamina.plot_model(
        model,
        to_file,
        show_shapes=show_shapes,
        show_dtype=show_dtype,
        show_layer_names=show_layer_names,
        expand_nested=expand_nested,
        dpi=dpi,
        show_layer_activations=show_layer_activations,
        show_trainable=show_trainable,
        **options,
    )
