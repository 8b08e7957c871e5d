"""The gated recurrent unit."""

from __future__ import annotations

from typing import Any

import jax

from lamina import activations, initializers
from lamina.layers.recurrent.units import Cell, Kernels, OverTime, Units
from lamina.ops.recurrence import State, gru, gru_project, gru_step

__all__ = ["GRU", "GRUCell"]


class GRUUnits(Units):
    """What :class:`GRU` and :class:`GRUCell` share."""

    _gates = 3

    def __init__(
        self,
        units: int,
        activation: activations.ActivationLike = "tanh",
        recurrent_activation: activations.ActivationLike = "sigmoid",
        use_bias: bool = True,
        kernel_initializer: initializers.InitializerLike = "glorot_uniform",
        recurrent_initializer: initializers.InitializerLike = "orthogonal",
        bias_initializer: initializers.InitializerLike = "zeros",
        *,
        reset_after: bool = True,
        **options: Any,
    ) -> None:
        super().__init__(
            units,
            activation,
            use_bias,
            kernel_initializer,
            recurrent_initializer,
            bias_initializer,
            **options,
        )
        self.recurrent_activation = activations.get(recurrent_activation)
        self.reset_after = reset_after

    def _add_bias(self, gates: int) -> Any:
        shape = (2, gates) if self.reset_after else (gates,)
        return self._weight("bias", shape)

    def _step(self, inputs: jax.Array, states: State, recurrent_dropout: Any) -> State:
        projected = gru_project(inputs, self.kernel, self.bias, reset_after=self.reset_after)
        return (
            gru_step(
                projected,
                states[0],
                self.recurrent_kernel,
                self.bias,
                recurrent_dropout=recurrent_dropout,
                **self._functions,
            ),
        )

    def _over(
        self, sequences: jax.Array, start: Any, mask: jax.Array | None, **how: Any
    ) -> tuple[jax.Array, State]:
        weights = self.kernel, self.recurrent_kernel, self.bias
        first = None if start is None else start[0]
        outputs, state = gru(sequences, *weights, first, mask, **self._functions, **how)
        return outputs, (state,)

    @property
    def _functions(self) -> dict[str, Any]:
        return {
            "activation": self.activation,
            "recurrent_activation": self.recurrent_activation,
            "reset_after": self.reset_after,
        }


class GRUCell(GRUUnits, Cell):
    """One step of :class:`GRU`, whose arguments it takes, for :class:`RNN` or by hand.

    Shapes: inputs ``[batch, features]`` and a state ``[batch, units]``, bare or in a list -> the
    output, which is the next state, and the state as it was given; weights as for :class:`GRU`.

    >>> import jax.numpy as jnp
    >>> output, state = GRUCell(4)(jnp.ones((2, 3)), jnp.zeros((2, 4)))
    >>> output.shape, bool((output == state).all())
    ((2, 4), True)
    """


class GRU(GRUUnits, OverTime, Kernels):
    """A gated recurrent unit over a sequence; :func:`lamina.ops.recurrence.gru_step` is one step.

    Shapes: ``[batch, time, features] -> [batch, units]``, or ``[batch, time, units]`` with
    ``return_sequences``; weights ``kernel [features, 3 units]``, ``recurrent_kernel [units,
    3 units]`` and ``bias [2, 3 units]`` (``[3 units]`` without ``reset_after``), gates in the
    order update, reset, candidate.

    Args:
        units: the size of the state.
        activation: of the candidate state.
        recurrent_activation: of the update and reset gates.
        use_bias: whether there is a bias.
        kernel_initializer: of ``kernel``.
        recurrent_initializer: of ``recurrent_kernel``.
        bias_initializer: of ``bias``.
        dropout: the probability that a feature of the input is dropped while training, the same
            ones at every step.
        recurrent_dropout: the same for the state on its way into the gates.
        seed: mixed into the call's key, to tell two layers apart that share one key.
        reset_after: whether the reset gate acts after the product with ``recurrent_kernel``.
        **options: ``return_sequences`` and the others of :class:`RNN`; ``name``, ``trainable``
            and ``dtype``, as for any layer; and ``use_cudnn``, which may be "auto" or False, and
            changes nothing.

    Call takes ``initial_state``, ``[batch, units]`` or a list of one such array, zeros by default,
    and ``mask``, bool, ``[batch, time]``: where False the state stays, and the output repeats it.

    Raises:
        InputError: ``units`` or a rate is out of range, or a shape does not fit.
        BuildError: it is stateful, and the size of the batch is not known.
        LaminaError: dropout is asked for and no random key is in reach while training.
        UnknownNameError: an activation or initializer has no such name.

    Source: Cho et al., arXiv 1406.1078; dropout after Gal, Ghahramani, arXiv 1512.05287.

    >>> import jax.numpy as jnp
    >>> layer = GRU(4, return_sequences=True, return_state=True)
    >>> outputs, state = layer(jnp.ones((2, 7, 3)))
    >>> outputs.shape, state.shape
    ((2, 7, 4), (2, 4))
    """
