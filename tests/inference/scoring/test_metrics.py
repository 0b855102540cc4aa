import numpy as np
import pytest

from inference.scoring.metrics import METRICS, average_scores, bootstrap, count, score

EMPTY, FULL = np.zeros((2, 3), bool), np.ones((2, 3), bool)


def test_counts_and_scores_by_hand() -> None:
    truth = np.array([[1, 1, 1, 0], [0, 0, 0, 0]])
    predicted = np.array([[1, 1, 0, 1], [0, 0, 0, 0]])
    counts = count(truth, predicted)
    assert counts.tolist() == [2, 1, 1, 4]
    scores = score(counts)
    assert scores["accuracy"] == 6 / 8
    assert scores["sensitivity"] == 2 / 3
    assert scores["specificity"] == 4 / 5
    assert scores["precision"] == 2 / 3
    assert scores["dice"] == 4 / 6
    assert scores["jaccard"] == 2 / 4
    assert scores["thresholded_jaccard"] == 0


@pytest.mark.parametrize(
    ("truth", "predicted", "expected"),
    [
        (EMPTY, EMPTY, (1, 1, 1, 1, 1, 1, 1)),
        (FULL, FULL, (1, 1, 1, 1, 1, 1, 1)),
        (EMPTY, FULL, (0, 1, 0, 0, 0, 0, 0)),
        (FULL, EMPTY, (0, 0, 1, 1, 0, 0, 0)),
    ],
)
def test_nothing_to_divide_by(
    truth: np.ndarray, predicted: np.ndarray, expected: tuple[float, ...]
) -> None:
    scores = score(count(truth, predicted))
    assert tuple(float(scores[name]) for name in METRICS) == expected


@pytest.mark.parametrize(("right", "thresholded"), [(64, 0.0), (65, 0.65), (66, 0.66)])
def test_threshold_of_the_challenge(right: int, thresholded: float) -> None:
    scores = score(np.array([right, 100 - right, 0, 0]))
    assert scores["thresholded_jaccard"] == thresholded


def test_the_average_is_of_images_and_the_pool_of_pixels() -> None:
    counts = np.array([[1, 1, 0, 98], [50, 0, 0, 50]])
    assert average_scores(counts)["jaccard"] == pytest.approx((0.5 + 1) / 2)
    assert score(counts.sum(axis=0))["jaccard"] == pytest.approx(51 / 52)


def test_bootstrap_covers_the_mean_about_95_times_of_100(rng: np.random.Generator) -> None:
    covered = 0
    for seed in range(200):
        right = rng.integers(0, 101, 60)
        counts = np.stack([right, 100 - right, 0 * right, 0 * right], axis=-1)
        low, high = bootstrap(counts, resamples=300, seed=seed)["jaccard"]
        covered += low <= 0.5 <= high
    assert 0.88 <= covered / 200 <= 0.99


def test_bootstrap_has_the_width_of_a_95_percent_interval(rng: np.random.Generator) -> None:
    """For means of many images it is the normal one: 1.96 standard errors to each side."""
    right = rng.integers(0, 101, 2000)
    counts = np.stack([right, 100 - right, 0 * right, 0 * right], axis=-1)
    low, high = bootstrap(counts, resamples=20000)["jaccard"]
    error = (right / 100).std() / np.sqrt(2000)
    assert (high - low) / 2 == pytest.approx(1.96 * error, rel=0.04)


def test_bootstrap_is_the_same_every_time(rng: np.random.Generator) -> None:
    counts = rng.integers(1, 50, (20, 4))
    assert bootstrap(counts) == bootstrap(counts)
    assert bootstrap(counts) != bootstrap(counts, seed=1)
