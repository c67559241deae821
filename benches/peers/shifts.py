#!/usr/bin/env python3
"""Vectors of one label that were moved one way: how many rows taster lists, and how many the usual scores rank highest.

    benches/peers/shifts.py TASTER DATA VECTORS LABEL [SEEDS]

DATA is a Parquet file of clean vectors. Each trial moves 1% of the rows by 3 to 5 standard deviations along a random
direction and gives them one label (as `taster drill --family shift` does). All scores but the last are class by class and see the vectors of
that class and of the others; each may take as many clean rows with it as taster did, but three at least, over all classes:

- spectral signature: the squared projection on the top singular vector (Tran et al. 2018);
- QUE: the quantum entropy score on the 32 largest robustly whitened components (Hayase et al. 2021), alpha 4;
- kNN disagreement: the share of other labels among 20 nearest neighbours;
- density ratio: distance to the 20th neighbour among all other classes over that in the class;
- k-means, Gaussian mixture, DBSCAN: of the clusters inside the label's class that hold at most a tenth of it, the one that holds most
  planted rows net of others (told by the truth, which no user has);
- told the direction: the linear discriminant of a class and of the others moved, which is given the true shift and all statistics. What it
  leaves no score can find.

Wants numpy, pyarrow and scikit-learn.
"""

import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from sklearn.cluster import DBSCAN, KMeans
from sklearn.mixture import GaussianMixture
from sklearn.neighbors import NearestNeighbors

NEIGHBOURS = 20
COMPONENTS = 32


def spectral(inside, _):
    x = inside - inside.mean(0)
    return (x @ np.linalg.svd(x, full_matrices=False)[2][0]) ** 2


def whitened(x):
    """The largest components, each of them by the covariance of the middle half of the rows."""
    x = x - np.median(x, 0)
    x = x @ np.linalg.svd(x, full_matrices=False)[2][:COMPONENTS].T
    for _ in range(3):
        length = (x * x).sum(1)
        covariance = np.cov(x[length <= np.median(length)].T)
        x = x @ np.linalg.inv(np.linalg.cholesky(covariance + 1e-9 * np.trace(covariance) * np.eye(x.shape[1]))).T
    return x


def que(inside, _):
    x = whitened(inside)
    covariance = np.cov(x.T)
    value, vector = np.linalg.eigh(covariance - np.eye(x.shape[1]))
    weight = np.exp(4 * (value - value.max()) / max(value.max(), 1e-9))
    y = x @ vector
    return (y * y * weight).sum(1) / weight.sum()


def neighbours(of, among, skip):
    k = min(NEIGHBOURS + skip, len(among))
    return NearestNeighbors(n_neighbors=k).fit(among).kneighbors(of)


def disagreement(inside, outside):
    _, at = neighbours(inside, np.vstack([inside, outside]), 1)
    return (at[:, 1:] >= len(inside)).mean(1)


def density(inside, outside):
    own, other = neighbours(inside, inside, 1)[0][:, -1], neighbours(inside, outside, 0)[0][:, -1]
    return own / np.maximum(other, 1e-12)


def clusters(inside):
    x = whitened(inside)
    yield "k-means", KMeans(20, n_init=3, random_state=0).fit_predict(x)
    yield "Gaussian mixture", GaussianMixture(10, covariance_type="diag", random_state=0).fit_predict(x)
    near = neighbours(x, x, 1)[0][:, -1]
    best = [DBSCAN(eps=e, min_samples=10).fit_predict(x) for e in np.quantile(near, [0.1, 0.3, 0.5])]
    yield "DBSCAN", max(best, key=lambda c: len(np.unique(c)))


def taster(binary, x, labels, folder):
    data, contract, out = folder / "shift.parquet", folder / "shift.yaml", folder / "out"
    pq.write_table(pa.table({"v": list(x.astype(np.float32)), "label": labels}), data)
    contract.write_text("taster: 1\ncolumns:\n  v: {role: embedding}\n  label: {role: label}\n")
    command = [binary, "check", data, "-c", contract, "--select", "P180", "--out", out, "--fail-on", "never", "-q"]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    listed = pq.read_table(out / "quarantine.parquet", columns=["row", "action"]).to_pylist()
    return np.array([r["row"] for r in listed if r["action"] == "quarantine"], int)


def told(x, labels, planted, move, target):
    honest = (labels == target) & ~planted
    foreign = (labels != target) & ~planted
    spread = (np.cov(x[honest].T) + np.cov(x[foreign].T)) / 2
    ridge = 1e-6 * np.trace(spread) / len(spread) * np.eye(len(spread))
    return x @ np.linalg.solve(spread + ridge, x[foreign].mean(0) + move - x[honest].mean(0))


def main():
    binary, data, column, label, *seeds = sys.argv[1:]
    table = pq.read_table(data, columns=[column, label])
    clean = np.array(table[column].to_pylist(), float)
    truth = np.array([str(v) for v in table[label].to_pylist()])
    names = np.unique(truth)
    n, width = clean.shape
    found = {}
    trials = int(seeds[0]) if seeds else 20
    for seed in range(trials):
        r = np.random.default_rng(seed)
        move = r.normal(size=width)
        move /= np.linalg.norm(move)
        move *= r.uniform(3, 5) * (clean @ move).std()
        target, planted = names[seed % len(names)], np.zeros(n, bool)
        planted[r.choice(n, n // 100, replace=False)] = True
        x, labels = clean + planted[:, None] * move, np.where(planted, target, truth)
        with tempfile.TemporaryDirectory() as folder:
            rows = taster(binary, x, labels, Path(folder))
        listed = np.zeros(n, bool)
        listed[rows] = True
        wrong = max(3, int((listed & ~planted).sum()))

        def count(name, share, extra):
            found.setdefault(name, []).append((share, extra))

        def rank(name, scores, among):
            order = among[np.argsort(-scores, kind="stable")]
            taken = order[np.cumsum(~planted[order]) <= wrong]
            count(name, planted[taken].sum() / planted.sum(), wrong)

        count("taster", (listed & planted).sum() / planted.sum(), int((listed & ~planted).sum()))
        whole = {"spectral signature": spectral, "QUE": que, "kNN disagreement": disagreement, "density ratio": density}
        for name, score in whole.items():
            scores = np.zeros(n)
            for c in names:
                at = labels == c
                s = score(x[at], x[~at])
                scores[at] = (s - np.median(s)) / max(np.quantile(s, 0.9) - np.median(s), 1e-12)
            rank(name, scores, np.arange(n))
        own = np.flatnonzero(labels == target)
        for name, which in clusters(x[own]):
            best = max((c for c in np.unique(which) if c >= 0 and (which == c).sum() <= len(own) / 10), default=None,
                       key=lambda c: 2 * planted[own[which == c]].sum() - (which == c).sum())
            mine = own[which == best] if best is not None else own[:0]
            count(name, planted[mine].sum() / planted.sum(), int((~planted[mine]).sum()))
        rank("told the direction", told(x, labels, planted, move, target)[own], own)
    print("| score | trials with 90% of the rows | rows recovered | clean rows in a trial |\n|---|---|---|---|")
    for name, shares in found.items():
        good = sum(share >= 0.9 for share, _ in shares)
        rows, wrong = (np.mean([s[i] for s in shares]) for i in (0, 1))
        print(f"| {name} | {good} of {trials} | {rows:.1%} | {wrong:.1f} |")


if __name__ == "__main__":
    main()
