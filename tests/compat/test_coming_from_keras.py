"""The page for those who come from Keras: its code runs, top to bottom."""

import re
from pathlib import Path

PAGE = Path(__file__).parents[2] / "docs" / "coming-from-keras.md"


def test_the_page_runs(capsys):
    text = PAGE.read_text(encoding="utf-8")
    blocks = list(re.finditer(r"^```python\n(.*?)^```", text, re.DOTALL | re.MULTILINE))
    namespace = {"__name__": "coming_from_keras"}
    for block in blocks:
        before = text.count("\n", 0, block.start(1))
        exec(compile("\n" * before + block[1], str(PAGE), "exec"), namespace)
    assert len(blocks) == 10
    assert "jax.grad" in capsys.readouterr().out
