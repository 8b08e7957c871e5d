"""The report of :func:`lamina.doctor`: what is wrong or unwise in a model."""

from __future__ import annotations

import html
import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import Literal, TypeAlias

from rich.console import RenderableType
from rich.text import Text

from lamina.reports.formatting import count
from lamina.reports.printing import line, plain, show

__all__ = ["Diagnosis", "Finding", "Severity"]

Severity: TypeAlias = Literal["error", "warning"]
"""An error keeps the model from working as written; a warning is legal, but unwise."""


@dataclass(frozen=True)
class Finding:
    """One fault of a model.

    Attributes:
        code: the kind of fault, such as ``"unused-layer"``.
        severity: ``"error"`` or ``"warning"``.
        path: the path of the layer or weight; empty for the model.
        message: what is wrong, a sentence.
        where: the line to change, ``file:line``.
        remedy: what to write instead, a sentence.
    """

    code: str
    severity: Severity
    path: str
    message: str
    where: str
    remedy: str


@dataclass(frozen=True, repr=False)
class Diagnosis:
    """The faults that :func:`lamina.doctor` found; False as a bool if there are none.

    Attributes:
        model: the name of the model's class.
        findings: the faults, errors first.
        notes: what was not checked, and why.
    """

    model: str
    findings: tuple[Finding, ...]
    notes: tuple[str, ...] = ()

    def __len__(self) -> int:
        return len(self.findings)

    def __iter__(self) -> Iterator[Finding]:
        return iter(self.findings)

    def __str__(self) -> str:
        return plain(self._page())

    def __repr__(self) -> str:
        return f"Diagnosis({self._count()})"

    def _repr_html_(self) -> str:
        return f"<pre>{html.escape(str(self))}</pre>"

    def show(self) -> None:
        """Print the report, in colour on a terminal."""
        show(self._page())

    def to_json(self) -> str:
        """Encode the report as JSON.

        Returns:
            str, an object with the attributes of the report.
        """
        return json.dumps(asdict(self))

    def _count(self) -> str:
        errors = sum(one.severity == "error" for one in self.findings)
        return f"{count(errors, 'error')}, {count(len(self.findings) - errors, 'warning')}"

    def _page(self) -> Sequence[RenderableType]:
        page: list[RenderableType] = [line((self.model, "bold"), f": {self._count()}")]
        for one in self.findings:
            colour = "red" if one.severity == "error" else "yellow"
            first, *more = one.message.splitlines()
            named = not one.path or first.startswith(f"{one.path} ")
            path = "" if named else f" {one.path}"
            page += [Text(""), line((f"{one.severity} {one.code}", colour), f"{path}: {first}")]
            page += [line(f"  {text.strip()}") for text in more]
            if one.where:
                page.append(line(f"  line:     {one.where}"))
            if one.remedy:
                page.append(line(f"  instead:  {one.remedy}"))
        page += [line(f"note: {note}") for note in self.notes]
        return page
