"""What counts as an image, by its name; and what kind of image a file is that is not taken."""

from __future__ import annotations

from pathlib import PurePath

from inference.extras import explain_missing, is_installed

# Kinds that an extra reads: the extra, and the package that must be there.
EXTRAS = {"HEIC": ("heic", "pillow_heif"), "DICOM": ("dicom", "pydicom")}
READ_KINDS = frozenset(kind for kind, (_, package) in EXTRAS.items() if is_installed(package))
EXTRA_SUFFIXES = {
    "HEIC": frozenset(".heic .heif .hif .heics .heifs".split()),
    "DICOM": frozenset(".dcm .dicom .dic".split()),
}
# All that OpenCV opens, and what an extra opens where it is installed.
IMAGE_SUFFIXES = frozenset().union(*(EXTRA_SUFFIXES[kind] for kind in READ_KINDS)) | frozenset(
    ".jpg .jpeg .jpe .jfif .jif .jfi .mpo .jp2 .j2k .j2c .jpc .png .apng .bmp .dib .tif .tiff .btf .webp "
    ".gif .avif .pbm .pgm .ppm .pnm .pxm .pam .pfm .ras .sr .hdr .pic".split()
)
# ISIC 2016 and 2017 have them beside the images.
SUPERPIXELS = "_superpixels"
DICOMDIR = "DICOMDIR"

KINDS = {
    "HEIC": "heic heif hif heics heifs",
    "JPEG XL": "jxl",
    "JPEG XR": "jxr wdp hdp",
    "JPEG 2000": "jpx jpf jpm",
    "JPEG-LS": "jls",
    "DICOM": "dcm dicom dic",
    "raw": "dng cr2 cr3 crw nef nrw arw srf sr2 orf rw2 raf pef srw x3f 3fr iiq raw",
    "Photoshop": "psd psb",
    "vector": "svg svgz eps ai emf wmf",
    "GIMP": "xcf",
    "icon": "ico cur icns",
    "Targa": "tga",
    "EXR": "exr",
    "PCX": "pcx",
    "DDS": "dds",
    "microscope": "svs ndpi mrxs czi lif vsi scn",
    "volume": "nii nrrd mha mhd",
    "FITS": "fits fit",
    "QOI": "qoi",
    "zip archive": "zip",
    "archive": "7z rar tar gz tgz bz2 xz",
    "video": "mp4 avi mov mkv webm m4v",
}
VIDEO_SUFFIXES = frozenset(f".{suffix}" for suffix in KINDS["video"].split())
# What is read where it is named itself, but not inside a folder or an archive.
NAMED_KINDS = frozenset(("zip archive", "video"))
PACKED = "packed "  # before such a kind, of members of archives
KIND_OF_SUFFIX = {f".{suffix}": kind for kind, names in KINDS.items() for suffix in names.split()}
UNREADABLE = "folder that cannot be read"  # in place of a kind
DAMAGED = "damaged zip archive"  # likewise, where it is named itself
LOST = frozenset((UNREADABLE, DAMAGED))  # what should have been searched
HOLDERS = NAMED_KINDS | LOST | {"archive"}
OUTSIDE = "path outside the archive"  # in place of a kind, of members of archives
SNIFFED = 132  # bytes at the start of a file that tell its kind
AVIF_BRANDS = frozenset((b"avif", b"avis"))
HEIC_BRANDS = frozenset(
    (b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"hevm", b"hevs", b"mif1", b"msf1")
)
STARTS = {
    b"\xff\xd8\xff": "JPEG",
    b"\x89PNG\r\n": "PNG",
    b"GIF8": "GIF",
    b"II*\0": "TIFF",
    b"MM\0*": "TIFF",
    b"II+\0": "TIFF",
    b"MM\0+": "TIFF",
    b"\0\0\0\x0cjP  ": "JPEG 2000",
    b"\xff\x4f\xff\x51": "JPEG 2000",
    b"\xff\x0a": "JPEG XL",
    b"\0\0\0\x0cJXL ": "JPEG XL",
    b"8BPS": "Photoshop",
    b"gimp xcf": "GIMP",
    b"II\xbc": "JPEG XR",
    b"FUJIFILMCCD-RAW": "raw",
    b"IIRO": "raw",
    b"IIRS": "raw",
    b"IIU\0": "raw",
    b"v/1\x01": "EXR",
    b"qoif": "QOI",
    b"SIMPLE  =": "FITS",
}
BMP_HEADERS = {size.to_bytes(4, "little") for size in (12, 40, 52, 56, 108, 124)}
OPENCV_KINDS = frozenset(("JPEG", "PNG", "GIF", "TIFF", "JPEG 2000", "WebP", "AVIF", "BMP"))
TAKEN_KINDS = OPENCV_KINDS | READ_KINDS


def is_image(path: PurePath) -> bool:
    """True for a name with an image suffix that is neither hidden nor a map of superpixels."""
    return path.suffix.lower() in IMAGE_SUFFIXES and not is_left_out(path)


def is_left_out(path: PurePath) -> bool:
    """True for a hidden file, a map of superpixels, and the index of a DICOM disc."""
    name = path.name
    return name.startswith(".") or path.stem.endswith(SUPERPIXELS) or name.upper() == DICOMDIR


def bare_name(path: PurePath) -> str:
    """A file's name without its suffix, unless that leaves only dots.

    Digits are no suffix: DICOM files are named by numbers with dots.
    """
    whole = path.suffix[1:].isdigit() or not path.stem.strip(".")
    return path.name if whole else path.stem


def is_image_inside(path: PurePath, start: bytes) -> bool:
    """True for an image that its name does not tell: DICOM files often have no suffix.

    Args:
        path: of a file, not one that `is_image` takes.
        start: of its content, as many bytes as SNIFFED.
    """
    return "DICOM" in READ_KINDS and is_dicom(start) and not is_left_out(path)


def is_dicom(data: bytes) -> bool:
    """True for the content of a DICOM file (PS3.10, 7.1)."""
    return data[128:132] == b"DICM"


def kind_of_bytes(start: bytes) -> str | None:
    """The kind of image that begins with these bytes, as many as SNIFFED; None if it is none."""
    if start[4:8] == b"ftyp":
        brands = read_brands(start)
        return "AVIF" if brands & AVIF_BRANDS else "HEIC" if brands & HEIC_BRANDS else None
    if start.startswith(b"RIFF") and start[8:12] == b"WEBP":
        return "WebP"
    if start.startswith(b"BM") and start[6:10] == bytes(4) and start[14:18] in BMP_HEADERS:
        return "BMP"
    if is_dicom(start):
        return "DICOM"
    return next((kind for begin, kind in STARTS.items() if start.startswith(begin)), None)


def read_brands(start: bytes) -> set[bytes]:
    """The brands of an ISO media file: its own and, behind a version, those it is compatible with."""
    end = int.from_bytes(start[:4], "big")
    return {start[at : at + 4] for at in (8, *range(16, min(end, len(start)), 4))}


def kind_passed_over(name: PurePath, start: bytes) -> str | None:
    """The kind of a file that looks like an image, or may hold some, but is not taken; None for others.

    Args:
        name: of a file, not one that `is_image` takes.
        start: of its content.
    """
    if is_left_out(name):
        return None
    return KIND_OF_SUFFIX.get(name.suffix.lower()) or kind_of_bytes(start)


def may_hold(kind: str) -> bool:
    """True for a kind that is no image, but may hold some."""
    return kind in HOLDERS or kind.startswith(PACKED)


def explain_unread(data: bytes) -> str:
    """Why OpenCV does not read a file, after its name, and what helps."""
    kind = kind_of_bytes(data[:SNIFFED])
    if kind in TAKEN_KINDS:
        reader = "OpenCV" if kind in OPENCV_KINDS else "libheif"
        fix = "copy it again, or convert it to PNG"
        return f"is a damaged {kind}, or one that {reader} cannot read; {fix}"
    if kind in EXTRAS:
        return f"is a {kind} image, and {explain_extra(kind)}"
    if kind:
        return f"is a {kind} image, which OpenCV cannot read; convert it to PNG or JPEG"
    return "is not an image that OpenCV can read; convert it to PNG or JPEG"


def explain_extra(kind: str) -> str:
    """Which extra reads this kind."""
    return f"{explain_missing(*EXTRAS[kind])}, or convert it to JPEG"


def explain_kind(kind: str) -> str:
    """Why a file of this kind is passed over, after its name."""
    if kind in TAKEN_KINDS:
        return f"looks like a {kind} image, but its name has no image suffix; rename it"
    if kind == OUTSIDE:
        return "has a path that leads out of the archive; pack it again"
    if kind == UNREADABLE:
        return "is a folder that cannot be read; change its permissions, or leave it out"
    if kind == DAMAGED:
        return "is not a zip archive, or is damaged; pack it again"
    if kind in NAMED_KINDS:
        return f"is a {kind} in a folder, which is not searched; give it by its own name"
    if may_hold(kind):
        return "may hold images, but is not unpacked; unpack it yourself"
    if kind in EXTRAS:
        return f"looks like an image ({kind}), but {explain_extra(kind)}"
    return f"looks like an image ({kind}) that OpenCV cannot read; convert it to PNG or JPEG"
