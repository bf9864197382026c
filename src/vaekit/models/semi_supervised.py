"""The variational autoencoder of rows some of whose classes are known."""

from __future__ import annotations

from vaekit.models.classes import ModelOfClasses
from vaekit.models.vae import VAE
from vaekit.priors.class_mixture import ClassMixture


class SemiSupervisedVAE(ModelOfClasses, VAE):
    r"""p(x, y, z) = p(y) p(z | y) p(x | z), with q(z | x) and, where y is not known, q(y | x).

    Kingma et al. (2014) train features z of x (their M1) and then a model of z with classes (M2). Here the two are one
    model, trained at once: p(z | y) is a mixture of Gaussians for each class. Without a class, a VAE with a mixture as
    prior is left.

    References
    ----------
    Kingma, Rezende, Mohamed and Welling (2014), Semi-supervised learning with deep generative models, arXiv:1406.5298.
    """

    prior: ClassMixture
