"""The error that people see as one line, without a traceback; and what a decoder says before that."""

from __future__ import annotations


class InputError(ValueError):
    """The user gave something that does not work: the message says what, the rule, and the fix."""


class DamageError(ValueError):
    """An image file is damaged; the message is its decoder's."""
