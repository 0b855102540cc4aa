"""The error that people see as one line."""

from __future__ import annotations


class InputError(ValueError):
    """Something the user gave cannot be worked with: what was given, the rule, the cure."""
