"""Parses DICOM files that strangers wrote, in silence: what pydicom says of a file quotes its content."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from io import BytesIO
from threading import Lock

from pydicom import Dataset, dcmread
from pydicom._uid_dict import UID_dictionary
from pydicom.filereader import _read_file_meta_info, read_preamble
from pydicom.uid import UID, DeflatedExplicitVRLittleEndian

from inference.errors import DamageError, DicomError
from inference.images.limits import TooLargeError

_filters = Lock()  # those of Python's warnings are shared by all threads
for _library in ("pydicom", "highdicom", "openjpeg"):
    logging.getLogger(_library).setLevel(logging.CRITICAL)


@contextmanager
def reading(fix: str = "copy it again") -> Iterator[None]:
    """Silences warnings, and turns whatever pydicom raises into a line that quotes nothing of the file.

    Args:
        fix: what helps.

    Raises:
        DicomError: pydicom raised an error, or the file is damaged.
    """
    with _filters, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            yield
        except (DicomError, TooLargeError, MemoryError):
            raise
        except DamageError as error:
            raise DicomError(f"is a damaged DICOM file ({error}); {fix}") from None
        except Exception as error:  # pydicom raises anything
            raise DicomError(
                f"is a damaged DICOM file, or one that pydicom cannot read ({type(error).__name__}); "
                f"{fix}"
            ) from None


def parse(data: bytes, keywords: Collection[str] | None, pixels: bool = True) -> Dataset:
    """Parses a DICOM file; to be called inside `reading`.

    Args:
        keywords: of the elements that are kept; None keeps all.
        pixels: False stops before the pixels.

    Raises:
        DicomError: it is compressed as a whole: a few bytes could unpack to any number.
    """
    file = BytesIO(data)
    read_preamble(file, force=False)
    if _read_file_meta_info(file).get("TransferSyntaxUID") == DeflatedExplicitVRLittleEndian:
        raise DicomError(
            "is a DICOM file in a deflated transfer syntax, which is not supported; "
            "convert it with dcmconv +te"
        )
    wanted = None if keywords is None else list(keywords)
    return dcmread(BytesIO(data), specific_tags=wanted, stop_before_pixels=not pixels)


def name_uid(uid: str) -> str:
    """What the standard calls a UID; "an unknown kind" of one that it does not know."""
    return UID(uid).name if uid in UID_dictionary else "an unknown kind"


def find_class(found: Dataset) -> str:
    """The UID of an object's class; empty if it has none."""
    return str(found.get("SOPClassUID") or found.file_meta.get("MediaStorageSOPClassUID") or "")
