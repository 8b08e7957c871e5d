"""The commands on a small language. Each that trains, reads or serves has a process of its own."""

import dataclasses
import json
import os
import re
import subprocess
import sys
import urllib.request
from pathlib import Path
from typing import get_type_hints

import pytest
from click.testing import Result
from matplotlib.image import imread
from typer.testing import CliRunner

from lamina import cli
from lamina.errors import LaminaError
from lamina.translate import commands, training
from lamina.translate.recipe import PRESETS, Recipe
from tests.translate.toy import PAIRS, arguments, written


def run(*given: object, data: bytes = b"") -> subprocess.CompletedProcess[bytes]:
    command = [sys.executable, "-m", "lamina", "translate", *map(str, given)]
    return subprocess.run(command, input=data, capture_output=True, timeout=300)


def run_here(*given: object, data: bytes = b"") -> Result:
    """Run a command in this process, which has imported the libraries."""
    return CliRunner().invoke(commands.app, [*map(str, given)], data)


@pytest.fixture(scope="module")
def trained(tmp_path_factory) -> tuple[Path, str]:
    """A translator, and what was printed meanwhile; some lines cannot be used."""
    folder = tmp_path_factory.mktemp("commands")
    pairs = written(folder / "pairs.tsv")
    lines = pairs.read_bytes().split(b"\n")
    lines[3:3] = [b"Gr\xfc\xdfe\tHi", b"", b"only one", b"a\x00b\tc", b"word " * 10_000 + b"\tx"]
    pairs.write_bytes(b"\n".join(lines))
    sizes = arguments(epochs=3)
    ended = run("train", pairs, "--out", folder / "model", "--held-out", 20, *sizes)
    assert ended.returncode == 0, ended.stderr.decode()
    return folder / "model", ended.stdout.decode()


def test_training_tells_what_it_left_out_and_how_good_it_is(trained) -> None:
    folder, told = trained
    assert "221 lines, 5 skipped: 1 not in UTF-8 (line 4); 1 empty (line 5)" in told
    assert "1 without a second column (line 6)" in told
    assert "1 with control characters (line 7)" in told
    assert "1 longer than 80 words (line 8)" in told
    assert "196 training pairs, 20 validation pairs" in told
    assert "tokens_per_second" in told
    assert float(told.split("BLEU ")[1].split(",")[0]) >= 0
    assert imread(folder / "training.png").std() > 0.05
    assert imread(folder / "attention.png").std() > 0.05


def test_run(trained, tmp_path) -> None:
    folder, _ = trained
    data = "The red cat runs.\r\n\nThe big duck eats.\nGr\xfc\xdfe\x07\n".encode("latin-1")
    ended = run("run", folder, "--attention", tmp_path / "seen.png", "--beam", 3, data=data)
    assert ended.returncode == 0, ended.stderr.decode()
    lines = ended.stdout.decode().split("\n")
    assert [bool(line) for line in lines] == [True, False, True, True, False]
    assert lines[0].startswith("Die ")
    assert "1 changed: 1 not in UTF-8 (line 4)" in ended.stderr.decode()
    assert imread(tmp_path / "seen.png").std() > 0.05
    refused = run_here("run", folder, "--strict", data=data)
    assert isinstance(refused.exception, LaminaError)
    assert "standard input, line 4: invalid text, not in UTF-8" in str(refused.exception)


def test_run_json(trained) -> None:
    ended = run_here("run", trained[0], "--json", "The old cow waits.", "")
    one, empty = map(json.loads, ended.stdout.splitlines())
    assert one["source_tokens"] == ["▁The", "▁old", "▁cow", "▁waits", "."]
    assert "".join(one["tokens"]).replace("▁", " ").strip() == one["translation"]
    assert one["log_probability"] < one["score"] < 0
    assert len(one["alignment"]) == len(one["attention"]) == len(one["tokens"]) > 0
    assert all(abs(sum(row) - 1) < 0.01 for row in one["attention"])
    assert (empty["translation"], empty["tokens"], empty["score"]) == ("", [], 0)


def test_evaluate(trained, tmp_path) -> None:
    test, out = written(tmp_path / "test.tsv", PAIRS[::7]), tmp_path / "out.txt"
    ended = run_here("evaluate", trained[0], test, "--json", "--lowercase", "--out", out)
    told = json.loads(ended.stdout)
    assert 0 <= told["bleu"] <= 100
    assert 10 < told["chrf"] <= 100
    assert "case:lc" in told["bleu_signature"]
    assert told["pairs"] == len(PAIRS[::7]) == len(out.read_text("utf-8").splitlines())
    assert f"{test}: 31 lines" in ended.stderr
    swapped = run_here("evaluate", trained[0], test, "--swap", "--beam", 1)
    assert float(swapped.stdout.split("chrF ")[1].split()[0]) < told["chrf"]


def test_evaluate_reads_pairs_as_training_did(tmp_path, monkeypatch) -> None:
    monkeypatch.setattr(training, "_finish", lambda *_: None)  # pictures that nobody looks at
    pairs, folder = written(tmp_path / "pairs.tsv"), tmp_path / "model"
    given = ("train", pairs, "--out", folder, "--held-out", 20, *arguments(epochs=1, beam=1))
    ended = run_here(*given, "--swap")
    assert ended.exit_code == 0, ended.output
    scores = {
        more: json.loads(run_here("evaluate", folder, pairs, "--json", "--beam", 1, *more).stdout)
        for more in ((), ("--swap",), ("--no-swap",))
    }
    one, same, other = (told["chrf"] for told in scores.values())
    assert one == same != other
    refused = run_here(*given, "--resume")
    assert isinstance(refused.exception, LaminaError)
    assert "swap True, now False" in str(refused.exception)


def test_serve(trained) -> None:
    command = [sys.executable, "-m", "lamina", "translate", "serve", str(trained[0]), "--port", "0"]
    environment = {**os.environ, "PYTHONUNBUFFERED": "1"}
    pipes = dict.fromkeys(("stdout", "stderr"), subprocess.PIPE)
    with subprocess.Popen([*command, "--batch", "4"], env=environment, **pipes) as server:
        assert server.stdout is not None
        url = server.stdout.readline().decode().split()[0]
        assert url.startswith("http://127.0.0.1:")
        body = json.dumps({"text": "The young bee sings."}).encode()
        headers = {"Content-Type": "application/json"}
        asked = urllib.request.Request(f"{url}/translate", body, headers)
        with urllib.request.urlopen(asked, timeout=60) as answer:
            assert json.load(answer)["translation"].startswith("Die ")
        with urllib.request.urlopen(f"{url}/healthz", timeout=60) as answer:
            assert json.load(answer) == {"status": "ok"}
        server.terminate()
        out, err = server.communicate(timeout=60)
        assert (server.returncode, out.decode()) == (0, "stopped\n")
        assert "compiling" in err.decode()
        assert "bee" not in err.decode()


def test_serve_needs_packages(monkeypatch, capsys) -> None:
    for name in ("serving", "connections"):
        monkeypatch.delitem(sys.modules, f"lamina.translate.{name}", raising=False)
        monkeypatch.delattr(f"lamina.translate.{name}", raising=False)
    monkeypatch.setitem(sys.modules, "uvicorn", None)
    monkeypatch.setattr(sys, "argv", ["lamina", "translate", "serve", "."])
    with pytest.raises(SystemExit) as ended:
        cli.main()
    told = capsys.readouterr().err
    assert ended.value.code == 2
    assert "Serving a translation model needs packages that are not installed." in told
    assert "pip install 'lamina[serve]'" in told
    assert "Traceback" not in told


def test_the_help_of_training_states_the_defaults() -> None:
    """`Default:` names a value of all presets, `Base preset:` one of the preset `base`."""
    hints = get_type_hints(commands.train, include_extras=True)
    stated = 0
    for field in dataclasses.fields(Recipe):
        text = hints[field.name].__metadata__[0].help
        for words, recipes in (("Default", PRESETS.values()), ("Base preset", [PRESETS["base"]])):
            if found := re.search(rf"{words}: (\S+)\.$", text):
                said = {"separate": "False"}.get(found[1], found[1])
                values = {str(getattr(recipe, field.name)) for recipe in recipes}
                assert values <= {said, f"{said}.0"}, field.name
                stated += 1
    assert stated >= 15
