"""The error that people see as one line, without a traceback; and what a decoder says before that."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager


class InputError(ValueError):
    """The user gave something that does not work: the message says what, the rule, and the fix."""


@contextmanager
def naming(file: object) -> Iterator[None]:
    """Puts the name of a file before what is said of its content."""
    try:
        yield
    except InputError as error:
        raise InputError(f"{file}: {error}") from error


class DamageError(ValueError):
    """An image file is damaged; the message is its decoder's."""


class DicomError(ValueError):
    """A DICOM file holds nothing that can be taken; the message, without its name, says what helps."""
