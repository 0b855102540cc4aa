"""What the page says about the model."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from app.service import Service
from inference.errors import InputError
from inference.scoring.metrics import METRICS


def describe_model(service: Service) -> str:
    """The card beside the model file (NAME.md), or else its contract and its scores, as Markdown."""
    path = service.segmenter.path
    card = path.with_suffix(".md")
    if card.is_file():
        return card.read_text(encoding="utf-8", errors="replace")
    scores = read_scores(path)
    parts = [list_contract(service), *([list_scores(scores)] if scores else [])]
    return "\n\n".join(parts)


def read_scores(model: Path) -> dict[str, Any] | None:
    """The scores in NAME.scores.json beside a model, which `inference.evaluate --json` writes.

    Raises:
        InputError: the file holds anything else.
    """
    path = model.with_suffix(".scores.json")
    if not path.is_file():
        return None
    try:
        scores = json.loads(path.read_text(encoding="utf-8"))
        list_scores(scores)
    except (ValueError, KeyError, TypeError) as error:
        raise InputError(
            f"{path}: not what inference.evaluate --json writes; write it again, or delete it"
        ) from error
    return scores


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
    return "| Entry | Value |\n|---|---|\n" + "\n".join(
        f"| {name} | {rows[name]} |" for name in rows
    )


def list_scores(scores: dict[str, Any]) -> str:
    """Scores of `inference.evaluate` with their 95 % intervals, as a Markdown table."""
    lines = [
        f"## Scores on {scores['images']} images",
        "",
        "| Score | mean | 95 % interval |",
        "|---|---|---|",
    ]
    for name in METRICS:
        low, high = scores["intervals"][name]
        lines.append(f"| {name.replace('_', ' ')} | {scores[name]:.4f} | {low:.4f} to {high:.4f} |")
    return "\n".join(lines)
