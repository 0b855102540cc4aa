"""What the page tells of the model that segments."""

from __future__ import annotations

from app.service import Service

LIMITS = """
## Limits

- Not a medical device: it outlines what looks like a lesion, and does not say what the lesion is.
- It knows dermoscopic photographs alone. On any other picture it outlines something all the same.
- A mask that touches the border of the frame is cut off there, and so are its measures.
- Sizes are in pixels: a photograph does not tell how large a pixel is.
"""


def describe_model(service: Service) -> str:
    """The card that lies beside the model file (NAME.md), or else its contract; and the limits."""
    card = service.segmenter.path.with_suffix(".md")
    if card.is_file():
        return card.read_text(encoding="utf-8") + LIMITS
    contract = service.contract
    rows = {
        "file": service.segmenter.path.name,
        "input": f"{contract.size} x {contract.size}, {contract.colours}",
        "threshold": contract.threshold,
        "largest region only": contract.largest_region,
        "holes filled": contract.fill_holes,
        **contract.provenance,
    }
    table = "\n".join(f"| {name} | {value} |" for name, value in rows.items())
    return f"| | |\n|---|---|\n{table}\n{LIMITS}"
