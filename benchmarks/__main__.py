"""Run benchmarks of Lamina and other libraries. Without names, list all cases."""

from __future__ import annotations

import argparse
import sys
from dataclasses import replace
from pathlib import Path

from benchmarks import machine, pages, records
from benchmarks.case import PEERS, Case
from benchmarks.catalog import CASES
from benchmarks.measuring import FULL, OURS, QUICK, Effort, run_case
from benchmarks.records import Record

__all__ = ["main"]

ROOT = Path(__file__).resolve().parent.parent
CHART = ROOT / "docs" / "images" / "benchmarks.png"
BY_MODEL = (
    *("forward", "step", "convnet-forward", "convnet-step", "decoder-forward", "decoder-step"),
    *("translation", "generation"),
)
"""The cases of the page on CPUs, by kind of model."""


def main(arguments: list[str] | None = None) -> int:
    """List or run cases, and record the results or compare them with the records.

    Returns:
        The exit code: 1 if results differ, Lamina failed, or a ratio got worse; otherwise 0.
    """
    parser = _parser()
    options = parser.parse_args(arguments)
    if options.quick and (options.record or options.check):
        parser.error("--quick uses small sizes and cannot be combined with --record or --check")
    chosen = _chosen(options.names)
    if not chosen and not options.record:
        return _list()
    if len({case.device for case in chosen}) > 1:
        parser.error("run CPU cases and GPU cases separately: they use different numbers of cores")
    if all(case.device == "cpu" for case in chosen):
        machine.pin()
    elif not machine.accelerator():
        sys.exit("nvidia-smi reports no GPU.")
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
        print("\nQuick run with small sizes: only the agreement of results is meaningful.")
    return int(any(_failed(record) for record in measured))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help="names of cases, or `all`")
    parser.add_argument(
        "--quick",
        action="store_true",
        help="small sizes and few rounds, to check that the results agree",
    )
    parser.add_argument(
        "--json", type=Path, metavar="PATH", help="write the measurements to a JSON file"
    )
    parser.add_argument(
        "--record", action="store_true", help="save to benchmarks/results and update the docs"
    )
    parser.add_argument(
        "--check",
        action="store_true",
        help="compare with the records and fail if a ratio got worse",
    )
    return parser


def _chosen(names: list[str]) -> list[Case]:
    if "all" in names:
        return [case for case in CASES.values() if not case.optional or case.name in names]
    unknown = [name for name in names if name not in CASES]
    if unknown:
        sys.exit(f"Unknown case: {', '.join(unknown)}. Known cases: {', '.join(CASES)}.")
    return [CASES[name] for name in names]


def _list() -> int:
    print(pages.plain([[case.name, case.title] for case in CASES.values()]))
    missing = {peer.lacks() for peer in PEERS.values()} - {""}
    print(f"\nNot available: {'; '.join(sorted(missing))}." if missing else "")
    return 0


def _measure(case: Case, effort: Effort) -> Record:
    lines = run_case(case, effort, lambda text: print(text, file=sys.stderr, flush=True))
    print(f"\n{case.title}\n{pages.plain(pages.table(case, lines))}")
    print("\n".join(pages.remarks(case, lines)), flush=True)
    return Record(case.name, case.title, machine.facts(case.device), lines)


def _failed(record: Record) -> bool:
    """Whether results differ or Lamina failed. A failure of another library does not count."""
    return any(
        reason.startswith("disagrees") or (column.startswith(OURS) and reason.startswith("failed"))
        for line in record.lines
        for column, reason in line.skipped.items()
    )


def _publish() -> None:
    """Draw the chart and update the docs from all records."""
    from benchmarks import chart  # noqa: PLC0415 - needs an optional extra

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
    by_model = {name: replace(CASES[name], headline=True) for name in BY_MODEL}
    pages.fill(docs / "cpu.md", "models", pages.overview(by_model, kept))
    if "half-step" in kept:
        pages.fill(docs / "cpu.md", "half", pages.section(CASES["half-step"], kept["half-step"]))
    for name in ("breakdown-step", "breakdown-build", "breakdown-build-many"):
        if name in kept:
            pages.fill(docs / "performance.md", name, pages.shares(kept[name].lines))


def _check(chosen: list[Case]) -> int:
    """Measure again, and print what got worse or failed."""
    kept, bad = records.read(), []
    for case in chosen:
        if case.name not in kept:
            print(f"{case.name}: no record to compare with.")
            continue
        before, now = kept[case.name], _measure(case, FULL)
        print("\n".join(f"Differs from the record: {what}." for what in records.moved(before, now)))
        found = records.worse(before.lines, now.lines)
        if found:  # confirm with a second measurement
            again = records.worse(before.lines, _measure(case, FULL).lines)
            found = [one for one in again if one.where in {other.where for other in found}]
        bad += [f"{case.name}: {one}" for one in found]
        bad += [f"{case.name}: a library failed"] if _failed(now) else []
    print("\n".join(["", "Worse than the record:", *bad] if bad else ["", "Nothing got worse."]))
    return int(bool(bad))


if __name__ == "__main__":
    sys.exit(main())
