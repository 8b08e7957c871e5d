"""All that reads files: what a good file is, how it is changed, and how it is read."""

import functools
import hashlib
import json
import random
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import jax.numpy as jnp
import numpy as np

import lamina
from lamina import Input, Layer, Model, Sequential, initializers, layers
from lamina.seq2seq import Seq2Seq
from lamina.translate import bundle
from lamina.translate.subwords import Subwords
from lamina.translate.translator import Translator
from lamina.translate.vocabulary import Vocabulary
from tests.fuzz.mutations import mutated_bytes, mutated_json, mutated_tensors

__all__ = ["LOADERS", "Loader", "attempt"]


@dataclass(frozen=True)
class Loader:
    """A way to read a file or folder.

    Attributes:
        make: writes a good one.
        change: changes it at random, in place.
        read: reads it.
    """

    make: Callable[[Path], object]
    change: Callable[[Path, random.Random], object]
    read: Callable[[Path], object]


class Net(Layer):
    """A layer of somebody's own, with two ways in."""

    def __init__(self) -> None:
        super().__init__()
        self.down, self.norm = layers.Dense(2), layers.BatchNormalization()
        self.cells = [layers.GRU(3), layers.Dense(1)]

    def call(self, x, scale=1.0):
        return self.cells[1](self.cells[0](self.norm(self.encode(x)))) * scale

    def encode(self, x):
        return self.down(x)


def _row(path: Path) -> None:
    leaky = layers.Activation("leaky_relu", dtype="bfloat16")
    model = Sequential(
        [
            layers.Dense(3, "relu", kernel_initializer=initializers.RandomNormal(0.0, 0.1)),
            layers.Lambda(jnp.sum, arguments={"axis": -1, "keepdims": True}),
            layers.Bidirectional(layers.LSTM(2, return_sequences=True)),
            layers.Residual(layers.Dense(4, bias_regularizer="l2", dtype="bfloat16")),
            layers.Rescaling(np.arange(4.0), offset=(1, 2, 3, 4)),
            leaky,
            leaky,
        ]
    )
    model.build((None, "time", 2))
    model.layers[0].trainable = False
    model.save(path)


def _graph(path: Path) -> None:
    left, right = Input((4, 2)), Input((2,), name="right")
    dense, attention = layers.Dense(2), layers.MultiHeadAttention(1, 2)
    x = dense(attention(left, left)) * 0.5 + dense(left)
    x = layers.Concatenate()([x[:, 0], dense(right)])
    Model([left, right], {"out": x, "same": x**2}).save(path)


def _weights(path: Path) -> None:
    net = Net()
    net(jnp.ones((1, 5, 2)), scale=2.0)
    net.build((None, 5, 2), method="encode")
    net.save_weights(path)


@functools.cache
def _built() -> Net:
    """A net for all files: what one file puts in it, the next one replaces."""
    net = Net()
    net.build((None, 5, 2))
    return net


def _exported(path: Path) -> None:
    model = Sequential([layers.Dense(2)])
    model.build((None, 3))
    model.export(path)


def _tokens(kind: str, texts: list[str]) -> Vocabulary | Subwords:
    return Subwords.learn(texts * 9, 20) if kind == "subwords" else Vocabulary.from_texts(texts)


def _translator(kind: str) -> Callable[[Path], None]:
    def make(folder: Path) -> None:
        source, target = _tokens(kind, ["low lower lowest"]), _tokens(kind, ["high higher"])
        model = Seq2Seq(len(source), len(target), embedding=4, units=6)
        model.build((None, 12), (None, 5))
        bundle.save(Translator(model, source, target, 12, 5), folder)

    return make


def _change_tensors(path: Path, rng: random.Random) -> None:
    path.write_bytes(mutated_tensors(path.read_bytes(), rng))


def _change_folder(folder: Path, rng: random.Random) -> None:
    """Change the settings; or the model, and the settings so that they belong together again."""
    model, about = folder / "model.safetensors", folder / "translator.json"
    settings = json.loads(about.read_text("utf-8"))
    kind = rng.randrange(4)
    if kind == 0:
        about.write_bytes(mutated_bytes(about.read_bytes(), rng))
        return
    if kind == 1:
        _change_tensors(model, rng)
        settings["model_sha256"] = hashlib.sha256(model.read_bytes()).hexdigest()
    else:
        settings = mutated_json(settings, rng)
    about.write_text(json.dumps(settings), "utf-8")


def _translator_of(folder: Path) -> None:
    translator = bundle.load(folder)
    for tokens in (translator.source, translator.target):
        ids = tokens.encode(["low <unknown> lowest 12?", "", "\ud800"], start=True, end=True)
        assert tokens.join(tokens.spell(ids[0])) is not None
        tokens.split("lower 東京")


LOADERS = {
    "row": Loader(_row, _change_tensors, lamina.load),
    "graph": Loader(_graph, _change_tensors, lamina.load),
    "weights": Loader(_weights, _change_tensors, lambda path: Net().load_weights(path)),
    "weights, built": Loader(_weights, _change_tensors, lambda path: _built().load_weights(path)),
    "exported": Loader(_exported, _change_tensors, lamina.load_exported),
    "characters": Loader(_translator("characters"), _change_folder, _translator_of),
    "subwords": Loader(_translator("subwords"), _change_folder, _translator_of),
}


def attempt(loader: Loader, good: Path, seed: int) -> BaseException | None:
    """Read a changed copy of a good file beside it; the error that this gives, if it is one."""
    rng = random.Random(seed)
    copy = good.with_name(f"{good.name}-changed")
    if good.is_dir():
        shutil.copytree(good, copy, dirs_exist_ok=True)
    else:
        shutil.copyfile(good, copy)
    loader.change(copy, rng)
    try:
        loader.read(copy)
    except KeyboardInterrupt:
        raise
    except BaseException as error:  # a library may panic
        return error
    return None
