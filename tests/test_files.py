"""Looking into files, and converting them, in Python and on the command line."""

import json
import os
import subprocess
import sys
import zipfile

import jax.numpy as jnp
import numpy as np
import pytest
from typer.testing import CliRunner

import lamina
from lamina import Input, Model, Sequential, files, layers
from lamina.cli import app
from lamina.errors import FileFormatError, InputError, LaminaError

keras = pytest.importorskip("keras")


def model(k):
    made = k.Sequential([k.Input((4,)), k.layers.Dense(3, "relu"), k.layers.Dense(2)])
    made.compile("adam", "mse")
    return made


@pytest.fixture
def archive(tmp_path):
    model(keras).save(tmp_path / "model.keras")
    return tmp_path / "model.keras"


def lamina_command(*arguments):
    command = [sys.executable, "-m", "lamina", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def test_what_an_archive_holds(archive):
    report = files.inspect(archive)
    assert report.version == keras.__version__
    assert [cls for _, cls, _ in report.layers] == ["Sequential", "InputLayer", "Dense", "Dense"]
    assert [(one.path, one.shape) for one in report.weights] == [
        ("layers/dense/vars/0", (4, 3)),
        ("layers/dense/vars/1", (3,)),
        ("layers/dense_1/vars/0", (3, 2)),
        ("layers/dense_1/vars/1", (2,)),
    ]
    assert report.optimizer == "Adam, 2 arrays"
    assert report.problems == []


def test_what_files_of_other_formats_hold(tmp_path):
    theirs, ours = model(keras), model(lamina)
    theirs.save_weights(tmp_path / "a.weights.h5")
    theirs.save(tmp_path / "a.h5")
    ours.save(tmp_path / "a.lamina")
    ours.save_weights(tmp_path / "a.safetensors")
    reports = [
        files.inspect(tmp_path / name)
        for name in ("a.weights.h5", "a.h5", "a.lamina", "a.safetensors")
    ]
    for report in reports:
        assert sum(np.prod(one.shape) for one in report.weights) == theirs.count_params()
        assert str(report).startswith(report.path)
    assert [len(report.layers) for report in reports] == [0, 4, 1, 0]
    assert reports[1].optimizer is not None and "Adam" in reports[1].optimizer


def test_what_would_be_refused_is_told_and_nothing_is_built(archive, tmp_path):
    with zipfile.ZipFile(archive) as given, zipfile.ZipFile(tmp_path / "b.keras", "w") as made:
        for name in given.namelist():
            text = given.read(name)
            if name == "config.json":
                config = json.loads(text)
                config["config"]["layers"][1]["class_name"] = "TFSMLayer"
                config["config"]["layers"][2]["config"]["units"] = 10**15
                text = json.dumps(config).encode()
            made.writestr(name, text)
    report = files.inspect(tmp_path / "b.keras")
    assert len(report.problems) == 1 and "TFSMLayer" in report.problems[0]
    (tmp_path / "cut.keras").write_bytes(archive.read_bytes()[:200])
    assert "not a complete model" in files.inspect(tmp_path / "cut.keras").problems[0]
    with pytest.raises(FileFormatError):
        (tmp_path / "x.bin").write_bytes(b"\x00" * 100)
        files.inspect(tmp_path / "x.bin")
    with pytest.raises(FileNotFoundError):
        files.inspect(tmp_path / "nothing.keras")


def changed(archive, path, config):
    """Write an archive again with another config."""
    with zipfile.ZipFile(archive) as given, zipfile.ZipFile(path, "w") as made:
        for name in given.namelist():
            made.writestr(name, config if name == "config.json" else given.read(name))
    return path


def test_a_config_of_any_json_is_a_report(archive, tmp_path):
    for text in ("5", "null", "[1, 2]", '"x"', "{}", '{"class_name": 5, "config": []}'):
        report = files.inspect(changed(archive, tmp_path / "x.keras", text))
        assert report.path in str(report)
        assert report.problems or "class_name" in text


def test_names_in_a_file_cannot_write_to_the_terminal(archive, tmp_path):
    with zipfile.ZipFile(archive) as given:
        config = json.loads(given.read("config.json"))
    config["config"]["layers"][1]["config"]["name"] = "a\x1b[2J\r\n  refused: \u202e\ud800"
    config["config"]["layers"][2]["class_name"] = "b\x1b[2J\nc"
    shown = str(files.inspect(changed(archive, tmp_path / "x.keras", json.dumps(config))))
    assert all(line.isprintable() for line in shown.split("\n"))
    assert "a\\x1b[2J\\r\\n  refused: " in shown


def test_files_are_converted_there_and_back(archive, tmp_path):
    there = files.convert(archive, tmp_path / "model.lamina")
    assert (there.weights, there.difference) == (23, 0.0)
    back = files.convert(tmp_path / "model.lamina", tmp_path / "back.keras")
    assert back.difference == 0.0
    x = np.ones((2, 4), "float32")
    theirs = [keras.models.load_model(path) for path in (archive, tmp_path / "back.keras")]
    np.testing.assert_allclose(*[one.predict(x, verbose=0) for one in theirs], rtol=1e-6)
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "back.keras",
        "model.keras",
        "model.lamina",
    ]


def test_a_graph_of_integers_and_numbers_is_compared(tmp_path):
    ids, x = Input(("time",), dtype="int32"), Input((4,))
    steps = layers.GRU(3)(layers.Embedding(5, 4, mask_zero=True)(ids))
    ours = Model([ids, x], layers.Dense(2)(layers.Concatenate()([steps, x])))
    ours.save(tmp_path / "a.lamina")
    done = files.convert(tmp_path / "a.lamina", tmp_path / "a.keras")
    assert done.difference is not None and done.difference <= 1e-5
    assert "differ by" in str(done)


def test_a_conversion_that_fails_leaves_the_old_file(tmp_path):
    Sequential([Input((4,)), layers.Stack(lambda: layers.Dense(4), 2)]).save(tmp_path / "a.lamina")
    (tmp_path / "a.keras").write_bytes(b"old")
    with pytest.raises(LaminaError, match="Stack"):
        files.convert(tmp_path / "a.lamina", tmp_path / "a.keras")
    assert (tmp_path / "a.keras").read_bytes() == b"old"
    assert len(list(tmp_path.iterdir())) == 2


def test_what_is_no_file_is_never_replaced(archive, tmp_path):
    os.mkfifo(tmp_path / "pipe.lamina")
    (tmp_path / "folder.keras").mkdir()
    (tmp_path / "old.lamina").write_text("old")
    (tmp_path / "link.lamina").symlink_to(tmp_path / "old.lamina")
    for name in ("pipe.lamina", "folder.keras", "", "nowhere/x.keras", "nowhere/x.lamina"):
        with pytest.raises(OSError, match="cannot be written") as error:
            files.convert(archive, tmp_path / name)
        assert str(tmp_path / name) in str(error.value) and ".lamina-" not in str(error.value)
    files.convert(archive, tmp_path / "link.lamina")
    assert (tmp_path / "link.lamina").is_symlink()
    assert files.inspect(tmp_path / "old.lamina").layers
    for name in ("x.h5", "x.H5", "x.KERAS", "x.weights.h5"):
        with pytest.raises(InputError, match=r"Write '.*/x\.keras'"):
            files.convert(archive, tmp_path / name)
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "folder.keras",
        "link.lamina",
        "model.keras",
        "old.lamina",
        "pipe.lamina",
    ]


def test_outputs_that_are_no_numbers_are_equal(tmp_path):
    Sequential([Input((4,)), layers.Lambda(jnp.log)]).save(tmp_path / "a.lamina")
    assert files.convert(tmp_path / "a.lamina", tmp_path / "b.lamina").difference == 0.0


def test_a_name_that_cannot_be_encoded_is_written(tmp_path):
    Sequential([Input((4,)), layers.Dense(2, name="\ud800")]).save(tmp_path / "a.lamina")
    assert files.convert(tmp_path / "a.lamina", tmp_path / "a.keras").difference == 0.0


def test_without_h5py_the_commands_say_what_to_install(archive):
    code = (
        "import sys; sys.modules['h5py'] = None\nfrom lamina import cli\n"
        f"sys.argv = ['lamina', 'inspect', {str(archive)!r}]\ncli.main()"
    )
    command = [sys.executable, "-c", code]
    failed = subprocess.run(command, capture_output=True, text=True, check=False)
    assert failed.returncode == 2 and "Traceback" not in failed.stderr
    assert "pip install 'lamina[keras]'" in failed.stderr


def test_the_commands_print_reports_and_fail_with_a_message(archive, tmp_path):
    shown = CliRunner().invoke(app, ["inspect", str(archive)])
    assert shown.exit_code == 0 and "layers/dense_1/vars/0" in shown.stdout
    done = CliRunner().invoke(app, ["convert", str(archive), str(tmp_path / "a.lamina")])
    assert done.exit_code == 0 and "differ by 0.0e+00" in done.stdout
    failed = lamina_command("convert", tmp_path / "none.keras", tmp_path / "b.lamina")
    assert failed.returncode == 2 and "Traceback" not in failed.stderr
