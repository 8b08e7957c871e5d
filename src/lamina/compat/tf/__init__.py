"""TensorFlow names for code written for `tf.keras`, implemented with JAX and Lamina.

Replace the import of TensorFlow by ``from lamina.compat import tf``. Functions have the arguments
and defaults of TensorFlow. Arrays are JAX arrays: they are immutable, have 32 bits unless
`jax_enable_x64` is set, and convert to NumPy with `np.asarray(x)` instead of `x.numpy()`. Names
that are not supported raise an error with a replacement.

>>> from lamina.compat import tf
>>> tf.reduce_sum(tf.ones((2, 3)), axis=1).tolist()
[3.0, 3.0]
"""

from __future__ import annotations

from typing import Any

import jax

from lamina import initializers, losses
from lamina.compat.tf import dtypes, keras, linalg, math, nn, random
from lamina.compat.tf.compilation import function
from lamina.compat.tf.creation import (
    Variable,
    cast,
    constant,
    convert_to_tensor,
    eye,
    fill,
    linspace,
    one_hot,
    ones,
    ones_like,
    sequence_mask,
    zeros,
    zeros_like,
)
from lamina.compat.tf.creation import (
    range_ as range,
)
from lamina.compat.tf.dtypes import (
    bfloat16,
    complex64,
    complex128,
    float16,
    float32,
    float64,
    int8,
    int16,
    int32,
    int64,
    uint8,
    uint16,
    uint32,
    uint64,
)
from lamina.compat.tf.dtypes import (
    bool_ as bool,
)
from lamina.compat.tf.elementwise import (
    abs_ as abs,
)
from lamina.compat.tf.elementwise import (
    acos,
    add,
    asin,
    atan,
    atan2,
    clip_by_value,
    cos,
    cosh,
    divide,
    equal,
    exp,
    floor,
    greater,
    greater_equal,
    less,
    less_equal,
    logical_and,
    logical_not,
    logical_or,
    maximum,
    minimum,
    multiply,
    negative,
    not_equal,
    sign,
    sin,
    sinh,
    sqrt,
    square,
    subtract,
    tan,
)
from lamina.compat.tf.elementwise import (
    pow_ as pow,
)
from lamina.compat.tf.elementwise import (
    round_ as round,
)
from lamina.compat.tf.linalg import einsum, matmul, norm, tensordot
from lamina.compat.tf.missing import missing
from lamina.compat.tf.nn import sigmoid, tanh
from lamina.compat.tf.no_effect import identity, is_tensor
from lamina.compat.tf.reductions import (
    add_n,
    argmax,
    argmin,
    argsort,
    cumsum,
    reduce_all,
    reduce_any,
    reduce_logsumexp,
    reduce_max,
    reduce_mean,
    reduce_min,
    reduce_prod,
    reduce_sum,
    sort,
)
from lamina.compat.tf.shaping import (
    boolean_mask,
    broadcast_to,
    concat,
    expand_dims,
    gather,
    gather_nd,
    meshgrid,
    pad,
    rank,
    repeat,
    reshape,
    reverse,
    roll,
    shape,
    size,
    split,
    squeeze,
    stack,
    tile,
    transpose,
    unstack,
    where,
)
from lamina.imperative import GradientTape

__all__ = [
    "GradientTape",
    "Tensor",
    "Variable",
    "abs",
    "acos",
    "add",
    "add_n",
    "argmax",
    "argmin",
    "argsort",
    "asin",
    "atan",
    "atan2",
    "bfloat16",
    "bool",
    "boolean_mask",
    "broadcast_to",
    "cast",
    "clip_by_value",
    "complex64",
    "complex128",
    "concat",
    "constant",
    "constant_initializer",
    "convert_to_tensor",
    "cos",
    "cosh",
    "cumsum",
    "divide",
    "dtypes",
    "einsum",
    "equal",
    "exp",
    "expand_dims",
    "eye",
    "fill",
    "float16",
    "float32",
    "float64",
    "floor",
    "function",
    "gather",
    "gather_nd",
    "greater",
    "greater_equal",
    "identity",
    "initializers",
    "int8",
    "int16",
    "int32",
    "int64",
    "is_tensor",
    "keras",
    "less",
    "less_equal",
    "linalg",
    "linspace",
    "logical_and",
    "logical_not",
    "logical_or",
    "losses",
    "math",
    "matmul",
    "maximum",
    "meshgrid",
    "metrics",
    "minimum",
    "multiply",
    "negative",
    "newaxis",
    "nn",
    "norm",
    "not_equal",
    "one_hot",
    "ones",
    "ones_initializer",
    "ones_like",
    "optimizers",
    "pad",
    "pow",
    "random",
    "random_normal_initializer",
    "random_uniform_initializer",
    "range",
    "rank",
    "reduce_all",
    "reduce_any",
    "reduce_logsumexp",
    "reduce_max",
    "reduce_mean",
    "reduce_min",
    "reduce_prod",
    "reduce_sum",
    "repeat",
    "reshape",
    "reverse",
    "roll",
    "round",
    "sequence_mask",
    "shape",
    "sigmoid",
    "sign",
    "sin",
    "sinh",
    "size",
    "sort",
    "split",
    "sqrt",
    "square",
    "squeeze",
    "stack",
    "stop_gradient",
    "subtract",
    "tan",
    "tanh",
    "tensordot",
    "tile",
    "transpose",
    "uint8",
    "uint16",
    "uint32",
    "uint64",
    "unstack",
    "where",
    "zeros",
    "zeros_initializer",
    "zeros_like",
]

Tensor = jax.Array
newaxis = None
metrics = keras.metrics
optimizers = keras.optimizers
constant_initializer = initializers.Constant
ones_initializer = initializers.Ones
random_normal_initializer = initializers.RandomNormal
random_uniform_initializer = initializers.RandomUniform
zeros_initializer = initializers.Zeros
stop_gradient = jax.lax.stop_gradient


def __getattr__(name: str) -> Any:
    raise missing("tf", name, __all__)
