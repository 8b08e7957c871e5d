"""Every block of code in the README and the docs runs, top to bottom, as one script a page."""

import functools
import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
PAGES = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/*.md")])
SAME = {ROOT / "README.zh-CN.md": ROOT / "README.md"}
"""Pages with the code of another page, which runs once."""
BLOCK = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def blocks(page, language):
    return [text for kind, text in BLOCK.findall(page.read_text("utf-8")) if kind == language]


SERVER = """
import os, runpy, sys
import jax, lamina, numpy
from tests import programs

programs.share_contexts()
if os.environ.get("JAX_DISABLE_MOST_OPTIMIZATIONS"):
    programs.compile_once()
for line in sys.stdin:
    child = os.fork()
    if not child:
        os.chdir(line.rstrip())
        for descriptor, name in ((1, "stdout"), (2, "stderr")):
            os.dup2(os.open(name, os.O_WRONLY | os.O_CREAT), descriptor)
        sys.argv = ["page.py"]
        runpy.run_path("page.py", run_name="__main__")
        break
    print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), flush=True)
"""


@pytest.fixture(scope="module")
def server():
    """A process that has imported Lamina, and forks for each page: imports take long.

    It runs nothing on JAX itself, so that it has no threads that a fork would lose.
    """
    with subprocess.Popen(
        [sys.executable, "-c", SERVER],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env=os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)},
    ) as process:
        yield process


@functools.cache
def output(server, page):
    """What the code of a page prints in a process of its own."""
    with tempfile.TemporaryDirectory() as folder:
        script = Path(folder, "page.py")
        script.write_text("\n".join(blocks(page, "python")), encoding="utf-8")
        print(folder, file=server.stdin, flush=True)
        status = server.stdout.readline().strip()
        assert status == "0", Path(folder, "stderr").read_text("utf-8")[-3000:]
        return Path(folder, "stdout").read_text("utf-8")


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_python_blocks_run(page, server):
    if not blocks(page, "python"):
        pytest.skip("no code")
    printed = output(server, SAME.get(page, page))
    for shown in blocks(page, "text"):
        assert shown.strip() in printed


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


@pytest.mark.parametrize(("page", "other"), SAME.items(), ids=lambda page: page.name)
def test_both_readmes_hold_the_same_code(page, other):
    def code(page):
        return re.sub(r"\s*#.*", "", "\n".join(blocks(page, "python")))

    assert code(page) == code(other)


def test_the_files_that_how_it_works_names_exist():
    page = (ROOT / "docs/how-it-works.md").read_text("utf-8")
    text = page.partition("`core/` has these folders")[0].replace("`src/lamina/`", "")
    named = re.findall(r"`([a-z_0-9/]+(?:\.py|/))`", text)
    assert len(named) > 30
    assert [name for name in named if not (ROOT / "src/lamina" / name).exists()] == []
