"""The variational autoencoder of rows some of whose classes are known."""

from __future__ import annotations

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

    def __init__(self, *parts: Any, classifier: nn.Module) -> None:
        super().__init__(*parts)
        n_features = output_size(classifier, self.inputs.shape)
        self.classifier = nn.Sequential(classifier, nn.Flatten(), nn.Linear(n_features, self.prior.n_classes))

    def log_classes(self, inputs: Tensor) -> Tensor:
        """Return log q(y | x) in nats, [n, K], of what the encoder reads [n, *inputs.shape].

        In float32 throughout: it is trained on small differences of its own answers, which bfloat16 would round away.
        """
        with torch.autocast(inputs.device.type, enabled=False):
            return self.classifier(inputs.float()).log_softmax(-1)
