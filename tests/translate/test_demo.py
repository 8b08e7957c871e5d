"""The demo as a person runs it: real processes, a real training, small but enough to learn."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from matplotlib.image import imread
from typer.testing import CliRunner

import lamina
from lamina.cli import app
from lamina.translate import bundle
from lamina.translate.dates import make_pairs


def run(*arguments: object, text: str | None = None) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "lamina", *map(str, arguments)]
    environment = os.environ | {"JAX_DISABLE_MOST_OPTIMIZATIONS": "0"}  # as a person has it
    return subprocess.run(
        command, input=text, capture_output=True, encoding="utf-8", timeout=300, env=environment
    )


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """Chinese dates, learnt in some 300 steps, and what was printed meanwhile."""
    folder = tmp_path_factory.mktemp("demo") / "chinese"
    ended = run("demo", "--out", folder, "--locale", "zh_CN", "--pairs", 6400, "--epochs", 3)
    assert ended.returncode == 0, ended.stderr
    return folder, ended.stdout


def test_tells_of_plan_training_and_result(demo) -> None:
    _, told = demo
    for line in ("decoder.attention.W1.kernel", "epoch 3/3", "exact match: ", "zh_CN"):
        assert line in told
    share = float(told.split("exact match: ")[1].split("%")[0])
    assert share > 95


def test_leaves_a_model_and_two_pictures(demo) -> None:
    folder, _ = demo
    names = ["attention.png", "model.safetensors", "training.png", "translator.json"]
    assert sorted(path.name for path in folder.iterdir()) == names
    assert imread(folder / "training.png").std() > 0.05
    assert imread(folder / "attention.png").std() > 0.05
    model = lamina.load(folder / "model.safetensors")
    assert model.count_params() > 50_000


def test_translates_in_another_process(demo) -> None:
    folder, _ = demo
    texts = ["2024年1月9日星期二", "", "二〇二四年一月九日"]
    by_argument = run("translate", "run", folder, *texts)
    assert by_argument.stdout == "2024-01-09\n\n2024-01-09\n", by_argument.stderr
    lines = "1789年7月14日\r\n\n2024-1-9"
    by_line = CliRunner().invoke(app, ["translate", "run", str(folder)], lines.encode())
    assert by_line.stdout == "1789-07-14\n\n2024-01-09\n", by_line.stderr


def test_digits_of_the_year_look_at_the_year(demo) -> None:
    translator = bundle.load(demo[0])
    pairs = make_pairs(200, seed=5, split="held_out", locales=["zh_CN"])
    plain = [pair for pair in pairs if pair.text[:4] == pair.iso[:4]][:32]
    found = translator.translate([pair.text for pair in plain])
    looked = np.stack([now.attention[:4, :4].sum(-1) for now in found])
    assert (looked.mean(0)[1:] > 0.5).all()
    for now in found:
        np.testing.assert_allclose(now.attention.sum(-1), 1, atol=0.05)
