"""What the page says about the model."""

from __future__ import annotations

import json
from typing import Any

from app.service import Service
from inference.errors import InputError
from inference.scoring.metrics import METRICS

LIMITS = """
## Limits

- Not a medical device: it outlines what looks like a lesion, and does not say what the lesion is.
- It knows only dermoscopic photos; in any other picture it still outlines something.
- A lesion that touches the border of the image is cut off there, and its measures are too small.
- Sizes are in pixels: a photo does not tell how large a pixel is.
"""


def describe_model(service: Service) -> str:
    """The card beside the model file (NAME.md) or else its contract; its scores; its limits.

    The scores are in NAME.scores.json beside the file, which `inference.evaluate --json` writes.
    """
    path = service.segmenter.path
    card, scores = path.with_suffix(".md"), path.with_suffix(".scores.json")
    told = card.read_text(encoding="utf-8", errors="replace") if card.is_file() else None
    parts = [told or list_contract(service), LIMITS]
    if scores.is_file():
        try:
            parts.insert(1, list_scores(json.loads(scores.read_text(encoding="utf-8"))))
        except (ValueError, KeyError, TypeError) as error:
            raise InputError(
                f"{scores}: not what inference.evaluate --json writes; write it again, or delete it"
            ) from error
    return "\n\n".join(parts)


def list_contract(service: Service) -> str:
    """The contract as a Markdown table."""
    contract = service.contract
    rows = {
        "file": service.segmenter.path.name,
        "runs on": service.segmenter.provider,
        "input": f"{contract.size} x {contract.size}, {contract.colours}",
        "threshold": contract.threshold,
        "largest region only": contract.largest_region,
        "holes filled": contract.fill_holes,
        **contract.provenance,
    }
    return "| | |\n|---|---|\n" + "\n".join(f"| {name} | {rows[name]} |" for name in rows)


def list_scores(scores: dict[str, Any]) -> str:
    """Scores of `inference.evaluate` with their 95 % intervals, as a Markdown table."""
    lines = [
        f"## Scores on {scores['images']} images",
        "",
        "| | mean | 95 % interval |",
        "|---|---|---|",
    ]
    for name in METRICS:
        low, high = scores["intervals"][name]
        lines.append(f"| {name.replace('_', ' ')} | {scores[name]:.4f} | {low:.4f} to {high:.4f} |")
    return "\n".join(lines)
