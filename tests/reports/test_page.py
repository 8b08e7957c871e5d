"""The page of a plan: its file, and what a person sees and does in a browser."""

import base64
import dataclasses
import hashlib
import html
import json
import re

import pytest

import lamina
from lamina import Spec, layers
from lamina.core.base.sites import Site
from lamina.core.building.plan import Plan, PlannedCall, PlannedLayer, PlannedVariable
from lamina.core.specs.spec import Arguments
from lamina.reports import examine, inventory
from lamina.reports.page import html_page, notebook_html
from tests.reports.browser import PROGRAM, Browser

in_browser = pytest.mark.skipif(PROGRAM is None, reason="no Chromium on this machine")


class Block(lamina.Layer):
    def __init__(self, units):
        self.norm = layers.LayerNormalization()
        self.up = layers.Dense(4 * units, activation="relu")
        self.down = layers.Dense(units)
        self.spare = layers.Dense(3)

    def call(self, x):
        return x + self.down(self.up(self.norm(x)))


class Model(lamina.Layer):
    def __init__(self):
        self.embed = layers.Embedding(100, 16)
        self.blocks = [Block(16) for _ in range(2)]
        self.again = self.blocks[0]
        self.head = layers.Dense(7)
        self.head.trainable = False

    def call(self, tokens):
        x = self.embed(tokens)
        for block in self.blocks:
            x = block(x)
        return self.head(self.again(x))


def example() -> Plan:
    return examine(Model(), Spec((None, None), "int32"))


SITE = Site("model.py", 3)
SPEC = Spec((None, 8))


def planned(path: str, kind: str = "Dense", calls: int = 1) -> PlannedLayer:
    return PlannedLayer(path, kind, "dense", SITE, inputs={"x": SPEC}, outputs=SPEC, method="call")


def weight(path: str, owner: str, **options: object) -> PlannedVariable:
    options = {"owner": owner, "why": ("axis -1 of x", "units"), "dims": (1, 1)} | options
    shape = (8, 8)
    return PlannedVariable(path, shape, "float32", "zeros", True, 256, SITE, "Dense", **options)


def call(path: str, caller: int, sources: tuple[int, ...] = ()) -> PlannedCall:
    inputs = Arguments((SPEC,), {})
    dims = ((0, 1),)
    kind = "Dense" if path else "Net"
    return PlannedCall(path, kind, inputs, SPEC, SITE, "call", caller, sources, (), 10, dims, dims)


def wide(count: int) -> Plan:
    """A root with a chain of many layers."""
    names = [f"parts.{at}" for at in range(count)]
    return Plan(
        tuple(weight(f"{name}.kernel", name) for name in names),
        (call("", -1), *(call(name, 0, (at,)) for at, name in enumerate(names))),
        (),
        {},
        (),
        layers=(planned("", "Net"), *map(planned, names)),
    )


def data_of(page: str) -> dict:
    text = re.search(r'<script type="application/json" id="data">(.*?)</script>', page, re.S)[1]
    return json.loads(text)


def test_the_file_is_whole_and_its_policy_allows_only_its_own_script_and_style() -> None:
    page = html_page(example(), title="A <model>")
    policy = re.search(r'http-equiv="Content-Security-Policy" content="(.*?)"', page)[1]
    rules = dict(rule.strip().split(" ", 1) for rule in policy.split(";"))
    style = re.search(r"<style>(.*?)</style>", page, re.S)[1]
    script = re.search(r"<script>(.*?)</script>", page, re.S)[1]
    for rule, text in (("script-src", script), ("style-src", style)):
        digest = base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
        assert rules.pop(rule) == f"'sha256-{digest}'"
    assert rules == {"default-src": "'none'", "base-uri": "'none'", "form-action": "'none'"}
    assert not re.search(r"<(link|img|iframe)|\bsrc=|url\(|@import", page)
    assert "innerHTML" not in page and "A &lt;model&gt;" in page
    assert data_of(page)["title"] == "A <model>"


def test_text_in_data_cannot_end_the_script() -> None:
    bad = "</script><!--<script>\u2028\u2029&amp;\x00\ud800"
    plan = Plan((), (), (bad,), {bad: bad}, (bad,), (bad,), (planned(bad, bad),))
    page = html_page(plan, title=bad)
    assert page.count("</script>") == 2
    assert page.isascii() or "\u2028" not in page
    assert page.encode().count(b"<!--") == 0
    assert data_of(page)["unused"] == [bad]


def test_the_form_for_notebooks_is_a_closed_frame_with_a_table_as_fallback() -> None:
    plan = layers.Dense(4).plan((None, 3))
    text = notebook_html(plan)
    frame = re.search(r'<iframe (.*?) srcdoc="(.*?)"></iframe>', text, re.S)
    assert 'sandbox="allow-scripts"' in frame[1]
    assert html.unescape(frame[2]) == html_page(plan)
    table = text[frame.end() :]
    assert re.findall(r"<td>(.*?)</td>", table)[:3] == ["kernel", "(3, 4)", "float32"]


def test_changes_are_those_since_the_other_plan() -> None:
    before, after = layers.Dense(4).plan((None, 3)), layers.Dense(5).plan((None, 3))
    found = data_of(html_page(after, other=before))["changes"]
    assert [one[:2] for one in found] == [["changed", "kernel"], ["changed", "bias"]]
    assert (found[0][2][0], found[0][3][0]) == ([3, 4], [3, 5])
    assert data_of(html_page(after))["changes"] is None


@pytest.fixture(scope="module")
def browser(tmp_path_factory):
    found = Browser(tmp_path_factory.mktemp("browser"))
    yield found
    found.close()


@pytest.fixture
def opened(browser, tmp_path):
    """A function that opens the page of a plan; at the end, there was no error or request."""

    def open_page(plan: Plan, **options: object) -> Browser:
        file = tmp_path / "page.html"
        file.write_text(html_page(plan, **options), "utf-8")
        browser.open(file)
        return browser

    yield open_page
    browser.run("0")
    assert browser.errors() == []
    assert browser.requests() == [(tmp_path / "page.html").as_uri()]


def texts(browser: Browser, selector: str) -> list[str]:
    script = f"[...document.querySelectorAll({json.dumps(selector)})].map((one) => one.textContent)"
    return browser.run(script)


@in_browser
def test_the_tree_shows_layers_weights_reasons_and_marks(opened) -> None:
    page = opened(example(), title="Translator")
    assert texts(page, "h1") == ["Translator"]
    page.run("order.forEach((node) => { node.open = true; }); page.tree.refresh()")
    rows = page.run("page.tree.list.rows.map(([item]) => item.path)")
    assert rows[:3] == ["", "embed", "embed.embeddings"]
    assert "blocks.1.down.kernel" in rows
    page.resize(1200, 2400)
    shown = texts(page, ".rows .row")
    marks = {name: [row for row in shown if name in row] for name in ("unused", "frozen", "shared")}
    assert len(marks["unused"]) == 2 and all(row.startswith("spare") for row in marks["unused"])
    assert any(row.startswith("headDense") for row in marks["frozen"])
    assert [row.split("shared")[0] for row in marks["shared"]] == ["0Block", "againBlock"]
    assert any("2 calls" in row for row in shown if row.startswith("0Block"))
    (kernel,) = [
        row for row in shown if row.startswith("kernelfloat32 (16, 7)") or "(16, 7)" in row
    ]
    assert "16 = axis -1 of inputs, 7 = units" in kernel
    levels = page.run("[...document.querySelectorAll('.rows .row')].map((r) => r.ariaLevel)")
    assert levels[:4] == ["1", "2", "3", "2"]


@in_browser
def test_keys_move_through_the_tree_and_open_it(opened) -> None:
    page = opened(wide(3))
    page.run("order.forEach((node) => page.tree.toggle(node, node === ROOT))")
    page.run("page.tree.scroller.focus()")

    def chosen() -> str:
        active = "document.getElementById(page.tree.scroller.getAttribute('aria-activedescendant'))"
        row = page.run(f"(({active}) ?? {{}}).textContent")
        assert page.run("document.querySelectorAll('.row[aria-selected=true]').length") == 1
        assert page.run(f"{active}.ariaSelected") == "true"
        return row

    page.key("ArrowDown")
    assert chosen().startswith("parts3 items")
    for key, expected in (
        ("ArrowRight", "parts3 items"),
        ("ArrowDown", "0Dense"),
        ("Enter", "0Dense"),
        ("ArrowRight", "kernel"),
    ):
        page.key(key)
        assert chosen().startswith(expected), key
    for key in ("ArrowLeft", "ArrowLeft", "ArrowLeft"):
        page.key(key)
    assert chosen().startswith("parts3 items")
    page.key("ArrowLeft")
    assert page.run("document.querySelector('.row.chosen').ariaExpanded") == "false"
    page.key("End")
    assert chosen().startswith("parts3 items")
    page.key("Home")
    assert chosen().startswith("Net")


@in_browser
def test_search_finds_paths_classes_and_weights(opened) -> None:
    page = opened(example())
    page.key("/")
    assert page.run("document.activeElement.id") == "search"
    page.type("blocks.1.UP")
    assert texts(page, "#found") == ["3 matches"]
    shown = page.run("page.tree.list.rows.map(([item]) => item.path)")
    assert shown[-3:] == ["blocks.1.up", "blocks.1.up.kernel", "blocks.1.up.bias"]
    assert shown[:-3] == ["", "blocks", "blocks.1"]
    page.key("Enter")
    page.key("Enter")
    assert page.run("page.tree.chosen.path") == "blocks.1.up.kernel"
    page.key("Escape")
    assert page.run("document.getElementById('search').value") == ""
    assert texts(page, ".row.chosen .label") == ["kernel"]
    for query, count in (("LayerNormalization", 2), ("gamma", 2), ("no such", 0)):
        assert page.run(f"page.tree.search({query!r})").startswith(str(count)), query


@in_browser
def test_a_dim_is_highlighted_where_it_goes(opened) -> None:
    plan = example()
    page = opened(plan)
    (number,) = {v.dims[1] for v in plan.variables if v.path == "embed.embeddings"}
    page.hover(f".row .dim[data-dim='{number}']")
    lit = page.run("[...document.querySelectorAll('.rows .dim.lit')].map((d) => d.dataset.dim)")
    assert lit and set(lit) == {str(number)}
    assert page.run("document.querySelectorAll('.rows .dim').length") > len(lit)
    places = sum(dims.count(number) for dims in (v.dims for v in plan.variables))
    for one in plan.calls:
        places += sum(dims.count(number) for dims in (*one.input_dims, *one.output_dims))
    assert texts(page, "#places h3") == [f"Dim 16 · {places} places"]
    assert "embed.embeddings axis 1" in texts(page, ".places li")
    page.click(f".row .dim[data-dim='{number}']")  # it stays when the pointer leaves
    page.hover("h1")
    assert page.run("document.querySelectorAll('.rows .dim.lit').length") == len(lit)
    page.click("#tab-1")
    assert page.run("document.querySelectorAll('.graph .dim.lit').length") > 0
    page.click("#tab-2")
    assert page.run("document.querySelectorAll('.cell.lit').length") > 0
    page.key("Escape")
    assert page.run("document.querySelectorAll('.lit:not(#places .lit)').length") == 0


@in_browser
def test_calls_stand_in_order_and_open_one_level_at_a_time(opened) -> None:
    plan = example()
    page = opened(plan)
    page.click("#tab-1")
    outer = [at for at, one in enumerate(plan.calls) if one.caller == 0]
    assert page.run("page.views[1].order.map((box) => box.call.index)") == [0, *outer]
    edges = page.run("page.views[1].edges.map((edge) => [edge.from, edge.to])")
    expected = [[source if source else -1, at] for at in outer for source in plan.calls[at].sources]
    assert sorted(edges) == sorted([*expected, *([at, -1] for at in plan.calls[0].results)])
    middles = page.run("page.views[1].order.map((box) => box.y)")
    assert middles == sorted(middles)
    block = outer[1]
    page.click(f"#call-{block} .twist")
    inner = [at for at, one in enumerate(plan.calls) if one.caller == block]
    found = page.run("page.views[1].order.map((box) => box.call.index)")
    assert found == sorted([0, *outer, *inner])
    assert page.run(f"document.getElementById('call-{block}').ariaExpanded") == "true"
    boxes = page.run(
        f"[{block}, {inner[0]}].map((at) => {{ const b = page.views[1].boxes.find("
        "(one) => one.call?.index === at); return [b.x, b.y, b.x + b.width, b.y + b.height]; })"
    )
    (left, top, right, bottom), (x, y, x_end, y_end) = boxes
    assert left < x < x_end < right and top < y < y_end < bottom
    page.run("page.views[1].scroller.focus()")
    page.key("ArrowDown")
    page.key("ArrowLeft")
    assert page.run("page.views[1].chosen.index") == block
    assert "(?, ?, 16)" in "".join(texts(page, ".graph .tag"))
    assert "called by Model at" in "".join(texts(page, "#details .card"))


@in_browser
def test_the_address_keeps_the_view(opened) -> None:
    page = opened(example())
    for tab, name in ((1, "#calls"), (2, "#sizes"), (0, "#tree")):
        page.click(f"#tab-{tab}")
        assert page.run("location.hash") == name
    for expected in ("Sizes", "Calls", "Tree"):
        page.send("Runtime.evaluate", expression=BACK, awaitPromise=True)
        assert page.run("page.view.name") == expected


BACK = """new Promise((done) => {
  window.addEventListener("hashchange", done, { once: true });
  history.back();
})"""


@in_browser
def test_areas_are_in_proportion_to_sizes(opened) -> None:
    plan = example()
    page = opened(plan)
    page.click("#tab-2")
    script = (
        "page.map.cells.map(({element: e, node: n}) => [n.path, e.clientWidth * e.clientHeight])"
    )
    areas = dict(page.run(script))
    sizes = {
        name: sum(v.size for v in plan.variables if v.path.startswith(name))
        for name in ("embed", "blocks", "head")
    }
    for name in sizes:
        assert areas[name] / areas["blocks"] == pytest.approx(sizes[name] / sizes["blocks"], 0.1)
    page.click(".cell.group .caption")
    assert page.run("page.map.top.path").startswith("blocks")
    page.key("Escape")
    assert page.run("page.map.top === ROOT")
    page.click("[data-measure=flops]")
    assert page.run("document.querySelector('[data-measure=flops]').ariaChecked") == "true"
    assert page.run("ROOT.flops") == plan.calls[0].flops
    assert "embed" not in dict(page.run(script))  # a lookup has no operations


@in_browser
def test_copies_of_a_layer_count_as_often_as_there_are(opened) -> None:
    plan = examine(layers.Stack(layers.Dense(8), 6), (None, 8))
    page = opened(plan)
    assert page.run("FLOPS") == plan.calls[0].flops == 6 * plan.calls[1].flops
    assert page.run("nodes.get('block').total") == plan.calls[0].flops
    assert page.run("ROOT.flops") == page.run("nodes.get('block').flops") == plan.calls[0].flops


@in_browser
def test_layers_outside_of_the_tree_are_listed(opened) -> None:
    outside = layers.Dense(8)
    outside.build((None, 8))
    outside.trainable = False
    page = opened(examine(layers.Lambda(lambda x: outside(x)), (None, 8)))
    rows = [row for row in texts(page, ".rows .row") if "external" in row]
    assert len(rows) == 1 and rows[0].startswith("Dense made at")
    assert "(?, 8)" in rows[0] and rows[0].endswith("100%")


HOSTILE = [
    "<img src=x onerror=alert(1)>",
    "</script><script>alert(1)</script>",
    "a\u202eb\u2066c\x00\x1b[31m\ud800",
    "__proto__",
    "constructor",
    "[]",
    "." * 100_000,
    "x" * 3_000_000,
]


@in_browser
def test_hostile_names_are_text(opened) -> None:
    named = [dataclasses.replace(planned(name, name), name=name) for name in HOSTILE]
    owned = [weight(f"{name}.{name}", name, why=(name, name)) for name in HOSTILE]
    path = HOSTILE[0]
    called = [call(name, 0, (0,)) for name in HOSTILE]
    nothing = {"inputs": Arguments((), {}), "input_dims": ()}
    calls = (call("", -1), *(dataclasses.replace(c, layer=c.path, **nothing) for c in called))
    plan = Plan(
        tuple(owned), calls, (path,), {"y": path}, tuple(HOSTILE), (path,),
        (planned("", HOSTILE[1]), *named),
    )  # fmt: skip
    page = opened(plan, title=HOSTILE[2], other=Plan((), (), (), {}, ()))
    for tab in range(4):
        page.click(f"#tab-{tab}")
        page.run("nodes.forEach((node) => page.select(node))")
    page.click("#tab-0")
    page.run("order.forEach((node) => { node.open = true; }); page.tree.refresh()")
    page.run("page.tree.list.all = true; page.tree.list.update()")
    assert page.run("document.querySelectorAll('img, #app script').length") == 0
    shown = "".join(texts(page, "#app"))
    assert HOSTILE[0] in shown and not re.search("[\u202e\u2066\x00\x1b\ud800]", shown)
    assert "a\\u202eb\\u2066c\\u0000\\u001b[31m\\ud800" in shown
    assert len(shown) < 100_000
    page.run(f"page.select(nodes.get('x'.repeat({len(HOSTILE[-1])})))")
    page.click("#details h2 .more")
    assert page.run("document.querySelector('#details h2 .text').textContent.length") >= 1_000_000


@in_browser
def test_ten_thousand_layers_draw_only_what_is_in_view(opened) -> None:
    page = opened(wide(10_000))
    page.run("page.tree.toggle(nodes.get('parts'), true)")
    assert page.run("page.tree.list.rows.length") == 10_002
    page.run("page.tree.scroller.focus()")
    for key in ("Home", "End"):
        page.key(key)
        assert 10 < page.run("document.querySelectorAll('.tree .row').length") < 60
    assert texts(page, ".row.chosen .label") == ["9999"]
    page.click("#tab-1")
    assert page.run("page.views[1].order.length") == 10_001
    page.run("page.views[1].scroller.focus()")
    page.key("End")
    assert 3 < page.run("document.querySelectorAll('.graph .call').length") < 60
    assert page.run("document.querySelectorAll('#call-10000').length") == 1
    page.click("#tab-2")
    assert 100 <= page.run("document.querySelectorAll('.cell').length") <= 600
    assert "0 … 99" in texts(page, ".cell")
    page.click(".cell.others")
    assert page.run("document.querySelectorAll('.cell').length") == 100
    page.run("page.select(nodes.get('parts.5'))")
    page.hover("#details .dim")
    assert len(texts(page, ".places li")) == 100
    page.key("/")
    page.type("parts.77")
    assert texts(page, "#found") == ["222 matches"]
    assert 10 < page.run("document.querySelectorAll('.tree .row').length") < 60


@in_browser
@pytest.mark.parametrize(
    "plan",
    [
        pytest.param(lambda: inventory(Model()), id="inventory"),
        pytest.param(lambda: Model().plan(Spec((None, None), "int32")), id="not-examined"),
        pytest.param(lambda: dataclasses.replace(wide(3), layers=(), calls=()), id="no-layers"),
        pytest.param(lambda: Plan((), (), (), {}, ()), id="empty"),
        pytest.param(lambda: Plan.from_json(example().to_json()), id="from-json"),
    ],
)
def test_plans_may_hold_less(opened, plan) -> None:
    held = plan()
    page = opened(held)
    weights = page.run("order.reduce((sum, node) => sum + node.weights.length, 0)")
    assert weights == len(held.variables)
    for tab in (0, 1, 2):
        page.click(f"#tab-{tab}")
        page.run("nodes.forEach((node) => page.select(node))")
    page.click("#tab-1")
    assert bool(texts(page, ".graph .call")) == bool(held.calls)
    if not held.calls:
        assert "holds no calls" in "".join(texts(page, ".graph .note"))
    if held.variables:
        assert page.run("ROOT.params") == held.count_params()


@in_browser
def test_changes_are_listed(opened) -> None:
    page = opened(layers.Dense(5).plan((None, 3)), other=layers.Dense(4).plan((None, 3)))
    page.click("#tab-3")
    rows = texts(page, ".change")
    assert [row.split(" ")[0] for row in rows] == ["~kernel", "~bias"]
    assert "(3, 4)  →  float32 (3, 5)" in rows[0]


@in_browser
def test_on_paper_the_whole_tree_is_drawn(opened, tmp_path) -> None:
    page = opened(wide(200))
    page.click("#tab-1")
    page.run("page.print(true)")
    assert len(texts(page, ".rows .row")) == 402
    page.run("page.print(false)")
    page.click("#tab-0")
    assert len(texts(page, ".rows .row")) < 60
    page.run("window.printed = 0; page.print = (on) => { window.printed += on; }")
    page.pdf(tmp_path / "page.pdf")
    assert page.run("window.printed") == 1


@in_browser
def test_a_notebook_shows_the_page_and_hides_the_table(browser, tmp_path) -> None:
    file = tmp_path / "notebook.html"
    file.write_text("<!doctype html>" + notebook_html(example()), "utf-8")
    browser.open(file)
    assert (
        browser.run("getComputedStyle(document.querySelector('.lamina-table')).display") == "none"
    )
    browser.run("document.querySelector('iframe').remove()")
    assert (
        browser.run("getComputedStyle(document.querySelector('.lamina-table')).display") == "block"
    )
    assert browser.errors() == []
