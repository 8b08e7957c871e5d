"""`Layer`, the base class of layers; most of its methods are implemented in `lamina.core`."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping, Sequence
from os import PathLike
from typing import TYPE_CHECKING, Any, ClassVar, Literal, Self, Unpack

import jax
import numpy as np

from lamina import regularizers
from lamina.constraints import ConstraintLike
from lamina.core.base.load_limits import ALLOWANCE
from lamina.core.base.sites import site
from lamina.core.building import quantization
from lamina.core.building.plan import Plan
from lamina.core.calling import build as building
from lamina.core.calling import call as calling
from lamina.core.calling import constructor, held_metrics, settings, stateless, views
from lamina.core.running import added_losses, call_context
from lamina.core.running.layer_call import fresh_key
from lamina.core.running.masks import defines_mask
from lamina.core.running.precision import policy
from lamina.core.running.rematerialization import CHOSEN
from lamina.core.running.scope import current
from lamina.core.specs.signature import missing_call
from lamina.core.specs.spec import Spec
from lamina.core.tree.changes import may_hold_layers
from lamina.core.tree.edition import EDITION
from lamina.core.tree.node import ATTRIBUTE, Tracked, slot_names
from lamina.core.tree.variable import Variable
from lamina.layer_state import (
    LayerNode,
    build_for_symbols,
    built_for_symbols,
    symbolic_input,
    symbolic_output,
)
from lamina.lazy import lazily
from lamina.options import LayerOptions
from lamina.regularizers import RegularizerLike

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from lamina import plots, quantizers, reports, saving
else:
    quantizers = lazily("lamina.quantizers")
    plots = lazily("lamina.plots")
    saving = lazily("lamina.saving")
    reports = lazily("lamina.reports")

__all__ = ["Layer"]


class Layer(Tracked):
    """The base class of layers, which hold weights and other layers, and compute outputs.

    A subclass stores its options and inner layers in ``__init__``, declares its weights in
    ``build(self, input_shape)``, and computes its outputs in ``call(self, inputs)``. Attributes,
    lists, tuples and dicts may hold inner layers. All weights of a layer and its inner layers are
    created by the first call, or by ``build(...)``, from the shapes of the inputs; if that fails,
    nothing is changed.

    Every layer can be called with ``training`` and ``rng``; see ``__call__``.

    Args:
        name: str, name of the layer in reports; None (default) for one derived from its class.
        trainable: bool, whether the weights of the layer and of its inner layers are trained;
            True by default.
        dtype: dtype of the layer's weights, or a mixed-precision policy such as
            ``"mixed_bfloat16"``; float32 by default.
        autocast: bool, whether inputs and weights are cast to the compute dtype; True by default.
        activity_regularizer: penalty on each output, divided by the batch size; None by default.
        input_shape: shape of one example, without the batch axis, for the first layer of a
            `Sequential`, which then is built immediately; None by default.
        input_dim: size of the only axis of an example, short for ``input_shape``; None by default.

    Raises:
        InputError: an argument is unknown, missing or given twice.

    >>> import jax.numpy as jnp
    >>> class Scale(Layer):
    ...     def build(self, input_shape):
    ...         self.factor = self.add_weight((input_shape[-1],), "ones")
    ...     def call(self, inputs):
    ...         return inputs * self.factor
    >>> layer = Scale()
    >>> layer(jnp.ones((2, 3))).shape, layer.variables
    ((2, 3), [Variable(shape=(3,), dtype=float32)])
    """

    _lamina: LayerNode  # pyright: ignore[reportIncompatibleVariableOverride] - set once
    _lamina_node: ClassVar[type[LayerNode]] = LayerNode

    def __new__(cls, *args: Any, **kwargs: Any) -> Self:
        layer = super().__new__(cls)
        allowance = ALLOWANCE.get()
        if allowance is not None:
            allowance.layer()
        trains = building.prepare_class(cls)
        scope = current()
        made_in = 0 if scope is None else scope.call.number
        node = cls._lamina_node(args, kwargs, site(sys._getframe(1)), made_in)
        node.dtype = policy(None)
        node.trainable = node.inherits = trains
        object.__setattr__(layer, ATTRIBUTE, node)  # frozen dataclasses refuse plain assignments
        constructor.check_arguments(layer, args, kwargs)
        return layer

    def __init__(self, **options: Unpack[LayerOptions]) -> None:
        constructor.check_options(self, options, LayerOptions.__optional_keys__)
        features = options.get("input_dim")
        shape = options.get("input_shape") if features is None else (features,)
        self._lamina.name = options.get("name")
        self._lamina.input_spec = None if shape is None else Spec((None, *shape))
        trainable = constructor.as_flag(self, "trainable", options.get("trainable", True))
        if not trainable or "trainable" in self._lamina.keywords:
            self._lamina.inherits = False
        self._lamina.trainable = self._lamina.trainable and trainable
        self._lamina.dtype = policy(options.get("dtype"))
        if hasattr(self._lamina.keywords.get("dtype"), "compute_dtype"):  # files store the name
            self._lamina.keywords["dtype"] = self._lamina.dtype
        self._lamina.penalty = regularizers.get(options.get("activity_regularizer"))
        self._lamina.autocast = bool(options.get("autocast", True))
        chosen = CHOSEN.get()
        self._lamina.remat_of_scope = chosen is not None and chosen(self)

    # Building and calling.

    def build(self, *specs: Any, **named: Any) -> None:
        """Create the weights of the layer and of all its inner layers.

        The layer's ``call`` is traced on the specs to find all weights, without computing anything.
        Subclasses override ``build(self, input_shape)`` to declare their own weights. The
        overridden method is called with the shapes of the inputs as tuples, where an unknown size
        is None; a call of it from outside builds the whole tree as described here.

        Args:
            *specs: the inputs of ``call``, each a shape (for float32), a :class:`lamina.Spec`, a
                ``jax.ShapeDtypeStruct``, an array, or a pytree of these. Unknown sizes are None or
                names.
            **named: the same by name, and the options ``training`` (bool), ``seed`` (int, for the
                initial values; by default the next of :func:`lamina.set_seed`), ``method`` (str,
                the method to trace instead of ``call``) and ``placement`` (a
                :class:`lamina.distribute.Placement`, the devices to store the weights on).

        Raises:
            BuildError: the layer cannot be built; nothing was changed.
            InputError: the specs do not match the inputs of ``call``.

        >>> from lamina import layers
        >>> layer = layers.Dense(4)
        >>> layer.build((None, 3))
        >>> layer.kernel.shape
        (3, 4)
        """
        building.base_build(self, *specs, **named)

    def add_weight(
        self,
        shape: Any = (),
        initializer: Any = None,
        dtype: Any = None,
        *,
        trainable: bool = True,
        autocast: bool = True,
        regularizer: RegularizerLike = None,
        constraint: ConstraintLike = None,
        name: str | None = None,
    ) -> Variable:
        """Declare a weight, in ``build`` or ``__init__``.

        Its name in paths is that of the attribute which it is assigned to.

        Args:
            shape: tuple of int, sizes of the axes; a scalar by default.
            initializer: a name, an initializer of :mod:`lamina.initializers`, or a callable
                ``(key, shape, dtype)``; None (default) for ``"glorot_uniform"``, and ``"zeros"``
                for weights that are not floating-point.
            dtype: dtype of the weight; None (default) for that of the layer.
            trainable: bool, whether training updates the weight; True by default.
            autocast: bool, whether mixed precision casts the weight to the compute dtype; True by
                default.
            regularizer: penalty added to the loss, a name or a function; None by default.
            constraint: function applied after each training step, or its name; None by default.
            name: str, name of the weight if no attribute holds it; None by default.

        Returns:
            A :class:`lamina.Variable`, whose array is created when the build is complete.

        Raises:
            BuildError: the shape depends on an unknown size.
            InputError: the shape is a string.
            TrackingError: it is called in ``call``.

        >>> import jax.numpy as jnp
        >>> class Scale(Layer):
        ...     def build(self, input_shape):
        ...         self.factor = self.add_weight((input_shape[-1],), "ones")
        ...     def call(self, inputs):
        ...         return inputs * self.factor
        >>> Scale()(jnp.ones((1, 2))).tolist()
        [[1.0, 1.0]]
        """
        options = {"name": name, "regularizer": regularizer, "constraint": constraint}
        return building.declare(
            self, shape, initializer, dtype, trainable=trainable, autocast=autocast, **options
        )

    add_variable = add_weight

    def add_loss(self, loss: Any) -> None:
        """Add a scalar to the training loss, in ``call``.

        ``fit`` and ``Trainer`` use it; in other code :func:`lamina.added_losses` collects it.

        Args:
            loss: a scalar array or number, or a pytree of scalars.

        Raises:
            InputError: the loss is not a scalar.
            LaminaError: no call is running.
            TraceError: it is called inside a JAX transform within the call, such as a scan.

        >>> import jax.numpy as jnp
        >>> import lamina
        >>> class Sparse(Layer):
        ...     def call(self, inputs):
        ...         self.add_loss(abs(inputs).mean())
        ...         return inputs
        >>> with lamina.added_losses() as losses:
        ...     outputs = Sparse()(jnp.ones((1, 2)))
        >>> losses[0].item()
        1.0
        """
        added_losses.add_loss(self, loss)

    def constrain(self, array: jax.Array, *partition: str | tuple[str, ...] | None) -> jax.Array:
        """Divide an array over the devices of the layer's placement, in ``call``.

        XLA divides activations as it finds best; this is for where it does not. It has no effect
        on the values, and none without a placement. Axes that cannot be divided are replicated.

        Args:
            array: an activation.
            *partition: for each axis the name of an axis of the mesh, a tuple of names, or None.

        Returns:
            The array.

        Raises:
            InputError: the mesh lacks an axis that is named, or the array has fewer axes.

        >>> import jax.numpy as jnp
        >>> class Same(Layer):
        ...     def call(self, inputs):
        ...         return self.constrain(inputs, "data", None)
        >>> Same()(jnp.ones((1, 2))).tolist()
        [[1.0, 1.0]]
        """
        placement = self._lamina.placement
        return array if placement is None else placement.constrained(array, partition)

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Compute the outputs of the layer; the first call builds it.

        Args:
            *args: the inputs of ``call``. Arrays, NumPy arrays and pytrees of them are passed to
                ``call`` as JAX arrays; bool, int, float, str and None are static and passed
                unchanged.
            **kwargs: inputs by name, and two options that are passed to all inner layers:
                ``training``, bool, the training mode, by default that of the calling layer, or
                False; and ``rng``, a JAX random key or an int seed, for random numbers such as
                those of dropout.

        Returns:
            The outputs of ``call``.

        Raises:
            BuildError: the layer cannot be built; nothing was changed.
            InputError: the inputs do not match ``call``, or the shapes that the layer was built
                for.
            LaminaError: a layer draws random numbers, and ``rng`` was not passed.

        >>> import jax.numpy as jnp
        >>> from lamina import layers
        >>> layers.Dropout(0.5)(jnp.ones((2, 3)), training=True, rng=0).shape
        (2, 3)
        """
        return calling.invoke(self, args, kwargs)

    call: Any = missing_call  # not a method, so that subclasses may have other arguments

    def rng(self) -> jax.Array:
        """Return a new random key, in ``call``.

        It is derived from the key of the call, the path of the layer, and the number of keys that
        the layer has drawn before.

        Returns:
            A JAX random key.

        Raises:
            LaminaError: no call is running, or it has no ``rng``.
            TraceError: the body of a loop is running, where the key would be the same in all steps.

        >>> import jax
        >>> class Noise(Layer):
        ...     def call(self, inputs):
        ...         return inputs + jax.random.normal(self.rng(), inputs.shape)
        >>> Noise()(jax.numpy.zeros(3), rng=jax.random.key(0)).shape
        (3,)
        """
        return fresh_key(self)

    def compute_mask(self, inputs: Any, mask: Any = None) -> Any:
        """Compute the padding mask of the outputs, which is passed to the following layers.

        The base class returns the mask of the inputs. A call uses it only if
        ``supports_masking`` is True, which is the default of subclasses that override it.

        Args:
            inputs: the first argument of ``call``.
            mask: its mask, a bool array that is False at padding; None (default) for no mask.

        Returns:
            The mask of the outputs; None for no mask.

        >>> import jax.numpy as jnp
        >>> from lamina import layers
        >>> layers.Embedding(5, 2, mask_zero=True).compute_mask(jnp.array([[3, 0]])).tolist()
        [[True, False]]
        """
        return mask

    def quantize(
        self,
        mode: str | None = None,
        config: quantizers.QuantizationConfig | None = None,
        filters: str | Sequence[str] | Callable[[Layer], bool] | None = None,
    ) -> None:
        """Store the kernels of this layer and of its inner layers as integers, for inference.

        The layers are ``Dense``, ``EinsumDense``, ``Embedding``, ``ReversibleEmbedding`` and the
        projections of attention; others keep their floats. Either all of them are quantized, or
        nothing is changed. The integers are not trained: training needs :meth:`enable_lora` on
        each of these layers, or frozen ones.

        Args:
            mode: ``"int8"``: a scale for each output, and inputs that are rounded to int8 as well;
                ``"int4"``: a scale and a zero point for each 128 inputs of an output, and inputs
                as they are. None (default) for the mode of `config`.
            config: a :class:`lamina.quantizers.Int8QuantizationConfig` or
                :class:`lamina.quantizers.Int4QuantizationConfig`; None (default) for that of
                `mode`.
            filters: regular expression, or sequence of them, that is searched for in the names and
                the paths of layers; or a function of a layer; None (default) for all layers.

        Raises:
            BuildError: the layer is not built.
            InputError: the mode is unknown, no layer can be quantized, or one is quantized already
                or shares its kernel.

        >>> from lamina import layers
        >>> layer = layers.Dense(4)
        >>> layer.build((None, 8))
        >>> layer.quantize("int8")
        >>> sorted(f"{path} {array.dtype}" for path, array in layer.values().items())
        ['bias float32', 'kernel int8', 'kernel_scale float32']
        """
        quantization.quantize(self, quantizers.resolve(mode, config), filters)

    # Views of the tree. A subclass may use any of these names for its own attributes.

    def plan(self, *specs: Any, **named: Any) -> Plan:
        """Return the weights and calls that ``build`` would create, without changing the layer.

        Args:
            *specs: as those of :meth:`build`.
            **named: as those of :meth:`build`.

        Returns:
            A :class:`lamina.Plan`.

        Raises:
            BuildError: the layer cannot be built.
            InputError: the specs do not match the inputs of ``call``.

        >>> from lamina import layers
        >>> layers.Dense(4).plan((None, 3))
        Plan(2 variables, 16 parameters, 1 calls)
        """
        return building.plan(self, specs, named)

    def apply(
        self, values: Mapping[str, Any], /, *args: Any, **kwargs: Any
    ) -> tuple[Any, dict[str, Any]]:
        """Call the layer on explicit values of its weights, as a pure function.

        Use it in JAX transforms such as ``jax.grad``, ``jax.vmap`` and ``jax.jit``. The stored
        values are neither read nor changed. A layer that is not built is built first.

        Args:
            values: arrays for all weights by path, as returned by :meth:`values`.
            *args: the inputs of ``call``.
            **kwargs: inputs by name, ``training`` and ``rng`` as those of ``__call__``, and
                ``method`` (str, the method to call instead of ``call``).

        Returns:
            The outputs, and a dict of the values with those that the call assigned.

        Raises:
            InputError: the values or the inputs do not match the layer.

        >>> import jax
        >>> import jax.numpy as jnp
        >>> from lamina import layers
        >>> layer = layers.Dense(1)
        >>> layer.build((None, 2))
        >>> def loss(values, x):
        ...     outputs, _ = layer.apply(values, x)
        ...     return outputs.sum()
        >>> jax.grad(loss)(layer.values(), jnp.ones((3, 2)))["kernel"].tolist()
        [[3.0], [3.0]]
        """
        return calling.apply(self, values, args, kwargs)

    def values(self, trainable: bool | None = None) -> dict[str, jax.Array]:
        """Return the arrays of the weights by path.

        Args:
            trainable: bool, whether to return the weights that training updates, or the others;
                None (default) for all weights.

        Returns:
            A dict; it is empty before the build. The arrays stay valid.

        >>> from lamina import layers
        >>> layer = layers.Dense(1)
        >>> layer.build((None, 2))
        >>> {path: array.shape for path, array in layer.values().items()}
        {'kernel': (2, 1), 'bias': (1,)}
        """
        build_for_symbols(self)
        return views.values(self, trainable)

    def set_values(self, values: Mapping[str, Any]) -> None:
        """Set the values of all weights by path.

        Args:
            values: an array for each path of :meth:`values`, cast to the dtype of the weight.

        Raises:
            InputError: a path is missing or unknown, or an array has another shape; nothing was
                changed.

        >>> from lamina import layers
        >>> layer = layers.Dense(1)
        >>> layer.build((None, 2))
        >>> layer.set_values({"kernel": [[1.0], [2.0]], "bias": [0.5]})
        >>> layer.bias.numpy().tolist()
        [0.5]
        """
        build_for_symbols(self)
        views.set_values(self, values)

    def get_weights(self) -> list[np.ndarray]:
        """Return copies of all weights as NumPy arrays.

        Returns:
            A list in the order of ``weights``; it is empty before the build.

        >>> from lamina import layers
        >>> layer = layers.Dense(1)
        >>> layer.build((None, 2))
        >>> [array.shape for array in layer.get_weights()]
        [(2, 1), (1,)]
        """
        build_for_symbols(self)
        return views.weights(self)

    def set_weights(self, weights: Sequence[Any]) -> None:
        """Set the values of all weights in order.

        Args:
            weights: the arrays, in the order of :meth:`get_weights`.

        Raises:
            InputError: the number of arrays or a shape is wrong; nothing was changed.

        >>> from lamina import layers
        >>> layer = layers.Dense(1)
        >>> layer.build((None, 2))
        >>> layer.set_weights([[[1.0], [2.0]], [0.5]])
        >>> layer.bias.numpy().tolist()
        [0.5]
        """
        build_for_symbols(self)
        views.set_weights(self, weights)

    def compute_output_shape(self, *shapes: Any, **named: Any) -> Any:
        """Return the shape of the outputs, without building the layer.

        A subclass may define it, to give the sizes of its outputs where inputs have unknown dims.

        Args:
            *shapes: as the specs of :meth:`build`.
            **named: as those of :meth:`build`.

        Returns:
            A tuple with None for unknown sizes; a pytree of them for several outputs.

        Raises:
            BuildError: the layer cannot be built for these shapes.
            InputError: the shapes do not match the inputs of ``call``.

        >>> from lamina import layers
        >>> layers.Dense(4).compute_output_shape((None, 3))
        (None, 4)
        """
        return building.output_shape(self, shapes, named)

    compute_output_spec = building.output_spec
    stateless_call = stateless.stateless_call
    _register_call_context_args = call_context.register
    _call_context_args = views.View(call_context.context_arguments)

    def count_params(self) -> int:
        """Return the number of scalars in all weights.

        Returns:
            int; 0 before the build.

        >>> from lamina import layers
        >>> layer = layers.Dense(4)
        >>> layer.build((None, 3))
        >>> layer.count_params()
        16
        """
        build_for_symbols(self)
        return views.count_params(self)

    def summary(
        self,
        line_length: int | None = None,
        positions: Sequence[float] | None = None,
        print_fn: Callable[[str], Any] | None = None,
        expand_nested: bool = True,
        show_trainable: bool = False,
        layer_range: Sequence[str] | None = None,
    ) -> reports.Summary:
        """Print a table of the layers with their output shapes and numbers of weights.

        Args:
            line_length: int, width of the lines; None (default) for that of the terminal, or of the
                longest line elsewhere.
            positions: has no effect: columns are as wide as their contents.
            print_fn: function of the text, called instead of printing; None by default.
            expand_nested: bool, whether layers within layers are listed; True by default.
            show_trainable: bool, whether each layer is marked as trainable or not, and not only the
                frozen ones; False by default.
            layer_range: regular expressions of the names of the first and the last layer to list;
                None (default) for all.

        Returns:
            The printed report, a :class:`lamina.reports.Summary`.

        Raises:
            InputError: no layer has a name of `layer_range`.

        >>> from lamina import layers
        >>> layer = layers.Dense(4)
        >>> layer.build((None, 3))
        >>> summary = layer.summary()  # doctest: +ELLIPSIS
        Dense for inputs: float32[?, 3], built at ...
        """
        summary = reports.Summary(
            reports.inventory(self),
            line_length=line_length,
            expand_nested=expand_nested,
            show_trainable=show_trainable,
            layer_range=layer_range,
        )
        if print_fn is None:
            return summary.shown()
        summary.show(print_fn)
        return summary

    def explain(
        self, *specs: Any, path: str | None = None, why: str | None = None, **named: Any
    ) -> reports.Explanation:
        """Print the tree of layers: who calls each, and why each weight has its shape.

        It also lists layers that are not built, shared, frozen or unused. Before the build it shows
        what is tracked and which inputs are awaited; with specs, what the build would do.

        Args:
            *specs: as those of :meth:`build`; none (default) for the inputs of the build. A single
                str is `path`.
            path: str, the path of a layer or weight, which alone is shown; None (default) for all.
            why: str, the name or path of weights whose shapes are explained; None (default) for
                none.
            **named: as those of :meth:`build`.

        Returns:
            The printed report, a :class:`lamina.reports.Explanation`.

        Raises:
            BuildError: the layer cannot be built for the specs.
            InputError: the specs do not match the inputs of ``call``.
            UnknownNameError: there is no such path or weight.

        >>> from lamina import layers
        >>> layer = layers.Dense(4)
        >>> report = layer.explain((None, 3), why="kernel")  # doctest: +ELLIPSIS
        kernel  of Dense
          shape    (3, 4)  float32  glorot_uniform  48 bytes
          declared at ...
          axis 0   3 = axis -1 of inputs
          axis 1   4 = units
        ...
        """
        if len(specs) == 1 and isinstance(specs[0], str):
            path, specs = specs[0], ()
        plan = reports.examine(self, *specs, **named)
        return reports.Explanation(plan, path, why).shown()

    def plot(
        self,
        path: str | PathLike[str] | None = None,
        *,
        show_shapes: bool = False,
        show_dtype: bool = False,
        show_layer_names: bool = True,
        rankdir: Literal["TB", "BT", "LR", "RL"] = "TB",
        expand_nested: bool = False,
        dpi: float = 200,
        show_layer_activations: bool = False,
        show_trainable: bool = False,
    ) -> Figure:
        """Plot the calls of inner layers, and the flow of data between them.

        Args:
            path: output file ending in ``.svg``, ``.png`` or ``.pdf``; an existing file is
                replaced. Default None: none.
            show_shapes: as all options, see :func:`lamina.plot_model`.
            show_dtype: bool, whether to show dtypes; False by default.
            show_layer_names: bool, whether to show names, or else classes alone; True by default.
            rankdir: direction of the flow, ``"TB"`` (default), ``"BT"``, ``"LR"`` or ``"RL"``.
            expand_nested: bool, whether to show the calls within layers; False by default.
            dpi: dots per inch of a PNG file, 200 by default.
            show_layer_activations: bool, whether to show activation functions; False by default.
            show_trainable: bool, whether to mark layers as trainable or frozen; False by default.

        Returns:
            A ``matplotlib.figure.Figure``, which a notebook shows.

        Raises:
            StateError: the layer is not built.
            InputError: an option is unknown, or the file has another ending.
            ImportError: matplotlib or igraph is not installed; the error names the extra.

        >>> from lamina import layers
        >>> layer = layers.Dense(4)
        >>> layer.build((None, 3))
        >>> len(layer.plot(show_shapes=True).axes)
        1
        """
        return plots.plot_model(
            self,
            path,
            show_shapes=show_shapes,
            show_dtype=show_dtype,
            show_layer_names=show_layer_names,
            rankdir=rankdir,
            expand_nested=expand_nested,
            dpi=dpi,
            show_layer_activations=show_layer_activations,
            show_trainable=show_trainable,
        )

    def _repr_html_(self) -> str:
        """Return the page of the layers and weights, for a notebook."""
        return reports.notebook_html(reports.inventory(self))

    def save_weights(self, filepath: str | PathLike[str], overwrite: bool = True) -> None:
        """Write all weights to a safetensors file, atomically.

        Args:
            filepath: path of the file.
            overwrite: bool, whether an existing file is replaced; True by default.

        Raises:
            FileExistsError: the file exists, and `overwrite` is False.
            BuildError: the layer is not built.

        >>> import tempfile
        >>> from lamina import layers
        >>> layer = layers.Dense(1)
        >>> layer.build((None, 2))
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     layer.save_weights(f"{folder}/dense.safetensors")
        """
        saving.check_overwrite(filepath, overwrite)
        saving.save_weights(self, filepath)

    def load_weights(
        self,
        filepath: str | PathLike[str],
        rename: Mapping[str, str] | None = None,
        *,
        skip_mismatch: bool = False,
        by_name: bool = False,
    ) -> None:
        """Read all weights from a file of :meth:`save_weights`, or from one of Keras.

        A layer that is not built is built for the input specs in the file. Of Keras's files,
        ``.weights.h5``, ``.weights.json``, legacy HDF5 and whole models are read, with the extra
        ``keras``.

        Args:
            filepath: path of the file.
            rename: dict from paths in the file to paths in this layer, for renamed attributes; None
                by default.
            skip_mismatch: bool, whether to read only the weights whose name and shape match, and to
                list all others in a warning; False by default.
            by_name: bool, whether the layers of a legacy HDF5 file are found by their names, and
                all others keep their weights; False by default: by their order.

        Raises:
            FileFormatError: the file is damaged, or does not match the layer; nothing was changed.
            BuildError: the layer is not built, and the file does not have its input specs.
            InputError: an option is not for files of this format.

        >>> import tempfile
        >>> from lamina import layers
        >>> layer, other = layers.Dense(1), layers.Dense(1)
        >>> layer.build((None, 2))
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     layer.save_weights(f"{folder}/dense.safetensors")
        ...     other.load_weights(f"{folder}/dense.safetensors")
        >>> bool((other.kernel.numpy() == layer.kernel.numpy()).all())
        True
        """
        saving.load_weights(self, filepath, rename, skip_mismatch, by_name)

    def get_config(self) -> dict[str, Any]:
        """Return the arguments of the constructor, from which a new layer can be created.

        The config is plain JSON with the keys of Keras. Layers, losses and the like are dicts of
        their class and config; functions are stored by name.

        Returns:
            A dict of the arguments by name, with defaults.

        Raises:
            LaminaError: an argument cannot be stored, such as a lambda; the error names it.

        >>> from lamina import layers
        >>> layers.Dense(4).get_config()["units"]
        4
        """
        return saving.get_config(self)

    @classmethod
    def from_config(
        cls, config: Mapping[str, Any], custom_objects: Mapping[str, Any] | None = None
    ) -> Self:
        """Create a layer from a config of :meth:`get_config`, with new weights.

        Nothing in the config is imported or unpickled; names are looked up as in
        :func:`lamina.load`.

        Args:
            config: the result of :meth:`get_config`, or the config of the same layer in Keras.
                Layers in it are copied without their weights.
            custom_objects: classes and functions by name; None (default) for none.

        Returns:
            A layer of this class.

        Raises:
            InputError: the layer has no such option.
            FileFormatError: the config names a class or function that is not available.

        >>> from lamina import layers
        >>> layers.Dense.from_config(layers.Dense(4).get_config()).units
        4
        """
        return saving.from_config(cls, config, custom_objects)

    layers = views.View[list["Layer"]](views.layers)
    input = views.View(symbolic_input)
    output = views.View(symbolic_output)
    variables = views.View(built_for_symbols(views.variables))
    weights = views.View(built_for_symbols(views.own_weights))
    trainable_variables = views.View(built_for_symbols(views.trainable_variables))
    trainable_weights = views.View(built_for_symbols(views.trainable_variables))
    non_trainable_variables = views.View(built_for_symbols(views.non_trainable_variables))
    non_trainable_weights = views.View(built_for_symbols(views.non_trainable_weights))
    name = views.View(views.name)
    dtype = views.View(settings.variable_dtype)
    compute_dtype = views.View(settings.compute_dtype)
    variable_dtype = views.View(settings.variable_dtype)
    dtype_policy = settings.dtype_policy
    quantization_mode = views.View(settings.quantization_mode)
    autocast = settings.autocast
    activity_regularizer = settings.activity_regularizer
    metrics = views.View(held_metrics.metrics)
    metrics_variables = views.View(held_metrics.metrics_variables)
    losses = views.View(added_losses.losses_of)
    input_spec: Any = views.View[Any](lambda layer: None)
    """The :class:`lamina.layers.InputSpec` of the first input, or a pytree of them; None (default)
    for no check. Subclasses may set it."""
    trainable = views.Trainable()
    built = views.BuiltFlag()
    supports_masking: Any = views.View(defines_mask)
    """bool, whether outputs have the mask that :meth:`compute_mask` returns. Subclasses may set it;
    by default it is True for those that override :meth:`compute_mask`."""

    def __setattr__(self, name: str, value: Any) -> None:
        held = self.__dict__.get(name)
        counts = (
            (value is not None and may_hold_layers(value))
            or (held is not None and may_hold_layers(held))
            or bool(slot_names(type(self)))
        )
        object.__setattr__(self, name, value)
        if counts:
            EDITION.advance(self._lamina)

    def __delattr__(self, name: str) -> None:
        removed = self.__dict__.get(name)
        object.__delattr__(self, name)
        loose = self._lamina.loose
        loose[:] = [variable for variable in loose if variable is not removed]
        EDITION.advance(self._lamina)

    def __repr__(self) -> str:
        return views.text(self)


Layer.build.is_base = True  # type: ignore[attr-defined]
Layer.compute_mask.mask_rule = "base"  # type: ignore[attr-defined]
Layer.compute_output_shape.is_base = True  # type: ignore[attr-defined]
Layer.build = building.wrap_build(Layer.build)
