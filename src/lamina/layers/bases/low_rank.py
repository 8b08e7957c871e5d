"""LoRA: low-rank updates of a frozen kernel."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar

import jax
import jax.numpy as jnp
import numpy as np

from lamina import initializers, regularizers
from lamina.core.building.quantization import policy_name, quantization_at
from lamina.core.running.precision import compute_dtype
from lamina.core.running.scope import current
from lamina.core.tree.variable import Variable
from lamina.errors import InputError, explain
from lamina.layer import Layer
from lamina.layers.bases.checks import check_count, check_within
from lamina.layers.bases.errors import refusal
from lamina.layers.bases.quantized import (
    config_of,
    declare,
    form_of,
    from_matrix,
    integers_of,
    policy_parts,
    stored,
)
from lamina.layers.bases.weights import Weighted
from lamina.ops.arrays import cast
from lamina.ops.dense import dense
from lamina.ops.quantization import dequantized, product
from lamina.quantizers import QuantizationConfig

__all__ = ["Adaptable", "LowRank"]


class LowRank(Layer):
    """The factors of a low-rank update of a kernel: ``kernel + (alpha / rank) a b``.

    Shapes: ``kernel [..., units] -> (a [..., rank], b [rank, units])``, b scaled; the weights
    ``a`` and ``b`` have these shapes and dtype float32. Initially ``a`` is random and ``b`` is
    zeros, so that the update is zero.

    Args:
        rank: positive integer, rank of the update.
        alpha: float >= 0, numerator of the scale.

    >>> import jax.numpy as jnp
    >>> a, b = LowRank(2, 2.0)(jnp.ones((3, 4)))
    >>> a.shape, b.shape
    ((3, 2), (2, 4))
    """

    a_initializer: initializers.InitializerLike = "he_uniform"
    b_initializer: initializers.InitializerLike = "zeros"
    regularizer: regularizers.RegularizerLike = None

    def __init__(self, rank: int, alpha: float) -> None:
        super().__init__()
        self.rank = rank
        self.alpha = alpha

    def build(self, kernel_shape: Any) -> None:
        *others, units = kernel_shape
        options: dict[str, Any] = {"dtype": "float32", "regularizer": self.regularizer}
        self.a = self.add_weight((*others, self.rank), self.a_initializer, **options)
        self.b = self.add_weight((self.rank, units), self.b_initializer, **options)

    def call(self, kernel: jax.Array) -> tuple[jax.Array, jax.Array]:
        return self.a.value, self.alpha / self.rank * self.b.value


class Adaptable(Weighted):
    """The base of layers whose kernel may be frozen and adapted by a trained low-rank update.

    The output f is linear in the kernel: ``f(x, kernel + a b) = f(x, kernel) + f(x, a) b``. So the
    gradients of ``a`` and ``b`` need no array of the kernel's size.

    Args:
        lora_rank: positive integer, rank of the update; None (default) for no LoRA.
        lora_alpha: float >= 0, numerator of the scale ``lora_alpha / lora_rank``; the rank by
            default.
        **options: as for every layer with weights.

    Raises:
        InputError: the rank is not a positive integer, alpha is negative, or the kernel has a
            constraint.
    """

    _adapted: ClassVar[str] = "kernel"
    quantization_config: QuantizationConfig | None = None
    """The options of the integers that store the kernel; None if they are floats."""

    def __init__(
        self, *, lora_rank: int | None = None, lora_alpha: float | None = None, **options: Any
    ) -> None:
        super().__init__(**self._quantized_from(options))
        self.lora: LowRank | None = None
        if lora_rank is not None:
            self.lora = self._change_of(lora_rank, lora_alpha)

    def enable_lora(
        self,
        rank: int,
        lora_alpha: float | None = None,
        a_initializer: initializers.InitializerLike = "he_uniform",
        b_initializer: initializers.InitializerLike = "zeros",
    ) -> None:
        """Freezes the kernel and trains a low-rank update: ``kernel + (lora_alpha / rank) a b``.

        May be called before or after the build. The weights ``lora.a`` and ``lora.b`` are created
        with the kernel, or at once if it exists.

        Args:
            rank: positive integer, rank of the update.
            lora_alpha: float >= 0, numerator of its scale; the rank by default.
            a_initializer: initializer of ``a``; ``"he_uniform"`` by default.
            b_initializer: initializer of ``b``; ``"zeros"`` by default, which keeps the outputs
                unchanged at first.

        Raises:
            InputError: LoRA is enabled already, the rank is not a positive integer, alpha is
                negative, or the kernel has a constraint.

        Source: Hu et al., LoRA: Low-rank adaptation of large language models, arXiv 2106.09685.

        >>> import jax.numpy as jnp
        >>> from lamina import layers
        >>> layer = layers.Dense(4)
        >>> before = layer(jnp.ones((2, 3)))
        >>> layer.enable_lora(2)
        >>> bool(jnp.array_equal(layer(jnp.ones((2, 3))), before))
        True
        >>> sorted(layer.values(trainable=True))
        ['bias', 'lora.a', 'lora.b']
        """
        if self.lora is not None:
            raise self._refusal("has LoRA already", "no lora_rank", f"lora_rank={self.lora.rank}")
        change = self._change_of(rank, lora_alpha)
        change.a_initializer = initializers.get(a_initializer)
        change.b_initializer = initializers.get(b_initializer)
        self._train_kernel(False)
        self.lora = change
        node = self._lamina
        node.keywords = {**node.keywords, "lora_rank": change.rank, "lora_alpha": change.alpha}
        if self._has_plain_kernel():
            change.build(getattr(self, self._adapted).shape)  # else the next call does

    @property
    def lora_enabled(self) -> bool:
        """Whether the kernel is frozen and adapted by a low-rank update."""
        return self.lora is not None

    @property
    def lora_rank(self) -> int | None:
        """The rank of the update; None without LoRA."""
        return None if self.lora is None else self.lora.rank

    @property
    def lora_alpha(self) -> float | None:
        """The numerator of the scale of the update; None without LoRA."""
        return None if self.lora is None else self.lora.alpha

    @property
    def lora_kernel_a(self) -> Variable:
        """The weight ``lora.a``, under its name in Keras; missing without LoRA."""
        return self._factor("a")

    @property
    def lora_kernel_b(self) -> Variable:
        """The weight ``lora.b``, under its name in Keras; missing without LoRA."""
        return self._factor("b")

    def merge_lora(self) -> None:
        """Adds the update to the kernel, which becomes trainable again; outputs do not change.

        Raises:
            InputError: LoRA is not enabled, or its weights are not built.
        """
        kernel = getattr(self, self._adapted, None)
        if self.lora is None or not self.lora.built or not isinstance(kernel, Variable):
            raise self._refusal("has no LoRA to merge", "a layer called with LoRA", repr(self))
        if self.quantization_config is None:
            kernel.assign(self._changed())
        else:
            for name, value in self._integers().items():
                getattr(self, name).assign(value)
        self._train_kernel(self.quantization_config is None)
        self.lora = None
        node = self._lamina
        options = "lora_rank", "lora_alpha"
        node.keywords = {k: value for k, value in node.keywords.items() if k not in options}

    def _kernel(self, shape: Any, initializer: Any = None) -> Variable:
        """Declares the kernel; it is frozen if LoRA is enabled, and if it is of integers."""
        if self._quantized_axes():
            self._adopt_quantization()
        if self.quantization_config is not None:
            return self._integer_weight(self._adapted, shape)
        kernel = self._weight(self._adapted, shape, initializer)
        if self.lora is not None and not kernel.built:
            kernel.declare_trainable(False)
        return kernel

    def _with_change(
        self, outputs: jax.Array, product: Callable[[jax.Array], jax.Array]
    ) -> jax.Array:
        """Adds the update to the outputs; ``product`` computes outputs from another kernel."""
        if self.lora is None:
            return outputs
        a, b = self._factors()
        return outputs + cast(dense(product(a), b), outputs.dtype)

    def _factors(self) -> tuple[jax.Array, jax.Array]:
        """The factors of the update."""
        assert self.lora is not None
        if self.quantization_config is None:
            return self.lora(getattr(self, self._adapted).value)
        return self.lora(jnp.broadcast_to(jnp.float32(0), self._shapes[self._adapted]))

    def _changed(self) -> jax.Array:
        """The kernel with the update added, as floats."""
        return self._with_change(self._floats(self._adapted), lambda a: a)

    # Kernels of integers.

    def _quantized_axes(self) -> dict[str, tuple[int, ...]]:
        """The axes of outputs of each kernel that may be stored as integers; none by default."""
        return {}

    def _quantized_from(self, options: dict[str, Any]) -> dict[str, Any]:
        """Take the option `quantization_config`, and that of a quantized dtype, from options."""
        options = dict(options)
        given = config_of(self, options.pop("quantization_config", None))
        parts = policy_parts(options.get("dtype")) if self._is_quantizable() else None
        if parts is not None:
            default, options["dtype"] = parts
            given = default if given is None else given
            if policy_name(given) != policy_name(default):
                raise refusal(
                    self,
                    "has a dtype and a quantization_config that differ",
                    expected=policy_name(given),
                    received=policy_name(default),
                    remedy="Pass one of the two.",
                )
            self._lamina.keywords["dtype"] = options["dtype"]
            self._lamina.keywords["quantization_config"] = given
        if given is not None:
            self.quantization_config = given
        return options

    @classmethod
    def _is_quantizable(cls) -> bool:
        """Whether the class, in which `build` and `call` are Lamina's, may have integers."""
        own = (cls.build, cls.call, cls._quantized_axes)
        return cls._quantized_axes is not Adaptable._quantized_axes and all(
            one.__module__.startswith("lamina.") for one in own
        )

    def _adopt_quantization(self) -> None:
        """Take over the quantization of the layer in the file that the tree is built from."""
        scope = current()
        if scope is not None and self.quantization_config is None and self._is_quantizable():
            found = config_of(self, quantization_at(scope.call.path_of(self)))
            if found is not None:
                self.quantization_config = found

    def _integer_weight(self, name: str, shape: Any) -> Variable:
        """Declares the integers of a kernel."""
        assert self.quantization_config is not None
        self._shapes: dict[str, tuple[int, ...]] = {**getattr(self, "_shapes", {}), name: shape}
        axes = self._quantized_axes()[name]
        return declare(self, name, shape, axes, self.quantization_config)

    def _multiplied(
        self, inputs: jax.Array, name: str | None = None, bias: Variable | None = None
    ) -> jax.Array:
        """The product of the last axis of inputs with a kernel of integers, and the bias."""
        assert self.quantization_config is not None
        matrix = stored(self, name or self._adapted)
        rows = inputs.reshape(-1, inputs.shape[-1])
        outputs = product(rows, matrix, form_of(self.quantization_config))
        if bias is not None:
            outputs += bias.value.reshape(-1)
        outputs = outputs.reshape(*inputs.shape[:-1], outputs.shape[-1])
        return outputs.astype(compute_dtype(self))

    def _floats(self, name: str) -> jax.Array:
        """A kernel as floats, without the update of LoRA."""
        config = self.quantization_config
        if config is None:
            return getattr(self, name).value
        shape, axes = self._shapes[name], self._quantized_axes()[name]
        inputs = getattr(self, name).shape[-1]
        floats = dequantized(stored(self, name), form_of(config), inputs)
        return from_matrix(floats, shape, axes)

    def _integers(self, config: QuantizationConfig | None = None) -> dict[str, np.ndarray]:
        """The arrays of the kernels of integers by name, for options, or those of the layer.

        If the layer has them already, they are quantized anew with the update of LoRA.
        """
        chosen = config or self.quantization_config
        assert chosen is not None
        found: dict[str, np.ndarray] = {}
        for name, axes in self._quantized_axes().items():
            variable: Variable = getattr(self, name)
            if config is None and name == self._adapted:
                kernel = self._changed()
            else:
                kernel = self._floats(name)
            for part, value in integers_of(kernel, axes, chosen, len(variable.copies)).items():
                found[f"{name}{part}"] = value
        return found

    def _factor(self, name: str) -> Variable:
        """One of the factors of the update."""
        if self.lora is None or not self.lora.built:
            raise AttributeError(f"{type(self).__name__} has no weights of LoRA")
        return getattr(self.lora, name)

    def _has_plain_kernel(self) -> bool:
        """Whether the kernel exists, is of floats, not stacked, and on the default device."""
        kernel = getattr(self, self._adapted, None)
        if not isinstance(kernel, Variable) or not kernel.built or kernel.copies:
            return False
        floating = jnp.issubdtype(kernel.weight_dtype, jnp.floating)
        return self._lamina.placement is None and bool(floating)

    def _train_kernel(self, trainable: bool) -> None:
        kernel = getattr(self, self._adapted, None)
        if isinstance(kernel, Variable):
            kernel.declare_trainable(trainable)

    def _change_of(self, rank: Any, alpha: Any) -> LowRank:
        if getattr(self, f"{self._adapted}_constraint") is not None:
            option = f"{self._adapted}_constraint"
            raise self._refusal("has a constraint that LoRA would break", f"no {option}", option)
        rank = check_count(self, "lora_rank", rank)
        alpha = rank if alpha is None else alpha
        change = LowRank(rank, check_within(self, "lora_alpha", alpha, 0.0, float("inf")))
        change.regularizer = getattr(self, f"{self._adapted}_regularizer")
        return change

    def _refusal(self, what: str, expected: str, received: str) -> InputError:
        return InputError(
            explain(
                f"{type(self).__name__} {what}.",
                where=f"made at {self._lamina.made_at}",
                expected=expected,
                received=received,
                remedy="Call enable_lora once, on a layer whose kernel has no constraint, and "
                "merge_lora after a call.",
            )
        )
