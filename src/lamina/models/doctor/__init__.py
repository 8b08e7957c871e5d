"""The doctor: finds what is wrong or unwise in a model."""

from lamina.models.doctor.diagnosing import doctor

__all__ = ["doctor"]
