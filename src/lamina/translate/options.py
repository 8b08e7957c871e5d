"""The options of the ``lamina translate`` commands, with their ranges and help texts."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

__all__ = [
    "Attention",
    "Average",
    "Batch",
    "Beam",
    "Buckets",
    "Cell",
    "Directory",
    "Dropout",
    "Embedding",
    "Epochs",
    "Joint",
    "LabelSmoothing",
    "Layers",
    "LearningRate",
    "LengthPenalty",
    "Longest",
    "Minutes",
    "Patience",
    "Preset",
    "ScheduledSampling",
    "Seed",
    "Strict",
    "Swap",
    "Tokens",
    "TrainedBeam",
    "Unbounded",
    "Units",
    "Vocabulary",
]

Directory = Annotated[
    Path, typer.Argument(help="Model directory written by `lamina translate train`.")
]
Strict = Annotated[bool, typer.Option("--strict", help="Stop at the first invalid line.")]
Unbounded = Annotated[
    bool,
    typer.Option(
        "--no-limits",
        help="Allow files above 10 million lines, 16 MiB per line or 4 GiB in total.",
    ),
]
Beam = Annotated[
    int | None,
    typer.Option(min=1, help="Beam width; 1 is greedy search. Default: the model's own."),
]
LengthPenalty = Annotated[
    float | None,
    typer.Option(
        min=0, help="Length normalization exponent of the beam search; 0 favors short translations."
    ),
]
Preset = Annotated[
    Literal["small", "base", "large"],
    typer.Option(help="Model size and hyperparameters. Other options override the preset."),
]
Tokens = Annotated[
    Literal["bpe", "characters", "words"] | None,
    typer.Option(help="Tokenization. Default: bpe."),
]
Vocabulary = Annotated[
    int | None,
    typer.Option(min=8, help="Maximum vocabulary size per language. Base preset: 4000."),
]
Joint = Annotated[
    bool | None,
    typer.Option(
        "--joint/--separate",
        help="Share one vocabulary between both languages. Default: separate.",
    ),
]
Embedding = Annotated[
    int | None, typer.Option(min=1, help="Size of the token embeddings. Base preset: 256.")
]
Units = Annotated[
    int | None, typer.Option(min=1, help="Recurrent units, per direction. Base preset: 256.")
]
Layers = Annotated[
    int | None, typer.Option(min=1, help="Number of encoder layers. Base preset: 1.")
]
Cell = Annotated[Literal["gru", "lstm"] | None, typer.Option(help="Recurrent cell. Default: gru.")]
Attention = Annotated[
    Literal["additive", "dot"] | None,
    typer.Option(help="Attention score function. Default: additive."),
]
Dropout = Annotated[
    float | None, typer.Option(min=0, max=1, help="Dropout rate. Base preset: 0.35.")
]
LabelSmoothing = Annotated[
    float | None, typer.Option(min=0, max=1, help="Label smoothing factor. Default: 0.1.")
]
ScheduledSampling = Annotated[
    float | None,
    typer.Option(
        min=0,
        max=1,
        help="Fraction of target inputs replaced by the model's predictions. Slow. Default: 0.",
    ),
]
Epochs = Annotated[
    int | None, typer.Option(min=1, help="Maximum number of epochs. Base preset: 18.")
]
Minutes = Annotated[
    float | None,
    typer.Option(help="Maximum training time in minutes. Default: no limit."),
]
Batch = Annotated[
    int | None, typer.Option(min=1, help="Average number of pairs per batch. Default: 64.")
]
Buckets = Annotated[
    int | None,
    typer.Option(
        min=1, help="Maximum number of batch shapes; each is compiled once. Base preset: 8."
    ),
]
LearningRate = Annotated[
    float | None, typer.Option(min=0, help="Peak learning rate. Base preset: 0.002.")
]
Average = Annotated[
    int | None,
    typer.Option(min=1, help="Average the weights of the last N epochs. Base preset: 3."),
]
Patience = Annotated[
    int | None,
    typer.Option(min=1, help="Stop after N epochs without a better validation BLEU. Default: 5."),
]
Longest = Annotated[
    int | None,
    typer.Option(min=1, help="Skip training pairs with more than N words in a text. Default: 80."),
]
TrainedBeam = Annotated[
    int | None,
    typer.Option(min=1, help="Default beam width of the trained model. Default: 5."),
]
Seed = Annotated[
    int | None,
    typer.Option(help="Random seed of weights, batch order and dropout. Default: 0."),
]
Swap = Annotated[bool, typer.Option("--swap", help="Use the first column as the translation.")]
