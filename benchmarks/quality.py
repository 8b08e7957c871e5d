"""Translation quality on Multi30K after half an hour: train, evaluate, update the pages.

The data is not part of the project. It is a folder with ``train.en-de.tsv``, ``val.en-de.tsv`` and
``test_2016_flickr.en-de.tsv``, English and German in two columns.
"""

from __future__ import annotations

import argparse
import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

from benchmarks import machine, pages

__all__ = ["main", "measured", "sentence"]

ROOT = Path(__file__).resolve().parent.parent
NAME = "multi30k"
MINUTES = 28
TRAIN, VALIDATION, TEST = (f"{part}.en-de.tsv" for part in ("train", "val", "test_2016_flickr"))
SENTENCES = {
    "README.md": "Example: English to German on Multi30K, trained from scratch, reaches "
    "**{bleu:.1f} BLEU** on test_2016_flickr (sacrebleu, lowercase, beam 5) after "
    "{minutes:.0f} minutes on {cores} cores ({processor}), {epochs} epochs:",
    "README.zh-CN.md": "示例：Multi30K 英译德从零训练，在 {cores} 个 CPU 核心（{processor}）上"
    "训练 {minutes:.0f} 分钟、{epochs} 个 epoch，在 test_2016_flickr 上达到 **{bleu:.1f} BLEU**"
    "（sacrebleu，不区分大小写，束宽 5）：",
    "docs/translation.md": "Result: **{bleu:.2f} BLEU** and {chrf:.2f} chrF on "
    "test_2016_flickr after {minutes:.0f} minutes of training on {cores} cores ({processor}), "
    "{epochs} epochs. Signature: `{signature}`.",
}
COMMANDS = f"""```sh
lamina translate train {TRAIN} --validation {VALIDATION} --out m30k --minutes {MINUTES}
lamina translate evaluate m30k {TEST} --lowercase --beam 5
```"""


def measured(data: Path, out: Path) -> dict[str, Any]:
    """Train, or resume an interrupted training, and evaluate; both in separate processes."""
    log_path = out.with_suffix(".log")
    paths = [str(data / TRAIN), "--validation", str(data / VALIDATION), "--out", str(out)]
    with log_path.open("a", encoding="utf-8") as log:
        _run("train", *paths, "--minutes", str(MINUTES), "--resume", stdout=log)
    parts = re.findall(r"trained in (\d+) s", log_path.read_text("utf-8"))
    options = "--lowercase", "--beam", "5", "--json"
    found = _run("evaluate", str(out), str(data / TEST), *options, stdout=subprocess.PIPE)
    scores: dict[str, Any] = json.loads(found)
    history = json.loads((out / "history.json").read_text("utf-8"))
    return {
        "bleu": scores["bleu"],
        "chrf": scores["chrf"],
        "signature": scores["bleu_signature"],
        "minutes": sum(map(int, parts)) / 60,
        "epochs": len(history["loss"]),
        "machine": machine.facts(),
    }


def sentence(page: str, record: dict[str, Any]) -> str:
    """The text of a page about a record."""
    facts = record["machine"]
    text = SENTENCES[page].format(**record, cores=machine.THREADS, processor=facts["processor"])
    return text if page.startswith("docs") else f"{text}\n\n{COMMANDS}"


def main(arguments: list[str] | None = None) -> None:
    """Measure, save the record and update the pages."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.quality", description=__doc__)
    parser.add_argument("data", type=Path, help="folder with the Multi30K files")
    parser.add_argument(
        "--out", type=Path, default=Path("m30k"), help="output directory of the model"
    )
    options = parser.parse_args(arguments)
    machine.pin()
    record = measured(options.data, options.out)
    (ROOT / "benchmarks" / f"{NAME}.json").write_text(
        json.dumps(record, indent=1) + "\n", encoding="utf-8"
    )
    for page in SENTENCES:
        pages.fill(ROOT / page, NAME, sentence(page, record))
    print(sentence("docs/translation.md", record))


def _run(*words: str, stdout: Any) -> str:
    command = [sys.executable, "-m", "lamina", "translate", *words]
    return subprocess.run(command, check=True, text=True, stdout=stdout).stdout


if __name__ == "__main__":
    main()
