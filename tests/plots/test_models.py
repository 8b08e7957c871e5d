import itertools
import os
import subprocess
import sys
from pathlib import Path

import jax
import numpy as np
import pytest
from matplotlib.patches import FancyBboxPatch

import lamina
from lamina import Input, Model, Sequential, layers
from lamina.errors import InputError, StateError
from lamina.plots.models import GraphOptions, plot_calls
from tests.plots.pictures import pixels
from tests.plots.planned import Layer, chain, residual


class Block(lamina.Layer):
    def __init__(self, units):
        super().__init__()
        self.norm = layers.LayerNormalization()
        self.mlp = Sequential([layers.Dense(2 * units, "relu"), layers.Dense(units)])

    def call(self, x):
        return x + self.mlp(self.norm(x))


class Net(Model):
    def __init__(self):
        super().__init__()
        self.embedding = layers.Embedding(10, 8)
        self.blocks = [Block(8) for _ in range(2)]
        self.head = layers.Dense(10)

    def call(self, tokens):
        x = self.embedding(tokens)
        for block in self.blocks:
            x = block(x)
        return self.head(x)


@pytest.fixture(scope="module")
def net() -> Net:
    model = Net()
    model.build(lamina.Spec((None, "time"), "int32"))
    return model


def words(figure) -> list[str]:
    return [text.get_text() for text in figure.axes[0].texts]


def boxes(figure) -> np.ndarray:
    """Left, top, width and height of each box."""
    found = [one for one in figure.axes[0].patches if isinstance(one, FancyBboxPatch)]
    return np.array([(b.get_x(), b.get_y(), b.get_width(), b.get_height()) for b in found])


def check_boxes(figure) -> None:
    """Every two boxes are apart, or one is in the other; all text is within the figure."""
    for one, other in itertools.combinations(boxes(figure), 2):
        gaps = np.concatenate([one[:2] - other[:2] - other[2:], other[:2] - one[:2] - one[2:]])
        insides = (
            (a[:2] > b[:2] - 1e-6).all() and (a[:2] + a[2:] < b[:2] + b[2:] + 1e-6).all()
            for a, b in ((one, other), (other, one))
        )
        assert gaps.max() > 0.05 or any(insides)
    renderer = figure.canvas.get_renderer()
    width, height = figure.bbox.width, figure.bbox.height
    for text in figure.axes[0].texts:
        x0, y0, x1, y1 = text.get_window_extent(renderer).extents
        assert x0 >= 0 and y0 >= 0 and x1 <= width and y1 <= height


def test_a_sequential_model(tmp_path: Path) -> None:
    model = Sequential([layers.Dense(4, "relu", name="first"), layers.Dropout(0.1)])
    model.build((None, 3))
    path = tmp_path / "model.png"
    figure = model.plot(path, show_shapes=True, show_layer_activations=True, dpi=50)
    assert words(figure) == [
        "output", "[?, 4]",
        "layers.1", "Dropout", "[?, 4] → [?, 4]",
        "first", "Dense", "activation relu", "[?, 3] → [?, 4]",
        "input", "[?, 3]",
    ]  # fmt: skip
    height, width, _ = pixels(path).shape
    assert (width, height) == pytest.approx(figure.get_size_inches() * 50, abs=1)
    check_boxes(figure)


def test_options() -> None:
    layer = layers.Dense(4)
    layer.trainable = False
    model = Sequential([layer, layers.Dense(2)])
    model.build((None, 3))
    shown = words(model.plot(show_dtype=True, show_layer_names=False, show_trainable=True))
    assert shown == [
        "output", "float32",
        "Dense", "float32", "trainable",
        "Dense", "float32", "frozen",
        "input", "float32",
    ]  # fmt: skip


def test_a_graph_of_two_inputs_with_a_skip_connection() -> None:
    left, right = Input((16,), name="left"), Input((8,), name="right")
    x = layers.Concatenate()([layers.Dense(4)(left), layers.Dense(4)(right)])
    model = Model([left, right], layers.Add()([x, layers.Dense(8)(x)]))
    figure = model.plot(show_shapes=True)
    assert {"left", "right", "dense", "dense_1", "dense_2", "concatenate", "add"} <= set(
        words(figure)
    )
    assert len(boxes(figure)) == 5 + 2 + 1
    check_boxes(figure)


@pytest.mark.parametrize("rankdir", ["TB", "BT", "LR", "RL"])
def test_nested_layers_are_boxes_in_boxes(net: Net, rankdir) -> None:
    closed = net.plot(rankdir=rankdir)
    assert [word for word in words(closed) if "." in word] == ["blocks.1", "blocks.0"]
    figure = net.plot(rankdir=rankdir, expand_nested=True, show_shapes=True)
    assert words(figure).count("mlp") == 2
    check_boxes(closed)
    check_boxes(figure)
    frames = len([one for one in words(figure) if one in ("blocks.0", "blocks.1", "mlp")])
    assert len(boxes(figure)) == frames + 2 * 3 + 2 + 2  # layers, and the ends
    # The input is at the beginning of the flow.
    axis = 1 if rankdir in ("TB", "BT") else 0
    texts = {text.get_text(): text.get_position() for text in figure.axes[0].texts}
    assert (texts["input"][axis] < texts["head"][axis]) == (rankdir in ("TB", "LR"))


def test_shared_layers_are_marked() -> None:
    class Pair(Model):
        def __init__(self):
            super().__init__()
            self.encoder, self.out = layers.Dense(4), layers.Dense(1)

        def call(self, a, b):
            return self.out(abs(self.encoder(a) - self.encoder(b)))

    model = Pair()
    model.build((None, 3), (None, 3))
    found = words(model.plot())
    assert sorted(word for word in found if "shared" in word) == [
        "shared, call 1 of 2",
        "shared, call 2 of 2",
    ]
    assert {"a", "b"} <= set(found)  # the inputs by name


def test_each_method_that_was_built_is_a_box() -> None:
    class Coder(Model):
        def __init__(self):
            super().__init__()
            self.encoder, self.decoder = layers.Dense(2), layers.Dense(4)

        def call(self, x):
            return self.decoder(self.encoder(x))

        def encode(self, x):
            return self.encoder(x)

    model = Coder()
    model.build((None, 4))
    model.build((None, 4), method="encode")
    found = words(model.plot())
    assert found.count("encoder") == 2 and {"call", "encode"} <= set(found)
    assert not any("shared" in word for word in found)


def test_calls_in_loops_are_marked() -> None:
    class Loop(lamina.Layer):
        def __init__(self):
            super().__init__()
            self.inner, self.after = layers.Dense(3), layers.Dense(2)

        def call(self, x):
            step = jax.lax.scan(lambda h, _: (self.inner(h), None), x, length=2)
            return self.after(step[0])

    layer = Loop()
    layer.build((None, 3))
    found = words(layer.plot())
    assert found.count("source unknown") == 1
    assert found[found.index("inner") :][:3] == ["inner", "Dense", "source unknown"]


def test_a_layer_without_layers() -> None:
    layer = layers.Dense(4)
    layer.build((None, 3))
    assert words(layer.plot(show_shapes=True)) == ["Dense", "Dense", "[?, 3] → [?, 4]"]


def test_a_deep_model_fits_a_picture(tmp_path: Path) -> None:
    calls = chain([f"layers.{at}" for at in range(600)])
    figure = plot_calls(calls, path=tmp_path / "deep.png", dpi=200)
    assert figure.get_size_inches()[1] > 400
    assert 30_000 < pixels(tmp_path / "deep.png").shape[0] <= 60_000
    assert len(figure.axes[0].texts) == 2 * 600 + 2


def test_a_residual_stream_is_drawn_with_dots() -> None:
    figure = plot_calls(residual(5))
    dots = [one for one in figure.axes[0].patches if type(one).__name__ == "Circle"]
    assert len(dots) == 5
    check_boxes(figure)


def test_hostile_names_are_text(tmp_path: Path) -> None:
    names = ["x" * 3_000_000, r"$\frac{1$", "<b>&amp;", "a\x1b[31m\n\u202eb", "_", "\ud800"]
    names += ["注意力機制", "한국어", "हिन्दी", "", "a" * 40]
    path = tmp_path / "model.svg"
    figure = plot_calls(chain(names), path=path, options=GraphOptions(show_shapes=True))
    found = words(figure)
    for name in (r"$\frac{1$", "<b>&amp;", r"a\x1b[31m\n\u202eb", "_", r"\ud800", "注意力機制"):
        assert name in found
    assert max(map(len, found)) < 200
    assert path.stat().st_size < 1_000_000 and b"<b>" not in path.read_bytes()
    check_boxes(figure)


def test_own_names_of_layers_are_shown() -> None:
    calls = chain(["a", "b"])
    found = words(plot_calls(calls, [Layer("a", "own name"), Layer("b", "dense")]))
    assert "own name" in found and "b" in found and "a" not in found


def test_mistakes(net: Net, tmp_path: Path) -> None:
    with pytest.raises(StateError, match="build it"):
        layers.Dense(3).plot()
    with pytest.raises(InputError, match="'LR'"):
        net.plot(rankdir="up")  # type: ignore[arg-type]
    with pytest.raises(InputError, match=r"\.svg"):
        net.plot(tmp_path / "model.exe")
    with pytest.raises(InputError, match="dpi"):
        net.plot(dpi=0)
    assert not list(tmp_path.iterdir())


def test_the_default_file_is_that_of_keras(net: Net, tmp_path: Path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    lamina.plot_model(net)
    assert pixels(tmp_path / "model.png").size


def test_missing_packages_are_named() -> None:
    code = (
        "import sys; sys.modules['igraph'] = None\n"
        "from tests.plots.planned import residual\n"
        "from lamina.plots.models import plot_calls\n"
        "try: plot_calls(residual(2))\n"
        "except ImportError as error: print(error)\n"
        "for name in [name for name in sys.modules if name.startswith('lamina.plots')]:\n"
        "    del sys.modules[name]\n"
        "sys.modules['matplotlib'] = None\n"
        "import lamina\n"
        "lamina.plot_model"
    )
    path = os.pathsep.join([*sys.path, os.getcwd()])
    environment = os.environ | {"PYTHONPATH": path}
    command = [sys.executable, "-c", code]
    done = subprocess.run(command, env=environment, capture_output=True, text=True)
    assert "igraph" in done.stdout and "pip install 'lamina[plot]'" in done.stdout
    assert "matplotlib" in done.stderr and "pip install 'lamina[plot]'" in done.stderr
