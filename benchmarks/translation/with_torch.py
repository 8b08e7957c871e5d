"""PyTorch: `nn.GRU`, a loop over `nn.GRUCell` with attention, and a fused optimizer.

It runs in eager mode and compiled with CUDA graphs. The encoder does not mask padding, which is the
faster way; these rows have none.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch import nn

from benchmarks.adam import EPSILON, LEARNING_RATE
from benchmarks.torch_device import DEVICE
from benchmarks.translation import Problem


class Translator(nn.Module):
    def __init__(self, problem: Problem) -> None:
        super().__init__()
        vocabulary, embedding, units = problem.vocabulary, problem.embedding, problem.units
        self.source_embedding = nn.Embedding(vocabulary, embedding)
        self.encoder = nn.GRU(embedding, units, batch_first=True)
        self.bridge = nn.Linear(units, units)
        self.target_embedding = nn.Embedding(vocabulary, embedding)
        self.query = nn.Linear(units, units, bias=False)
        self.keys = nn.Linear(units, units)
        self.score = nn.Linear(units, 1, bias=False)
        self.cell = nn.GRUCell(embedding + units, units)
        self.logits = nn.Linear(units, vocabulary)

    def forward(self, source: torch.Tensor, before: torch.Tensor) -> torch.Tensor:
        values, last = self.encoder(self.source_embedding(source))
        state, keys = torch.tanh(self.bridge(last[0])), self.keys(values)
        padding = source == 0
        states = []
        for x in self.target_embedding(before).unbind(1):
            scores = self.score(torch.tanh(self.query(state)[:, None] + keys))[..., 0]
            weights = scores.masked_fill(padding, -1e9).softmax(-1)
            context = torch.bmm(weights[:, None], values)[:, 0]
            state = self.cell(torch.cat([x, context], -1), state)
            states.append(state)
        return self.logits(torch.stack(states, 1))


def torch_gates(kernel: np.ndarray) -> torch.Tensor:
    """Weights in PyTorch's layout: gates reset, update, candidate; output axis first."""
    update, reset, candidate = np.split(kernel, 3, axis=-1)
    return torch.from_numpy(np.concatenate([reset, update, candidate], -1).T.copy())


@torch.no_grad()
def set_weights(model: Translator, given: dict[str, np.ndarray]) -> None:
    """The same weights: kernels transposed; the decoder kernel stacked for ``[embedding,
    context]``."""
    kernel = np.concatenate([given["decoder.kernel"], given["decoder.context_kernel"]])
    into = {
        "source_embedding.weight": given["encoder.embed.embeddings"],
        "encoder.weight_ih_l0": torch_gates(given["encoder.forwards.kernel"]),
        "encoder.weight_hh_l0": torch_gates(given["encoder.forwards.recurrent_kernel"]),
        "encoder.bias_ih_l0": torch_gates(given["encoder.forwards.bias"][0]),
        "encoder.bias_hh_l0": torch_gates(given["encoder.forwards.bias"][1]),
        "bridge.weight": given["encoder.bridge.kernel"].T,
        "bridge.bias": given["encoder.bridge.bias"],
        "target_embedding.weight": given["decoder.embed.embeddings"],
        "query.weight": given["decoder.attention.W1.kernel"].T,
        "keys.weight": given["decoder.attention.W2.kernel"].T,
        "keys.bias": given["decoder.attention.W2.bias"],
        "score.weight": given["decoder.attention.V.kernel"].T,
        "cell.weight_ih": torch_gates(kernel),
        "cell.weight_hh": torch_gates(given["decoder.recurrent_kernel"]),
        "cell.bias_ih": torch_gates(given["decoder.bias"][0]),
        "cell.bias_hh": torch_gates(given["decoder.bias"][1]),
        "logits.weight": given["decoder.output.kernel"].T,
        "logits.bias": given["decoder.output.bias"],
    }
    model.load_state_dict({name: torch.as_tensor(array) for name, array in into.items()})


def step(problem: Problem) -> Callable[[], Any]:
    return _trained(problem, lambda model: model)


def compiled_step(problem: Problem) -> Callable[[], Any]:
    return _trained(problem, lambda model: torch.compile(model, mode="reduce-overhead"))


def _trained(problem: Problem, ready: Callable[[Translator], Any]) -> Callable[[], Any]:
    model = Translator(problem)
    set_weights(model, problem.weights)
    model.to(DEVICE)
    call = ready(model)
    source, before, labels = (torch.from_numpy(rows).long().to(DEVICE) for rows in problem.rows)
    optimizer = torch.optim.Adam(model.parameters(), LEARNING_RATE, eps=EPSILON, fused=True)

    def run() -> Any:
        optimizer.zero_grad()
        loss = nn.functional.cross_entropy(call(source, before).flatten(0, 1), labels.flatten())
        loss.backward()
        optimizer.step()
        return loss

    return run


def first_step(problem: Problem) -> Callable[[], Any]:
    return lambda: step(problem)()
