"""Train a character language model on the docstrings of Python's standard library.

The model is a decoder-only transformer that predicts the next character. Training takes about a
minute on two cores. Afterwards the model generates a sample with one compiled step per character. A
key-value cache of fixed size makes the step the same at every position.

Usage: python examples/language_model.py
"""

import argparse
import ast
import sysconfig
import time
import warnings
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import optax

import lamina
from lamina import Model, layers, losses

ALPHABET = 128  # ASCII


def documentation(characters: int) -> np.ndarray:
    """The docstrings of the standard library as character codes."""
    library = Path(sysconfig.get_path("stdlib"))
    found: list[str] = []
    for file in sorted([*library.glob("*.py"), *library.glob("[a-z]*/*.py")]):
        if "packages" in file.parent.name or file.parent.name in ("test", "idlelib"):
            continue
        with warnings.catch_warnings(action="ignore"):
            tree = ast.parse(file.read_text("utf-8", errors="ignore"))
        for node in ast.walk(tree):
            if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef):
                found.append(ast.get_docstring(node) or "")
        if sum(map(len, found)) > characters:
            break
    text = "\n\n".join(filter(None, found)).encode("ascii", "ignore")[:characters]
    return np.frombuffer(text, np.uint8).astype("int32")


class LanguageModel(Model):
    """Logits of the next character: ``[batch, time] -> [batch, time, ALPHABET]``.

    With a cache from `make_cache`, the inputs follow the characters in the cache.
    """

    def __init__(self, features: int, heads: int, blocks: int) -> None:
        super().__init__()
        self.embed = layers.Embedding(ALPHABET, features)
        self.blocks = [
            layers.TransformerDecoderBlock(
                4 * features,
                heads,
                activation="gelu",
                normalize_first=True,
                rotary=layers.RotaryEmbedding(),
            )
            for _ in range(blocks)
        ]
        self.norm = layers.LayerNormalization()
        self.output = layers.Dense(ALPHABET)

    def call(self, tokens, cache=None):
        x, new_cache = self.embed(tokens), []
        for index, block in enumerate(self.blocks):
            if cache is None:
                x = block(x)
            else:
                x, block_cache = block(x, cache=cache[index])
                new_cache.append(block_cache)
        logits = self.output(self.norm(x))
        return logits if cache is None else (logits, new_cache)

    def make_cache(self, batch: int, length: int):
        return [block.make_cache(batch, length) for block in self.blocks]


def generate(model: LanguageModel, prompt: str, length: int, temperature: float, seed: int) -> str:
    """The prompt, followed by `length` sampled characters."""
    step = lamina.jit(model)
    cache, key = model.make_cache(1, len(prompt) + length), jax.random.key(seed)
    tokens = list(prompt.encode("ascii"))
    for position in range(len(prompt) + length - 1):
        logits, cache = step(jnp.asarray([[tokens[position]]]), cache=cache)
        if position + 1 == len(tokens):
            sampled = jax.random.categorical(
                jax.random.fold_in(key, position), logits[0, 0] / temperature
            )
            tokens.append(int(sampled))
    return bytes(tokens).decode("ascii")


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    for name, value, text in (
        ("features", 128, "size of the embeddings"),
        ("heads", 4, "number of attention heads"),
        ("blocks", 2, "number of transformer blocks"),
        ("context", 192, "context length in training"),
        ("characters", 400_000, "number of training characters"),
        ("batch", 16, "batch size"),
        ("epochs", 3, "number of epochs"),
        ("length", 180, "length of the generated sample"),
        ("seed", 0, "random seed"),
    ):
        parser.add_argument(f"--{name}", type=int, default=value, help=f"{text} ({value})")
    parser.add_argument("--prompt", default="Return the ", help="start of the generated sample")
    return parser.parse_args()


def main() -> None:
    options = parse_arguments()
    lamina.set_seed(options.seed)
    text = documentation(options.characters)
    rows = len(text) // (options.context + 1)
    windows = text[: rows * (options.context + 1)].reshape(rows, options.context + 1)
    model = LanguageModel(options.features, options.heads, options.blocks)
    steps = options.epochs * (rows // options.batch)
    model.compile(
        "adam",
        losses.SparseCategoricalCrossentropy(from_logits=True),
        learning_rate=optax.warmup_cosine_decay_schedule(0.0, 5e-3, steps // 10, steps),
        global_clipnorm=1.0,
    )
    model.build(lamina.Spec((None, None), "int32"))
    print(f"{len(text):,} characters, {model.count_params():,} parameters")
    start = time.perf_counter()
    history = model.fit(
        windows[:, :-1],
        windows[:, 1:],
        batch_size=options.batch,
        epochs=options.epochs,
        validation_split=0.05,
        verbose=2,
    ).history
    print(f"trained in {time.perf_counter() - start:.0f} s; loss in nats per character, by epoch:")
    print("  training:  ", *[f"{loss:.3f}" for loss in history["loss"]])
    print("  validation:", *[f"{loss:.3f}" for loss in history["val_loss"]])
    print("-" * 40)
    print(generate(model, options.prompt, options.length, 0.6, options.seed))


if __name__ == "__main__":
    main()
