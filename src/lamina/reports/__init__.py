"""Pages on a tree: what it is made of, and why it is as it is."""

from lamina.reports.explanation import explanation_text, print_explanation
from lamina.reports.profile import Cost, Profile
from lamina.reports.summary import print_summary, summary_text

__all__ = [
    "Cost",
    "Profile",
    "explanation_text",
    "print_explanation",
    "print_summary",
    "summary_text",
]
