"""A map of the digits, the path between two of them and a grid of decoded codes, as one picture.

python examples/what_the_latent_space_knows.py -o latent.png
"""

import argparse

import numpy as np
from matplotlib import pyplot as plt

import vaekit
from vaekit.data import builtin

parser = argparse.ArgumentParser()
parser.add_argument("-o", "--output", default="latent.png")
parser.add_argument("--epochs", type=int, default=100)
options = parser.parse_args()

x, classes = builtin.load("digits"), builtin.labels("digits")
vae = vaekit.VAE(2, likelihood="continuous-bernoulli", epochs=options.epochs, verbose=True).fit(x)
codes = vae.transform(x)

side = 14  # decode a grid of codes that spans the middle 96 % of the rows' own
across, up = (np.linspace(*np.percentile(codes[:, j], (2, 98)), side) for j in (0, 1))
grid = np.array([(a, b) for b in up[::-1] for a in across])
framed = np.pad(vae.inverse_transform(grid), ((0, 0), (1, 1), (1, 1)))  # [196, 10, 10]
sheet = framed.reshape(side, side, 10, 10).swapaxes(1, 2).reshape(10 * side, 10 * side)
path = np.hstack(np.pad(vae.interpolate(x, between=(0, 4), steps=12), ((0, 0), (1, 1), (1, 1))))

figure = plt.figure(figsize=(11, 6.2), layout="constrained")
axes = figure.subplot_mosaic([["map", "grid"], ["path", "path"]], height_ratios=(6, 1))
dots = axes["map"].scatter(*codes.T, c=classes, cmap="tab10", s=5)
axes["map"].legend(*dots.legend_elements(), loc="upper right", fontsize="small")
axes["map"].set(title="each row's code, coloured by class", xlabel="z0", ylabel="z1")
axes["grid"].imshow(sheet, cmap="gray")
axes["grid"].set_title("codes on a grid, decoded")
axes["path"].imshow(path, cmap="gray")
axes["path"].set_title("the straight line between the codes of a 0 and a 4")
for name in ("grid", "path"):
    axes[name].axis("off")
figure.savefig(options.output, dpi=120)
print(f"wrote {options.output}")
