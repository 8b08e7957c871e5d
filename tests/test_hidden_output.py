"""Output of user code that is hidden, in several threads."""

import contextlib
import io
import sys

import pytest

from lamina.hidden_output import hidden_output


def test_blocks_that_overlap_restore_the_output(capsys) -> None:
    before = sys.stdout
    first, second = hidden_output(), hidden_output()
    first.__enter__()
    second.__enter__()
    print("hidden")
    first.__exit__(None, None, None)  # the first to begin ends first, as in two threads
    print("hidden")
    second.__exit__(None, None, None)
    assert sys.stdout is before
    print("shown")
    assert capsys.readouterr().out == "shown\n"


def test_errors_restore_the_output_and_other_redirections_stay() -> None:
    before = sys.stdout
    with pytest.raises(ValueError, match="a"), hidden_output():
        raise ValueError("a")
    assert sys.stdout is before
    other = io.StringIO()
    with contextlib.redirect_stdout(other), hidden_output():
        print("hidden")
    assert other.getvalue() == ""
