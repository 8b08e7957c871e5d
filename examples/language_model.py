"""A small language model: it learns to write documentation from that of Python's own library.

The text is every documentation string in the standard library, a character a token. The model is
a decoder-only transformer: it guesses each character from those before it. Trained for about a
minute on two cores, it then writes, character by character, with one compiled step: what the
attention saw before is kept in a cache of a fixed size, so that the step is the same at every
place.

Run it: python examples/language_model.py
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
    """The documentation strings of the standard library, one after the other, as characters."""
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
    """Scores for the next character at each place: ``[batch, time] -> [batch, time, ALPHABET]``.

    With a cache, from `make_cache`, the characters stand behind those that it holds.
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
        self.score = layers.Dense(ALPHABET)

    def call(self, tokens, cache=None):
        x, after = self.embed(tokens), []
        for place, block in enumerate(self.blocks):
            if cache is None:
                x = block(x)
            else:
                x, held = block(x, cache=cache[place])
                after.append(held)
        scores = self.score(self.norm(x))
        return scores if cache is None else (scores, after)

    def make_cache(self, batch: int, room: int):
        return [block.make_cache(batch, room) for block in self.blocks]


def write(model: LanguageModel, prompt: str, length: int, temperature: float, seed: int) -> str:
    """The prompt, and `length` characters that the model draws one after the other."""
    step = lamina.jit(model)
    cache, key = model.make_cache(1, len(prompt) + length), jax.random.key(seed)
    written = list(prompt.encode("ascii"))
    for place in range(len(prompt) + length - 1):
        scores, cache = step(jnp.asarray([[written[place]]]), cache=cache)
        if place + 1 == len(written):
            drawn = jax.random.categorical(
                jax.random.fold_in(key, place), scores[0, 0] / temperature
            )
            written.append(int(drawn))
    return bytes(written).decode("ascii")


def options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    for name, value, text in (
        ("features", 128, "the size of a character's vector"),
        ("heads", 4, "of the attention"),
        ("blocks", 2, "one on top of the other"),
        ("context", 192, "how many characters the model sees while it learns"),
        ("characters", 400_000, "how many to learn from"),
        ("batch", 16, "rows of characters a step"),
        ("epochs", 3, "how often to go through them"),
        ("length", 180, "how many characters to write"),
        ("seed", 0, "of the weights, the order and the sample"),
    ):
        parser.add_argument(f"--{name}", type=int, default=value, help=f"{text} ({value})")
    parser.add_argument("--prompt", default="Return the ", help="what the sample begins with")
    return parser.parse_args()


def main() -> None:
    given = options()
    lamina.set_seed(given.seed)
    text = documentation(given.characters)
    rows = len(text) // (given.context + 1)
    windows = text[: rows * (given.context + 1)].reshape(rows, given.context + 1)
    model = LanguageModel(given.features, given.heads, given.blocks)
    steps = given.epochs * (rows // given.batch)
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
        batch_size=given.batch,
        epochs=given.epochs,
        validation_split=0.05,
        verbose=2,
    ).history
    print(f"trained in {time.perf_counter() - start:.0f} s; nats a character, each epoch:")
    print("  learnt from:", *[f"{loss:.3f}" for loss in history["loss"]])
    print("  held out:   ", *[f"{loss:.3f}" for loss in history["val_loss"]])
    print("-" * 40)
    print(write(model, given.prompt, given.length, 0.6, given.seed))


if __name__ == "__main__":
    main()
