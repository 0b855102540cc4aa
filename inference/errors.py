"""The error that people see as one line, without a traceback."""

from __future__ import annotations


class InputError(ValueError):
    """The user gave something that does not work: the message says what, the rule, and the fix."""
