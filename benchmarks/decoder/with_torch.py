"""PyTorch: modules in eager mode, its fused attention, one product for query, key and value."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch import nn

from benchmarks.adam import EPSILON, LEARNING_RATE
from benchmarks.decoder import NORM_EPSILON, Problem
from benchmarks.torch_device import DEVICE


class Block(nn.Module):
    def __init__(self, problem: Problem) -> None:
        super().__init__()
        features = problem.features
        self.heads = problem.heads
        self.first_norm = nn.LayerNorm(features, NORM_EPSILON)
        self.inputs = nn.Linear(features, 3 * features)
        self.output = nn.Linear(features, features)
        self.second_norm = nn.LayerNorm(features, NORM_EPSILON)
        self.up = nn.Linear(features, 4 * features)
        self.down = nn.Linear(4 * features, features)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        batch, time, features = x.shape
        parts = self.inputs(self.first_norm(x)).view(batch, time, 3, self.heads, -1)
        query, key, value = parts.permute(2, 0, 3, 1, 4)
        found = nn.functional.scaled_dot_product_attention(query, key, value, is_causal=True)
        x = x + self.output(found.transpose(1, 2).reshape(batch, time, features))
        return x + self.down(nn.functional.gelu(self.up(self.second_norm(x))))


class Decoder(nn.Module):
    def __init__(self, problem: Problem) -> None:
        super().__init__()
        self.tokens = nn.Embedding(problem.vocabulary, problem.features)
        self.places = nn.Embedding(problem.time, problem.features)
        self.blocks = nn.ModuleList(Block(problem) for _ in range(problem.blocks))
        self.norm = nn.LayerNorm(problem.features, NORM_EPSILON)
        self.logits = nn.Linear(problem.features, problem.vocabulary, bias=False)

    def forward(self, ids: torch.Tensor) -> torch.Tensor:
        x = self.tokens(ids) + self.places.weight[: ids.shape[1]]
        for block in self.blocks:
            x = block(x)
        return self.logits(self.norm(x))


@torch.no_grad()
def model_of(problem: Problem) -> Decoder:
    model, weights = Decoder(problem), problem.weights
    model.tokens.weight.copy_(torch.from_numpy(weights["tokens"]))
    model.places.weight.copy_(torch.from_numpy(weights["places"]))
    model.logits.weight.copy_(torch.from_numpy(weights["logits"].T))
    for index, block in enumerate(model.blocks):
        inputs = [weights[f"{index}.{name}"] for name in ("query", "key", "value")]
        kernels = {
            block.inputs: np.concatenate(inputs, 1),
            **{getattr(block, n): weights[f"{index}.{n}"] for n in ("output", "up", "down")},
        }
        for layer, kernel in kernels.items():
            layer.weight.copy_(torch.from_numpy(np.ascontiguousarray(kernel.T)))
            layer.bias.zero_()
    return model.to(DEVICE)


def forward(problem: Problem) -> Callable[[], Any]:
    model = model_of(problem).eval()
    ids = torch.from_numpy(problem.ids[:, :-1].astype("int64")).to(DEVICE)

    def run() -> Any:
        with torch.inference_mode():
            return model(ids)

    return run


def step(problem: Problem) -> Callable[[], Any]:
    model = model_of(problem)
    return step_of(problem, model, model)


def step_of(problem: Problem, model: Decoder, call: Callable[..., Any]) -> Callable[[], Any]:
    ids = torch.from_numpy(problem.ids.astype("int64")).to(DEVICE)
    x, y = ids[:, :-1].contiguous(), ids[:, 1:].reshape(-1)
    optimizer = torch.optim.Adam(model.parameters(), LEARNING_RATE, eps=EPSILON, fused=True)

    def run() -> Any:
        optimizer.zero_grad()
        loss = nn.functional.cross_entropy(call(x).flatten(0, 1), y)
        loss.backward()
        optimizer.step()
        return loss

    return run
