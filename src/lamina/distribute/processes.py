"""Several processes that run one program: how they find each other."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any, cast

import jax

from lamina.core.base.jax_internals import in_cluster
from lamina.errors import InputError, explain

__all__ = ["initialize"]

_VARIABLES = ("JAX_COORDINATOR_ADDRESS", "JAX_NUM_PROCESSES", "JAX_PROCESS_ID")


def initialize(
    coordinator: str | None = None, processes: int | None = None, process: int | None = None
) -> None:
    """Connect this process to the others that run the same program, before any use of JAX.

    Then ``jax.devices()`` lists the devices of all processes, and a :class:`Placement` may use
    them. Each process reads and draws only its own parts of weights, and takes its own rows of each
    batch; all of them call `fit` with the same data. Without arguments, variables of the
    environment and a cluster that JAX knows, this does nothing: the program runs in one process.

    Args:
        coordinator: ``"address:port"`` of the first process; None (default) for the variable
            ``JAX_COORDINATOR_ADDRESS`` of the environment, or what JAX finds in a cluster.
        processes: the number of processes; None (default) for ``JAX_NUM_PROCESSES``.
        process: the number of this process, from 0; None (default) for ``JAX_PROCESS_ID``.

    Raises:
        InputError: only some of the three are given, or a number is not valid.
        RuntimeError: JAX was used before, or the processes do not find each other.

    >>> initialize()
    """
    given = [coordinator, processes, process]
    found = [
        os.environ.get(name) if value is None else value
        for name, value in zip(_VARIABLES, given, strict=True)
    ]
    # XLA's collectives on the CPU wait for each other if programs are started in another order.
    config: Callable[..., None] = cast(Any, jax.config).update
    if all(value is None for value in found):
        if in_cluster():
            config("jax_cpu_enable_async_dispatch", False)
            cast(Any, jax.distributed).initialize()
        return
    if any(value is None for value in found):
        missing = [name for name, value in zip(_VARIABLES, found, strict=True) if value is None]
        raise InputError(
            explain(
                "The processes cannot find each other.",
                expected="an address, the number of processes and the number of this one",
                received=f"nothing for {', '.join(missing)}",
                remedy="Pass all three arguments, or set all three variables.",
            )
        )
    address, count, number = found
    try:
        count, number = int(cast(Any, count)), int(cast(Any, number))
    except (TypeError, ValueError):
        count, number = 0, 0
    if not 0 <= number < count:
        raise InputError(
            explain(
                "The number of processes, or of this process, is not valid.",
                expected="a positive integer, and one from 0 below it",
                received=f"{found[1]!r} processes, of which this is {found[2]!r}",
                remedy="Correct the arguments, or the variables of the environment.",
            )
        )
    config("jax_cpu_enable_async_dispatch", False)
    cast(Any, jax.distributed).initialize(str(address), count, number)
