"""Learning: stopped and resumed as if never stopped, the best kept, what an earlier run refuses."""

import io
import json
from pathlib import Path

import numpy as np
import pytest
from matplotlib.image import imread
from rich.console import Console

from lamina.errors import FileFormatError, InputError
from lamina.translate import bundle, training, training_monitor
from lamina.translate.evaluation import Scores
from lamina.translate.pairs import Pair
from lamina.translate.recipe import recipe_of
from lamina.translate.translator import Translation
from tests.translate.toy import OPTIONS, PAIRS

SOME = [Pair(*pair) for pair in PAIRS]
TRAINING, VALIDATION = SOME[: -len(SOME) // 2 : 2], SOME[1:24:2]
RECIPE = recipe_of("small", **OPTIONS, epochs=4, joint=True, average=2)


def train(folder: Path, recipe=RECIPE, **options):
    console = Console(file=io.StringIO(), width=200, highlight=False)
    scores = training.train(folder, TRAINING, VALIDATION, recipe, console=console, **options)
    return scores, console.file.getvalue()


class PulledPlugError(Exception):
    """The end of a run that had no time to say goodbye."""


class WeightSum:
    """Replaces the evaluator: scores are sums of weights, so that no translation is compiled."""

    def __init__(self, pairs) -> None:
        self.pairs = pairs

    def __call__(self, translator, beam=None) -> Scores:
        return Scores(self.loss(translator), 50.0, "", "", [found(*pair) for pair in self.pairs])

    def loss(self, translator) -> float:
        return float(sum(np.abs(value).sum() for value in translator.model.values().values()))


def found(source: str, target: str) -> Translation:
    read, written = tuple(source.split()), tuple(target.split())
    return Translation(source, target, np.eye(len(written), len(read)), read, written, -1.0, 4)


@pytest.fixture(scope="module", autouse=True)
def weighed():
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(training, "Evaluator", WeightSum)
        yield


@pytest.fixture(scope="module")
def whole(tmp_path_factory) -> tuple[Path, str]:
    folder = tmp_path_factory.mktemp("whole")
    return folder, train(folder)[1]


def test_leaves_a_translator_pictures_and_a_history(whole) -> None:
    folder, told = whole
    files = ["attention.png", "history.json", "model.safetensors", "training.json", "training.png"]
    assert set(files) <= {path.name for path in folder.iterdir()}
    assert imread(folder / "training.png").std() > 0.05
    history = json.loads((folder / "history.json").read_text("utf-8"))
    names = ["loss", "tokens_per_second", "val_bleu", "val_chrf", "val_loss"]
    assert sorted(history) == names
    assert all(len(values) == 4 for values in history.values())
    assert history["loss"][-1] < history["loss"][0]
    assert len(set(history["val_bleu"])) == 4
    assert "training pairs" in told
    assert "BLEU" in told
    assert VALIDATION[0].target in told


def test_goes_on_where_it_was_stopped(whole, tmp_path, monkeypatch) -> None:
    evaluate = training_monitor.BestTranslator.on_epoch_end

    def stopped(self, epoch, logs=None) -> None:
        if epoch == 2:
            raise PulledPlugError
        evaluate(self, epoch, logs)

    monkeypatch.setattr(training_monitor.BestTranslator, "on_epoch_end", stopped)
    with pytest.raises(PulledPlugError):
        train(tmp_path)
    monkeypatch.undo()
    assert bundle.load(tmp_path)  # the best translator so far is usable
    train(tmp_path, resume=True)
    one, other = (
        json.loads((folder / "history.json").read_text("utf-8")) for folder in (whole[0], tmp_path)
    )
    for name in ("loss", "val_loss", "val_bleu"):
        np.testing.assert_allclose(other[name], one[name], rtol=1e-5)
    again, first = (bundle.load(folder).model.values() for folder in (tmp_path, whole[0]))
    for path, value in first.items():
        np.testing.assert_allclose(again[path], value, atol=1e-6)


def test_an_earlier_training_is_not_written_over(whole) -> None:
    folder, _ = whole
    before = (folder / "model.safetensors").read_bytes()
    with pytest.raises(InputError, match="or --resume"):
        train(folder)
    other = recipe_of("small", **{**OPTIONS, "units": 24}, epochs=4, joint=True, average=2)
    with pytest.raises(InputError, match="units 32, now 24"):
        train(folder, other, resume=True)
    assert (folder / "model.safetensors").read_bytes() == before


@pytest.mark.parametrize("text", ["{", "[]", "[" * 100_000, None])
def test_a_damaged_beginning(tmp_path, text) -> None:
    if text is None:
        (tmp_path / "training.json").mkdir()
    else:
        (tmp_path / "training.json").write_text(text, "utf-8")
    with pytest.raises(FileFormatError, match="damaged"):
        train(tmp_path, resume=True)


@pytest.mark.parametrize("sides", [([], SOME), (SOME, [])])
def test_nothing_to_learn_from(tmp_path, sides) -> None:
    with pytest.raises(InputError, match="no pairs to train"):
        training.train(tmp_path, *sides, RECIPE)
    assert not (tmp_path / "training.json").exists()
