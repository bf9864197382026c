"""The loop of PyTorch's own VAE example: DataLoader over tensors, float32, Adam, the loss read at every step."""

from __future__ import annotations

import time

import torch
import torch.nn.functional as F  # noqa: N812 - its usual name
from _common import BATCH, HIDDEN, LATENT, PIXELS, RATE, THREADS, arguments, say_epochs, training_pixels
from torch import Tensor, nn
from torch.utils.data import DataLoader, TensorDataset


class VAE(nn.Module):
    """784-400-20 with ReLU, and a sigmoid at the end."""

    def __init__(self) -> None:
        super().__init__()
        self.fc1 = nn.Linear(PIXELS, HIDDEN)
        self.fc21 = nn.Linear(HIDDEN, LATENT)
        self.fc22 = nn.Linear(HIDDEN, LATENT)
        self.fc3 = nn.Linear(LATENT, HIDDEN)
        self.fc4 = nn.Linear(HIDDEN, PIXELS)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Return the reconstruction, the posterior's mean and its log-variance."""
        h = F.relu(self.fc1(x))
        mean, log_variance = self.fc21(h), self.fc22(h)
        z = mean + torch.randn_like(mean) * torch.exp(0.5 * log_variance)
        return torch.sigmoid(self.fc4(F.relu(self.fc3(z)))), mean, log_variance


def negative_elbo(x: Tensor, reconstruction: Tensor, mean: Tensor, log_variance: Tensor) -> Tensor:
    cross_entropy = F.binary_cross_entropy(reconstruction, x, reduction="sum")
    return cross_entropy - 0.5 * torch.sum(1 + log_variance - mean.pow(2) - log_variance.exp())


def train_epoch(model: VAE, loader: DataLoader, optimizer: torch.optim.Optimizer) -> float:
    model.train()
    total = 0.0
    for (x,) in loader:
        optimizer.zero_grad()
        loss = negative_elbo(x, *model(x))
        loss.backward()
        total += loss.item()
        optimizer.step()
    return total


def main() -> None:
    words = arguments()
    torch.manual_seed(0)
    torch.set_num_threads(THREADS)
    loader = DataLoader(TensorDataset(torch.from_numpy(training_pixels(words))), batch_size=BATCH, shuffle=True)
    model = VAE()
    optimizer = torch.optim.Adam(model.parameters(), lr=RATE)
    ends = []
    for _ in range(words.epochs):
        train_epoch(model, loader, optimizer)
        ends.append(time.perf_counter())
    say_epochs(ends, versions={"torch": torch.__version__})


if __name__ == "__main__":
    main()
