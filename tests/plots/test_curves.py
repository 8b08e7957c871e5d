from pathlib import Path

import matplotlib
import numpy as np
import pytest

from lamina import Sequential, layers, losses, metrics
from lamina.errors import InputError
from lamina.plots import draw_attention, plot_history
from lamina.training import History
from tests.plots.pictures import pixels

HISTORY = {
    "loss": [2.3, 0.9, 0.3, 0.1, 0.02],
    "accuracy": [0.2, 0.6, 0.9, 0.97, 0.99],
    "val_loss": [2.0, 0.8, 0.3, 0.15, 0.05],
    "val_accuracy": [0.3, 0.6, 0.88, 0.95, 0.98],
}


def test_training_curves(tmp_path: Path) -> None:
    plot_history(HISTORY, tmp_path / "training.png")
    picture = pixels(tmp_path / "training.png")
    assert picture.shape == (585, 1680, 3)
    for color in ("#1f5fa8", "#e07b39"):  # training and validation, in both panels
        hit = np.abs(picture - matplotlib.colors.to_rgb(color)).max(-1) < 0.01
        assert hit[:, :840].any() and hit[:, 840:].any()


@pytest.mark.parametrize(
    ("history", "panels"),
    [
        ({"loss": [1.0]}, 1),
        ({"loss": [1.0, 0.0, -1.0], "val_loss": [0.5]}, 1),
        ({"loss": [float("nan"), float("inf"), 1.0]}, 1),
        ({"loss": [1e308, -1e308, 1.0]}, 1),
        ({"loss": [1e299, -1e299, 1.0]}, 1),
        ({"loss": [float("nan")], "accuracy": [float("nan")]}, 2),
        ({"val_accuracy": [0.5], "loss": [1.0, 0.5], "error": [30.0, 3.0]}, 3),
        ({"loss": np.geomspace(5, 1e-6, 2_000).tolist(), "empty": []}, 1),
    ],
)
def test_training_curves_of_any_run(
    history: dict[str, list[float]], panels: int, tmp_path: Path
) -> None:
    plot_history(history, tmp_path / "training.png")
    assert pixels(tmp_path / "training.png").shape == (585, 840 * panels, 3)


@pytest.mark.parametrize("history", [{}, {"loss": []}])
def test_training_curves_of_no_run(history: dict[str, list[float]], tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no values to plot"):
        plot_history(history, tmp_path / "training.png")
    assert not list(tmp_path.iterdir())


def test_the_backend_of_the_user_is_left_alone(tmp_path: Path) -> None:
    before = dict(matplotlib.rcParams)
    plot_history(HISTORY, tmp_path / "training.png")
    draw_attention([("a", "b", [[1.0]])], tmp_path / "attention.png")
    assert dict(matplotlib.rcParams) == before


def legend(axes) -> list[str]:
    return [text.get_text() for text in axes.get_legend().get_texts()]


def test_the_best_epoch_is_that_of_the_validation_where_there_is_one() -> None:
    history = {
        "loss": [3.0, 2.0, 1.0],
        "val_loss": [3.0, float("nan"), 3.5],
        "accuracy": [0.1, 0.3, 0.2],
        "mae": [0.5, 0.25, 0.5],
        "odd": [1.0, 2.0, 3.0],
    }
    figure = plot_history(history, best={"accuracy": "max", "mae": "min"}, first_epoch=11)
    loss, accuracy, mae, odd = figure.axes[:4]
    assert legend(loss)[-1] == "best 3, epoch 11"
    assert legend(accuracy)[-1] == "best 30.00%, epoch 12"
    assert legend(mae)[-1] == "best 0.25, epoch 12"  # an error is no percentage
    assert legend(odd) == ["training, last 3"]
    (ring,) = (line for line in accuracy.lines if line.get_markersize() > 8)
    assert ring.get_xydata().tolist() == [[12.0, 0.3]]


def test_values_that_are_not_numbers_have_no_panel() -> None:
    history = {"loss": [1.0, 0.5], "per_class": [[1.0, 2.0], [3.0, 4.0]], "text": ["a", "b"]}
    assert len(plot_history(history).axes) == 1


@pytest.mark.parametrize("ending", ["svg", "PNG", "pdf"])
def test_the_ending_of_the_path_sets_the_format(ending: str, tmp_path: Path) -> None:
    path = tmp_path / f"training.{ending}"
    plot_history(HISTORY, path)
    begin = {"svg": b"<?xml", "PNG": b"\x89PNG", "pdf": b"%PDF"}[ending]
    assert path.read_bytes().startswith(begin)


@pytest.mark.parametrize("name", ["training", "training.jpg", "training.png.exe"])
def test_other_endings_are_refused(name: str, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"\.svg, \.png or \.pdf"):
        plot_history(HISTORY, tmp_path / name)
    assert not list(tmp_path.iterdir())


def test_hostile_names_are_text(tmp_path: Path) -> None:
    names = ["$\\frac{1$", "<b>&\x1b[31m\n\u202e", "_hidden", "x" * 1_000_000, "\ud800"]
    figure = plot_history({name: [1.0, 2.0] for name in names}, tmp_path / "training.svg")
    titles = [axes.get_title(loc="left") for axes in figure.axes[: len(names)]]
    assert titles[:2] == ["$\\frac{1$", r"<b>&\x1b[31m\n\u202e"]
    assert max(map(len, titles)) < 100
    assert (tmp_path / "training.svg").stat().st_size < 1_000_000


def test_history_plots_itself() -> None:
    model = Sequential([layers.Dense(1)])
    model.compile("sgd", losses.MeanSquaredError(), metrics=[metrics.MeanAbsoluteError()])
    x = np.linspace(-1, 1, 16, dtype=np.float32)[:, None]
    history = model.fit(x, 2 * x, epochs=2, validation_data=(x, 2 * x), verbose=0)
    first, second = history.plot().axes
    name = next(name for name in history.history if "loss" not in name)
    for axes, log in ((first, "loss"), (second, name)):
        best = int(np.argmin(history.history[f"val_{log}"])) + 1
        assert legend(axes)[-1].startswith("best ")
        assert legend(axes)[-1].endswith(f", epoch {best}")


def test_history_without_a_model_knows_the_metrics_of_lamina() -> None:
    history = History()
    for epoch, accuracy in enumerate([0.5, 0.75, 0.25], 4):
        history.on_epoch_end(epoch, {"accuracy": accuracy, "custom": 0.5})
    accuracy, custom = history.plot().axes
    assert legend(accuracy)[-1] == "best 75.00%, epoch 6"
    assert legend(custom) == ["training, last 50.00%"]


def test_a_notebook_shows_a_figure(tmp_path: Path) -> None:
    figure = plot_history(HISTORY)
    data, size = figure._repr_png_()  # type: ignore[attr-defined]
    (tmp_path / "shown.png").write_bytes(data)
    height, width, _ = pixels(tmp_path / "shown.png").shape
    assert (width, height) == pytest.approx((2 * size["width"], 2 * size["height"]), abs=1)
