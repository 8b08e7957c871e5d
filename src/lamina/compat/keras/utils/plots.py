"""Pictures of models."""

from __future__ import annotations

import io
import os
from typing import Any

import lamina

__all__ = ["model_to_dot", "plot_model"]


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


class _Dot:
    """A picture of a model, with the methods of pydot's ``Dot`` that write it."""

    def __init__(self, figure: Any) -> None:
        self._figure = figure

    def create(self, prog: Any = None, format: str = "png", encoding: str | None = None) -> bytes:
        """The content of a file of a format, ``"svg"``, ``"png"`` or ``"pdf"``.

        Args:
            prog: has no effect: Lamina draws the picture itself.
            format: the format. Default ``"png"``.
            encoding: has no effect.
        """
        file = io.BytesIO()
        self._figure.savefig(file, format=format)
        return file.getvalue()

    def write(
        self,
        path: str | os.PathLike[str],
        prog: Any = None,
        format: str = "png",
        encoding: str | None = None,
    ) -> bool:
        """Write a file; see :meth:`create`.

        Args:
            path: the path of the file.
            prog: has no effect.
            format: the format. Default ``"png"``.
            encoding: has no effect.
        """
        content = self.create(format=format)
        with open(path, "wb") as file:
            file.write(content)
        return True

    def create_svg(self) -> bytes:
        """The content of an SVG file."""
        return self.create(format="svg")

    def create_png(self) -> bytes:
        """The content of a PNG file."""
        return self.create(format="png")

    def write_svg(self, path: str | os.PathLike[str]) -> bool:
        """Write an SVG file."""
        return self.write(path, format="svg")

    def write_png(self, path: str | os.PathLike[str]) -> bool:
        """Write a PNG file."""
        return self.write(path, format="png")

    def _repr_svg_(self) -> str:
        return self.create_svg().decode()


def model_to_dot(
    model: lamina.Layer,
    show_shapes: bool = False,
    show_dtype: bool = False,
    show_layer_names: bool = True,
    rankdir: str = "TB",
    expand_nested: bool = False,
    dpi: int = 200,
    subgraph: bool = False,
    show_layer_activations: bool = False,
    show_trainable: bool = False,
    splines: str = "ortho",
    **kwargs: Any,
) -> Any:
    """Draw a model as an object with the methods of pydot that write pictures; it needs no pydot.

    Args:
        model: the model.
        show_shapes: see :func:`lamina.plot_model`; so are the others.
        show_dtype: Default False.
        show_layer_names: Default True.
        rankdir: Default ``"TB"``.
        expand_nested: Default False.
        dpi: Default 200.
        subgraph: has no effect.
        show_layer_activations: Default False.
        show_trainable: Default False.
        splines: has no effect.
        **kwargs: have no effect.

    Returns:
        An object with `create`, `create_svg`, `create_png`, `write`, `write_svg` and `write_png`.

    >>> model = lamina.Sequential([lamina.layers.Dense(2)])
    >>> model.build((None, 3))
    >>> b"<svg" in model_to_dot(model).create(prog="dot", format="svg")
    True
    """
    options: Any = {"rankdir": rankdir}
    return _Dot(
        lamina.plot_model(
            model,
            None,
            show_shapes=show_shapes,
            show_dtype=show_dtype,
            show_layer_names=show_layer_names,
            expand_nested=expand_nested,
            dpi=dpi,
            show_layer_activations=show_layer_activations,
            show_trainable=show_trainable,
            **options,
        )
    )
