"""`Layer`: the face of a tree of layers. What it names is done in `lamina.core`."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from os import PathLike
from typing import TYPE_CHECKING, Any

import jax
import numpy as np

from lamina import regularizers, saving
from lamina.constraints import ConstraintLike
from lamina.core.base.allowance import ALLOWANCE
from lamina.core.base.sites import site
from lamina.core.building.plan import Plan
from lamina.core.calling import call as calling
from lamina.core.calling import entry as building
from lamina.core.calling import views
from lamina.core.running import added_losses
from lamina.core.running.layer_call import fresh_key
from lamina.core.running.precision import policy
from lamina.core.running.scope import current
from lamina.core.specs.spec import Spec
from lamina.core.tree.node import ATTRIBUTE, EDITION, Node, Tracked
from lamina.core.tree.variable import Variable
from lamina.lazy import lazily
from lamina.regularizers import RegularizerLike

if TYPE_CHECKING:
    from lamina import reports
else:
    reports = lazily("lamina.reports")

__all__ = ["Layer"]


class Layer(Tracked):
    """An object that holds weights and layers, and computes outputs from inputs.

    A subclass keeps its options and inner layers in ``__init__``, declares weights of its own in
    ``build(self, input_shape)`` and does the arithmetic in ``call``. Weights come into being at
    the first call, or at ``build(...)``, once the shapes of the inputs are known: all of them, or
    none if anything is wrong.

    Args:
        name: what reports call the layer; paths come from attributes.
        trainable: False freezes the layer and all below it.
        dtype: of the weights that the layer declares, float32 if None; or `"mixed_bfloat16"`, in
            which the layer and those below it compute, on weights that are float32.
        activity_regularizer: a penalty on each output, divided by the size of its first axis.
        input_shape: of an example, for the first layer of a `Sequential`, which then is built when
            it is made; an `Input` before the layer says the same.
        input_dim: the same where an example has one axis.

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

    def __new__(cls, *args: Any, **kwargs: Any) -> Any:
        layer = super().__new__(cls)
        allowance = ALLOWANCE.get()
        if allowance is not None:
            allowance.layer()
        trains = building.adopt(cls)
        scope = current()
        made_in = 0 if scope is None else scope.call.number
        node = Node(args, kwargs, site(sys._getframe(1)), made_in)
        node.dtype = policy(None)
        node.trainable = trains
        object.__setattr__(layer, ATTRIBUTE, node)  # dataclasses that are frozen forbid the other
        return layer

    def __init__(
        self,
        *,
        name: str | None = None,
        trainable: bool = True,
        dtype: Any = None,
        activity_regularizer: RegularizerLike = None,
        input_shape: Any = None,
        input_dim: int | None = None,
    ) -> None:
        shape = input_shape if input_dim is None else (input_dim,)
        self._lamina.name = name
        self._lamina.expects = None if shape is None else Spec((None, *shape))
        self._lamina.trainable = self._lamina.trainable and bool(trainable)
        self._lamina.dtype = policy(dtype)
        self._lamina.penalty = regularizers.get(activity_regularizer)

    # Two of the three verbs; `call` is the user's.

    def build(self, *specs: Any, **named: Any) -> None:
        """Plan, check and draw every weight of the tree, for inputs of the given specs.

        Args:
            specs: one for each input of `call`: a shape (float32), a `Spec`, an array. A dim that
                is None, or a name, is not known.
            named: the same by name. ``seed=`` fixes what is drawn; ``method=`` enters elsewhere.

        Raises:
            BuildError: the plan does not work out. Nothing was changed.
        """
        building.base_build(self, *specs, **named)

    def add_weight(
        self,
        shape: Any,
        initializer: Any = "glorot_uniform",
        *,
        dtype: Any = None,
        trainable: bool = True,
        name: str | None = None,
        regularizer: RegularizerLike = None,
        constraint: ConstraintLike = None,
    ) -> Variable:
        """Declare a weight, in `build` or `__init__`; its path comes from the attribute."""
        options = {"name": name, "regularizer": regularizer, "constraint": constraint}
        return building.declare(self, shape, initializer, dtype, trainable=trainable, **options)

    def add_loss(self, loss: Any) -> None:
        """In `call`, add a number to the loss of training; see `lamina.added_losses`."""
        added_losses.add_loss(self, loss)

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Compute outputs; the first call builds. Takes ``training=`` and ``rng=`` as well."""
        return calling.invoke(self, args, kwargs)

    def rng(self) -> jax.Array:
        """A fresh random key, from the call's key, this layer's path and a count."""
        return fresh_key(self)

    def compute_mask(self, inputs: Any, mask: Any = None) -> Any:
        """The mask of the outputs, for the layers after this one; that of the inputs here."""
        return mask

    # What a tree shows of itself; a subclass may use any of these names for its own.

    def plan(self, *specs: Any, **named: Any) -> Plan:
        """What `build` of the same arguments would do; nothing is changed or allocated."""
        return building.plan(self, specs, named)

    def apply(
        self, values: Mapping[str, Any], /, *args: Any, **kwargs: Any
    ) -> tuple[Any, dict[str, Any]]:
        """The outputs on given values, and the new values: pure, for jax's transforms."""
        return calling.apply(self, values, args, kwargs)

    def values(self, trainable: bool | None = None) -> dict[str, jax.Array]:
        """The arrays of all weights by path; with `trainable`, those that train or do not."""
        return views.values(self, trainable)

    def set_values(self, values: Mapping[str, Any]) -> None:
        """Give every weight a value by path; strict, and all or nothing."""
        views.set_values(self, values)

    def get_weights(self) -> list[np.ndarray]:
        """All weights as NumPy arrays, in the order of `weights`."""
        return views.weights(self)

    def set_weights(self, weights: Sequence[Any]) -> None:
        """Give every weight a value, in the order of `get_weights`; all or nothing."""
        views.set_weights(self, weights)

    def compute_output_shape(self, *shapes: Any, **named: Any) -> Any:
        """The shape of the outputs, or a tree of them, for inputs of the given specs."""
        return building.output_shape(self, shapes, named)

    def count_params(self) -> int:
        """The number of scalars in all weights."""
        return views.count_params(self)

    def summary(self) -> None:
        """Print the tree with its weights."""
        reports.print_summary(self)

    def explain(self) -> None:
        """Print what is tracked, built, awaited, shared, unused, and why shapes are as they are."""
        reports.print_explanation(self)

    def save_weights(self, path: str | PathLike[str]) -> None:
        """Write all weights to a safetensors file, whole or not at all."""
        saving.save_weights(self, path)

    def load_weights(
        self, path: str | PathLike[str], rename: Mapping[str, str] | None = None
    ) -> None:
        """Read weights from a file; a layer that is not built is built from the file's specs."""
        saving.load_weights(self, path, rename)

    def get_config(self) -> dict[str, Any]:
        """The arguments of the constructor by name, as they were given or by default."""
        return saving.get_config(self)

    @classmethod
    def from_config(cls, config: Mapping[str, Any]) -> Any:
        """A new layer from what `get_config` gave; layers in it are made anew, without weights."""
        return saving.from_config(cls, config)

    layers = views.View(views.layers)
    input = views.View(views.graph_input)
    output = views.View(views.graph_output)
    variables = views.View(views.variables)
    weights = views.View(views.variables)
    trainable_variables = views.View(views.trainable_variables)
    trainable_weights = views.View(views.trainable_variables)
    non_trainable_variables = views.View(views.non_trainable_variables)
    non_trainable_weights = views.View(views.non_trainable_variables)
    name = views.View(views.name)
    dtype = views.View(views.dtype)
    compute_dtype = views.View(views.compute_dtype)
    variable_dtype = views.View(views.variable_dtype)
    trainable = views.Trainable()
    built = views.BuiltFlag()

    def __setattr__(self, name: str, value: Any) -> None:
        object.__setattr__(self, name, value)
        if isinstance(value, views.COUNTED):
            EDITION.advance()

    def __delattr__(self, name: str) -> None:
        object.__delattr__(self, name)
        EDITION.advance()

    def __repr__(self) -> str:
        return views.text(self)


Layer.build.is_base = True  # type: ignore[attr-defined]
Layer.build = building.guarded(Layer.build)
