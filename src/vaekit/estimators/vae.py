"""`VAE`, `Autoencoder` and the other models of the family: thin faces over the verbs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, Self

from torch import nn

from vaekit.estimators.base import LatentEstimator

PARAMETERS = """
    Parameters
    ----------
    latent_dim : int or "auto", default="auto"
        The number of latent units; "auto" starts wide and keeps the active ones.
    preset : {"fast", "balanced", "best"}, default="balanced"
        How much to spend where nothing else is said.
    purpose : {"any", "compression", "imputation", "anomalies", "synthesis"}, default="any"
        For compression, the model is as large as the rows repay with a smaller archive, so that archive and model
        together take the fewest bytes. For imputation, it is trained on the tight bound of the observed values, with
        likelihoods under which outliers cost little. For anomalies, numbers of any size have a density whose width
        follows the row, and a hundred rows are held out where there are 300. For synthesis, the bound is so tight that
        new rows are like the data.
    likelihood : str, default="auto"
        p(x | z); the schema's natural choice where it is "auto".
    kinds : dict of str to str, default=None
        Kinds of columns by name, where the inferred ones are wrong.
    network : {"auto", "mlp", "conv"}, default="auto"
        The bodies of encoder and decoder.
    hidden : sequence of int, default=None
        The widths of the encoder's layers; the decoder mirrors them.
    activation : {"gated", "relu", "tanh", "silu", "elu"}, default="gated"
        What follows each layer.
    prior : {"auto", "normal", "mixture", "vamp", "flow", "autoregressive"}, default="auto"
        p(z) of a VAE, learned with the rest; other models have one of their own.
    second_stage : {"none", "auto", "mixture", "flow"}, default="none"
        A prior to be fitted on the codes after training, and taken if held-out rows are likelier with it.
    levels : int, default=None
        Stochastic layers of a VAE, among which the latent units are divided; the preset's choice where it is None.
    objective : str, default="auto"
        What is maximised. Of a VAE: "elbo", "iwae", "dreg", "miwae", "ciwae", "piwae", "tcvae", "factor", "dip", "mmd"
        or "wae"; of an autoencoder: "reconstruction", "denoising", "sparse", "contractive" or "rae".
    draws : int, default=None
        Draws of z for each row in training; the objective's usual number where it is None.
    strength : float, default=None
        The weight of the objective's own penalty, for "denoising" the share of values that are corrupted; its usual one
        where it is None.
    beta : float, default=1.0
        The weight of the KL.
    free_nats : float, default=0.0
        The KL that each unit may have for nothing (free bits); of the ELBO alone.
    warmup : float, default=0.1
        The share of each cycle over which the KL's weight rises.
    cycles : int, default=1
        How often over the run the KL's weight rises.
    epochs : int, default=None
        Passes over the rows.
    time : str or float, default=None
        A budget of wall-clock time, as in "90s" or "10m".
    batch_size : int, default=None
        Rows in a batch.
    micro_batch : int, default=None
        The most rows of a batch that are computed at once: less memory for the same step. All of them where it is None.
    recompute : bool, default=False
        Whether to compute activations anew in the backward pass: less memory, a third more time, the same model.
    shard : bool, default=False
        Whether the processes of torchrun each hold a part of the weights, for models larger than one device; one
        process holds all.
    learning_rate : float, default=4e-3
        The peak of the one-cycle schedule.
    weight_decay : float, default=0.05
        AdamW's, times the learning rate; 0 for plain Adam.
    valid : float, array, frame or path, default=0.1
        The share of rows held out, or the rows themselves.
    random_state : int, RandomState or None, default=0
        The seed of everything.
    device : {"auto", "cpu", "cuda", "mps"}, default="auto"
        Where to compute.
    precision : {"auto", "float32", "bfloat16"}, default="auto"
        Of matrix products in training; everything else is float32.
    threads : int, default=None
        Processor threads.
    compile : {"auto", "yes", "no"}, default="auto"
        Whether to compile the training step first; "auto" where the run is long enough to repay it.
    encoder, decoder : nn.Module, default=None
        Networks of your own, without losses: from inputs to features, and from codes to features or parameters.
    verbose : bool, default=False
        Show progress on standard error.

    Attributes
    ----------
    model_ : nn.Module
        The trained model.
    schema_ : Schema
        What the data are.
    latent_dim_ : int
        The number of latent units.
    history_ : frame
        One row an epoch.
    diagnosis_ : list of str
        What went well or wrong, with advice.
    n_features_in_ : int
        Values in a row.
"""


class _Configured(LatentEstimator):
    """The parameters that all estimators have."""

    def __init__(
        self,
        latent_dim: int | str = "auto",
        *,
        preset: str = "balanced",
        purpose: str = "any",
        likelihood: str = "auto",
        kinds: Mapping[str, str] | None = None,
        network: str = "auto",
        hidden: Sequence[int] | None = None,
        activation: str = "gated",
        prior: str = "auto",
        second_stage: str = "none",
        levels: int | None = None,
        objective: str = "auto",
        draws: int | None = None,
        strength: float | None = None,
        beta: float = 1.0,
        free_nats: float = 0.0,
        warmup: float = 0.1,
        cycles: int = 1,
        epochs: int | None = None,
        time: str | float | None = None,
        batch_size: int | None = None,
        micro_batch: int | None = None,
        recompute: bool = False,
        shard: bool = False,
        learning_rate: float = 4e-3,
        weight_decay: float = 0.05,
        valid: Any = 0.1,
        random_state: Any = 0,
        device: str = "auto",
        precision: str = "auto",
        threads: int | None = None,
        compile: str = "auto",
        encoder: nn.Module | None = None,
        decoder: nn.Module | None = None,
        verbose: bool = False,
    ) -> None:
        self.latent_dim = latent_dim
        self.preset = preset
        self.purpose = purpose
        self.likelihood = likelihood
        self.kinds = kinds
        self.network = network
        self.hidden = hidden
        self.activation = activation
        self.prior = prior
        self.second_stage = second_stage
        self.levels = levels
        self.objective = objective
        self.draws = draws
        self.strength = strength
        self.beta = beta
        self.free_nats = free_nats
        self.warmup = warmup
        self.cycles = cycles
        self.epochs = epochs
        self.time = time
        self.batch_size = batch_size
        self.micro_batch = micro_batch
        self.recompute = recompute
        self.shard = shard
        self.learning_rate = learning_rate
        self.weight_decay = weight_decay
        self.valid = valid
        self.random_state = random_state
        self.device = device
        self.precision = precision
        self.threads = threads
        self.compile = compile
        self.encoder = encoder
        self.decoder = decoder
        self.verbose = verbose


class VAE(_Configured):
    """A variational autoencoder for data of any kind: embed, reconstruct, sample and score with one model.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> import vaekit
    >>> X = load_iris().data
    >>> vae = vaekit.VAE(latent_dim=2, epochs=5).fit(X)
    >>> vae.transform(X).shape, vae.sample(3).shape, vae.score_samples(X).shape
    ((150, 2), (3, 4), (150,))
    """

    __doc__ = (__doc__ or "").replace("\n    Examples", PARAMETERS + "\n    Examples", 1)
    _model: ClassVar[str] = "vae"


class Autoencoder(_Configured):
    """A deterministic autoencoder, with a mixture of Gaussians fitted on its codes so that it can sample and score.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> import vaekit
    >>> X = load_iris().data
    >>> autoencoder = vaekit.Autoencoder(latent_dim=2, epochs=5).fit(X)
    >>> autoencoder.reconstruct(X).shape, autoencoder.sample(3).shape
    ((150, 4), (3, 4))
    """

    __doc__ = (__doc__ or "").replace("\n    Examples", PARAMETERS + "\n    Examples", 1)
    _model: ClassVar[str] = "autoencoder"


class FSQ(_Configured):
    """A model of codes whose units are each rounded to one of eight numbers, with a prior of their choices.

    It needs the extra `quantised`.

    References
    ----------
    Mentzer et al. (2023), Finite scalar quantization: VQ-VAE made simple, arXiv:2309.15505.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> import vaekit
    >>> X = load_iris().data
    >>> fsq = vaekit.FSQ(latent_dim=2, epochs=5).fit(X)
    >>> fsq.transform(X)[0] * 4 % 1, fsq.sample(3).shape
    (array([0., 0.], dtype=float32), (3, 4))
    """

    __doc__ = (__doc__ or "").replace("\n    References", PARAMETERS + "\n    References", 1)
    _model: ClassVar[str] = "fsq"


class VQVAE(_Configured):
    """A model of codes whose units go in groups, each told by the nearest of 64 learned vectors.

    It needs the extra `quantised`.

    References
    ----------
    van den Oord et al. (2017), Neural discrete representation learning, arXiv:1711.00937.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> import vaekit
    >>> X = load_iris().data
    >>> vq = vaekit.VQVAE(latent_dim=4, epochs=5).fit(X)
    >>> vq.transform(X).shape, vq.sample(3).shape
    ((150, 4), (3, 4))
    """

    __doc__ = (__doc__ or "").replace("\n    References", PARAMETERS + "\n    References", 1)
    _model: ClassVar[str] = "vq"


class HypersphericalVAE(_Configured):
    """A variational autoencoder whose codes are directions: points on a sphere, on which the prior is uniform.

    References
    ----------
    Davidson et al. (2018), Hyperspherical variational auto-encoders, arXiv:1804.00891.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> import vaekit
    >>> X = load_iris().data
    >>> vae = vaekit.HypersphericalVAE(latent_dim=3, epochs=5).fit(X)
    >>> (vae.transform(X) ** 2).sum(1).round(3)[:3]
    array([1., 1., 1.], dtype=float32)
    """

    __doc__ = (__doc__ or "").replace("\n    References", PARAMETERS + "\n    References", 1)
    _model: ClassVar[str] = "hyperspherical"


class ConditionalVAE(_Configured):
    """A variational autoencoder of rows with classes, whose decoder reads the class beside a code of all else.

    `fit(X, y)` takes a class of each row, −1 or a gap where it is not known. A code has `latent_dim` units of style,
    then one for each class, 1 at the row's own: `transform` tells the likeliest class of a row, and a code whose class
    is another one is decoded as a row of that class in the same style.

    References
    ----------
    Sohn, Lee and Yan (2015), Learning structured output representation using deep conditional generative models.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> import vaekit
    >>> X, y = load_iris(return_X_y=True)
    >>> vae = vaekit.ConditionalVAE(latent_dim=2, epochs=5).fit(X, y)
    >>> vae.transform(X).shape, vae.sample(3, given={"label": 2}).shape, vae.classify(X).shape
    ((150, 5), (3, 4), (150,))
    """

    __doc__ = (__doc__ or "").replace("\n    References", PARAMETERS + "\n    References", 1)
    _model: ClassVar[str] = "conditional"

    def fit(self, X: Any, y: Any = None, *, labels: Any = None, **run: Any) -> Self:  # noqa: N803
        """Fit the model.

        Parameters
        ----------
        X : array, tensor, frame or path of n_samples rows
        y, labels : array, series, frame of one column, path or name of a column of X
            Classes of the rows, −1 or a gap where they are not known; one of the two.
        **run
            `log`, `checkpoint`, `resume` and `listeners` of `VAE.fit`.

        Returns
        -------
        self

        Raises
        ------
        ParameterError
            When a setting is outside its rule, or there are no classes.
        DataError
            When the data are not fit to be learned from.
        """
        return super().fit(X, labels=y if labels is None else labels, **run)

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.target_tags.required = True
        return tags


ESTIMATORS: dict[str, type[_Configured]] = {
    "vae": VAE,
    "autoencoder": Autoencoder,
    "fsq": FSQ,
    "vq": VQVAE,
    "hyperspherical": HypersphericalVAE,
    "conditional": ConditionalVAE,
}
