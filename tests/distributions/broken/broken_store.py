"""Fails when it is imported."""

raise RuntimeError("the laboratory is closed")
