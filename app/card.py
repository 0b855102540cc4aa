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
- It knows dermoscopic photographs alone. On any other picture it outlines something all the same.
- A mask that touches the border of the frame is cut off there, and so are its measures.
- Sizes are in pixels: a photograph does not tell how large a pixel is.
"""


def describe_model(service: Service) -> str:
    """What the model is: the card beside its file (NAME.md) or its contract; its scores; the limits.

    Scores are those that `inference.evaluate --json NAME.scores.json` left beside the file.
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
                f"{scores}: is not what inference.evaluate --json writes; make it anew, or delete it"
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
    """Scores with their 95 % intervals, as `inference.evaluate` measured them, as a Markdown table."""
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
