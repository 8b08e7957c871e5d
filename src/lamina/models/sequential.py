"""`Sequential`: a stack of layers."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any, Self, cast, overload

from jax.core import Tracer

from lamina.core.base.pytrees import leaves_of
from lamina.core.calling.root_call import output_masks
from lamina.core.calling.views import View
from lamina.core.calling.views import name as name_of
from lamina.core.running.masks import masks_by_inner_layers
from lamina.core.running.scope import current, set_masks
from lamina.core.specs.spec import Spec, map_specs
from lamina.core.tree.node import Symbolic
from lamina.core.tree.trainable import settle
from lamina.core.tree.walk import walk
from lamina.errors import InputError, explain
from lamina.layer import Layer
from lamina.layers.bases.text import TextLayer, is_text
from lamina.lazy import lazily
from lamina.models import text_inputs
from lamina.models.descriptions import layers_are_listed
from lamina.models.graph_call import as_declared, of_declared_rank
from lamina.models.graph_config import input_config, spec_from
from lamina.models.input_layer import InputLayer
from lamina.models.model import Functional, Model
from lamina.models.model_state import SymbolicEnds, state_of
from lamina.models.stack_entries import checked, start_of
from lamina.models.symbol import Symbol

if TYPE_CHECKING:
    from lamina import saving
else:
    saving = lazily("lamina.saving")

__all__ = ["Sequential"]


class Sequential(Model):
    """A stack of layers, each called on the outputs of the one before: ``f_n(... f_2(f_1(x)))``.

    A mask that a layer computes (``compute_mask``) is passed on to the layers whose `call` takes
    one, and from the last layer to the loss and the metrics.

    Args:
        layers: the layers, in order. Default None: an empty stack, for `add`. If an `Input` comes
            first, or the first layer has an ``input_shape``, the model is built at once. Files and
            configs begin the layers with the `Spec` of the input.
        trainable: False freezes the weights of all layers. Default True.
        name: the name in reports. Default None: ``sequential``.

    Call arguments:
        inputs: the inputs of the first layer, ``[batch, ...]``. A last axis of size 1 may be left
            out or added. If the first layers are of text, such as `TextVectorization`: text, which
            they convert outside of programs, or their outputs.
        mask: their mask. Default None.

    Raises:
        InputError: an entry is not a layer.

    >>> import jax.numpy as jnp
    >>> from lamina import layers
    >>> model = Sequential([layers.Dense(4, activation="relu"), layers.Dense(2)])
    >>> model(jnp.ones((3, 5))).shape
    (3, 2)
    """

    def __init__(
        self,
        layers: Iterable[Layer | Symbol | Spec] | None = None,
        trainable: bool = True,
        name: str | None = None,
    ) -> None:
        super().__init__(name=name, trainable=trainable)
        given = list(layers or ())
        self.start = start_of(self, given[0]) if given else None
        recorded = bool(given) and isinstance(given[0], Spec)
        if given and isinstance(given[0], Symbol | Spec | InputLayer):
            given = given[1:]
        self._hold_layers([checked(self, one) for one in given])
        if self.start is not None and not recorded:
            self._set_layers(self.layers)
        elif not trainable:
            settle(walk(self))

    def add(self, layer: Layer | Symbol) -> None:
        """Append a layer.

        If the input is known, from an `Input` or a layer with an ``input_shape`` at the beginning,
        the new layer is built. The weights of the other layers stay.

        Args:
            layer: a layer; or an `Input`, as the first entry.

        Raises:
            InputError: it is neither, or an `Input` comes after a layer.

        >>> from lamina import Input, layers
        >>> model = Sequential()
        >>> model.add(Input((3,)))
        >>> model.add(layers.Dense(2))
        >>> model.count_params()
        8
        """
        first = not self.layers and self.start is None
        self.start = start_of(self, layer) if first else self.start
        if not first or not isinstance(layer, Symbol | InputLayer):
            self._set_layers([*self.layers, checked(self, layer)])

    def pop(self) -> Layer:
        """Remove the last layer.

        Returns:
            The removed layer, with its weights.

        Raises:
            InputError: the model has no layers.

        >>> from lamina import layers
        >>> model = Sequential([layers.Dense(4), layers.Dense(2)])
        >>> model.pop(), len(model)
        (Dense(2), 1)
        """
        if not self.layers:
            raise InputError(
                explain(
                    "pop needs a Sequential that has a layer.",
                    where=f"made at {self._lamina.made_at}",
                    expected="at least one layer",
                    received="none",
                    remedy="Call add(layer) first.",
                )
            )
        *rest, last = self.layers
        self._set_layers(rest)
        return last

    def get_config(self) -> dict[str, Any]:
        """Return the layers, the name and the flags of the model.

        Returns:
            A dict that JSON can store, with the keys of Keras. The layers begin with an
            `InputLayer` if the input is known.

        Raises:
            LaminaError: an argument of a layer cannot be stored; the error names it.

        >>> from lamina import layers
        >>> [layer["class_name"] for layer in Sequential([layers.Dense(2)]).get_config()["layers"]]
        ['Dense']
        """
        if type(self).__init__ is not Sequential.__init__:
            return super().get_config()
        with saving.writing(self) as writer:
            config = saving.get_config(self, leave_out=("layers",))
            config["dtype"] = self._lamina.dtype or "float32"
            start = [] if self.start is None else [input_config(self.start, "input_layer")]
            built = self._lamina.built
            spec = next(iter(built.inputs.args), None) if built is not None else self.start
            if self.start is not None and self.start.is_text:
                spec = self.start
            if isinstance(spec, Spec):
                config["build_input_shape"] = [None, *spec.shape[1:]]
                if spec.dtype != "float32":
                    config["build_input_dtype"] = str(spec.dtype)
            return config | {"layers": [*start, *map(writer.object, self.layers)]}

    @classmethod
    def from_config(
        cls, config: Mapping[str, Any], custom_objects: Mapping[str, Any] | None = None
    ) -> Self:
        """Make a model from a config; names in it are looked up as in :func:`lamina.load`.

        Args:
            config: the result of :meth:`get_config`, or of Keras's.
            custom_objects: classes and functions by name; None (default) for none.

        Returns:
            A model of this class, built if the config has the shape of its input.

        Raises:
            FileFormatError: the config is damaged, or names a class or function that is not
                available.

        >>> from lamina import layers
        >>> Sequential.from_config(Sequential([layers.Dense(2)]).get_config()).layers[0].units
        2
        """
        if cls.__init__ is not Sequential.__init__:
            return super().from_config(config, custom_objects)
        with saving.reading_config(custom_objects, config) as reader:
            given = {name: config[name] for name in ("name", "trainable") if name in config}
            described: list[Any] = config.get("layers") or []
            layers = [spec_from(one) or reader.value(one) for one in described]
            model = saving.from_config(cls, given, made={"layers": layers})
        if not reader.builds:
            return model
        model._build_if_known()
        shape = config.get("build_input_shape")
        if shape and model.layers and model._lamina.built is None:
            model.build(Spec(tuple(shape), config.get("build_input_dtype", "float32")))
        return model

    def _set_layers(self, layers: list[Layer]) -> None:
        self._hold_layers(layers)
        if type(self).__init__ is Sequential.__init__:  # so that files and configs make this model
            start = [] if self.start is None else [self.start]
            self._lamina.arguments = ([*start, *layers], *self._lamina.arguments[1:])
            self._lamina.keywords.pop("layers", None)
        self._build_if_known()

    def _hold_layers(self, layers: list[Layer]) -> None:
        super(Model, self).__setattr__("layers", layers)

    def __setattr__(self, name: str, value: Any) -> None:
        if name == "layers":
            how = "Use `add()` and `pop()` to change the layers."
            raise AttributeError(layers_are_listed(self, how))
        super().__setattr__(name, value)

    def _build_if_known(self) -> None:
        if self.start is not None and self.layers:
            known = self._known_input()
            if known is not None:
                self.build(known)

    _functional = View(lambda model: Functional(*model._ends()))

    def _names_of_outputs(self) -> Any:
        return name_of(self.layers[-1]) if self.layers else None

    def _ends(self) -> tuple[Any, Any]:
        """A symbolic input, and the outputs of the layers for it."""
        state, layers = state_of(self), tuple(self.layers)
        if state.ends is None or not state.ends.belong_to(layers):
            known = self._expected()
            inputs = outputs = state.first if known is self.start else None
            if inputs is None:
                inputs = outputs = map_specs(Symbol, known)
            for layer in layers:
                layer._lamina.symbolic_calls.clear()
            for layer in layers:
                outputs = layer(outputs)
            state.ends = SymbolicEnds(inputs, outputs, layers)
        return state.ends.inputs, state.ends.outputs

    def _known_input(self) -> Any:
        if self.start is not None and self.start.is_text:
            known = text_inputs.ids_specs(self, self.start)
            return None if isinstance(known, Spec) and known.is_text else known
        known = self.start is not None or self._lamina.built
        return self._expected() if known else None

    def _expected(self) -> Any:
        """The specs of the input, given or from the build, with any batch size."""
        built = self._lamina.built
        if self.start is not None:
            return self.start
        if built is not None:
            given = next(iter((*built.inputs.args, *built.inputs.kwargs.values())))
            return map_specs(
                lambda spec: Spec((None, *spec.shape[1:])[: spec.ndim], spec.dtype), given
            )
        raise AttributeError(
            explain(
                "This Sequential has no symbolic input and output yet.",
                where=f"made at {self._lamina.made_at}",
                expected="an Input at the beginning, or a built model",
                received="a model that is not built",
                remedy="Put an Input first, or build it for a shape.",
            )
        )

    def call(self, inputs: Any, mask: Any = None) -> Any:
        if not self.layers and self.start is None:
            raise InputError(
                explain(
                    "A Sequential that has no layers cannot be called.",
                    where=f"made at {self._lamina.made_at}",
                    expected="at least one layer",
                    received="none",
                    remedy="Call add(layer) first.",
                )
            )
        text = is_text(inputs)
        inputs = inputs if text else self._in_form(inputs)
        set_masks(inputs, mask)
        for layer in self.layers if text else self.layers[len(self._of_text()) :]:
            inputs = layer(inputs)
        return inputs

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        if args and (is_text(args[0]) or self._needs_text(args[0])):
            first = self._of_text()
            args = (text_inputs.with_ids(self, args[0]), *args[1:])
            if first and len(first) == len(self.layers):
                return args[0]
        return super().__call__(*args, **kwargs)

    def _needs_text(self, inputs: Any) -> bool:
        """Whether a call on inputs is not one of the program, which takes what text is made to."""
        traced = any(isinstance(leaf, Symbolic | Tracer) for leaf in leaves_of(inputs))
        return self.start is not None and self.start.is_text and current() is None and not traced

    def _of_text(self) -> list[Layer]:
        """The first layers, those of text, which are applied before programs."""
        if self.start is None or not self.start.is_text:
            return list(itertools.takewhile(lambda one: isinstance(one, TextLayer), self.layers))
        found: list[Any] = []
        spec = self.start
        for layer in self.layers:
            if not spec.is_text or isinstance(layer, Model):
                break
            found.append(layer)
            spec = text_inputs.ids_specs(layer, spec)
        return found

    def _in_form(self, inputs: Any) -> Any:
        """The inputs in the form of the `Input`, or of the rank that the model is built for."""
        if self.start is not None and self.start.is_text:
            return as_declared(inputs, self._known_input())
        if self.start is not None:
            if isinstance(inputs, list | tuple) and len(cast("list[Any]", inputs)) == 1:
                (inputs,) = cast("list[Any]", inputs)
            return as_declared(inputs, self.start)
        built = self._lamina.built
        if built is None or not hasattr(inputs, "shape"):
            return inputs
        return of_declared_rank(inputs, self._expected())

    @masks_by_inner_layers
    def compute_mask(self, inputs: Any, mask: Any = None) -> Any:
        return output_masks(self, inputs, mask)

    def __len__(self) -> int:
        return len(self.layers)

    @overload
    def __getitem__(self, index: int) -> Layer: ...
    @overload
    def __getitem__(self, index: slice) -> Sequential: ...
    def __getitem__(self, index: int | slice) -> Layer | Sequential:
        """A layer, or a `Sequential` of some of the layers, which shares their weights."""
        return Sequential(self.layers[index]) if isinstance(index, slice) else self.layers[index]
