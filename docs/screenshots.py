"""Make the pictures of the docs that show pages. Usage: python -m docs.screenshots"""

import tempfile
from pathlib import Path

from examples.language_model import LanguageModel
from lamina import Spec
from lamina.reports import examine
from lamina.reports.page import html_page
from tests.reports.browser import Browser

IMAGES = Path(__file__).parent / "images"
WIDTH, HEIGHT = 1200, 700


def main() -> None:
    """Save the tree and the calls of the page of the language model of the examples."""
    plan = examine(LanguageModel(features=128, heads=4, blocks=4), Spec((None, None), "int32"))
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder, "page.html")
        file.write_text(html_page(plan), "utf-8")
        browser = Browser(Path(folder, "profile"))
        browser.open(file, WIDTH, HEIGHT)
        browser.run("page.select(nodes.get('blocks.0'))")
        browser.run("page.tree.toggle(nodes.get('blocks.0'), true)")
        number = plan.variables[0].dims[1]
        browser.hover(f".row .dim[data-dim='{number}']")
        browser.screenshot(IMAGES / "explain-page.png")
        browser.click("#tab-1")
        browser.run("page.views[1].toggle(page.views[1].order[2].call)")
        browser.hover("h1")
        browser.screenshot(IMAGES / "explain-page-calls.png")
        browser.close()


if __name__ == "__main__":
    main()
