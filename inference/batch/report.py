"""report.html: a run on one page that can be filed, with all images inside, those most in doubt first."""

from __future__ import annotations

import base64
import hashlib
from datetime import datetime
from pathlib import Path
from string import Template

from inference.batch.cards import SIDE, make_card, make_list, text
from inference.batch.overview import Overview, Results
from inference.batch.thumbnails import make_thumbnails
from inference.batch.writer import product_paths
from inference.files import replacing
from inference.version import PROJECT, find_version

MAX_IMAGES = 500  # on a page, of about 15 KB each: a telephone opens it, and a mail takes it
PAGE, STYLE, SCRIPT = (
    Path(__file__).with_suffix(suffix).read_text(encoding="utf-8")
    for suffix in (".html", ".css", ".js")
)


def write_report(path: Path, results: Results) -> None:
    """Writes the page; it needs no other file, runs no script but its own and loads nothing."""
    shown = results.most_doubtful(MAX_IMAGES)
    run = describe_run(results, len(shown))
    head, foot = (Template(part).substitute(run) for part in PAGE.split("$cards"))
    with replacing(path) as temporary, temporary.open("w", encoding="utf-8") as file:
        file.write(head)
        pictures = make_thumbnails(results.output, shown, SIDE, results.threads)
        for (source, done), picture in zip(shown, pictures):
            files = product_paths(results.stems[source], results.save)
            file.write(make_card(done, picture, files, results.mm_per_pixel or done.mm_per_pixel))
        file.write(foot)


def describe_run(results: Results, shown: int) -> dict[str, str]:
    """What the page says of the run, as HTML, by the names in report.html."""
    images = len(results.done)
    check = sum(done.row.doubtful for _, done in results.done)
    contract, scale = results.contract, results.mm_per_pixel
    own = any(done.mm_per_pixel for _, done in results.done)
    date = datetime.now().astimezone().strftime("%Y-%m-%d %H:%M UTC%z")
    kept = "largest region kept" if contract.largest_region else ""
    filled = "holes filled" if contract.fill_holes else ""
    below = (
        f" (expected overlap below {100 * limit:.0f} %)" if (limit := contract.check_below) else ""
    )
    facts = {
        "Date": date,
        "Images": f"{images:,} segmented, {len(results.failures):,} not",
        "To check": f"{check:,}{below}",
        "Model": ", ".join(path.name for path in results.models),
        "SHA-256 of the model": ", ".join(sha[:16] for sha in results.fingerprint["models"]),
        "Probability threshold": f"{contract.threshold:g}",
        "Clean-up": ", ".join(filter(None, (kept, filled))) or "none",
        "Test-time augmentation": "4 flips" if results.fingerprint["flips"] else "none",
        "Size of a pixel": f"{scale:g} mm"
        if scale
        else "as the DICOM files say; where they do not, lengths are in pixels"
        if own
        else "not known: lengths are in pixels",
        "Software": f"{PROJECT} {find_version()}",
    }
    order = "Those most in doubt come first."
    if contract.confidence is None:
        order = "This model does not say how sure it is of an outline."
    if shown < images:
        order += f" Only {shown:,} of {images:,} images are shown; masks{results.part}.csv has all."
    return {
        "policy": POLICY,
        "style": STYLE,
        "script": SCRIPT,
        "date": text(date),
        "facts": make_list(facts),
        "shown": f"{shown:,}",
        "check": f"{min(check, shown):,}",
        "order": order,
        "failures": make_failures(results),
    }


def make_failures(results: Results) -> str:
    """The images that could not be segmented, as HTML; empty if there are none."""
    failures = results.failures
    if not failures:
        return ""
    lines = (f"<li><bdi>{text(failure.error)}</bdi></li>" for failure in failures[:MAX_IMAGES])
    more = len(failures) - MAX_IMAGES
    rest = f"<p>and {more:,} more: errors{results.part}.csv has all.</p>" if more > 0 else ""
    return (
        f'<section><h2>Not segmented: {len(failures):,}</h2><ul class="failures">{"".join(lines)}</ul>'
        f"{rest}</section>"
    )


def hash_inline(content: str) -> str:
    """How a content security policy names an inline style or script."""
    digest = base64.b64encode(hashlib.sha256(content.encode()).digest()).decode()
    return f"'sha256-{digest}'"


# Should a name ever get through the escaping, a browser still runs and loads nothing of it.
POLICY = (
    f"default-src 'none'; img-src data:; style-src {hash_inline(STYLE)}; "
    f"script-src {hash_inline(SCRIPT)}; base-uri 'none'; form-action 'none'"
)
REPORT = Overview(
    "report",
    "report.html",
    f"a page to file, {MAX_IMAGES} images",
    write_report,
    shows_masks=True,
    shows_measures=True,
)
