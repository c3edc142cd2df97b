"""Countersign: support access that a library approves, records and can prove."""

__version__ = "0.1.0"
