"""Sparse VideoGen 2: clusters of queries choose clusters of keys."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from accelgen.attention.inputs import AttentionInputs
from accelgen.attention.masks.mask import HeadMask, VariableMask
from accelgen.attention.masks.selection import top_p
from accelgen.attention.patterns.base import Pattern
from accelgen.attention.patterns.checks import integer, number
from accelgen.attention.shape import AttentionShape

__all__ = ["Svg2", "cluster"]

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

ROWS = 4096
"""Tokens whose distances are held at a time."""


def cluster(x: Floats, clusters: int, iterations: int) -> tuple[Ints, Floats]:
    """k-means: ``(label, centroid)`` of the tokens ``x`` ``[n, d]``, ``[n]`` and ``[clusters,
    d]``, with at most ``n`` clusters.

    Deterministic: the first centroids are tokens at equal distances, ``n * c // clusters``; every
    token joins the nearest (squared distance; the lowest index of equal ones); a centroid is the
    mean of its tokens, and stays where it is without any.  Ends after ``iterations`` updates or
    when no label changes; labels and centroids are of the last assignment and its means.
    """
    clusters = min(clusters, len(x))
    centroid = x[len(x) * np.arange(clusters) // clusters].astype(np.float64)
    label = np.full(len(x), -1, dtype=np.int64)
    for _ in range(iterations):
        # |x|^2 is the same for all centroids.
        offset = np.square(centroid).sum(axis=1)
        nearest = np.concatenate(
            [
                np.argmin(offset - 2 * (x[start : start + ROWS] @ centroid.T), axis=1)
                for start in range(0, len(x), ROWS)
            ]
        )
        if (nearest == label).all():
            break
        label = nearest
        order = np.argsort(label, kind="stable")
        used, starts = np.unique(label[order], return_index=True)
        size = np.diff(np.append(starts, len(x)))
        centroid[used] = np.add.reduceat(x[order], starts, axis=0) / size[:, None]
    return label, centroid


@dataclass(frozen=True)
class Svg2(Pattern):
    """Queries and keys of a head are clustered by k-means (see :func:`cluster`); every cluster of
    queries keeps the key clusters with the largest shares until they reach ``p``, where the share
    of a key cluster is ``size * exp(q_c . k_c / sqrt(d))`` of its centroid over the sum of all.

    Tokens are permuted so that clusters are contiguous (in the order of tokens inside each), which
    gives blocks of variable size.  Clusters without tokens are left out; fewer tokens than
    clusters make a cluster of each token.  Heads that share keys share their clusters.

    The method is one of video, where nothing is causal.  For causal shapes the centroids say
    nothing of the order, so pairs after the query are cut afterwards, and a cluster of queries
    also keeps the clusters of the keys at its own positions: every query sees itself.

    Usual: 300 clusters of queries, 1000 of keys, p .9.  Source: Yang et al., arXiv:2505.18875.
    """

    name: ClassVar[str] = "svg2"
    source: ClassVar[str] = "arXiv:2505.18875"
    dynamic: ClassVar[bool] = True

    query_clusters: int = 300
    key_clusters: int = 1000
    p: float = 0.9
    iterations: int = 10

    def __post_init__(self) -> None:
        integer("svg2: query_clusters", self.query_clusters, 1)
        integer("svg2: key_clusters", self.key_clusters, 1)
        number("svg2: p", self.p, 0, 1)
        integer("svg2: iterations", self.iterations, 1)

    def masks(
        self, shape: AttentionShape, inputs: AttentionInputs | None = None, *, layer: int = 0
    ) -> tuple[HeadMask, ...]:
        """One mask per query head; every layer alike."""
        inputs = self.needed(inputs, shape)
        keys = [self._clusters(k, self.key_clusters) for k in inputs.k]
        result = []
        for head in range(shape.heads):
            q_label, q_centroid = self._clusters(inputs.q[head], self.query_clusters)
            k_label, k_centroid = keys[head // shape.group]
            q_size, k_size = np.bincount(q_label), np.bincount(k_label)
            scores = q_centroid @ k_centroid.T / math.sqrt(shape.head_dim)
            weight = k_size * np.exp(scores - scores.max(axis=1, keepdims=True))
            kept = top_p(weight / weight.sum(axis=1, keepdims=True), self.p)
            if shape.causal:
                kept[q_label, k_label[np.arange(shape.queries) + shape.offset]] = True
            result.append(
                VariableMask(
                    queries=shape.queries,
                    keys=shape.keys,
                    offset=shape.offset,
                    query_order=np.argsort(q_label, kind="stable"),
                    key_order=np.argsort(k_label, kind="stable"),
                    query_sizes=q_size,
                    key_sizes=k_size,
                    kept=kept,
                    causal=shape.causal,
                )
            )
        return tuple(result)

    def _clusters(self, x: Floats, clusters: int) -> tuple[Ints, Floats]:
        """Labels and centroids of the clusters that have tokens, numbered anew."""
        label, centroid = cluster(x, clusters, self.iterations)
        used, label = np.unique(label, return_inverse=True)
        return label, centroid[used]
