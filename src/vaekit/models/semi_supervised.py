"""The variational autoencoder of rows some of whose classes are known."""

from __future__ import annotations

import copy
from typing import Any

import torch
from torch import Tensor, nn

from vaekit.models.decoder import output_size
from vaekit.models.vae import VAE
from vaekit.priors.class_mixture import ClassMixture


class SemiSupervisedVAE(VAE):
    r"""p(x, y, z) = p(y) p(z | y) p(x | z), with q(z | x) and, where y is not known, q(y | x).

    Kingma et al. (2014) train features z of x (their M1) and then a model of z with classes (M2). Here the two are one
    model, trained at once: p(z | y) is a mixture of Gaussians for each class. Without a class, a VAE with a mixture as
    prior is left.

    Parameters
    ----------
    *parts
        Those of `EncoderDecoder`, with a `ClassMixture`.
    classifier : nn.Module
        From what the encoder reads to features [n, ...], on which q(y | x) stands.

    References
    ----------
    Kingma, Rezende, Mohamed and Welling (2014), Semi-supervised learning with deep generative models, arXiv:1406.5298.
    """

    prior: ClassMixture
    costs: Tensor

    def __init__(self, *parts: Any, classifier: nn.Module) -> None:
        super().__init__(*parts)
        n_features = output_size(classifier, self.inputs.shape)
        whole = nn.Sequential(classifier, nn.Flatten(), nn.Linear(n_features, self.prior.n_classes))
        self.classifiers = nn.ModuleList([whole])
        self.register_buffer("costs", torch.zeros(1))  # of each classifier, a running mean that the objective keeps

    def log_classes(self, inputs: Tensor, of: int | None = None) -> Tensor:
        """Return log q(y | x) in nats, [n, K], of what the encoder reads [n, *inputs.shape].

        In float32 throughout: it is trained on small differences of its own answers, which bfloat16 would round away.

        Parameters
        ----------
        inputs : Tensor of shape (n, *inputs.shape)
        of : int, optional
            The classifier that is asked; without it the one that costs least.
        """
        chosen = self.classifiers[int(self.costs.argmin()) if of is None else of]
        with torch.autocast(inputs.device.type, enabled=False):
            logits: Tensor = chosen(inputs.float())
            return logits.log_softmax(-1)

    def add_rivals(self, n: int) -> None:
        """Add n classifiers that begin elsewhere; some beginnings end where two classes are confused."""
        for _ in range(n):
            rival = copy.deepcopy(self.classifiers[0])
            rival.apply(_begin_anew)
            self.classifiers.append(rival)
        self.costs = self.costs.new_zeros(len(self.classifiers))

    def settle(self) -> None:
        """Keep the classifier that costs least alone."""
        self.classifiers = nn.ModuleList([self.classifiers[int(self.costs.argmin())]])
        self.costs = self.costs.new_zeros(1)


def _begin_anew(module: nn.Module) -> None:
    """Draw the weights of a layer anew."""
    reset: Any = getattr(module, "reset_parameters", None)
    if reset is not None:
        reset()
