"""Wrong labels are found where classes can be told apart, and nothing is said where they cannot."""

import numpy as np
import pytest

from snapfind.core.errors import BadInput
from snapfind.curation.detect.folds import contiguous, together
from snapfind.curation.detect.label_errors import confident_joint, suspects, wrong_labels
from snapfind.curation.detect.posteriors import posteriors


def clouds(apart, classes=6, each=40, dim=24, seed=0):
    """Gaussian classes whose means lie `apart` from the origin, and their labels."""
    rng = np.random.default_rng(seed)
    means = rng.normal(size=(classes, dim))
    means *= apart / np.linalg.norm(means, axis=1, keepdims=True)
    labels = np.repeat(np.arange(classes), each)
    return (means[labels] + rng.normal(size=(len(labels), dim)) / 4).astype(np.float32), labels


def mislabeled(labels, part, seed=0):
    rng = np.random.default_rng(seed)
    wrong = rng.random(len(labels)) < part
    return np.where(
        wrong, (labels + rng.integers(1, labels.max() + 1, len(labels))) % (labels.max() + 1), labels
    ), wrong


def test_a_tenth_of_wrong_labels_is_found_and_what_they_should_be():
    vectors, labels = clouds(3.0)
    given, wrong = mislabeled(labels, 0.1)
    found = wrong_labels(vectors, given, contiguous(given, 5))
    rows = np.array([one.row for one in found])
    assert wrong[rows].mean() > 0.95 and len(rows) > 0.9 * wrong.sum()
    assert all(one.suggested == labels[one.row] and one.label == given[one.row] for one in found if wrong[one.row])
    assert [one.margin for one in found] == sorted((one.margin for one in found), reverse=True)


@pytest.mark.parametrize("seed", [0, 1])
def test_a_second_round_finds_most_errors_where_three_of_ten_labels_are_wrong(seed):
    vectors, labels = clouds(1.5, seed=seed)
    noisy, wrong = mislabeled(labels, 0.3, seed)
    found = wrong_labels(vectors, noisy, contiguous(noisy, 5))
    rows = np.array([one.row for one in found])
    first = suspects(posteriors(vectors, noisy, contiguous(noisy, 5)), noisy)  # what one round finds
    assert len(first) < 0.6 * wrong.sum()
    assert wrong[rows].mean() > 0.95 and len(rows) > 0.85 * wrong.sum()
    assert all(one.label == noisy[one.row] and one.suggested == labels[one.row] for one in found if wrong[one.row])


def test_a_suspect_needs_a_margin_and_confidence_starts_at_the_mean():
    labels = np.array([0, 1, 1, 0])
    probabilities = np.array([[0.8, 0.2], [0.2, 0.8], [0.82, 0.18], [0.8, 0.2]], np.float32)
    assert confident_joint(probabilities[:2], labels[:2]).confident.tolist() == [0, 1]  # each is the mean of its label
    assert [(one.row, one.suggested) for one in suspects(probabilities, labels)] == [(2, 0)]
    probabilities[2] = [0.79, 0.21]
    assert suspects(probabilities, labels, margin=0.1) == []  # below the mean of label 0
    close = np.array([[0.7, 0.3], [0.3, 0.7], [0.76, 0.24], [0.7, 0.3]], np.float32)
    assert suspects(close, labels) == [] and len(suspects(close, labels, margin=0.5)) == 1  # a margin of 0.52


def test_nothing_is_said_of_right_labels_or_where_nothing_can_be_told():
    vectors, labels = clouds(3.0)
    assert wrong_labels(vectors, labels, contiguous(labels, 5)) == []
    blind, labels = clouds(0.0)
    assert len(wrong_labels(blind, labels, contiguous(labels, 5))) < 0.02 * len(labels)


def test_the_joint_counts_as_the_paper_does():
    probabilities = np.array([[0.9, 0.1], [0.6, 0.4], [0.3, 0.7], [0.1, 0.9], [0.8, 0.2]], np.float32)
    joint = confident_joint(probabilities, np.array([0, 0, 1, 1, 1]))
    assert joint.thresholds == pytest.approx([0.75, 0.6])  # means of the own label's probability
    assert joint.confident.tolist() == [0, -1, 1, 1, 0]
    assert joint.counts.tolist() == [[1, 0], [1, 2]] and joint.noise == pytest.approx(0.25)
    assert [one.row for one in suspects(probabilities, np.array([0, 0, 1, 1, 1]), margin=0.5)] == [4]


def test_posteriors_are_probabilities_from_other_folds_only():
    vectors, labels = clouds(3.0)
    folds = contiguous(labels, 4)
    before = posteriors(vectors, labels, folds)
    assert np.allclose(before.sum(axis=1), 1, atol=1e-5) and (before.argmax(axis=1) == labels).mean() > 0.98
    only = np.where(labels == 0, 0, folds)  # the first class has all its rows in one fold: nobody can vouch for them
    assert (posteriors(vectors, labels, only)[labels == 0, 0] < 0.1).all()
    with pytest.raises(BadInput, match="one fold"):
        posteriors(vectors, labels, np.zeros_like(folds))


def predicted(vectors, labels):
    return posteriors(vectors.astype(np.float32), labels, contiguous(labels, 5))


def test_classes_of_two_clusters_each_are_told_apart_though_no_line_separates_them():
    rng = np.random.default_rng(0)
    centers = np.array([[1, 1], [-1, -1], [1, -1], [-1, 1]])
    vectors, labels = rng.normal(size=(240, 8)) / 4, np.repeat([0, 0, 1, 1], 60)
    vectors[:, :2] += np.repeat(centers, 60, axis=0)
    order = rng.permutation(240)
    vectors, labels = vectors[order], labels[order]
    assert (predicted(vectors, labels).argmax(axis=1) == labels).mean() > 0.95


def test_few_rows_a_class_are_told_apart_though_neighbors_are_mostly_of_others():
    right = []
    for seed in (0, 1):
        vectors, labels = clouds(0.8, classes=10, each=5, seed=seed)
        right.append((predicted(vectors, labels).argmax(axis=1) == labels).mean())
    assert np.mean(right) > 0.78


def test_probabilities_are_modest_where_classes_cannot_be_told_apart():
    vectors, labels = clouds(0.0)
    own = predicted(vectors, labels)[np.arange(len(labels)), labels]
    assert np.log(own).mean() > np.log(1 / 6) - 0.1


def test_the_directions_of_most_variance_are_used():
    vectors, labels = clouds(3.0, dim=300)
    assert (predicted(vectors, labels).argmax(axis=1) == labels).mean() > 0.95


def test_folds_keep_runs_and_groups_together():
    labels = np.array([0, 1, 0, 1, 0, 0, 1, 1])
    folds = contiguous(labels, 2)
    assert folds.tolist() == [0, 0, 0, 0, 1, 1, 1, 1]
    assert together(folds, np.array([3, -1, -1, 3, 3, -1, -1, -1])).tolist() == [0, 0, 0, 0, 0, 1, 1, 1]
