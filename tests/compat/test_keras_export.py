"""`keras.export.ExportArchive` writes the functions of a model as programs."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import lamina
from lamina.compat import keras as ours
from lamina.errors import InputError


def test_endpoints_are_programs(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    model = ours.Sequential([ours.Input((3,)), ours.layers.Dense(2), ours.layers.Dropout(0.5)])
    spec = ours.InputSpec(shape=(None, 3))

    def twice(x: Any, y: Any) -> Any:
        return {"twice": 2 * model(x), "same": y}

    archive = ours.export.ExportArchive()
    archive.track(model)
    archive.add_endpoint("serve", model.call, [spec])
    archive.add_endpoint("twice", twice, [spec, ours.KerasTensor((None, 1))])
    archive.track_and_add_endpoint("model", model, [spec])
    with pytest.raises(InputError, match="cannot be added"):
        archive.add_endpoint("serve", model, [spec])
    archive.write_out(tmp_path / "out")
    assert capsys.readouterr().out.count("Wrote") == 3
    x = np.ones((4, 3), "float32")
    for name in ("serve", "model"):
        program = lamina.load_exported(tmp_path / "out" / f"{name}.safetensors")
        np.testing.assert_allclose(program(x), model(x), rtol=1e-6)
    found = lamina.load_exported(tmp_path / "out" / "twice.safetensors")(x, x[:, :1])
    np.testing.assert_allclose(found["twice"], 2 * model(x), rtol=1e-6)
    np.testing.assert_array_equal(found["same"], x[:, :1])


def test_wrong_endpoints_are_errors(tmp_path: Path) -> None:
    archive = ours.export.ExportArchive()
    with pytest.raises(InputError, match="nothing to export"):
        archive.write_out(tmp_path)
    for name, signature in (("a/b", [ours.KerasTensor((1,))]), ("serve", None)):
        with pytest.raises(InputError, match="cannot be added"):
            archive.add_endpoint(name, lambda x: x, signature)
    with pytest.raises(InputError, match="format"):
        ours.export.ExportArchive(format="other")
