"""Arithmetic on arrays alone; nothing here knows a layer."""
