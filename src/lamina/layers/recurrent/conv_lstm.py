"""Convolutional LSTM layers over sequences of rows, images and volumes."""

from __future__ import annotations

from lamina.layers.recurrent.conv_lstm_base import ConvLSTM

__all__ = ["ConvLSTM1D", "ConvLSTM2D", "ConvLSTM3D"]


class ConvLSTM1D(ConvLSTM):
    """Convolutional LSTM over sequences of rows: an LSTM whose products are convolutions.

    With ``*`` the convolution, U the ``recurrent_kernel``, b the ``bias`` and ``sigma`` the
    ``recurrent_activation``::

        i_t = sigma(x_t * kernel_i + h_{t-1} * U_i + b_i)                input gate
        f_t = sigma(x_t * kernel_f + h_{t-1} * U_f + b_f)                forget gate
        n_t = activation(x_t * kernel_n + h_{t-1} * U_n + b_n)           candidate
        o_t = sigma(x_t * kernel_o + h_{t-1} * U_o + b_o)                output gate
        c_t = f_t c_{t-1} + i_t n_t
        h_t = o_t activation(c_t)

    Shapes: ``[batch, time, rows, channels] ->
    [batch, rows', filters]``, with ``time`` after the batch if
    ``return_sequences``; channels before the spatial axes if ``channels_first``. Weights:
    ``kernel [*kernel_size, channels, 4 filters]``, ``recurrent_kernel [*kernel_size, filters,
    4 filters]`` and ``bias [4 filters]``, with the gates in the order input, forget, candidate,
    output.

    Args:
        filters: number of output channels, a positive integer.
        kernel_size: size of both kernels, a positive integer or one for each spatial axis.
        strides: step between windows of the input, a positive integer or one for each spatial
            axis; 1 by default. The state's convolution always has stride 1.
        padding: of the input's convolution, ``"valid"`` (default) for none or ``"same"`` for zeros
            at the edges. The state's convolution always has ``"same"``.
        data_format: ``"channels_last"`` (default) or ``"channels_first"``.
        dilation_rate: spacing of the input kernel's points, a positive integer or one for each
            spatial axis; 1 by default.
        activation: activation of the candidate and of c in the output, a name, a function or
            None; ``"tanh"`` by default.
        recurrent_activation: activation of the three gates; ``"sigmoid"`` by default.
        use_bias: add ``bias``; True by default.
        kernel_initializer: initializer of ``kernel``; ``"glorot_uniform"`` by default.
        recurrent_initializer: initializer of ``recurrent_kernel``; ``"orthogonal"`` by default.
        bias_initializer: initializer of ``bias``; ``"zeros"`` by default.
        unit_forget_bias: initialize the bias of the forget gate with ones, whatever
            ``bias_initializer`` is; True by default.
        kernel_regularizer: penalty on ``kernel``, added to the loss; None by default.
        recurrent_regularizer: penalty on ``recurrent_kernel``; None by default.
        bias_regularizer: penalty on ``bias``; None by default.
        kernel_constraint: function applied to ``kernel`` after each training step; None by default.
        recurrent_constraint: the same for ``recurrent_kernel``.
        bias_constraint: the same for ``bias``.
        dropout: dropout rate of the inputs, in [0, 1], with one mask for all steps; 0 by default.
        recurrent_dropout: dropout rate of the state, in [0, 1], with one mask for all steps; 0 by
            default.
        seed: integer folded into the random key of the dropout; None by default.
        return_sequences: return the outputs of all steps instead of the last one; False by
            default.
        return_state: return ``(output, h, c)``; False by default.
        go_backwards: process the sequence from its last step, and return the outputs in that
            order; False by default.
        stateful: start each batch from the final state of the previous one, kept in the
            non-trainable variables ``states``; False by default.
        unroll: compile the steps one after the other instead of a loop; False by default.
        zero_output_for_mask: output zeros at masked steps instead of the previous output; False
            by default.
        **options: ``name``, ``trainable``, ``dtype`` and the other options of
            :class:`lamina.Layer`.

    Call args:
        sequences: ``[batch, time, rows, channels]``.
        initial_state: a list of h and c, ``[batch, rows', filters]`` each;
            zeros by default.
        mask: bool ``[batch, time]``, False at padding: there the state does not change, and the
            output repeats h. None by default.
        training: apply dropout; False by default.

    Returns:
        The output, or ``(output, h, c)`` with ``return_state``.

    Raises:
        InputError: an option is out of range, strides and dilation are both above 1, or a shape
            does not fit.
        BuildError: the layer is stateful, and the size of the batch or of a spatial axis is
            unknown.
        LaminaError: dropout needs a random key, and the call has none.
        UnknownNameError: an activation, initializer, regularizer or constraint is unknown.

    Source: Shi et al., Convolutional LSTM network, arXiv 1506.04214, without peephole connections.

    >>> import jax.numpy as jnp
    >>> ConvLSTM1D(4, 3, return_sequences=True)(jnp.ones((2, 5, 7, 3))).shape
    (2, 5, 5, 4)
    """

    rank = 1


class ConvLSTM2D(ConvLSTM):
    """Convolutional LSTM over sequences of images: an LSTM whose products are convolutions.

    With ``*`` the convolution, U the ``recurrent_kernel``, b the ``bias`` and ``sigma`` the
    ``recurrent_activation``::

        i_t = sigma(x_t * kernel_i + h_{t-1} * U_i + b_i)                input gate
        f_t = sigma(x_t * kernel_f + h_{t-1} * U_f + b_f)                forget gate
        n_t = activation(x_t * kernel_n + h_{t-1} * U_n + b_n)           candidate
        o_t = sigma(x_t * kernel_o + h_{t-1} * U_o + b_o)                output gate
        c_t = f_t c_{t-1} + i_t n_t
        h_t = o_t activation(c_t)

    Shapes: ``[batch, time, rows, columns, channels] ->
    [batch, rows', columns', filters]``, with ``time`` after the batch if
    ``return_sequences``; channels before the spatial axes if ``channels_first``. Weights:
    ``kernel [*kernel_size, channels, 4 filters]``, ``recurrent_kernel [*kernel_size, filters,
    4 filters]`` and ``bias [4 filters]``, with the gates in the order input, forget, candidate,
    output.

    Args:
        filters: number of output channels, a positive integer.
        kernel_size: size of both kernels, a positive integer or one for each spatial axis.
        strides: step between windows of the input, a positive integer or one for each spatial
            axis; 1 by default. The state's convolution always has stride 1.
        padding: of the input's convolution, ``"valid"`` (default) for none or ``"same"`` for zeros
            at the edges. The state's convolution always has ``"same"``.
        data_format: ``"channels_last"`` (default) or ``"channels_first"``.
        dilation_rate: spacing of the input kernel's points, a positive integer or one for each
            spatial axis; 1 by default.
        activation: activation of the candidate and of c in the output, a name, a function or
            None; ``"tanh"`` by default.
        recurrent_activation: activation of the three gates; ``"sigmoid"`` by default.
        use_bias: add ``bias``; True by default.
        kernel_initializer: initializer of ``kernel``; ``"glorot_uniform"`` by default.
        recurrent_initializer: initializer of ``recurrent_kernel``; ``"orthogonal"`` by default.
        bias_initializer: initializer of ``bias``; ``"zeros"`` by default.
        unit_forget_bias: initialize the bias of the forget gate with ones, whatever
            ``bias_initializer`` is; True by default.
        kernel_regularizer: penalty on ``kernel``, added to the loss; None by default.
        recurrent_regularizer: penalty on ``recurrent_kernel``; None by default.
        bias_regularizer: penalty on ``bias``; None by default.
        kernel_constraint: function applied to ``kernel`` after each training step; None by default.
        recurrent_constraint: the same for ``recurrent_kernel``.
        bias_constraint: the same for ``bias``.
        dropout: dropout rate of the inputs, in [0, 1], with one mask for all steps; 0 by default.
        recurrent_dropout: dropout rate of the state, in [0, 1], with one mask for all steps; 0 by
            default.
        seed: integer folded into the random key of the dropout; None by default.
        return_sequences: return the outputs of all steps instead of the last one; False by
            default.
        return_state: return ``(output, h, c)``; False by default.
        go_backwards: process the sequence from its last step, and return the outputs in that
            order; False by default.
        stateful: start each batch from the final state of the previous one, kept in the
            non-trainable variables ``states``; False by default.
        unroll: compile the steps one after the other instead of a loop; False by default.
        zero_output_for_mask: output zeros at masked steps instead of the previous output; False
            by default.
        **options: ``name``, ``trainable``, ``dtype`` and the other options of
            :class:`lamina.Layer`.

    Call args:
        sequences: ``[batch, time, rows, columns, channels]``.
        initial_state: a list of h and c, ``[batch, rows', columns', filters]`` each;
            zeros by default.
        mask: bool ``[batch, time]``, False at padding: there the state does not change, and the
            output repeats h. None by default.
        training: apply dropout; False by default.

    Returns:
        The output, or ``(output, h, c)`` with ``return_state``.

    Raises:
        InputError: an option is out of range, strides and dilation are both above 1, or a shape
            does not fit.
        BuildError: the layer is stateful, and the size of the batch or of a spatial axis is
            unknown.
        LaminaError: dropout needs a random key, and the call has none.
        UnknownNameError: an activation, initializer, regularizer or constraint is unknown.

    Source: Shi et al., Convolutional LSTM network, arXiv 1506.04214, without peephole connections.

    >>> import jax.numpy as jnp
    >>> layer = ConvLSTM2D(4, 3, strides=2, return_state=True)
    >>> output, h, c = layer(jnp.ones((2, 5, 7, 7, 3)))
    >>> output.shape, h.shape, c.shape, layer.kernel.shape
    ((2, 3, 3, 4), (2, 3, 3, 4), (2, 3, 3, 4), (3, 3, 3, 16))
    """

    rank = 2


class ConvLSTM3D(ConvLSTM):
    """Convolutional LSTM over sequences of volumes: an LSTM whose products are convolutions.

    With ``*`` the convolution, U the ``recurrent_kernel``, b the ``bias`` and ``sigma`` the
    ``recurrent_activation``::

        i_t = sigma(x_t * kernel_i + h_{t-1} * U_i + b_i)                input gate
        f_t = sigma(x_t * kernel_f + h_{t-1} * U_f + b_f)                forget gate
        n_t = activation(x_t * kernel_n + h_{t-1} * U_n + b_n)           candidate
        o_t = sigma(x_t * kernel_o + h_{t-1} * U_o + b_o)                output gate
        c_t = f_t c_{t-1} + i_t n_t
        h_t = o_t activation(c_t)

    Shapes: ``[batch, time, rows, columns, depth, channels] ->
    [batch, rows', columns', depth', filters]``, with ``time`` after the batch if
    ``return_sequences``; channels before the spatial axes if ``channels_first``. Weights:
    ``kernel [*kernel_size, channels, 4 filters]``, ``recurrent_kernel [*kernel_size, filters,
    4 filters]`` and ``bias [4 filters]``, with the gates in the order input, forget, candidate,
    output.

    Args:
        filters: number of output channels, a positive integer.
        kernel_size: size of both kernels, a positive integer or one for each spatial axis.
        strides: step between windows of the input, a positive integer or one for each spatial
            axis; 1 by default. The state's convolution always has stride 1.
        padding: of the input's convolution, ``"valid"`` (default) for none or ``"same"`` for zeros
            at the edges. The state's convolution always has ``"same"``.
        data_format: ``"channels_last"`` (default) or ``"channels_first"``.
        dilation_rate: spacing of the input kernel's points, a positive integer or one for each
            spatial axis; 1 by default.
        activation: activation of the candidate and of c in the output, a name, a function or
            None; ``"tanh"`` by default.
        recurrent_activation: activation of the three gates; ``"sigmoid"`` by default.
        use_bias: add ``bias``; True by default.
        kernel_initializer: initializer of ``kernel``; ``"glorot_uniform"`` by default.
        recurrent_initializer: initializer of ``recurrent_kernel``; ``"orthogonal"`` by default.
        bias_initializer: initializer of ``bias``; ``"zeros"`` by default.
        unit_forget_bias: initialize the bias of the forget gate with ones, whatever
            ``bias_initializer`` is; True by default.
        kernel_regularizer: penalty on ``kernel``, added to the loss; None by default.
        recurrent_regularizer: penalty on ``recurrent_kernel``; None by default.
        bias_regularizer: penalty on ``bias``; None by default.
        kernel_constraint: function applied to ``kernel`` after each training step; None by default.
        recurrent_constraint: the same for ``recurrent_kernel``.
        bias_constraint: the same for ``bias``.
        dropout: dropout rate of the inputs, in [0, 1], with one mask for all steps; 0 by default.
        recurrent_dropout: dropout rate of the state, in [0, 1], with one mask for all steps; 0 by
            default.
        seed: integer folded into the random key of the dropout; None by default.
        return_sequences: return the outputs of all steps instead of the last one; False by
            default.
        return_state: return ``(output, h, c)``; False by default.
        go_backwards: process the sequence from its last step, and return the outputs in that
            order; False by default.
        stateful: start each batch from the final state of the previous one, kept in the
            non-trainable variables ``states``; False by default.
        unroll: compile the steps one after the other instead of a loop; False by default.
        zero_output_for_mask: output zeros at masked steps instead of the previous output; False
            by default.
        **options: ``name``, ``trainable``, ``dtype`` and the other options of
            :class:`lamina.Layer`.

    Call args:
        sequences: ``[batch, time, rows, columns, depth, channels]``.
        initial_state: a list of h and c, ``[batch, rows', columns', depth', filters]`` each;
            zeros by default.
        mask: bool ``[batch, time]``, False at padding: there the state does not change, and the
            output repeats h. None by default.
        training: apply dropout; False by default.

    Returns:
        The output, or ``(output, h, c)`` with ``return_state``.

    Raises:
        InputError: an option is out of range, strides and dilation are both above 1, or a shape
            does not fit.
        BuildError: the layer is stateful, and the size of the batch or of a spatial axis is
            unknown.
        LaminaError: dropout needs a random key, and the call has none.
        UnknownNameError: an activation, initializer, regularizer or constraint is unknown.

    Source: Shi et al., Convolutional LSTM network, arXiv 1506.04214, without peephole connections.

    >>> import jax.numpy as jnp
    >>> ConvLSTM3D(2, 2)(jnp.ones((1, 2, 3, 3, 3, 1))).shape
    (1, 2, 2, 2, 2)
    """

    rank = 3
