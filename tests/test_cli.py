"""The command line: what it prints where, its exit codes, no traceback."""

import io
import json
import sys
from pathlib import Path

import pytest

import lamina
from lamina import cli
from lamina.seq2seq import Seq2Seq
from lamina.translate import bundle
from lamina.translate.translator import Translator
from lamina.translate.vocabulary import Vocabulary

TRAIN = "translate", "train", "--out", "{tmp}/made"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A translator that has learnt nothing."""
    lamina.set_seed(1)
    letters = Vocabulary.from_texts(["0123456789-"])
    model = Seq2Seq(len(letters), len(letters), embedding=4, units=6)
    model.build((None, 12), (None, 5))
    made = tmp_path_factory.mktemp("cli")
    bundle.save(Translator(model, letters, letters, 12, 5), made)
    return made


@pytest.fixture
def lamina_command(monkeypatch, capsys):
    """The exit code, standard output and standard error of ``lamina ...``."""

    def run(*arguments: object, text: str = "") -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["lamina", *map(str, arguments)])
        monkeypatch.setattr(sys, "stdin", io.StringIO(text))
        with pytest.raises(SystemExit) as ended:
            cli.main()
        captured = capsys.readouterr()
        return int(ended.value.code or 0), captured.out, captured.err

    return run


def test_one_line_a_text(lamina_command, folder) -> None:
    code, out, error = lamina_command("translate", "run", folder, "2024-1-9", "", "x")
    assert (code, error) == (0, "")
    lines = out.split("\n")
    assert len(lines) == 4
    assert lines[1] == lines[3] == ""


def test_arguments_and_standard_input_agree(lamina_command, folder) -> None:
    texts = ["2024-1-9", "", "1-2-3"]
    by_argument = lamina_command("translate", "run", folder, *texts)
    by_line = lamina_command("translate", "run", folder, text="2024-1-9\r\n\n1-2-3")
    assert by_argument == by_line
    assert lamina_command("translate", "run", folder) == (0, "", "")


def test_a_text_too_long_is_one_message(lamina_command, folder) -> None:
    code, out, error = lamina_command("translate", "run", folder, text="1\n" + "2" * 13)
    assert code == 2
    assert out.count("\n") == 1
    assert error.startswith("lamina: Text 2: A text is too long")
    assert "at most 12 characters" in error
    assert "Traceback" not in error


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("translate", "run", "nowhere", "x"), "There is no translator in 'nowhere'"),
        (("demo", "--locale", "en_UK", "--out", "{tmp}"), "Did you mean 'en_"),
        (("demo", "--out", "{tmp}/file/below"), "Not a directory"),
        (("demo", "--out", "{tmp}/file"), "File exists"),
        ((*TRAIN, "{tmp}/bad", "--strict"), "bad, line 2: invalid line, empty"),
        ((*TRAIN, "{tmp}/none"), "none: No such file"),
        ((*TRAIN, "{tmp}/bad", "--validation", "{tmp}/none"), "none: No such file"),
        ((*TRAIN, "{tmp}/file"), "no pairs to train"),
        ((*TRAIN, "{tmp}/bad", "--minutes", "-1"), "minutes"),
        (("translate", "evaluate", "{tmp}", "{tmp}/bad"), "contains no translator"),
        (("translate", "serve", "nowhere"), "There is no translator in 'nowhere'"),
        (("watch", "nowhere"), "nowhere: No such file"),
    ],
)
def test_what_goes_wrong_is_one_message(lamina_command, tmp_path, arguments, message) -> None:
    (tmp_path / "file").touch()
    (tmp_path / "bad").write_bytes(b"a\tb\n\n")
    code, out, error = lamina_command(*(part.format(tmp=tmp_path) for part in arguments))
    # What was read is told of before what is made of it goes wrong.
    told = {
        "--validation": "/bad: 2 lines, 1 skipped: 1 empty (line 2)\n",
        "{tmp}/file": "0 lines\n",
    }
    expected = next((told[part] for part in arguments if part in told and "train" in arguments), "")
    assert code == 2
    assert out.endswith(expected) and out.count("\n") == bool(expected)
    assert not (tmp_path / "made").exists()
    assert error.startswith("lamina: ")
    assert message in error
    assert "Traceback" not in error


def test_a_missing_package_says_what_to_install(lamina_command, tmp_path, monkeypatch) -> None:
    for name in ("lamina.translate.demo", "lamina.translate.dates"):
        monkeypatch.delitem(sys.modules, name, raising=False)
    monkeypatch.delattr("lamina.translate.demo", raising=False)
    monkeypatch.setitem(sys.modules, "babel", None)
    code, _, error = lamina_command("demo", "--out", tmp_path / "demo")
    assert code == 2
    assert "pip install 'lamina[translate]'" in error
    assert "babel is not installed" in error
    assert not (tmp_path / "demo").exists()


def test_a_training_that_is_stopped_says_how_to_go_on(
    lamina_command, tmp_path, monkeypatch
) -> None:
    def stopped(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("lamina.translate.training.train", stopped)
    (tmp_path / "pairs").write_text("a\tb\nc\td\n")
    code, out, error = lamina_command(
        "translate", "train", tmp_path / "pairs", "--out", tmp_path / "made"
    )
    assert code == 130
    assert "2 lines" in out
    assert "--resume" in error


@pytest.mark.parametrize("arguments", [("nonsense",), ("translate", "run"), ("demo", "--pairs", 0)])
def test_wrong_usage(lamina_command, arguments) -> None:
    code, _, error = lamina_command(*arguments)
    assert code == 2
    assert "Usage" in error


def test_help(lamina_command) -> None:
    code, out, _ = lamina_command("--help")
    assert code == 0
    assert "demo" in out
    assert "translate" in out


def test_doctor(lamina_command, monkeypatch, tmp_path) -> None:
    (tmp_path / "models_for_the_doctor.py").write_text(
        "from lamina import Sequential, layers\n"
        "def sound():\n"
        "    return Sequential([layers.Dense(8, activation='relu'), layers.Dense(1)])\n"
        "def broken():\n"
        "    return Sequential([layers.Flatten(), layers.Dense(1)])\n"
    )
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [*sys.path])
    command = ["doctor", "models_for_the_doctor:sound", "--input"]
    code, out, error = lamina_command(*command, "inputs=float32[?,4]")
    assert (code, out, error) == (0, "Sequential: 0 errors, 0 warnings\n", "")
    command[1] = "models_for_the_doctor:broken"
    code, out, _ = lamina_command(*command, "float32[?,?,4]", "--json")
    assert code == 1
    (found,) = json.loads(out)["findings"]
    assert (found["code"], found["path"]) == ("unknown-dim", "layers.1")
    assert found["where"].endswith("models_for_the_doctor.py:5")
    code, _, error = lamina_command(*command, "float32[")
    assert code == 2
    assert error.startswith("lamina: The spec of an input cannot be read.")


MODELS = """
from lamina import Sequential, layers
def small():
    return Sequential([layers.Dense(4), layers.Dense(2)])
def large():
    return Sequential([layers.Dense(8), layers.Dense(2)])
"""


@pytest.fixture
def models(tmp_path, monkeypatch):
    (tmp_path / "models_to_explain.py").write_text(MODELS)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [*sys.path])
    yield "models_to_explain"
    sys.modules.pop("models_to_explain", None)


def test_explain_a_model(lamina_command, models, tmp_path) -> None:
    given = "--input", "float32[?,3]"
    code, text, _ = lamina_command("explain", f"{models}:small", *given)
    assert code == 0
    assert "3 = axis -1 of inputs, 4 = units" in text
    code, only, _ = lamina_command("explain", f"{models}:small", *given, "--why", "kernel")
    assert only.startswith("layers.0.kernel  of Dense\n")
    code, data, _ = lamina_command("explain", f"{models}:small", *given, "--json")
    assert len(json.loads(data)["calls"]) == 3
    (tmp_path / "plan.json").write_text(data)
    assert lamina_command("explain", "plan.json", "--path", "layers.1")[1].startswith("layers.1")
    changed = "explain", f"{models}:large", *given, "--diff", "plan.json"
    code, text, _ = lamina_command(*changed)
    assert "~ layers.0.kernel (3, 4) float32 -> (3, 8) float32" in text
    code, text, _ = lamina_command(*changed, "--html", "page.html")
    assert "layers.0.kernel" in (tmp_path / "page.html").read_text("utf-8")
    assert lamina_command("explain", f"{models}:small")[1].startswith("Sequential is not built.")


def test_explain_a_file(lamina_command, tmp_path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    model = lamina.Sequential([lamina.Input((3,)), lamina.layers.Dense(2)])
    model.layers[0].trainable = False
    model.save("model.safetensors")
    code, text, _ = lamina_command("explain", "model.safetensors")
    assert code == 0
    assert "Sequential has 1 layer and 8 parameters (32 bytes): 0 trainable" in text
    assert "kernel  (3, 2)  float32    not trained" in text
    assert "input    0: float32[?, 3]" in text
    model.save("model.keras")
    code, text, _ = lamina_command("explain", "model.keras")
    assert code == 0
    assert "layers.dense  Dense\n  weights  vars.0  (3, 2)  float32" in text
    assert "trained" not in text


@pytest.mark.parametrize(
    ("arguments", "part"),
    [
        (("nothing",), "There is no file 'nothing'"),
        (("no_module:make",), "There is no module 'no_module'"),
        (("models_to_explain:small", "--input", "float33[3]"), "float33"),
        (("models_to_explain:small", "--path", "x"), "no path 'x'"),
    ],
)
def test_what_cannot_be_explained(lamina_command, models, arguments, part) -> None:
    code, out, error = lamina_command("explain", *arguments)
    assert (code, out) == (2, "")
    assert part in error
