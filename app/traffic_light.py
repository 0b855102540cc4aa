"""The traffic light beside a result: how far its outline can be trusted, with the reason in words."""

from __future__ import annotations

from app.correction import Corrected
from inference.contract import Contract

GREEN, AMBER, RED, GREY = "green", "amber", "red", "grey"


def judge_outline(lesion: Corrected, own: Contract, words: dict[str, str]) -> tuple[str, str]:
    """The light for an outline.

    Args:
        own: the model's contract, before the visitor's threshold.

    Returns:
        The light, one of GREEN, AMBER, RED and GREY, which is no judgement; and the reason as Markdown.
    """
    if lesion.warning == "no lesion":
        return RED, words["no_lesion"]
    if lesion.warning:
        return RED, words["not_a_lesion"]
    light, verdict, reason = judge_expected(lesion, own, words)
    if lesion.measures.border_percent:
        if light == GREEN:
            return AMBER, f"{words['cut_off']} {reason}"
        reason = f"{reason} {words['cut_off']}"
    return light, f"{verdict} {reason}".strip()


def judge_expected(lesion: Corrected, own: Contract, words: dict[str, str]) -> tuple[str, str, str]:
    """The light by the expected Jaccard index alone, its verdict, and the reason."""
    expected, limit = lesion.expected_jaccard, own.check_below
    if lesion.strokes:
        return GREY, words["corrected"], ""
    if own.confidence is None or limit is None:
        return GREY, words["unjudged"], ""
    if expected is None:
        return GREY, words["own_threshold"].format(threshold=own.threshold), ""
    reason = words["overlap"].format(expected=f"{expected:.2f}", limit=f"{limit:.2f}")
    if expected < limit:
        return AMBER, words["doubtful"], reason
    return GREEN, words["sure"], reason
