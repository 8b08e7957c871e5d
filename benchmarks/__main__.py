"""Run Lamina and its peers side by side. Without a name, list the cases."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from benchmarks import machine, pages, records
from benchmarks.case import PEERS, Case
from benchmarks.catalog import CASES
from benchmarks.measuring import FULL, OURS, QUICK, Effort, run_case
from benchmarks.records import Record

__all__ = ["main"]

ROOT = Path(__file__).resolve().parent.parent
CHART = ROOT / "docs" / "images" / "benchmarks.png"


def main(arguments: list[str] | None = None) -> int:
    """List cases, run them, keep what they come to, or compare it with what was kept.

    The exit code is 1 if results disagree, if Lamina failed, or if something got worse.
    """
    parser = _parser()
    options = parser.parse_args(arguments)
    if options.quick and (options.record or options.check):
        parser.error("a trial has small sizes: it is neither kept nor compared")
    chosen = _chosen(options.names)
    if not chosen and not options.record:
        return _list()
    if len({case.device for case in chosen}) > 1:
        parser.error("cases on a GPU have all cores and cases on the CPU few: run them apart")
    if all(case.device == "cpu" for case in chosen):
        machine.pin()
    elif not machine.accelerator():
        sys.exit("There is no GPU here that nvidia-smi knows.")
    if options.check:
        return _check(chosen)
    effort = QUICK if options.quick else FULL
    measured = []
    for case in chosen:
        measured.append(_measure(case, effort))
        if options.record:
            records.write(measured[-1])
    if options.json:
        options.json.write_text(records.dumps(measured), encoding="utf-8")
    if options.record:
        _publish()
    if options.quick:
        print("\nA trial: the sizes are small and the rounds few. Only that results agree counts.")
    return int(any(_failed(record) for record in measured))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help="cases; `all` for every one")
    parser.add_argument("--quick", action="store_true", help="a trial with small sizes")
    parser.add_argument("--json", type=Path, metavar="PATH", help="write what was measured")
    parser.add_argument(
        "--record", action="store_true", help="keep it in benchmarks/results, and fill the pages"
    )
    parser.add_argument("--check", action="store_true", help="compare it with what is kept")
    return parser


def _chosen(names: list[str]) -> list[Case]:
    if "all" in names:
        return [case for case in CASES.values() if not case.optional or case.name in names]
    unknown = [name for name in names if name not in CASES]
    if unknown:
        sys.exit(f"There is no case {', '.join(unknown)}. Known: {', '.join(CASES)}.")
    return [CASES[name] for name in names]


def _list() -> int:
    print(pages.plain([[case.name, case.title] for case in CASES.values()]))
    absent = {peer.lacks() for peer in PEERS.values()} - {""}
    print(f"\nLeft out here: {'; '.join(sorted(absent))}." if absent else "")
    return 0


def _measure(case: Case, effort: Effort) -> Record:
    lines = run_case(case, effort, lambda text: print(text, file=sys.stderr, flush=True))
    print(f"\n{case.title}\n{pages.plain(pages.table(case, lines))}")
    print("\n".join(pages.remarks(case, lines)), flush=True)
    return Record(case.name, case.title, machine.facts(case.device), lines)


def _failed(record: Record) -> bool:
    """Whether results disagree, or Lamina failed; that a peer cannot do something is a fact."""
    return any(
        reason.startswith("disagrees") or (column.startswith(OURS) and reason.startswith("failed"))
        for line in record.lines
        for column, reason in line.skipped.items()
    )


def _publish() -> None:
    """Draw the chart and fill the pages, from all records."""
    from benchmarks import chart  # noqa: PLC0415 - draws with an optional extra

    kept = records.read()
    chart.draw(CASES, kept, CHART)
    sections = [pages.section(case, kept[name]) for name, case in CASES.items() if name in kept]
    picture = "![Lamina's ratio to each peer](images/benchmarks.png)"
    docs = ROOT / "docs"
    pages.fill(
        docs / "benchmarks.md",
        "benchmarks",
        "\n\n".join([*pages.machines(kept), picture, *sections]),
    )
    for readme in ("README.md", "README.zh-CN.md"):
        pages.fill(ROOT / readme, "benchmarks", pages.overview(CASES, kept))
    for name in ("breakdown-step", "breakdown-build", "breakdown-build-many"):
        if name in kept:
            pages.fill(docs / "performance.md", name, pages.shares(kept[name].lines))


def _check(chosen: list[Case]) -> int:
    """Measure again, and name what got worse, and what failed."""
    kept, bad = records.read(), []
    for case in chosen:
        if case.name not in kept:
            print(f"{case.name}: nothing is kept to compare with.")
            continue
        before, now = kept[case.name], _measure(case, FULL)
        print("\n".join(f"Not as in the record: {what}." for what in records.moved(before, now)))
        found = records.worse(before.lines, now.lines)
        if found:  # once may be chance
            again = records.worse(before.lines, _measure(case, FULL).lines)
            found = [one for one in again if one.where in {other.where for other in found}]
        bad += [f"{case.name}: {one}" for one in found]
        bad += [f"{case.name}: a contender failed"] if _failed(now) else []
    print("\n".join(["", "Worse than the record:", *bad] if bad else ["", "Nothing got worse."]))
    return int(bool(bad))


if __name__ == "__main__":
    sys.exit(main())
