"""An autoencoder and a VAE of the same size on the same pictures: 784-128-64-50 and back.

    python examples/autoencoder_and_vae_in_ten_lines.py --epochs 20

It takes MNIST from ../shared/data where that is present, else scikit-learn's digits (64-128-64-50).
"""

import argparse
from pathlib import Path

import vaekit
from vaekit.data.readers import read

MNIST = Path(__file__).resolve().parents[2] / "shared" / "data" / "mnist.npz"

parser = argparse.ArgumentParser()
parser.add_argument("--epochs", type=int, default=20)
parser.add_argument("--rows", type=int, default=60_000, help="rows to train on, at most")
parser.add_argument("--digits", action="store_true", help="take the digits even where MNIST is present")
options = parser.parse_args()

if MNIST.exists() and not options.digits:
    x, x_test = read(f"{MNIST}::x_train")[: options.rows], read(f"{MNIST}::x_test", rows="0:2000")
else:
    x, x_test = read("builtin:digits", rows="0:1500")[: options.rows], read("builtin:digits", rows="1500:")

size = {"latent_dim": 50, "hidden": (128, 64), "activation": "relu", "likelihood": "bernoulli"}
budget = {"epochs": options.epochs, "batch_size": 128, "verbose": True}
autoencoder = vaekit.Autoencoder(**size, **budget).fit(x)
vae = vaekit.VAE(**size, **budget).fit(x)

columns = {"autoencoder": autoencoder.evaluate(x_test), "vae": vae.evaluate(x_test)}
print(f"{'on ' + str(len(x_test)) + ' test rows':20s}" + "".join(f"{name:>14s}" for name in columns))
for figure in ("nll_nats", "elbo_nats", "reconstruction_nats", "kl_nats", "active_units", "mse"):
    print(f"{figure:20s}" + "".join(f"{figures[figure]:14.2f}" for figures in columns.values()))
