"""What can be asked of a model besides its outputs: files, what its layers give, what they cost."""

from __future__ import annotations

from collections.abc import Sequence
from os import PathLike
from typing import TYPE_CHECKING, Any, cast

from lamina import saving
from lamina.core.calling.views import name as name_of
from lamina.core.specs.signature import given_specs, method_of
from lamina.core.tree.walk import children
from lamina.errors import UnknownNameError, explain, nearest
from lamina.layer import Layer
from lamina.models.intermediate_outputs import capture
from lamina.models.timing import profile
from lamina.training.loop.arguments import check_positive

if TYPE_CHECKING:
    from lamina.reports import Profile

__all__ = ["Inspected"]


class Inspected(Layer):
    """A layer that can be written to files whole, and looked into."""

    def get_layer(self, name: str | None = None, index: int | None = None) -> Layer:
        """A layer directly below this one, by its name or attribute, or by its place in `layers`.

        Raises:
            UnknownNameError: there is none.
        """
        below = children(self)
        if index is not None and -len(below) <= index < len(below):
            return cast(Layer, below[index][1])
        named = dict(below) | {name_of(layer): layer for _, layer in below}
        if index is None and name in named:
            return cast(Layer, named[name])
        raise UnknownNameError(
            explain(
                f"{type(self).__name__} has no such layer.",
                where=f"made at {self._lamina.made_at}",
                expected=", ".join(named) or "none: it has no layers",
                received=repr(name if index is None else index),
                remedy=nearest(str(name), named) if index is None else "Count from 0.",
            )
        )

    def save(self, path: str | PathLike[str]) -> None:
        """Write the model, its class by name, its arguments and weights; see `lamina.load`."""
        saving.save(self, path)

    def export(
        self,
        path: str | PathLike[str],
        *specs: Any,
        platforms: Sequence[str] | None = None,
        **named: Any,
    ) -> None:
        """Write what the model computes, and its weights, so that it runs without its code.

        The program is StableHLO, made by `jax.export`; :func:`lamina.load_exported` gives it
        back as a callable. It computes in inference; what `call` assigns is not kept.

        Args:
            path: of the file; one that is there is replaced.
            specs: of the inputs, as `build` takes them; dims that are None, or names, stay open.
                Without them, those that the model was built for, with any size of batch.
            platforms: that it is to run on, such as ``("cpu", "cuda", "tpu")``; the one at hand
                if None.
            named: specs by name.

        Raises:
            BuildError: the model is not built.
            InputError: what it computes depends on a size that is left open.
            OSError: the file cannot be written; the old one is as it was.
        """
        given = None
        if specs or named:
            given = given_specs(method_of(type(self), "call"), specs, named)
        saving.export(self, path, given, platforms, self._names_of_inputs())

    def _names_of_inputs(self) -> Sequence[str]:
        """Of the inputs by position, where `call` has no names for them."""
        return ()

    def capture(
        self,
        x: Any,
        paths: str | Sequence[str] | None = None,
        *,
        training: bool = False,
        rng: Any = None,
    ) -> dict[str, Any]:
        """The outputs of any layers by path, in a call on `x`.

        Args:
            x: inputs, as `fit` takes them.
            paths: of layers, where ``*`` stands for anything; all of them if None.
            training: the mode of the call.
            rng: a key, or a seed, if the call draws random numbers.

        Returns:
            Outputs by path; a list of them where a layer is called several times.

        Raises:
            UnknownNameError: no layer has such a path.
            InputError: the call does not reach it.
            TraceError: it is called within a loop of JAX's, which its outputs do not leave.
        """
        return capture(self, x, paths, training, rng)

    def profile(
        self, x: Any, *, repeats: int = 10, training: bool = False, rng: Any = None
    ) -> Profile:
        """Print what each layer costs in a call on `x`: parameters, FLOPs, bytes and time.

        Each layer is compiled on its own, with all below it. FLOPs and bytes are XLA's count,
        in which the body of a loop counts once; the time is the median of `repeats` runs.

        Args:
            x: inputs, as `fit` takes them.
            repeats: how often each layer is timed.
            training: the mode of the call.
            rng: a key, or a seed, if the call draws random numbers.

        Returns:
            The figures: a :class:`lamina.reports.Profile`, of which ``costs`` is a row a layer.
        """
        check_positive(repeats=repeats)
        found = profile(self, x, repeats, training, rng)
        found.show()
        return found
