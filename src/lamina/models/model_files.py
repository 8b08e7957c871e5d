"""`Model.save` and `Model.export`: a model, or the program of its call, as a file."""

from __future__ import annotations

from collections.abc import Sequence
from os import PathLike
from typing import TYPE_CHECKING, Any

from lamina.core.specs.signature import given_specs, method_of
from lamina.layer import Layer
from lamina.lazy import lazily
from lamina.models.compilation import trainer_of
from lamina.models.compiled import Compiled
from lamina.models.layer_names import names_of_inputs
from lamina.models.model_state import state_of
from lamina.models.text_inputs import program_of

if TYPE_CHECKING:
    from lamina import saving
    from lamina.saving.keras import writing as keras_files
else:
    saving = lazily("lamina.saving")
    keras_files = lazily("lamina.saving.keras.writing")

__all__ = ["compile_from_file", "export", "save"]


def save(
    model: Layer,
    filepath: str | PathLike[str],
    overwrite: bool = True,
    zipped: bool | None = None,
    include_optimizer: bool = True,
) -> None:
    """Write the model to a file: the name of its class, its constructor's arguments, its weights.

    A name in ``.keras`` gives a file of Keras 3, with the extra ``keras``; any other name one of
    Lamina. :func:`lamina.load` reads both.

    :func:`lamina.load` makes the model again. If the model is compiled, the file also holds the
    arguments of `compile` and the state of the optimizer, so that `fit` continues after loading.
    Arguments that cannot be saved, such as optax transformations and lambdas, are left out with a
    warning.

    Args:
        filepath: the file. If writing fails, an existing file stays as it was.
        overwrite: whether an existing file is replaced. Default True.
        zipped: has no effect: the model is always one file. Default None.
        include_optimizer: whether the file holds the arguments of `compile` and the state of the
            optimizer. Default True.

    Raises:
        FileExistsError: the file exists, and `overwrite` is False.
        BuildError: the model is not built, or its class and arguments do not make it again.
        LaminaError: an argument of a constructor cannot be written, or Keras does not have a layer;
            the error names it.
        InputError: the name ends in ``.h5``, in which Keras 3 stores weights alone.
        OSError: the file cannot be written.

    >>> import tempfile
    >>> import lamina
    >>> from lamina import Input, Sequential, layers
    >>> model = Sequential([Input((3,)), layers.Dense(2)])
    >>> with tempfile.TemporaryDirectory() as directory:
    ...     model.save(f"{directory}/model.safetensors")
    ...     lamina.load(f"{directory}/model.safetensors").count_params()
    8
    """
    saving.check_overwrite(filepath, overwrite)
    compiled = state_of(model).compiled() if include_optimizer else None
    is_for_keras = saving.is_for_keras(filepath, weights=False)
    write = keras_files.save if is_for_keras else saving.save
    if compiled is None:
        write(model, filepath)
    else:
        write(model, filepath, compiled.arguments, compiled.state)


def compile_from_file(
    model: Layer, arguments: dict[str, Any], state: saving.TrainingArrays | None
) -> None:
    """Compile a model as the file that it comes from describes it; not at all if that fails."""
    node = state_of(model)
    node.pending = Compiled(arguments, state)
    try:
        trainer_of(model)
    finally:
        node.pending = None


def export(
    model: Layer,
    filepath: str | PathLike[str],
    *specs: Any,
    platforms: Sequence[str] | None = None,
    **named: Any,
) -> None:
    """Write the program of the model's call, with the weights, to run without the model's code.

    The program is StableHLO from `jax.export`. It computes in inference mode, and drops what
    `call` assigns to variables. Of a graph with text it takes, by name, what the layers of text
    give for the inputs, and it gives the indices of outputs of text. :func:`lamina.load_exported`
    loads it as a callable.

    Args:
        filepath: the file, which is replaced if it exists. If writing fails, it stays as it was.
        specs: the shape, `Spec` or array of each input, as for `build`. A dimension that is None
            or a name stays open: the program takes any size. Default: the specs that the model was
            built for, with any batch size.
        platforms: the platforms that the program can run on, such as ``("cpu", "cuda", "tpu")``.
            Default None: the current one.
        named: specs by the name of the input.

    Raises:
        BuildError: the model is not built.
        InputError: the program depends on the size of an open dimension.
        OSError: the file cannot be written.

    >>> import tempfile
    >>> import numpy as np
    >>> import lamina
    >>> from lamina import Input, Sequential, layers
    >>> model = Sequential([Input((3,)), layers.Dense(2)])
    >>> with tempfile.TemporaryDirectory() as directory:
    ...     model.export(f"{directory}/program.safetensors")
    ...     program = lamina.load_exported(f"{directory}/program.safetensors")
    >>> program(np.ones((5, 3), "float32")).shape
    (5, 2)
    """
    given = None
    if specs or named:
        given = given_specs(method_of(type(model), "call"), specs, named)
    graph = program_of(model)
    names = () if graph is None else names_of_inputs(graph.inputs, graph.names)
    saving.export(model, filepath, given, platforms, names)
