"""The page of a plan: one HTML file that shows its layers, calls, sizes and dims."""

from lamina.reports.page.page import html_page, notebook_html

__all__ = ["html_page", "notebook_html"]
