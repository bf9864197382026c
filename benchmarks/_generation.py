"""How near new pictures are to held-out ones: distances and tests on features, and on pixels."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator

import numpy as np
import torch
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.metrics import accuracy_score, roc_auc_score
from torch import Tensor, nn
from torch.nn import functional as F

FEATURES, BATCH, EPOCHS, RATE = 64, 128, 6, 2e-3
K_PRECISION, K_DENSITY = 3, 5  # neighbours, as in the papers
PROJECTIONS = 500
CHUNK = 1000  # rows whose distances to all others are held at a time


# -- the classifier ----------------------------------------------------------------------------------------------------


class Classifier(nn.Module):
    """Two convolutions, a layer of 64 features, and logits."""

    def __init__(self, n_classes: int) -> None:
        super().__init__()
        self.body = nn.Sequential(
            *(nn.Conv2d(1, 16, 3, stride=2, padding=1), nn.ReLU()),
            *(nn.Conv2d(16, 32, 3, stride=2, padding=1), nn.ReLU()),
            *(nn.Flatten(), nn.LazyLinear(FEATURES), nn.ReLU()),
        )
        self.head = nn.Linear(FEATURES, n_classes)

    def forward(self, x: Tensor) -> Tensor:
        """Return logits [n, classes] of pictures [n, 1, h, w]."""
        return self.head(self.body(x))


def as_input(pictures: np.ndarray) -> Tensor:
    """Return grey levels [n, h, w] as numbers from 0 to 1, [n, 1, h, w]."""
    return torch.from_numpy(pictures).float().div(255).unsqueeze(1)


def trained(pictures: np.ndarray, labels: np.ndarray, seed: int = 0) -> Classifier:
    """Return a classifier of pictures [n, h, w] into labels [n] from 0 on."""
    torch.manual_seed(seed)
    x, y = as_input(pictures), torch.from_numpy(labels).long()
    net = Classifier(int(y.max()) + 1)
    net(x[:1])
    steps = EPOCHS * -(-len(x) // BATCH)
    optimiser = torch.optim.Adam(net.parameters())
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, RATE, steps)
    for rows in (batch for _ in range(EPOCHS) for batch in torch.randperm(len(x)).split(BATCH)):
        optimiser.zero_grad()
        F.cross_entropy(net(x[rows]), y[rows]).backward()
        optimiser.step()
        schedule.step()
    return net.eval()


def fingerprint(net: nn.Module) -> str:
    """Return the SHA-256 of a network's weights."""
    return hashlib.sha256(b"".join(p.detach().numpy().tobytes() for p in net.parameters())).hexdigest()


@torch.no_grad()
def features(net: Classifier, pictures: np.ndarray) -> Tensor:
    """Return the last layer before the logits, [n, 64]."""
    return torch.cat([net.body(x) for x in as_input(pictures).split(CHUNK)])


@torch.no_grad()
def logits(net: Classifier, pictures: np.ndarray) -> np.ndarray:
    """Return logits [n, classes]."""
    return net.head(features(net, pictures)).numpy()


# -- distances between sets of points ----------------------------------------------------------------------------------


def frechet(a: Tensor, b: Tensor) -> float:
    """Return ‖μ_a − μ_b‖² + tr(Σ_a + Σ_b − 2 (Σ_a Σ_b)^½) (Heusel et al., 2017, arXiv:1706.08500)."""
    (mean_a, cov_a), (mean_b, cov_b) = (
        (x.mean(0), np.cov(x, rowvar=False)) for x in (a.double().numpy(), b.double().numpy())
    )
    roots = np.sqrt(np.linalg.eigvals(cov_a @ cov_b).real.clip(0))  # of a product of covariances: real, not negative
    return float(((mean_a - mean_b) ** 2).sum() + np.trace(cov_a + cov_b) - 2 * roots.sum())


def distances(a: Tensor, b: Tensor) -> Iterator[Tensor]:
    """Yield the distances of some rows of a to all rows of b, [≤ CHUNK, len(b)]."""
    return (torch.cdist(rows, b) for rows in a.split(CHUNK))


def nearest(a: Tensor, b: Tensor, k: int = 1) -> Tensor:
    """Return the distance of each row of a to its k-th neighbour in b, [len(a)]."""
    return torch.cat([d.kthvalue(k, dim=1).values for d in distances(a, b)])


def balls(points: Tensor, centres: Tensor, radii: Tensor) -> Tensor:
    """Return in how many balls each point lies, [n]."""
    return torch.cat([(d <= radii).sum(1) for d in distances(points, centres)])


def precision_recall(made: Tensor, real: Tensor, k: int = K_PRECISION) -> dict[str, float]:
    """Return the shares of made points near real ones, and of real near made (Kynkäänniemi et al., 2019, eq. 1 to 2).

    Near is a point within the ball of another that reaches its k-th neighbour of its own kind (arXiv:1904.06991).
    """
    to_kth = [nearest(x, x, k + 1) for x in (made, real)]  # a point is its own first neighbour
    shares = [(balls(*three) > 0).float().mean() for three in ((made, real, to_kth[1]), (real, made, to_kth[0]))]
    return {"precision": float(shares[0]), "recall": float(shares[1])}


def density_coverage(made: Tensor, real: Tensor, k: int = K_DENSITY) -> dict[str, float]:
    """Return in how many real balls over k a made point lies, and the share of real balls that hold one.

    Naeem et al. (2020), Reliable fidelity and diversity metrics, arXiv:2002.09797, equations 3 and 4.
    """
    radii = nearest(real, real, k + 1)
    density = balls(made, real, radii).float().mean() / k
    return {"density": float(density), "coverage": float((nearest(real, made) <= radii).float().mean())}


def sliced_wasserstein(a: np.ndarray, b: np.ndarray) -> float:
    """Return the root mean square over directions of the 2-Wasserstein distance along one, pixels being 0 to 1."""
    directions = torch.randn(a[0].size, PROJECTIONS, generator=torch.Generator().manual_seed(0))
    along = [(as_input(x).flatten(1) @ F.normalize(directions, dim=0)).sort(dim=0).values for x in (a, b)]  # [n, 500]
    return float((along[0] - along[1]).square().mean().sqrt())


# -- telling two sets apart --------------------------------------------------------------------------------------------


def told_apart(made: np.ndarray, real: np.ndarray, net: Classifier) -> dict[str, float]:
    """Return how well classifiers trained on one half tell made from real in the other (Lopez-Paz and Oquab, 2017)."""
    rng = np.random.default_rng(0)
    order = rng.permutation(2 * len(made))
    pictures, is_made = np.concatenate([made, real])[order], (np.arange(2 * len(made)) < len(made))[order]
    first, second = np.split(np.arange(len(order)), 2)
    by_pixels = logits(trained(pictures[first], is_made[first]), pictures[second]) @ [-1, 1]
    x = features(net, pictures).numpy()
    booster = HistGradientBoostingClassifier(random_state=0).fit(x[first], is_made[first])
    by_features = booster.predict_proba(x[second])[:, 1] - 0.5
    return {
        "AUROC, pixels": float(roc_auc_score(is_made[second], by_pixels)),
        "accuracy, pixels": float(accuracy_score(is_made[second], by_pixels > 0)),
        "AUROC, features": float(roc_auc_score(is_made[second], by_features)),
        "accuracy, features": float(accuracy_score(is_made[second], by_features > 0)),
    }


def nearest_ratio(made: np.ndarray, held_out: np.ndarray, train: np.ndarray) -> float:
    """Return the median distance of made pictures to the nearest training picture, over that of held-out ones."""
    made_to, held_to = (nearest(as_input(x).flatten(1), as_input(train).flatten(1)).median() for x in (made, held_out))
    return float(made_to / held_to)


def figures(made: np.ndarray, held_out: np.ndarray, train: np.ndarray, net: Classifier) -> dict[str, float]:
    """Return all figures of made pictures [n, h, w] against as many held-out ones."""
    near, real = features(net, made), features(net, held_out)
    return {
        "Fréchet": frechet(near, real),
        **precision_recall(near, real),
        **density_coverage(near, real),
        **told_apart(made, held_out, net),
        "sliced Wasserstein": sliced_wasserstein(made, held_out),
        "nearest ratio": nearest_ratio(made, held_out, train),
    }
