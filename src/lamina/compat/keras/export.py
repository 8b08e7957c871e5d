"""`keras.export`: programs of several functions of a model, in one folder."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import lamina
from lamina.compat.keras.missing import missing
from lamina.compat.keras.utils.arguments import choice, wrong

__all__ = ["ExportArchive"]

_FORMATS = ("saved_model", "tf_saved_model")


class ExportArchive:
    """Writes functions of models as programs, which run without the code of the models.

    Each endpoint is one file, ``NAME.safetensors``, as :meth:`lamina.Model.export` writes it;
    :func:`lamina.load_exported` reads it.

    Args:
        format: has no effect: files are those of Lamina. Default ``"saved_model"``.
        **kwargs: have no effect.

    >>> import tempfile
    >>> import numpy as np
    >>> model = lamina.Sequential([lamina.Input((3,)), lamina.layers.Dense(2)])
    >>> archive = ExportArchive()
    >>> archive.track(model)
    >>> archive.add_endpoint("serve", model.call, [lamina.InputSpec(shape=(None, 3))])
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     archive.write_out(folder, verbose=False)
    ...     serve = lamina.load_exported(f"{folder}/serve.safetensors")
    >>> serve(np.ones((5, 3), "float32")).shape
    (5, 2)
    """

    def __init__(self, format: str = "saved_model", **kwargs: Any) -> None:
        choice("ExportArchive", "format", format, _FORMATS)
        self._tracked: list[lamina.Layer] = []
        self._endpoints: dict[str, tuple[_Endpoint, list[lamina.Spec]]] = {}

    def track(self, resource: Any) -> None:
        """Let endpoints use the weights of a layer.

        Args:
            resource: the layer or model, built.
        """
        if isinstance(resource, lamina.Layer) and not any(one is resource for one in self._tracked):
            self._tracked.append(resource)

    def add_endpoint(
        self,
        name: str,
        fn: Callable[..., Any],
        input_signature: Sequence[Any] | None = None,
        **kwargs: Any,
    ) -> None:
        """Add a function.

        Args:
            name: the name of its file.
            fn: a function of arrays that calls the layers which were tracked, or a layer.
            input_signature: an InputSpec, a symbol or an array for each argument of the function.
            **kwargs: have no effect.

        Raises:
            InputError: there is no signature, or the name is taken or no name of a file.
        """
        if not input_signature or name in self._endpoints or Path(name).name != name:
            raise wrong(
                f"The endpoint {name!r} cannot be added.",
                "a new name, and an InputSpec for each argument",
                f"input_signature={input_signature!r}",
                "Pass input_signature=[keras.InputSpec(shape=(None, 3))].",
            )
        if isinstance(fn, lamina.Layer):
            self.track(fn)
        specs = [lamina.Spec(tuple(one.shape), one.dtype or "float32") for one in input_signature]
        endpoint = _Endpoint(_called(fn), tuple(self._tracked))
        endpoint.build(*specs)
        self._endpoints[name] = endpoint, specs

    def track_and_add_endpoint(
        self, name: str, resource: Any, input_signature: Sequence[Any], **kwargs: Any
    ) -> None:
        """Add a model as an endpoint.

        Args:
            name: the name of its file.
            resource: the model.
            input_signature: see :meth:`add_endpoint`.
            **kwargs: have no effect.
        """
        self.track(resource)
        self.add_endpoint(name, resource, input_signature, **kwargs)

    def add_variable_collection(self, name: str, variables: Any) -> None:
        """Nothing: each file holds the weights of its function.

        Args:
            name: has no effect.
            variables: has no effect.
        """

    def write_out(
        self, filepath: str | os.PathLike[str], options: Any = None, verbose: bool = True
    ) -> None:
        """Write the files.

        Args:
            filepath: the folder, which is made if it is not there.
            options: has no effect.
            verbose: whether the names of the files are printed. Default True.

        Raises:
            InputError: there are no endpoints.
        """
        if not self._endpoints:
            raise wrong("There is nothing to export.", "endpoints", "none", "Call add_endpoint.")
        folder = Path(filepath)
        folder.mkdir(parents=True, exist_ok=True)
        for name, (endpoint, specs) in self._endpoints.items():
            file = folder / f"{name}.safetensors"
            endpoint.export(file, *specs)
            if verbose:
                print(f"Wrote {file}; lamina.load_exported reads it.")


class _Endpoint(lamina.Model):
    """A function of arrays as a model."""

    def __init__(self, function: Callable[..., Any], tracked: tuple[lamina.Layer, ...]) -> None:
        super().__init__()
        self.function, self.tracked = function, tracked

    def call(self, *inputs: Any) -> Any:
        return self.function(*inputs)


def _called(function: Any) -> Callable[..., Any]:
    """The layer itself for its `call`."""
    owner = getattr(function, "__self__", None)
    if isinstance(owner, lamina.Layer) and function.__name__ in ("call", "__call__"):
        return owner
    return function


def __getattr__(name: str) -> Any:
    raise missing("keras.export", name, __all__)
