"""Reports on a layer and its sublayers: summary, explanation of weights, profile."""

from lamina.reports.diagnosis import Diagnosis, Finding
from lamina.reports.examination import examine, inventory
from lamina.reports.explanation import Explanation
from lamina.reports.page import html_page, notebook_html
from lamina.reports.profile import Cost, Profile
from lamina.reports.report import Report
from lamina.reports.summary import Summary

__all__ = [
    "Cost",
    "Diagnosis",
    "Explanation",
    "Finding",
    "Profile",
    "Report",
    "Summary",
    "examine",
    "html_page",
    "inventory",
    "notebook_html",
]
