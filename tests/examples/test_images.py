"""The examples on images: a net that reads digits, and a ResNet-18 of the published size."""

import re
import runpy
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.as_users_run

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"


@pytest.fixture
def run(monkeypatch, capsys):
    """What an example prints, given some arguments."""

    def told(name: str, *arguments: str) -> str:
        monkeypatch.setattr(sys, "argv", [name, *arguments])
        runpy.run_path(str(EXAMPLES / name), run_name="__main__")
        return capsys.readouterr().out

    return told


def test_digits_are_read_right(run) -> None:
    told = run("digits.py", "--filters=12", "--epochs=3")
    found = re.search(r"test images: (.+)%", told)
    assert found is not None
    assert float(found[1]) >= 98


def test_a_resnet_is_planned_and_runs(run) -> None:
    told = run("resnet.py", "--size=32")
    assert "planned: 11,689,512 trainable weights, 9,600 non-trainable weights" in told
    assert "logits (2, 1000), finite: True" in told
