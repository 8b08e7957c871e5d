"""Every block of code in the README and the docs runs, top to bottom, as one script a page."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
PAGES = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/*.md")])
BLOCK = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def blocks(page, language):
    return [text for kind, text in BLOCK.findall(page.read_text("utf-8")) if kind == language]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_python_blocks_run(page, tmp_path):
    script = "\n".join(blocks(page, "python"))
    if not script:
        pytest.skip("no code")
    (tmp_path / "page.py").write_text(script, encoding="utf-8")
    done = subprocess.run(
        [sys.executable, "page.py"], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr[-3000:]
    for shown in blocks(page, "text"):
        assert shown.strip() in done.stdout


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_block_says_what_it_is(page):
    assert all(
        kind in ("python", "sh", "text", "json")
        for kind, _ in BLOCK.findall(page.read_text("utf-8"))
    )


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_commands_of_make_exist(page):
    targets = set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    for command in "".join(blocks(page, "sh")).splitlines():
        if command.startswith("make "):
            assert command.split()[1] in targets


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_somewhere(page):
    prose = BLOCK.sub("", page.read_text("utf-8"))
    for link in re.findall(r"\]\(([^)#]+)\)", prose):
        assert link.startswith("https://") or (page.parent / link).exists(), link


def test_both_readmes_hold_the_same_code():
    def code(name):
        script = "\n".join(blocks(ROOT / name, "python"))
        return re.sub(r"\s*#.*", "", script)

    assert code("README.md") == code("README.zh-CN.md")


def test_the_files_that_how_it_works_names_exist():
    page = (ROOT / "docs/how-it-works.md").read_text("utf-8")
    text = page.partition("`core/` has these folders")[0].replace("`src/lamina/`", "")
    named = re.findall(r"`([a-z_0-9/]+(?:\.py|/))`", text)
    assert len(named) > 30
    assert [name for name in named if not (ROOT / "src/lamina" / name).exists()] == []
