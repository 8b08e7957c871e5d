"""Reports on a layer and its sublayers: summary, explanation of weights, profile."""

from lamina.reports.diagnosis import Diagnosis, Finding
from lamina.reports.examination import examine, inventory
from lamina.reports.explanation import explanation_text, print_explanation
from lamina.reports.profile import Cost, Profile
from lamina.reports.summary import print_summary, summary_text

__all__ = [
    "Cost",
    "Diagnosis",
    "Finding",
    "Profile",
    "examine",
    "explanation_text",
    "inventory",
    "print_explanation",
    "print_summary",
    "summary_text",
]
