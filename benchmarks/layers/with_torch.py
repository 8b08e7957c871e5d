"""PyTorch: its GRU and LSTM, with cuDNN on a GPU."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn

from benchmarks.layers import Recurrent, weight
from benchmarks.torch_device import DEVICE

ORDERS = {"GRU": (1, 0, 2), "LSTM": (0, 1, 2, 3)}  # each permutation is its own inverse


@dataclass(frozen=True)
class Reordered:
    """Gradients, converted to Keras's layout when read, outside the timing."""

    rows: tuple[torch.Tensor, ...]
    order: tuple[int, ...]
    is_cuda: bool

    def detach(self) -> torch.Tensor:
        rows = [reordered(row.detach(), self.order) for row in self.rows]
        return torch.stack(rows) if len(rows) > 1 else rows[0].T if rows[0].ndim > 1 else rows[0]


def reordered(array: torch.Tensor, order: tuple[int, ...]) -> torch.Tensor:
    """Reorder the gates along the first axis."""
    parts = array.chunk(len(order))
    return torch.cat([parts[index] for index in order])


def both(problem: Recurrent) -> Callable[[], Any]:
    order, units = ORDERS[problem.layer], problem.units
    gates = len(order) * units
    two_rows = problem.layer == "GRU"
    shapes = {
        "kernel": (units, gates),
        "recurrent_kernel": (units, gates),
        "bias": (2, gates) if two_rows else (gates,),
    }
    keys = {name: f"{name} {shape} 0" for name, shape in shapes.items()}
    given = {name: torch.from_numpy(weight(keys[name], shapes[name])) for name in shapes}
    bias = given["bias"] if two_rows else torch.stack([given["bias"], 0 * given["bias"]])
    layer = getattr(nn, problem.layer)(units, units, batch_first=True).to(DEVICE)
    state = {
        "weight_ih_l0": reordered(given["kernel"].T, order),
        "weight_hh_l0": reordered(given["recurrent_kernel"].T, order),
        "bias_ih_l0": reordered(bias[0], order),
        "bias_hh_l0": reordered(bias[1], order),
    }
    layer.load_state_dict(state)
    (x,) = (torch.from_numpy(x).to(DEVICE).requires_grad_() for x in problem.inputs)
    parameters = [getattr(layer, name) for name in state]

    def run() -> Any:
        loss = (layer(x)[0] ** 3).mean()
        by_input, kernel, recurrent, *biases = torch.autograd.grad(loss, [x, *parameters])
        bias = biases if two_rows else biases[:1]
        gradients = {"kernel": [kernel], "recurrent_kernel": [recurrent], "bias": bias}
        cuda = x.is_cuda
        named = {
            keys[name]: Reordered(tuple(rows), order, cuda) for name, rows in gradients.items()
        }
        return {"loss": loss, "weights": named, "inputs": [by_input]}

    return run
