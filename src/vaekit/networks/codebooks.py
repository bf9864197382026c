"""Codebooks: the finite sets of codes that quantised models tell rows by, computed by vector-quantize-pytorch."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import embedding

from vaekit.errors import MissingExtraError


class Codebook(nn.Module):
    """A set of codes z [d] made of places, each with a choice of its own: the base of all.

    Attributes
    ----------
    latent_dim : int
        d, the number of units of z.
    n_places : int
    n_codes : int
        Choices at each place.
    """

    latent_dim: int
    n_places: int
    n_codes: int

    def forward(self, h: Tensor) -> tuple[Tensor, Tensor]:
        """Return the code of each row of features h [n, d], and what training pays beside the bound: [n, d] and [].

        The values are those of `values`, bit for bit; their gradient by h is the straight-through one (Bengio et al.,
        2013, arXiv:1308.3432).
        """
        raise NotImplementedError

    def indices(self, z: Tensor) -> Tensor:
        """Return the choice at each place of the code nearest to z [..., d]: int64 [..., n_places]."""
        raise NotImplementedError

    def values(self, index: Tensor) -> Tensor:
        """Return the codes [..., d] of choices [..., n_places]."""
        raise NotImplementedError

    def prepare(self, h: Tensor) -> None:
        """Set from features [n, d] what is better set than learned, before training."""

    def _exactly(self, index: Tensor, quantised: Tensor) -> Tensor:
        """Return the values of an index [n, n_places] with the gradient of `quantised`, which rounding put beside."""
        return self.values(index).detach() + (quantised - quantised.detach())


class FiniteScalars(Codebook):
    r"""z_j = round(f(h_j)) / ⌊L/2⌋, f(h) = (L − 1)/2 · tanh(h + shift) − offset: L equally spaced numbers in [−1, 1].

    Every unit is a place by itself, and nothing is learned.

    Parameters
    ----------
    latent_dim : int
    n_codes : int
        L.

    References
    ----------
    Mentzer et al. (2023), Finite scalar quantization: VQ-VAE made simple, section 3.1 and appendix A.1,
    arXiv:2309.15505.

    Examples
    --------
    >>> scalars = FiniteScalars(3)
    >>> scalars(torch.tensor([[-9.0, 0.0, 0.3]]))[0]
    tensor([[-1.0000,  0.0000,  0.2500]])
    """

    def __init__(self, latent_dim: int, n_codes: int = 8) -> None:
        super().__init__()
        self.latent_dim, self.n_places, self.n_codes = latent_dim, latent_dim, n_codes
        self.fsq = _library().FSQ([n_codes], num_codebooks=latent_dim, keep_num_codebooks_dim=True)

    def forward(self, h: Tensor) -> tuple[Tensor, Tensor]:
        """Return codes [n, d], and 0."""
        quantised, index = self.fsq(h[:, None])  # [n, 1, d] each
        return self._exactly(index[:, 0].long(), quantised[:, 0]), h.new_zeros(())

    def indices(self, z: Tensor) -> Tensor:
        """Return the number of the level nearest to each unit, [..., d]."""
        return self.fsq.codes_to_indices(z.detach()[..., None]).long().clamp(0, self.n_codes - 1)

    def values(self, index: Tensor) -> Tensor:
        """Return the levels, [..., d]."""
        return self.fsq.implicit_codebook[index, 0]


class Codebooks(Codebook):
    r"""z = [e_{1,k_1}, e_{2,k_2}, …], k_g = argmin_k ‖h_g − e_{g,k}‖: groups of units with K learned vectors each.

    Each vector follows the mean of the rows that are told by it, as an exponential moving average, and begins anew at
    one of the batch's where none are. What training pays is β ‖h − sg[z]‖², which keeps the features near their code.

    Parameters
    ----------
    latent_dim : int
        Is divided into groups as wide as can be, up to four units.
    n_codes : int
        K.

    References
    ----------
    van den Oord et al. (2017), Neural discrete representation learning, eq. 3 and appendix A.1, arXiv:1711.00937.
    Groups: Jégou et al. (2011), Product quantization for nearest neighbor search, IEEE TPAMI 33(1).

    Examples
    --------
    >>> books = Codebooks(8).eval()
    >>> z, _ = books(torch.randn(5, 8))
    >>> books.n_places, bool((books.values(books.indices(z)) == z).all())
    (2, True)
    """

    WIDEST = 4  # units in a group
    COMMITMENT = 0.25  # β
    DECAY = 0.99
    SELDOM = 0.05  # rows of a batch, below which a vector is said to be out of use

    def __init__(self, latent_dim: int, n_codes: int = 64) -> None:
        super().__init__()
        width = max(w for w in range(1, self.WIDEST + 1) if latent_dim % w == 0)
        self.latent_dim, self.n_places, self.n_codes = latent_dim, latent_dim // width, n_codes
        self.vq = _library().VectorQuantize(
            latent_dim,
            n_codes,
            codebook_dim=width,
            heads=self.n_places,
            separate_codebook_per_head=True,
            decay=self.DECAY,
            threshold_ema_dead_code=self.SELDOM,
            commitment_weight=self.COMMITMENT,
            rotation_trick=False,
            sync_codebook=False,
        )

    def forward(self, h: Tensor) -> tuple[Tensor, Tensor]:
        """Return codes [n, d], and β times their squared distance from h, as a mean over rows."""
        if torch.compiler.is_exporting():
            return self._nearest(h), h.new_zeros(())
        # Not as a decorator, which would load the compiler, and that takes seconds, whatever the model.
        quantised: tuple[Tensor, Tensor] = torch.compiler.disable(self._quantised)(h)
        return quantised

    def _quantised(self, h: Tensor) -> tuple[Tensor, Tensor]:
        """Do the work of `forward`, not compiled: as many vectors change in place as happen to be out of use."""
        with torch.autocast(h.device.type, enabled=False):
            if self.training:
                with torch.no_grad():
                    self.vq(h)  # the vectors move first, so that these rows and the prior know the same ones
            quantised, index, commitment = self.vq(h, freeze_codebook=True)
        return self._exactly(index.view(h.shape[0], -1), quantised), self.latent_dim * commitment

    def _nearest(self, h: Tensor) -> Tensor:
        """Return the codes [n, d] of features [n, d] by operations that other programs know."""
        groups = h.view(-1, self.n_places, 1, self.latent_dim // self.n_places)  # [n, G, 1, w]
        index = (groups - self.vq.codebook).square().sum(-1).argmin(-1)  # [n, G]
        place = index + self.n_codes * torch.arange(self.n_places, device=h.device)  # among the vectors of all groups
        return embedding(place, self.vq.codebook.flatten(0, 1)).flatten(1)

    def indices(self, z: Tensor) -> Tensor:
        """Return the number of the vector nearest to each group of units, [..., n_places]."""
        groups = z.detach().reshape(-1, self.n_places, self.latent_dim // self.n_places).movedim(1, 0)  # [G, N, w]
        # By differences, so that each vector is at a distance of exactly 0 from itself.
        distance = torch.cdist(groups, self.vq.codebook, compute_mode="donot_use_mm_for_euclid_dist")  # [G, N, K]
        return distance.argmin(-1).T.view(*z.shape[:-1], self.n_places)

    def values(self, index: Tensor) -> Tensor:
        """Return the vectors beside each other, [..., d]."""
        places = torch.arange(self.n_places, device=index.device)
        return self.vq.codebook[places, index].flatten(-2)

    @torch.no_grad()
    def prepare(self, h: Tensor) -> None:
        """Have the vectors begin at rows of features."""
        rows = h[torch.arange(self.n_codes, device=h.device) * len(h) // self.n_codes]  # [K, d]
        vectors = rows.view(self.n_codes, self.n_places, -1).movedim(1, 0)  # [G, K, w]
        self.vq.codebook = vectors
        self.vq._codebook.embed_avg.copy_(vectors)  # beside counts of 1


def _library() -> Any:
    try:
        import vector_quantize_pytorch
    except ImportError as missing:
        raise MissingExtraError("quantised") from missing
    return vector_quantize_pytorch
