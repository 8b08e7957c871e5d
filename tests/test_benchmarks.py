"""The benchmarks: statistics, agreement, tables, records, and a case from end to end. Nothing is
timed here that a test depends on."""

import ast
import dataclasses
import doctest
import json
from contextlib import nullcontext
from pathlib import Path

import keras
import numpy as np
import pytest

from benchmarks import agreement, figures, machine, measuring, pages, quality, records
from benchmarks import case as cases
from benchmarks import layers as alone
from benchmarks.__main__ import main
from benchmarks.agreement import arrays_of, difference
from benchmarks.building import Problem
from benchmarks.case import METRICS, PEERS, Case, Peer, Target, everyone
from benchmarks.catalog import CASES
from benchmarks.figures import Figure, figure, ratio, times
from benchmarks.layers.table import ENTRIES
from benchmarks.measuring import Effort, Line, run_case
from benchmarks.records import Record, worse
from benchmarks.worker import MissingError, Worker
from lamina import layers

ROOT = Path(__file__).resolve().parent.parent
WEIGHTS = "NumPy: allocating the weights"


def tiny(**options):
    given = {
        "name": "tiny",
        "title": "Build a little",
        "package": "building",
        "problem": Problem,
        "contenders": everyone("build", WEIGHTS, "PyTorch"),
        "rows": [{"layers": 2, "units": 3}],
        "quick": [{"layers": 2, "units": 3}],
        "tolerance": 0.0,
    }
    return Case(**given | options)


def line(median, *, low=None, high=None, row="batch 1", metric="time", column="Keras"):
    own, other = Figure(median, median, median, 3), Figure(1.0, 1.0, 1.0, 3)
    over = Figure(median, low or median, high or median, 3)
    return Line(row, metric, {"Lamina": own, column: other}, {column: over})


def named(given):
    return {name: np.array(values) for name, values in given.items()}


@pytest.mark.parametrize("module", [agreement, cases, figures, alone])
def test_examples_in_docstrings(module):
    assert doctest.testmod(module).attempted
    assert not doctest.testmod(module).failed


def test_figures_are_medians_between_quartiles():
    assert figure([5.0, 1.0, 2.0, 3.0, 4.0]) == (3.0, 2.0, 4.0, 5)
    assert figure([7.0]) == (7.0, 7.0, 7.0, 1)
    assert figure([5.0, 1.0, 2.0, 3.0, 4.0]).spread == pytest.approx(2 / 3)


def test_ratios_are_taken_round_by_round():
    slowed = [1.0, 10.0, 1.0]  # the second round was slow for both
    assert ratio(slowed, [2 * x for x in slowed]) == (0.5, 0.5, 0.5, 3)


@pytest.mark.parametrize(
    ("theirs", "apart"),
    [
        ({"x": [1.0, 4.0]}, 0.0),
        ({"x": [1.0, 3.0]}, 0.25),
        ({"x": [1.0]}, np.inf),
        ({"y": [1.0, 4.0]}, np.inf),
        ({"x": [1.0, np.nan]}, np.inf),
    ],
)
def test_how_far_results_are_apart(theirs, apart):
    assert difference({"x": np.array([1.0, 4.0])}, named(theirs)) == apart


def test_rounding_of_what_should_be_nothing_does_not_count():
    ours = {"loss": np.array(1.0), "gradient": np.array([1e-9])}
    assert difference(ours, {"loss": np.array(1.0), "gradient": np.array([-1e-9])}) < 1e-6


def test_results_of_any_kind_become_arrays():
    found = arrays_of({"loss": 1.0, "more": [np.ones(2), (np.zeros(1), None)]})
    assert sorted(found) == ["loss", "more.0", "more.1.0"]


def test_filling_puts_content_between_markers(tmp_path):
    page = tmp_path / "page.md"
    page.write_text("before\n<!-- a:begin -->old<!-- a:end -->\nafter", encoding="utf-8")
    for content in ("new", "newer"):
        pages.fill(page, "a", content)
        told = f"before\n<!-- a:begin -->\n\n{content}\n\n<!-- a:end -->\nafter"
        assert page.read_text("utf-8") == told


@pytest.mark.parametrize("text", ["", "<!-- a:begin -->", "<!-- a:end --><!-- a:begin -->"])
def test_filling_needs_markers(tmp_path, text):
    page = tmp_path / "page.md"
    page.write_text(text, encoding="utf-8")
    with pytest.raises(ValueError, match="a:begin"):
        pages.fill(page, "a", "new")
    assert page.read_text("utf-8") == text


@pytest.mark.parametrize(
    ("page", "name"),
    [
        ("README.md", "benchmarks"),
        ("docs/benchmarks.md", "benchmarks"),
        ("docs/performance.md", "breakdown-step"),
        ("docs/performance.md", "breakdown-build"),
        ("docs/performance.md", "breakdown-build-many"),
    ],
)
def test_pages_have_their_markers(page, name, tmp_path):
    copy = tmp_path / "page.md"
    copy.write_text((ROOT / page).read_text("utf-8"), encoding="utf-8")
    pages.fill(copy, name, "filled")
    assert "filled" in copy.read_text("utf-8")


@pytest.mark.parametrize(("median", "word"), [(0.5, "met"), (0.7, "missed")])
def test_a_table_says_whether_targets_are_met(median, word):
    case = tiny(contenders=everyone("build", "Keras"), targets={"time": {"Keras": Target(0.65)}})
    head, row = pages.table(case, [line(median, low=median - 0.1, high=median + 0.1)])
    assert head[2:] == ["Lamina", "over Keras", "target"]
    assert row[3] == f"{times(median)} ({times(median - 0.1)} to {times(median + 0.1)})"
    assert row[4] == f"0.65x Keras: {word}"


@pytest.mark.parametrize(("plus", "word"), [(0.0, "met"), (0.1, "missed")])
def test_a_target_is_judged_by_the_ratio_that_is_shown(plus, word):
    """That of each round; what is added to a target is added to the peer's own figure."""
    found = line(0.5)
    found.figures["Lamina"] = Figure(0.8, 0.8, 0.8, 3)  # a slow round has moved the medians
    case = tiny(
        contenders=everyone("build", "Keras"), targets={"time": {"Keras": Target(0.65, plus)}}
    )
    _, row = pages.table(case, [found])
    assert row[3] == "0.50x"
    assert row[4].endswith(word)


def test_a_page_lists_libraries_that_were_not_measured():
    given = dataclasses.replace(line(0.5), skipped={"PyTorch": "torch not installed"}, apart=0.0)
    notes = " ".join(pages.remarks(tiny(), [given]))
    assert "Not measured: PyTorch (torch not installed)." in notes
    assert "tolerance 0e+00" in notes


def test_shares_are_of_the_first_row():
    parts = [line(2.0, row="part whole"), line(0.5, row="part encoder")]
    assert "| encoder | 500 ms | 25% |" in pages.shares(parts)


def test_what_got_worse_is_named():
    before = [line(0.5, low=0.48, high=0.52), line(1.0, row="batch 2")]
    assert worse(before, [line(0.55, low=0.51, high=0.58)]) == []  # the spreads meet
    assert worse(before, [line(0.4), line(1.02, row="batch 2"), line(9.0, row="batch 3")]) == []
    (found,) = worse(before, [line(0.6, low=0.58, high=0.62)])
    assert str(found) == "batch 1, time over Keras: 0.60x, was 0.50x (0.48x to 0.52x)"


def test_records_are_read_as_they_were_written(tmp_path):
    record = Record("tiny", "Build a little", {"python": "3"}, [line(0.5)])
    records.write(record, tmp_path)
    assert records.read(tmp_path) == {"tiny": record}
    later = dataclasses.replace(record, machine={"python": "4"})
    assert records.moved(record, later) == ["python 3, now 4"]


def test_the_table_of_layers_is_well_formed():
    made = [entry for entry in ENTRIES.values() if hasattr(layers, entry.layer)]
    assert {"Dense", "Embedding", "GRU", "LayerNormalization"} <= {one.layer for one in made}
    for entry in ENTRIES.values():
        alone.made(keras.layers, entry)
    for entry in made:
        alone.made(layers, entry)
        assert all(len(shape) > 1 for shape in entry.inputs)


def test_a_layer_that_a_library_has_not_is_told():
    with pytest.raises(MissingError, match="no Dense"):
        alone.made(json, ENTRIES["Dense"])


def test_weights_follow_from_their_keys():
    first, second = alone.keys([("kernel", (2, 3)), ("kernel", (2, 3))])
    assert (alone.weight(first, (2, 3)) == alone.weight(first, (2, 3))).all()
    assert (alone.weight(first, (2, 3)) != alone.weight(second, (2, 3))).any()


def functions(path):
    """The names that a contender's file defines; its library need not be there."""
    for node in ast.parse(path.read_text("utf-8")).body:
        if isinstance(node, ast.FunctionDef):
            yield node.name
        elif isinstance(node, ast.Assign):
            yield from (target.id for target in node.targets if isinstance(target, ast.Name))


@pytest.mark.parametrize("case", CASES.values(), ids=list(CASES))
def test_cases_are_well_formed(case):
    for column in case.contenders:
        module, function = case.place(column)
        path = ROOT / f"{module.replace('.', '/')}.py"
        assert function in set(functions(path)), column
    assert set(case.metrics) <= set(METRICS)
    for metric, targets in case.targets.items():
        assert metric in case.metrics
        assert set(targets) <= set(case.contenders)
    for rows in (case.rows, case.quick):
        assert len({cases.label(row) for row in rows}) == len(rows) > 0
        assert all(case.problem(**row) for row in rows)


def test_a_worker_runs_samples_and_counts():
    held = Worker("benchmarks.building.with_numpy", "build")
    held.open(Problem, {"layers": 2, "units": 3})
    figures, result = held.first()
    assert set(figures) == {name for name, metric in METRICS.items() if metric.fresh}
    assert figures["first"] > 0
    assert 0 < figures["peak"] < figures["process"]
    assert result == held.results(1)[0] == {"weights": 24}
    assert held.sample(2, True) > 0
    assert held.calls() == held.calls() > 0


def test_a_case_from_end_to_end(tmp_path, monkeypatch):
    monkeypatch.setitem(PEERS, "PyTorch", Peer("with_torch", ("no_such_module",)))
    case, told = tiny(metrics=("time", "calls", "peak", "process")), []
    lines = run_case(case, Effort(rounds=2, seconds=0, sample=0, processes=1), told.append)
    assert told == ["tiny: layers 2, units 3", "tiny: layers 2, units 3, in new processes"]
    assert [one.metric for one in lines] == ["time", "calls", "peak", "process"]
    for one in lines:
        assert set(one.figures) == {"Lamina", WEIGHTS}
        assert set(one.ratios) == {WEIGHTS}
        assert one.skipped == {"PyTorch": "no_such_module not installed"}
        assert one.apart == 0
    records.write(Record(case.name, case.title, {}, lines), tmp_path)
    text = pages.section(case, records.read(tmp_path)["tiny"])
    assert "| layers 2, units 3 | time |" in text


class Here:
    """A contender in this process; `test_a_case_from_end_to_end` has those in new ones."""

    opened = 0

    def __init__(self, case, column, _):
        self.worker = Worker(*case.place(column))
        Here.opened += 1

    def open(self, row):
        self.worker.open(Problem, dict(row))

    def ask(self, name, *args):
        return getattr(self.worker, name)(*args)


@pytest.fixture
def in_this_process(monkeypatch):
    monkeypatch.setattr(measuring, "contender", lambda *given: nullcontext(Here(*given)))
    monkeypatch.setattr(Here, "opened", 0)


@pytest.mark.usefixtures("in_this_process")
@pytest.mark.parametrize(("processes", "allowed"), [(1, 3), (3, 3), (3, 1)])
def test_samples_of_several_processes_are_put_together(processes, allowed):
    case = tiny(contenders=everyone("build", WEIGHTS), processes=processes)
    effort = Effort(rounds=2, seconds=0, sample=0, processes=allowed)
    (line,) = run_case(case, effort, lambda _: None)
    assert Here.opened == 2 * min(processes, allowed)
    assert {figure.runs for figure in line.figures.values()} == {2 * min(processes, allowed)}
    assert line.ratios[WEIGHTS].runs == 2 * min(processes, allowed)


@pytest.mark.usefixtures("in_this_process")
@pytest.mark.parametrize(("effort", "runs"), [(1, 1), (2, 3)])
def test_what_happens_once_is_measured_in_so_many_processes(effort, runs):
    case = tiny(contenders=everyone("build", WEIGHTS), metrics=("first",), processes=3)
    (line,) = run_case(case, Effort(2, seconds=0, sample=0, processes=effort), lambda _: None)
    assert Here.opened == 2 * (1 + runs)
    assert {figure.runs for figure in line.figures.values()} == {runs}


def test_who_disagrees_takes_no_part():
    results = {"Lamina": [{"x": np.ones(1)}], "Keras": [{"x": np.zeros(1)}]}
    running, skipped = {"Lamina": None, "Keras": None}, {}
    assert measuring._compare(tiny(), results, skipped, running) == 0
    assert list(running) == ["Lamina"]
    assert skipped["Keras"].startswith("disagrees")


def test_the_command_lists_and_refuses(capsys):
    assert main([]) == 0
    assert set(CASES) <= set(capsys.readouterr().out.split())
    with pytest.raises(SystemExit, match="Unknown case: nothing"):
        main(["nothing"])
    with pytest.raises(SystemExit):
        main(["forward", "--quick", "--record"])
    with pytest.raises(SystemExit):
        main(["forward", "recurrent-gpu"])


def test_a_case_on_a_gpu_needs_one(monkeypatch):
    monkeypatch.setattr(machine, "accelerator", lambda: "")
    with pytest.raises(SystemExit, match="no GPU"):
        main(["recurrent-gpu"])


def test_a_gpu_is_among_the_facts(monkeypatch):
    monkeypatch.setattr(machine, "accelerator", lambda: "Some GPU, 1.2")
    assert machine.facts("gpu")["GPU"] == "Some GPU, 1.2"
    assert machine.facts("gpu")["cores"].endswith("(all used)")
    assert "GPU" not in machine.facts()


@pytest.mark.parametrize("page", quality.SENTENCES)
def test_quality_is_told_where_a_page_has_a_place_for_it(page, tmp_path):
    record = {
        "bleu": 12.345,
        "chrf": 45.6,
        "signature": "nrefs:1",
        "minutes": 27.9,
        "epochs": 3,
        "machine": {"processor": "a machine"},
    }
    told = quality.sentence(page, record)
    assert "12.3" in told
    assert "28" in told
    copy = tmp_path / "page.md"
    copy.write_text((ROOT / page).read_text("utf-8"), encoding="utf-8")
    pages.fill(copy, quality.NAME, told)
    assert told in copy.read_text("utf-8")
