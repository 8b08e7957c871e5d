"""Programs as MLIR: their text, and their operations. Loaded when a program is exported or read."""

from __future__ import annotations

import dataclasses
from typing import Any, cast

from jax.extend import mlir as _extended
from jax.extend.mlir import ir as _ir
from jax.extend.mlir.dialects import stablehlo as _stablehlo
from jax.interpreters.mlir import make_ir_context

__all__ = ["parsed_program", "program_text", "with_program"]

_mlir, _operations = cast(Any, _extended), cast(Any, _ir)


def program_text(exported: Any) -> str:
    """Return the program of a `jax.export.Exported` as text, without source locations.

    The text has StableHLO's versioned operations (VHLO) in MLIR's generic form.
    """
    with make_ir_context():
        module = _operations.Module.parse(exported.mlir_module_serialized)
        return module.operation.get_asm(
            print_generic_op_form=True, enable_debug_info=False, use_local_scope=True
        )


def parsed_program(text: str | Any) -> Any:
    """Parse the text of a program, or the program of a `jax.export.Exported`, into StableHLO.

    Returns:
        The MLIR module.

    Raises:
        Exception: the text is not a program, or StableHLO's verifier refuses it.
    """
    code = text.encode() if isinstance(text, str) else text.mlir_module_serialized
    with make_ir_context():
        module = _mlir.deserialize_portable_artifact(code)
        module.operation.verify()
        return module


def with_program(exported: Any, module: Any) -> Any:
    """Return a copy of a `jax.export.Exported` with another program, and without gradients.

    Args:
        exported: has the signature: shapes, dtypes, pytree structures and platforms.
        module: the program; it has the same signature.
    """
    code = _mlir.serialize_portable_artifact(module, _stablehlo.get_current_version())
    open_dims = "jax.uses_shape_polymorphism"
    return dataclasses.replace(
        exported,
        mlir_module_serialized=code,
        uses_global_constants=module.operation.attributes[open_dims].value,
        _get_vjp=None,
    )
