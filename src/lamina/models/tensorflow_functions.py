"""The functions of TensorFlow 2 in graphs of Keras 2, as operations of Keras 3."""

from __future__ import annotations

from typing import Any, cast

from lamina.errors import InputError, explain, nearest

__all__ = ["keras_call"]

_Row = tuple[str, str]

_ROWS: dict[str, _Row] = {
    "tf.__operators__.add": ("Add", "x=x1 y=x2"),
    "tf.__operators__.eq": ("Equal", "self=x1 other=x2"),
    "tf.__operators__.getitem": ("GetItem", "tensor=x slice_spec=key"),
    "tf.__operators__.ne": ("NotEqual", "self=x1 other=x2"),
    "tf.broadcast_to": ("BroadcastTo", "input=x shape=*shape"),
    "tf.cast": ("Cast", "x=x dtype=*dtype"),
    "tf.clip_by_value": ("Clip", "t=x clip_value_min=*x_min clip_value_max=*x_max"),
    "tf.concat": ("Concatenate", "values=xs axis=*axis"),
    "tf.convert_to_tensor": ("ConvertToTensor", "value=x dtype=*dtype"),
    "tf.expand_dims": ("ExpandDims", "input=x axis=*axis"),
    "tf.gather": ("Take", "params=x indices=indices validate_indices=- axis=*axis"),
    "tf.identity": ("Copy", "input=x"),
    "tf.image.resize": ("Resize", "images=images size=*size method=*interpolation"),
    "tf.image.rgb_to_grayscale": ("RGBToGrayscale", "images=images"),
    "tf.linalg.matmul": ("Matmul", "a=x1 b=x2 transpose_a=+ transpose_b=+"),
    "tf.math.argmax": ("Argmax", "input=x axis=*axis output_type=-"),
    "tf.math.argmin": ("Argmin", "input=x axis=*axis output_type=-"),
    "tf.math.cumsum": ("Cumsum", "x=x axis=*axis"),
    "tf.math.l2_normalize": ("Normalize", "x=x axis=*axis epsilon=*epsilon"),
    "tf.math.reduce_logsumexp": ("Logsumexp", "input_tensor=x axis=*axis keepdims=*keepdims"),
    "tf.math.top_k": ("TopK", "input=x k=*k sorted=*sorted"),
    "tf.nn.avg_pool2d": (
        "AveragePool",
        "input=inputs ksize=*pool_size strides=*strides padding=*padding",
    ),
    "tf.nn.depth_to_space": ("DepthToSpace", "input=x block_size=*block_size"),
    "tf.nn.elu": ("Elu", "features=x"),
    "tf.nn.gelu": ("Gelu", "features=x approximate=*approximate"),
    "tf.nn.leaky_relu": ("LeakyRelu", "features=x alpha=*negative_slope"),
    "tf.nn.log_softmax": ("LogSoftmax", "logits=x axis=*axis"),
    "tf.nn.max_pool2d": (
        "MaxPool",
        "input=inputs ksize=*pool_size strides=*strides padding=*padding",
    ),
    "tf.nn.relu": ("Relu", "features=x"),
    "tf.nn.relu6": ("Relu6", "features=x"),
    "tf.nn.selu": ("Selu", "features=x"),
    "tf.nn.silu": ("Silu", "features=x beta=-"),
    "tf.nn.softmax": ("Softmax", "logits=x axis=*axis"),
    "tf.nn.softsign": ("Softsign", "features=x"),
    "tf.nn.space_to_depth": ("SpaceToDepth", "input=x block_size=*block_size"),
    "tf.one_hot": (
        "OneHot",
        "indices=x depth=*num_classes on_value=- off_value=- axis=*axis dtype=*dtype",
    ),
    "tf.ones_like": ("OnesLike", "input=x dtype=*dtype"),
    "tf.pad": ("Pad", "tensor=x paddings=*pad_width mode=*mode constant_values=constant_values"),
    "tf.repeat": ("Repeat", "input=x repeats=*repeats axis=*axis"),
    "tf.reshape": ("Reshape", "tensor=x shape=*newshape"),
    "tf.reverse": ("Flip", "tensor=x axis=*axis"),
    "tf.roll": ("Roll", "input=x shift=*shift axis=*axis"),
    "tf.split": ("Split", "value=x num_or_size_splits=*indices_or_sections axis=*axis num=-"),
    "tf.squeeze": ("Squeeze", "input=x axis=*axis"),
    "tf.stack": ("Stack", "values=x axis=*axis"),
    "tf.stop_gradient": ("StopGradient", "input=variable"),
    "tf.tile": ("Tile", "input=x multiples=*repeats"),
    "tf.transpose": ("Transpose", "a=x perm=*axes conjugate=-"),
    "tf.unstack": ("Unstack", "value=x num=*num axis=*axis"),
    "tf.where": ("Where", "condition=condition x=x1 y=x2"),
    "tf.zeros_like": ("ZerosLike", "input=x dtype=*dtype"),
}
"""Keras's class, and for each parameter of TensorFlow's, in order: the argument of the call, or the
option behind a ``*``. ``-`` marks one that must have no effect, ``+`` one that must be False.
"""

_ELEMENTWISE = {
    "abs": "Absolute", "acos": "Arccos", "asin": "Arcsin", "atan": "Arctan", "ceil": "Ceil",
    "cos": "Cos", "cosh": "Cosh", "erf": "Erf", "exp": "Exp", "expm1": "Expm1", "floor": "Floor",
    "is_finite": "Isfinite", "is_inf": "Isinf", "is_nan": "Isnan", "log": "Log", "log1p": "Log1p",
    "log_sigmoid": "LogSigmoid", "logical_not": "LogicalNot", "negative": "Negative",
    "reciprocal": "Reciprocal", "round": "Round", "rsqrt": "Rsqrt", "sigmoid": "Sigmoid",
    "sign": "Sign", "sin": "Sin", "sinh": "Sinh", "softplus": "Softplus", "sqrt": "Sqrt",
    "square": "Square", "tan": "Tan", "tanh": "Tanh",
}  # fmt: skip
_BINARY = {
    "add": "Add", "atan2": "Arctan2", "divide": "Divide", "divide_no_nan": "DivideNoNan",
    "equal": "Equal", "floordiv": "FloorDivide", "floormod": "Mod", "greater": "Greater",
    "greater_equal": "GreaterEqual", "less": "Less", "less_equal": "LessEqual",
    "logical_and": "LogicalAnd", "logical_or": "LogicalOr", "logical_xor": "LogicalXor",
    "maximum": "Maximum", "minimum": "Minimum", "mod": "Mod", "multiply": "Multiply",
    "not_equal": "NotEqual", "pow": "Power", "subtract": "Subtract", "truediv": "TrueDivide",
}  # fmt: skip
_REDUCTIONS = {
    "all": "All", "any": "Any", "max": "Max", "mean": "Mean", "min": "Min", "prod": "Prod",
    "std": "Std", "sum": "Sum", "variance": "Var",
}  # fmt: skip
_ROWS.update({f"tf.math.{name}": (kind, "x=x") for name, kind in _ELEMENTWISE.items()})
_ROWS.update({f"tf.math.{name}": (kind, "x=x1 y=x2") for name, kind in _BINARY.items()})
_ROWS.update(
    {
        f"tf.math.reduce_{name}": (kind, "input_tensor=x axis=*axis keepdims=*keepdims")
        for name, kind in _REDUCTIONS.items()
    }
)
_ALIASES = {
    **{
        f"tf.{name.rpartition('.')[2]}": name
        for name in _ROWS
        if name.startswith("tf.math.") and "top_k" not in name
    },
    "tf.compat.v1.concat": "tf.concat",
    "tf.compat.v1.div": "tf.math.divide",
    "tf.compat.v1.expand_dims": "tf.expand_dims",
    "tf.compat.v1.gather": "tf.gather",
    "tf.compat.v1.nn.softmax": "tf.nn.softmax",
    "tf.compat.v1.pad": "tf.pad",
    "tf.compat.v1.squeeze": "tf.squeeze",
    "tf.compat.v1.transpose": "tf.transpose",
    "tf.linalg.l2_normalize": "tf.math.l2_normalize",
    "tf.matmul": "tf.linalg.matmul",
    "tf.nn.l2_normalize": "tf.math.l2_normalize",
    "tf.nn.sigmoid": "tf.math.sigmoid",
    "tf.nn.softplus": "tf.math.softplus",
    "tf.nn.swish": "tf.nn.silu",
    "tf.nn.tanh": "tf.math.tanh",
    "tf.nn.top_k": "tf.math.top_k",
}

_OF_VERSION_1 = {"dim": "axis", "keep_dims": "keepdims", "reduction_indices": "axis"}
"""Parameters of `tf.compat.v1` under other names."""

_NO_EFFECT = {
    "beta": 1.0,
    "conjugate": False,
    "num": None,
    "off_value": None,
    "on_value": None,
    "output_type": None,
    "validate_indices": None,
}
"""Parameters without a counterpart in Keras, and the values at which they change nothing."""

_DEFAULTS: dict[str, dict[str, Any]] = {
    "Argmax": {"axis": 0},
    "Argmin": {"axis": 0},
    "Cumsum": {"axis": 0},
    "Gelu": {"approximate": False},
    "Normalize": {"axis": None, "epsilon": 1e-12},
    "Take": {"axis": 0},
    "TopK": {"k": 1},
}
"""The options whose default in TensorFlow is another than in Keras."""


def keras_call(
    tf_name: str, args: tuple[Any, ...], kwargs: dict[str, Any]
) -> tuple[str, tuple[Any, ...], dict[str, Any]]:
    """Return the operation of Keras, and its arguments, for a call of a function of TensorFlow.

    Args:
        tf_name: the name of the function, such as ``"tf.math.multiply"``.
        args: its positional arguments.
        kwargs: its keyword arguments.

    Returns:
        Keras's class name, the arguments of its `call`, and the options of its constructor.

    Raises:
        InputError: the function is not known, or has an argument without a counterpart.

    >>> keras_call("tf.math.reduce_mean", (), {"input_tensor": "x", "axis": 1})
    ('Mean', ('x',), {'axis': 1})
    """
    name = _ALIASES.get(tf_name, tf_name)
    if name not in _ROWS:
        raise InputError(
            explain(
                "The graph calls an unknown function of TensorFlow.",
                where="a layer TFOpLambda or SlicingOpLambda",
                expected="a function with a counterpart in Keras 3",
                received=repr(tf_name)[:200],
                remedy=nearest(tf_name, {*_ROWS, *_ALIASES}),
            )
        )
    kind, parameters = _ROWS[name]
    into = dict(one.split("=") for one in parameters.split())
    if len(args) > len(into):
        raise _unexpected(tf_name, into, f"{len(args)} positional arguments")
    given = dict(zip(into, args, strict=False))
    given.update({_renamed(one, into): value for one, value in kwargs.items() if one != "name"})
    options, arrays = dict(_DEFAULTS.get(kind, {})), dict[str, Any]()
    for one, value in given.items():
        role = into.get(one)
        if role is None or (role == "+" and value):
            raise _unexpected(tf_name, into, one)
        if role == "-":
            if value != _NO_EFFECT[one]:
                raise _unexpected(tf_name, into, f"{one}={value!r}")
        elif role.startswith("*"):
            options[role[1:]] = value
        elif role != "+":
            arrays[role] = value
    order = [role for role in into.values() if role in arrays]
    return kind, tuple(arrays[role] for role in order), _adapted(kind, options)


def _renamed(parameter: str, known: dict[str, str]) -> str:
    return parameter if parameter in known else _OF_VERSION_1.get(parameter, parameter)


def _adapted(kind: str, options: dict[str, Any]) -> dict[str, Any]:
    """Convert the values that Keras writes in another way."""
    if kind == "Split" and isinstance(options.get("indices_or_sections"), list | tuple):
        sizes: list[int] = list(options["indices_or_sections"])
        ends = [sum(sizes[: place + 1]) for place in range(len(sizes))]
        options["indices_or_sections"] = ends[:-1]
    if kind == "Normalize":
        # TensorFlow's epsilon bounds the sum of squares, Keras's bounds its root
        options["epsilon"] = options["epsilon"] ** 0.5
    if kind == "Take" and options.get("axis") is None:
        options["axis"] = 0
    for name in ("mode", "padding"):
        if isinstance(options.get(name), str):
            options[name] = options[name].lower()
    if kind in ("AveragePool", "MaxPool"):
        for name in ("pool_size", "strides"):
            value = options.get(name)
            if isinstance(value, list | tuple) and len(cast("list[int]", value)) == 4:
                options[name] = value[1:3]
    return options


def _unexpected(function: str, known: dict[str, str], received: str) -> InputError:
    return InputError(
        explain(
            f"The argument of {function} has no counterpart in Keras.",
            expected=", ".join(known),
            received=received[:200],
            remedy="Replace the call in the model that was stored.",
        )
    )
