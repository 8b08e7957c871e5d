"""Folders of translators made with bad intentions: refused with a reason, and nothing runs."""

import copy
import hashlib
import json
import os
import shutil
from pathlib import Path
from typing import Any

import pytest

import lamina
from lamina import Sequential, layers
from lamina.cli import main
from lamina.errors import FileFormatError
from lamina.json_text import MOST_TEXT
from lamina.seq2seq import Seq2Seq
from lamina.translate import bundle
from lamina.translate.subwords import Subwords
from lamina.translate.translator import Translator
from lamina.translate.vocabulary import Vocabulary
from tests.saving.crafted import function, layer, write
from tests.saving.watched import nothing_runs

SETTINGS, MODEL = "translator.json", "model.safetensors"
SEQ2SEQ = "lamina.seq2seq:Seq2Seq"


def saved(folder: Path, source: Any, target: Any, **options: Any) -> Path:
    model = Seq2Seq(len(source), len(target), embedding=4, units=6, **options)
    model.build((None, 12), (None, 5))
    bundle.save(Translator(model, source, target, 12, 5), folder)
    return folder


@pytest.fixture(scope="module")
def good(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("good")
    saved(folder / "letters", Vocabulary.from_texts(["abc"]), Vocabulary.from_texts(["d"]))
    source, target = (Subwords.learn([text] * 9, 20) for text in ("low lower", "high higher"))
    saved(folder / "pieces", source, target)
    return folder


@pytest.fixture
def letters(good: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(good / "letters", tmp_path / "letters"))


@pytest.fixture
def pieces(good: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(good / "pieces", tmp_path / "pieces"))


@pytest.fixture(scope="module")
def models(good: Path) -> dict[str, Any]:
    return {name: lamina.load(good / name / MODEL) for name in ("letters", "pieces")}


@pytest.fixture
def loaded_before(models: dict[str, Any], monkeypatch) -> None:
    """For settings beside a good model, which is not loaded anew for each."""
    monkeypatch.setattr(lamina, "load", lambda path: models[path.parent.name])


def settings(folder: Path) -> Any:
    return json.loads((folder / SETTINGS).read_text("utf-8"))


def refused(folder: Path, match: str | None = None) -> None:
    with nothing_runs(folder), pytest.raises(FileFormatError, match=match) as error:
        bundle.load(folder)
    assert "remedy:" in str(error.value)


def rewrite(folder: Path, held: Any) -> None:
    (folder / SETTINGS).write_text(json.dumps(held), "utf-8")


def sealed(folder: Path) -> None:
    digest = hashlib.sha256((folder / MODEL).read_bytes()).hexdigest()
    rewrite(folder, settings(folder) | {"model_sha256": digest})


MODELS = [
    layer(SEQ2SEQ, 7, 5, activation=function("lamina.activations:jax.version.os.popen")),
    layer("subprocess:Popen", "true"),
    layer(SEQ2SEQ, 7, 5, num_layers=10**7),
    layer(SEQ2SEQ, 7, 5, embedding=10**12),
    layer(SEQ2SEQ, function("os:system"), 5),
]


@pytest.mark.parametrize("model", MODELS)
def test_models_that_name_code_or_ask_for_too_much(letters: Path, model: Any) -> None:
    write(letters / MODEL, model)
    sealed(letters)
    refused(letters)


def test_another_model(letters: Path) -> None:
    model = Sequential([layers.Dense(2)])
    model.build((None, 2))
    model.save(letters / MODEL)
    sealed(letters)
    refused(letters, "another kind of model")


@pytest.mark.parametrize(
    "change",
    [
        {"source_length": 0},
        {"source_length": -1},
        {"source_length": 10**12},
        {"target_length": 0},
        {"target_length": 2**63},
        {"beam": 0},
        {"beam": 10**9},
        {"length_penalty": -1.0},
        {"length_penalty": 1e999},
        {"length_penalty": "0"},
        {"divides": 1},
        {"model_sha256": 3},
        {"format": ["lamina.translator/1"]},
        {"source": {"format": "lamina.vocabulary/1", "characters": "a" * 50}},
        {"source": {"format": "lamina.vocabulary/1", "characters": "abcd"}},
        {"target": {"format": "lamina.vocabulary/1", "characters": ""}},
        {"source": {"format": "lamina.vocabulary/1", "characters": ["a", "b", "c"]}},
        {"source": {"format": "lamina.vocabulary/1", "characters": "ab\x1b"}},
        {"source": {"format": "lamina.vocabulary/1", "characters": "ab\ud800"}},
        {"source": {"format": ["lamina.vocabulary/1"], "characters": "abc"}},
        {"source": {"format": "lamina.subwords/1", "tokenizer": {}}},
        {"source": {"format": "lamina.subwords/1/../2"}},
    ],
)
@pytest.mark.usefixtures("loaded_before")
def test_settings_out_of_range(letters: Path, change: Any) -> None:
    rewrite(letters, settings(letters) | change)
    refused(letters)


def test_marks_of_another_model(tmp_path: Path) -> None:
    vocabulary = Vocabulary.from_texts(["abc"])
    folder = saved(tmp_path / "marks", vocabulary, vocabulary, pad=5)
    refused(folder, "does not match its model")


@pytest.mark.parametrize(
    "text",
    ["[" * 100_000, '{"format": ' * 100_000, "[" + "0," * 3_000_000 + "0]", '{"a": 1, "a": 1}'],
)
def test_settings_that_are_deep_or_large(letters: Path, text: str) -> None:
    (letters / SETTINGS).write_text(text)
    refused(letters, "is damaged")


def test_settings_of_many_bytes_are_not_read(letters: Path) -> None:
    with (letters / SETTINGS).open("r+b") as stream:
        stream.truncate(MOST_TEXT + 1)
    refused(letters, "is damaged")


def bad_pieces() -> dict[str, Any]:
    special = {"<pad>": 0, "<start>": 1, "<end>": 2, "<unknown>": 3}

    def model(**changed: Any) -> Any:
        return lambda held: held["model"].update(changed)

    def parts(changed: Any) -> Any:
        return lambda held: held["pre_tokenizer"].update(pretokenizers=changed)

    regex = {"type": "Split", "pattern": {"Regex": "(a+)+$"}, "behavior": "Isolated"}
    return {
        "another kind": model(type="Unigram"),
        "a kind that is none": model(type=["BPE"]),
        "ids with a gap": model(vocab=special | {"a": 5}),
        "ids that are the same": model(vocab=special | {"a": 3}),
        "a huge id": model(vocab=special | {"a": 2**64}),
        "a negative id": model(vocab=special | {"a": -1}),
        "ids that are no numbers": model(vocab=special | {"a": "4"}),
        "no marks": model(vocab={"a": 0, "b": 1, "c": 2, "d": 3}, merges=[]),
        "no vocabulary": model(vocab=None),
        "a list of pieces": model(vocab=["a"]),
        "pairs of what is no piece": model(merges=[["q", "z"]]),
        "pairs longer than any piece": model(merges=[["low", "<unknown>"]]),
        "pairs of three": model(merges=[["l", "o", "w"]]),
        "pairs of numbers": model(merges=[[1, 2]]),
        "pairs that are text": model(merges="lo"),
        "a piece that a terminal obeys": model(vocab=special | {"\x1b[2J": 4}, merges=[]),
        "half a character": model(vocab=special | {"\ud800": 4}, merges=[]),
        "an expression of their own": parts([regex]),
        "an expression beside": lambda held: held["pre_tokenizer"]["pretokenizers"].append(regex),
        "a normalizer": lambda held: held.update(normalizer={"type": "NFC"}),
        "no way to part texts": lambda held: held.update(pre_tokenizer=None),
    }


@pytest.mark.parametrize("name", bad_pieces())
@pytest.mark.usefixtures("loaded_before")
def test_pieces_that_are_none(pieces: Path, name: str) -> None:
    held = settings(pieces)
    bad_pieces()[name](held["source"]["tokenizer"])
    rewrite(pieces, held)
    refused(pieces, "not a vocabulary of subwords")


def test_expressions_of_a_folder_are_not_used(pieces: Path) -> None:
    """Texts are parted as they are here, whatever the folder says of how."""
    held = settings(pieces)
    other = copy.deepcopy(held)
    parts = other["source"]["tokenizer"]["pre_tokenizer"]["pretokenizers"]
    parts[2]["pattern"] = {"Regex": "(.*)*x"}
    parts[0]["replacement"] = "#"
    rewrite(pieces, other)
    loaded = bundle.load(pieces)
    rewrite(pieces, held)
    assert loaded.source.split("low 12") == bundle.load(pieces).source.split("low 12")


@pytest.mark.skipif(os.name != "posix", reason="needs the special files of a POSIX system")
@pytest.mark.parametrize("name", [SETTINGS, MODEL])
def test_what_is_no_file_is_not_read(letters: Path, name: str) -> None:
    (letters / name).unlink()
    os.mkfifo(letters / name)
    with pytest.raises(FileNotFoundError, match=f"{name} is missing"):
        bundle.load(letters)


@pytest.mark.parametrize("command", ["run", "evaluate", "serve"])
def test_commands_refuse_them_too(
    letters: Path, tmp_path: Path, monkeypatch, capsys, command
) -> None:
    write(letters / MODEL, MODELS[0])
    sealed(letters)
    pairs = tmp_path / "pairs.tsv"
    pairs.write_text("abc\tddd\n")
    more = {"run": ["abc"], "evaluate": [str(pairs)], "serve": []}[command]
    monkeypatch.setattr("sys.argv", ["lamina", "translate", command, str(letters), *more])
    with pytest.raises(SystemExit) as left:
        main()
    assert left.value.code == 2
    assert "'jax.version.os.popen' of 'lamina.activations'" in capsys.readouterr().err


def test_a_good_folder_is_read(letters: Path, pieces: Path) -> None:
    for folder in (letters, pieces):
        assert len(bundle.load(folder)(["abc", "low"])) == 2
    assert lamina.load(letters / MODEL).encoder.embed.input_dim == 7
