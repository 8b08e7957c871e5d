"""Hugging Face's GPT-2 in PyTorch and its `generate`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from transformers import GPT2Config, GPT2LMHeadModel

from benchmarks.generation import Problem
from benchmarks.torch_device import DEVICE


def generate(problem: Problem) -> Callable[[], Any]:
    config = GPT2Config(
        vocab_size=problem.vocabulary, n_positions=problem.positions, n_embd=problem.features,
        n_layer=problem.blocks, n_head=problem.heads, bos_token_id=None, eos_token_id=None,
    )  # fmt: skip
    model = GPT2LMHeadModel(config).eval()
    weights = {name: torch.from_numpy(array) for name, array in problem.weights.items()}
    model.transformer.load_state_dict(weights, strict=False)
    model.tie_weights()
    model.to(DEVICE)
    ids = torch.from_numpy(problem.rows).long().to(DEVICE)
    mask = torch.ones_like(ids)

    def run() -> Any:
        with torch.inference_mode():
            outputs = model.generate(
                ids, attention_mask=mask, max_new_tokens=problem.new, num_beams=problem.beams,
                do_sample=False, eos_token_id=None, pad_token_id=0,
            )  # fmt: skip
        return outputs[:, problem.prompt :].int()

    return run
