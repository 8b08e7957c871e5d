"""A translator in a directory, and directories that hold none."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest

import lamina
from lamina.errors import FileFormatError, InputError
from lamina.seq2seq import Seq2Seq
from lamina.translate import bundle
from lamina.translate.translator import Translator
from lamina.translate.vocabulary import Vocabulary

SETTINGS, MODEL = "translator.json", "model.safetensors"


@pytest.fixture(scope="module")
def translator() -> Translator:
    """It has learnt nothing, but writes something."""
    source, target = Vocabulary.from_texts(["9 мая 2024 г.日"]), Vocabulary.from_texts(["01234-"])
    lamina.set_seed(1)
    model = Seq2Seq(len(source), len(target), embedding=4, units=6)
    model.build((None, 12), (None, 5))
    return Translator(model, source, target, 12, 5)


@pytest.fixture(scope="module")
def saved(translator: Translator, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("bundle") / "made" / "here"
    bundle.save(translator, folder)
    return folder


@pytest.fixture
def folder(saved: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(saved, tmp_path / "here"))


def test_comes_back_the_same(translator: Translator, folder: Path) -> None:
    again = bundle.load(folder)
    assert (again.source, again.target) == (translator.source, translator.target)
    texts = ["9 мая 2024", "日", "", "?!"]
    for one, other in zip(again.translate(texts), translator.translate(texts), strict=True):
        assert one.text == other.text
        np.testing.assert_array_equal(one.attention, other.attention)
    assert sorted(path.name for path in folder.iterdir()) == [MODEL, SETTINGS]


def test_other_files_stay(translator: Translator, folder: Path) -> None:
    (folder / "notes.txt").write_text("mine")
    bundle.save(translator, folder)
    assert (folder / "notes.txt").read_text() == "mine"
    bundle.load(folder)


def test_an_empty_text_stays_empty_and_any_text_has_an_answer(translator: Translator) -> None:
    assert translator(["", "  \u200e "]) == ["", ""]
    assert translator([]) == []
    for text in ("\x00\ud800", "🙂" * 12, "]" * 12):
        assert isinstance(translator([text])[0], str)


def test_rows_do_not_depend_on_each_other(translator: Translator) -> None:
    texts = [f"{number} мая" for number in range(300)]
    together = translator(texts)
    assert len(together) == 300
    assert [translator([text])[0] for text in texts[:3]] == together[:3]


def test_a_text_too_long_names_the_limit(translator: Translator) -> None:
    with pytest.raises(InputError, match="at most 12 characters"):
        translator(["9 мая 2024 г. и еще"])
    assert translator([" 9 мая 2024 " + " " * 40])


def test_a_bare_string_is_refused(translator: Translator) -> None:
    with pytest.raises(InputError, match=r"\[text\]"):
        translator("9 мая")


@pytest.mark.parametrize("name", [MODEL, SETTINGS])
def test_a_missing_file_is_named(folder: Path, name: str) -> None:
    (folder / name).unlink()
    with pytest.raises(FileNotFoundError, match=f"{name} is missing"):
        bundle.load(folder)


def test_no_directory(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="no translator in"):
        bundle.load(tmp_path / "nowhere")
    (tmp_path / "file").touch()
    with pytest.raises(FileNotFoundError, match="a file"):
        bundle.load(tmp_path / "file")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"format": "lamina.translator/99"}, "unsupported format"),
        ({"source_length": None}, "source_length"),
        ({"target_length": True}, "target_length"),
        ({"source": "abc"}, "source"),
        ({"source": {"format": "other"}}, "not a vocabulary"),
        ({"model_sha256": "0" * 64}, "does not match its translator"),
    ],
)
def test_settings_that_do_not_serve(folder: Path, change: dict[str, object], message: str) -> None:
    settings = json.loads((folder / SETTINGS).read_text("utf-8"))
    (folder / SETTINGS).write_text(json.dumps(settings | change), "utf-8")
    with pytest.raises(FileFormatError, match=message):
        bundle.load(folder)


@pytest.mark.parametrize("text", ["", "{", "[]", "3", "\x80"])
def test_damaged_settings(folder: Path, text: str) -> None:
    (folder / SETTINGS).write_bytes(text.encode("latin-1"))
    with pytest.raises(FileFormatError, match="damaged"):
        bundle.load(folder)


def test_a_model_that_was_cut_short(folder: Path) -> None:
    whole = (folder / MODEL).read_bytes()
    (folder / MODEL).write_bytes(whole[:-10])
    with pytest.raises(FileFormatError, match="does not match its translator"):
        bundle.load(folder)


def test_a_failing_save_leaves_the_old_one(
    translator: Translator, folder: Path, monkeypatch
) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    before = (folder / SETTINGS).read_bytes()
    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(OSError, match="No space"):
        bundle.save(translator, folder)
    monkeypatch.undo()
    assert (folder / SETTINGS).read_bytes() == before
    assert sorted(path.name for path in folder.iterdir()) == [MODEL, SETTINGS]
    bundle.load(folder)
