"""Files that would give more than anyone wants, or never end, or are in another encoding."""

import gzip
import os
import sys

import pytest
from typer.testing import CliRunner

from lamina.errors import FileFormatError, InputError
from lamina.translate.commands import app
from lamina.translate.lines import LIMITS, Limits
from lamina.translate.pairs import Report, read_pairs
from lamina.translate.text_input import texts_of

GOOD = "Go.\tGeh.\nHi.\tHallo!\n"
posix = pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs what POSIX has")


@pytest.mark.parametrize("encoding", ["utf-16-le", "utf-16-be", "utf-32-le", "utf-32-be"])
@pytest.mark.parametrize("packed", [False, True])
def test_other_encodings_are_called_by_their_names(tmp_path, encoding, packed):
    data = ("\ufeff" + GOOD).encode(encoding)
    path = tmp_path / "pairs.tsv"
    path.write_bytes(gzip.compress(data) if packed else data)
    name = encoding[:6].upper()
    with pytest.raises(FileFormatError, match=f"iconv -f {name} -t UTF-8"):
        read_pairs([path])
    plain = tmp_path / "plain"
    plain.write_text("a\nb\n")
    with pytest.raises(FileFormatError, match=f"received: {name}"):
        read_pairs([plain, path])


@pytest.mark.parametrize("packed", [False, True])
def test_limits_end_it(tmp_path, packed):
    lines = [b"Go.\tGeh.\n", b"x" * 3000 + b"\ty\n", b"Hi.\tHallo!"]
    path = tmp_path / "pairs.tsv"
    path.write_bytes(gzip.compress(b"".join(lines)) if packed else b"".join(lines))
    total = sum(map(len, lines))
    whole, _ = read_pairs([path], limits=Limits(3, 3003, total))
    assert whole == read_pairs([path])[0] == read_pairs([path], limits=None)[0]
    for limits, what in (
        (Limits(lines=2), "line 3.*at most 2 lines"),
        (Limits(line=3002), "line 2.*at most 3,002 bytes per line"),
        (Limits(total=total - 1), f"line 3.*at most {total - 1:,} bytes in total"),
    ):
        with pytest.raises(FileFormatError, match="(?s)exceeds the size limit.*" + what):
            read_pairs([path], limits=limits)
        with pytest.raises(FileFormatError, match="(?s)exceeds the size limit.*" + what):
            read_pairs([path, path], limits=limits)


@pytest.mark.parametrize("fill", [b"a", b"\x00", b"\t", b"a\n"])
def test_a_bomb_is_not_read_to_its_end(tmp_path, monkeypatch, fill):
    """A small file of much text: what is read of it is counted."""
    read = []
    inner = gzip.GzipFile.readline

    def readline(self, size=-1):
        line = inner(self, size)
        read.append(len(line))
        return line

    path = tmp_path / "bomb.gz"
    path.write_bytes(gzip.compress(fill * ((64 << 20) // len(fill)), 6))
    assert path.stat().st_size < 1 << 18
    monkeypatch.setattr(gzip.GzipFile, "readline", readline)
    limits = LIMITS if len(fill) == 1 else Limits(lines=1000)
    with pytest.raises(FileFormatError, match="exceeds the size limit"):
        read_pairs([path], limits=limits)
    assert sum(read) <= (LIMITS.line + (1 << 20) if len(fill) == 1 else 2002)


def pipe(path):
    os.mkfifo(path)


def device(path):
    path.symlink_to("/dev/zero")


@posix
@pytest.mark.parametrize("make", [pipe, device])
def test_pipes_and_devices_are_not_read(tmp_path, make):
    path, good = tmp_path / "pairs.tsv", tmp_path / "good"
    make(path)
    good.write_text(GOOD)
    for files in ([path], [path, good], [good, path]):
        with pytest.raises(FileFormatError, match="not a regular file"):
            read_pairs(files)
    with pytest.raises(IsADirectoryError):
        read_pairs([tmp_path])


def test_the_command_has_limits_and_an_option_without(tmp_path, monkeypatch):
    path = tmp_path / "pairs.tsv"
    path.write_text(GOOD)
    seen = []

    def read(paths, **how):
        seen.append(how["limits"])
        raise FileFormatError("enough")

    monkeypatch.setattr("lamina.translate.commands.read_pairs", read)
    for more in ([], ["--no-limits"]):
        CliRunner().invoke(app, ["train", str(path), "--out", str(tmp_path / "out"), *more])
    assert seen == [LIMITS, None]


class Endless:
    """A stream that never ends a line."""

    def __init__(self):
        self.read = 0

    @property
    def buffer(self):
        return self

    def readline(self, size):
        self.read += size
        return b"a" * size


def test_standard_input_is_read_within_limits(monkeypatch):
    stream = Endless()
    monkeypatch.setattr(sys, "stdin", stream)
    with pytest.raises(InputError, match="standard input, line 1: invalid text, longer than"):
        list(texts_of(None, Report(""), strict=False))
    assert stream.read == (1 << 24) + 1


@pytest.mark.parametrize("lines", [[b"\xef\xbb\xbfeins\n", b"zwei"], ["eins\n", "zwei"]])
def test_standard_input_of_bytes_or_text(monkeypatch, lines):
    class Stream:
        left = iter([*lines, b"" if isinstance(lines[0], bytes) else ""])

        def readline(self, size):
            return next(self.left)

    monkeypatch.setattr(sys, "stdin", Stream())
    assert list(texts_of(None, Report(""), strict=True)) == ["eins", "zwei"]
    Stream.left = iter([("\ufeff" + GOOD).encode("utf-32"), b""])
    with pytest.raises(FileFormatError, match="iconv -f UTF-32"):
        list(texts_of(None, Report(""), strict=False))
