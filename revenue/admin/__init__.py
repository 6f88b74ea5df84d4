"""The back office of ``revenue``. Django imports this module; it imports those that register."""

from revenue.admin import earnings, packages, splits, writers

__all__ = ["earnings", "packages", "splits", "writers"]
