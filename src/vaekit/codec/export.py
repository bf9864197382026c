"""From a fitted model to its integer model: networks in whole numbers, latent units in cells, densities as tables."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial, singledispatch
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from vaekit.codec import entropy, tables
from vaekit.codec.columns import Columns
from vaekit.codec.context import KERNEL_BITS, ContextLevels
from vaekit.codec.export_table import TOP, float_bits_of_columns, integer_columns, reader, whole_rows, with_steps
from vaekit.codec.integer_network import Gate, Operation, Product, Reshape
from vaekit.codec.likelihoods import Bernoulli, IntegerLikelihood, Levels
from vaekit.codec.model import IntegerModel, Posterior
from vaekit.codec.model_bytes import to_bytes
from vaekit.codec.normals import Layers, Normals
from vaekit.codec.priors import AutoregressivePrior, FixedPrior, MixturePrior, Prior, TopDownPrior
from vaekit.codec.quantise import WIDTHS, Block, Output, Width, blocks, hidden_steps, integer_steps
from vaekit.codec.steps import LOG_STEPS, LOWEST_LOG, PLACES, REACH, inverse_scales
from vaekit.data.fields import Real
from vaekit.data.schema import Schema
from vaekit.distributions.chain import Chain
from vaekit.distributions.context import ContextLogisticLikelihood
from vaekit.distributions.likelihood import Likelihood, bounded
from vaekit.distributions.likelihoods import BernoulliLikelihood
from vaekit.distributions.logistic import DiscretizedLogisticLikelihood
from vaekit.distributions.posteriors import Reparametrised
from vaekit.distributions.product import ProductLikelihood
from vaekit.models.autoencoder import Autoencoder
from vaekit.models.base import LatentModel
from vaekit.models.hierarchical import HierarchicalVAE
from vaekit.models.inputs import BlockInputs, TableInputs
from vaekit.models.vae import VAE
from vaekit.priors.autoregressive import AutoregressivePrior as RealAutoregressivePrior
from vaekit.priors.mixture import GaussianMixture
from vaekit.priors.normal import StandardNormal
from vaekit.priors.top_down import TopDownPrior as RealTopDownPrior
from vaekit.priors.vamp import VampPrior

Array = NDArray[Any]
Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Grid:
    """The cells that latent units are cut into: of one width for all units, of one number.

    Parameters
    ----------
    low : ndarray of shape (d,)
        Where the first cell of each unit begins.
    width : float
    n_cells : int
    """

    low: Floats
    width: float
    n_cells: int

    @classmethod
    def around(cls, loc: Floats, scale: Floats) -> Grid:
        """Return cells that hold posteriors [n, d], about twice as fine as the narrow ones among them."""
        low, high = (loc - REACH_OF_POSTERIOR * scale).min(0), (loc + REACH_OF_POSTERIOR * scale).max(0)
        extent = float((high - low).max())
        n_cells = next(n for n in (64, 256, 1024, 4096) if extent / n <= np.quantile(scale, 0.05) / 2 or n == 4096)
        return cls((low + high - extent) / 2, extent / n_cells, n_cells)

    @property
    def middle(self) -> Floats:
        """The middle of all cells of each unit."""
        return self.low + self.n_cells * self.width / 2

    def output(self, n_components: int = 1) -> tuple[Floats, Floats]:
        """Return step and shift of locations of components of units, [M d]."""
        return np.full(n_components * len(self.low), self.width / PLACES), np.tile(self.low, n_components)

    def statistics(self, units: slice) -> Output:
        """Return what the numbers of a network for locations and log-scales of some units mean."""
        low = self.low[units]
        step = np.concatenate([np.full(len(low), self.width / PLACES), np.full(len(low), 1 / LOG_STEPS)])
        return Output(step, np.concatenate([low, np.zeros(len(low))]), REACH)

    def of_units(self, units: slice) -> Grid:
        """Return the cells of some units."""
        return Grid(self.low[units], self.width, self.n_cells)

    def normals(self, bounded_log_scale: Callable[[Tensor], Tensor]) -> Normals:
        """Return the table of scales."""
        return Normals(inverse_scales(bounded_log_scale, self.width), LOWEST_LOG)


Exported = VAE | HierarchicalVAE | Autoencoder
REACH_OF_POSTERIOR = 4.5  # standard deviations


MOST_LOSS = 0.01  # of the bits, by whole numbers
SMALL_LOSS = 0.003  # of an archive of as many rows as the model saw, for which a faster model is taken
CALIBRATION_ROWS, MEASURED_ROWS = 1000, 300


@torch.no_grad()
def best_export(model: LatentModel, schema: Schema, rows: Tensor) -> IntegerModel:
    """Return the integer model of a fitted one, with what it costs in its facts.

    Of some widths of numbers, the fastest is taken that loses under 1 % and with which archive and model together, of
    as many rows as the model was fitted on, are about as short as with any.

    Parameters
    ----------
    model : LatentModel
    schema : Schema
    rows : Tensor of shape (n, *event_shape)
        Codes of held-out rows.

    Raises
    ------
    NotImplementedError
        When a part of the model has no integer form; its words say which.
    """
    schema = schema.as_columns()
    _refuse_other_models(model, schema)
    rows = model.observation.observe(rows[:CALIBRATION_ROWS])
    grid, own = Grid.around(*_statistics(model, rows)), schema
    schema = with_steps(schema)
    tried = [export(model, schema, rows, grid, width) for width in WIDTHS]
    costs = [measured(model, schema, _exact(found, own), rows[:MEASURED_ROWS], grid) for found in tried]
    in_all = [schema.n_rows * cost.bits / 8 + len(to_bytes(found)) for found, cost in zip(tried, costs, strict=True)]
    chosen = _fastest(in_all, [cost.bits <= (1 + MOST_LOSS) * cost.float_bits for cost in costs])
    found, cost = tried[chosen], costs[chosen]
    facts: dict[str, Any] = {
        "bits_per_dim": cost.bits / found.n_values,
        "float_bits_per_dim": cost.float_bits / found.n_values,
    }
    if isinstance(found.likelihood, Columns) and not _exact_fields(found.likelihood, own):
        facts = {
            "why_not": "its columns are reals, which whole numbers tell only within a bound on the error (--max-error)"
        }
    return replace(found, schema=schema.to_json(), facts=facts)


def _exact(found: IntegerModel, schema: Schema) -> IntegerModel:
    """Return the model of the columns alone that come back exactly, where there are any."""
    if not isinstance(found.likelihood, Columns):
        return found
    exact = _exact_fields(found.likelihood, schema)
    return replace(found, likelihood=found.likelihood.only(exact)) if exact else found


def _exact_fields(likelihood: Columns, schema: Schema) -> list[int]:
    """Return the columns that are no reals, or reals with a step of their own."""
    has_step = [type(field) is not Real or field.step is not None for field in schema.fields]
    return [column.field for column in likelihood.columns if has_step[column.field]]


def _fastest(in_all: Sequence[float], exact: Sequence[bool]) -> int:
    """Return which of `WIDTHS` to take, by bytes of archive and model; the last is exact."""
    able = [i for i in range(len(in_all)) if exact[i] or i == len(in_all) - 1]
    shortest = min(in_all[i] for i in able)
    short = [i for i in able if in_all[i] <= (1 + SMALL_LOSS) * shortest]
    return min(short, key=lambda i: (WIDTHS[i].sum_bits, in_all[i]))


def _refuse_other_models(model: LatentModel, schema: Schema) -> None:
    if not isinstance(model, Exported):
        raise NotImplementedError(f"the model {type(model).__name__} has no integer form")
    if schema.is_block and model.observation.has_gaps:
        raise NotImplementedError("an array with gaps has no integer form; a table with gaps has one")


def _statistics(model: LatentModel, rows: Tensor) -> tuple[Floats, Floats]:
    """Return locations and scales of q(z | x), [n, d] each, those of lower layers given draws of the higher ones."""
    q = model.posterior(rows)
    z = _drawn(q, model.latent_dim)
    layers = [density for density, _ in q.layers(z)] if isinstance(q, Chain) else [q]
    loc, scale = (torch.cat([getattr(density, name) for density in layers], 1) for name in ("loc", "scale"))
    return loc.double().numpy(), scale.double().numpy()


def _drawn(q: Reparametrised, latent_dim: int) -> Tensor:
    """Return a draw [n, d] with a fixed seed."""
    n = len(q.mean)
    return q.transport(torch.randn(n, latent_dim, generator=torch.Generator().manual_seed(0)))


@dataclass(frozen=True)
class Cost:
    """Bits a row: of the integer model, and of the floating-point one with the same z."""

    bits: float
    float_bits: float


@torch.no_grad()
def measured(model: LatentModel, schema: Schema, integer: IntegerModel, rows: Tensor, grid: Grid) -> Cost:
    """Return what rows cost, their z drawn from q(z | x) with a fixed seed."""
    codes = whole_rows(schema, rows)
    noise = np.random.default_rng(0).integers(1, 1 << 32, 64 * len(codes) * model.latent_dim, np.uint32)
    cells = integer.posterior.pop(entropy.Stacks([noise]), codes, [len(codes)])
    taken = integer.posterior.n_bits(codes, cells)
    bits = integer.likelihood.n_bits(integer.parameters(cells), codes) + integer.prior.n_bits(cells) - taken
    q, real = model.posterior(rows), torch.from_numpy(grid.low + (cells + 0.5) * grid.width).float()
    latent_nats = q.log_prob(real) - model.prior().log_prob(real)
    x_bits = (
        float_bits_of_columns(model, schema, integer.likelihood, rows, real)
        if isinstance(integer.likelihood, Columns)
        else -model.log_likelihood(rows, real) / math.log(2)
    )
    return Cost(float(bits.mean()), float((latent_nats / math.log(2) + x_bits).mean()))


@torch.no_grad()
def export(model: LatentModel, schema: Schema, rows: Tensor, grid: Grid, width: Width) -> IntegerModel:
    """Return the integer model of a fitted one.

    Parameters
    ----------
    model : LatentModel
    schema : Schema
    rows : Tensor of shape (n, *event_shape)
        Codes that ranges are taken from.
    grid : Grid
    width : Width

    Raises
    ------
    NotImplementedError
        When a part of the model has no integer form; its words say which.
    """
    assert isinstance(model, Exported)
    z = _drawn(model.posterior(rows), model.latent_dim)
    likelihood, output = (
        integer_likelihood(model.observation) if schema.is_block else _integer_columns(model, schema, rows, z)
    )
    return IntegerModel(
        posterior=integer_posterior(model, schema, rows, z, grid, width),
        prior=integer_prior(model.prior, z, grid, width),
        decoder=integer_decoder(model, z, grid, output, width),
        likelihood=likelihood,
        n_cells=grid.n_cells,
        n_values=math.prod(model.event_shape),
        top=_top(model) if schema.is_block else TOP,
    )


def _integer_columns(model: LatentModel, schema: Schema, rows: Tensor, z: Tensor) -> tuple[Columns, Output]:
    parameters, is_linear = model._decode(z).flatten(1), isinstance(model.decoder.head, nn.Linear)
    return integer_columns(_of_columns(model), schema, whole_rows(schema, rows), parameters, alike=not is_linear)


def _top(model: LatentModel) -> int:
    """Return the largest code of a model of levels."""
    assert isinstance(model.inputs, BlockInputs)
    return int(model.inputs.top)


def _of_columns(model: LatentModel) -> ProductLikelihood:
    """Return p(x | z) as a product over columns; vectors of reals have one likelihood for all."""
    if isinstance(model.observation, ProductLikelihood):
        return model.observation
    n_columns = model.event_shape.numel()
    return ProductLikelihood([(model.observation, list(range(n_columns)))], n_columns)


@dataclass(frozen=True)
class Inputs:
    """What an encoder reads: the steps that make it, real numbers [n, ...], the step and the reach of whole ones."""

    steps: list[Operation]
    real: Tensor
    step: float | Floats
    reach: int


def _inputs(model: Exported, schema: Schema, rows: Tensor, width: Width) -> Inputs:
    """Return what encoders of whole numbers read of rows of codes."""
    if schema.is_block:
        top = _top(model)
        return Inputs([], rows.float() / top, 1 / top, top)
    read, steps = reader(schema, width.activation)
    step = steps[0] if (steps == steps[0]).all() else steps
    if not isinstance(step, float) and blocks(model.encoder)[0].weight.dim() == 4:
        raise NotImplementedError("a convolution of values with gaps has no integer form")
    real = torch.from_numpy(read(whole_rows(schema, rows).astype(np.float64)) * step).float()
    return Inputs([read], real, step, width.activation)


def integer_posterior(model: Exported, schema: Schema, rows: Tensor, z: Tensor, grid: Grid, width: Width) -> Posterior:
    """Return q(z | x) in whole numbers."""
    parts, inputs = _encoder_blocks(model), _inputs(model, schema, rows, width)
    parts[0].before = [Reshape(list(model.inputs.shape) if parts[0].weight.dim() == 4 else [-1])]
    encoder, step = hidden_steps(parts, inputs.real, inputs.step, inputs.reach, width)
    features, steps, climbs = [model.encoder(model.inputs(rows)).flatten(1)], [step], []
    for climb in model.climb if isinstance(model, HierarchicalVAE) else []:
        found, step = hidden_steps(blocks(climb), features[-1], steps[-1], width.activation, width)
        climbs.append(found)
        features.append(climb(features[-1]))
        steps.append(step)
    sizes = model.sizes if isinstance(model, HierarchicalVAE) else [model.latent_dim]
    layers = integer_layers(_heads(model), features[::-1], steps[::-1], sizes, z, grid, width)
    if isinstance(model, Autoencoder):
        layers.normals = grid.normals(lambda logs: logs)
    return Posterior([*inputs.steps, *encoder], climbs, layers)


def _encoder_blocks(model: Exported) -> list[Block]:
    """Return the encoder as blocks that read all categories one-hot."""
    first, *others = blocks(model.encoder)
    if not (isinstance(model.inputs, TableInputs) and model.inputs.embeddings):
        return [first, *others]
    embedded = model.inputs.of_one_hot()
    if first.residual:  # the inputs themselves go on
        return [Block(embedded, torch.zeros(len(embedded))), first, *others]
    return [replace(first, weight=first.weight @ embedded), *others]


def _heads(model: Exported) -> list[list[Block]]:
    """Return what gives each layer's locations and log-scales; an autoencoder's scales are the same for all rows."""
    if isinstance(model, HierarchicalVAE):
        return [blocks(net.body) + blocks(net.head) for net in model.layers]  # type: ignore[arg-type]
    assert model.head is not None
    (head,) = blocks(model.head)
    if isinstance(model, Autoencoder):
        weight, bias = torch.zeros_like(head.weight), model.width.log()
        head = replace(head, weight=torch.cat([head.weight, weight]), bias=torch.cat([head.bias, bias]))
    return [[head]]


def integer_layers(
    heads: Sequence[list[Block]],
    features: Sequence[Tensor],
    steps: Sequence[float | Floats],
    sizes: Sequence[int],
    z: Tensor,
    grid: Grid,
    width: Width,
) -> Layers:
    """Return layers in whole numbers, the top one first; the layers' own units are the last sum(sizes) of z."""
    start, networks = z.shape[1] - sum(sizes), []
    for parts, h, step, size in zip(heads, features, steps, sizes, strict=True):
        middle = torch.from_numpy(grid.middle[:start]).float()
        parts = from_place(parts, torch.cat([torch.zeros(h.shape[1]), middle])) if start else parts
        inputs = torch.cat([h, z[:, :start] - middle], 1)
        of_input = np.concatenate([np.full(h.shape[1], step), np.full(start, grid.width / 2)])
        reach = max(width.activation, grid.n_cells)
        output = grid.statistics(slice(start, start + size))
        networks.append(integer_steps(parts, inputs, of_input, reach, output, width))
        start += size
    return Layers(networks, list(sizes), grid.normals(partial(bounded, low=-6, high=2)), grid.n_cells)


def integer_decoder(model: LatentModel, z: Tensor, grid: Grid, output: Output, width: Width) -> list[Operation]:
    """Return the steps from cells, as odd numbers around 0, to the likelihood's parameters."""
    decoder = model.decoder
    parts, bias = blocks(decoder.body), decoder.bias.detach()
    if isinstance(decoder.head, nn.Linear):
        parts.append(Block(decoder.head.weight, bias.flatten()))
    else:
        parts[-1].bias = bias.flatten(0, 1) + parts[-1].bias[:, None, None]
    parts = of_cells(parts, decoder.units, decoder.centre, grid)
    return integer_steps(parts, z - torch.from_numpy(grid.middle).float(), grid.width / 2, grid.n_cells, output, width)


def of_cells(parts: Sequence[Block], units: Tensor, centre: Tensor, grid: Grid) -> list[Block]:
    """Return blocks that read the kept units alone, from the middle of their cells, the others being at `centre`."""
    held = centre.clone()
    held[units] = torch.from_numpy(grid.middle).to(held)
    return from_place(parts, held, units)


def from_place(parts: Sequence[Block], place: Tensor, read: Tensor | slice = slice(None)) -> list[Block]:
    """Return blocks that read how far some inputs are from a place [n_in]; the others are there."""
    first, *others = parts
    if first.residual:  # the inputs themselves go on
        return [Block(torch.eye(len(place))[:, read], place), *parts]
    return [replace(first, weight=first.weight[:, read], bias=first.bias + first.weight @ place), *others]


@singledispatch
def integer_prior(prior: nn.Module, z: Tensor, grid: Grid, width: Width) -> Prior:
    """Return a prior in whole numbers."""
    raise NotImplementedError(f"the prior {type(prior).__name__} has no integer form")


@integer_prior.register
def _(prior: StandardNormal, z: Tensor, grid: Grid, width: Width) -> Prior:
    loc = np.rint(-grid.low / grid.width * PLACES).astype(np.int64)
    inverse = round(2.0**16 * tables.CDF_STEPS * grid.width / PLACES)
    return FixedPrior(loc, np.full(len(loc), inverse), grid.n_cells)


@integer_prior.register
def _(prior: RealAutoregressivePrior, z: Tensor, grid: Grid, width: Width) -> Prior:
    m, units = prior.n_components, prior.units
    rows = (torch.arange(3 * m)[:, None] * len(prior.centre) + units).flatten()  # of the kept units
    masked = Block(prior.hidden.weight * prior.hidden.mask, prior.hidden.bias, "gated")
    (hidden,) = of_cells([masked], units, prior.centre, grid)
    out = Block((prior.out.weight * prior.out.mask)[rows], prior.out.bias[rows])
    step, shift = grid.output(m)
    other, none = np.full(len(step), 1 / LOG_STEPS), np.zeros(len(step))
    output = Output(np.concatenate([other, step, other]), np.concatenate([none, shift, none]), REACH)
    inputs = z - torch.from_numpy(grid.middle).float()
    first, gate, last = integer_steps([hidden, out], inputs, grid.width / 2, grid.n_cells, output, width)
    assert isinstance(first, Product)
    assert isinstance(gate, Gate)
    assert isinstance(last, Product)
    return AutoregressivePrior(first, gate, last, grid.normals(partial(bounded, low=-6, high=3)), m, grid.n_cells)


@integer_prior.register
def _(prior: GaussianMixture, z: Tensor, grid: Grid, width: Width) -> Prior:
    used = prior.logits.isfinite()
    log_weight = prior.logits.log_softmax(0)[used]
    return mixture(log_weight, prior.locs[used], prior.scale_tril[used], grid)


@integer_prior.register
def _(prior: VampPrior, z: Tensor, grid: Grid, width: Width) -> Prior:
    p = prior()
    return mixture(p.log_weight, p.loc, torch.diag_embed(p.scale), grid)


def mixture(log_weight: Tensor, loc: Tensor, factor: Tensor, grid: Grid) -> MixturePrior:
    """Return Σ_k w_k N(z; m_k, L_k L_kᵀ) in whole numbers, of log w [K], m [K, d] and lower triangular L [K, d, d]."""
    places, factors = ((t.double().numpy() / grid.width * PLACES) for t in (loc - torch.from_numpy(grid.low), factor))
    scale = np.diagonal(factors, axis1=1, axis2=2)  # [K, d]
    log_scale = factor.diagonal(dim1=1, dim2=2).log().double().numpy()
    logits = log_weight.double().numpy()[:, None] - np.cumsum(log_scale, 1) + log_scale  # of the units before each
    lower = np.rint(np.tril(factors, -1) * (1 << 12) / tables.CDF_STEPS).astype(np.int64)
    inverse = np.rint(2.0**16 * tables.CDF_STEPS / scale).astype(np.int64)
    rounded = (np.rint(LOG_STEPS * logits).astype(np.int64), np.rint(places).astype(np.int64))
    return MixturePrior(*rounded, np.maximum(inverse, 1), lower if lower.any() else np.zeros(0, np.int64), grid.n_cells)


@integer_prior.register
def _(prior: RealTopDownPrior, z: Tensor, grid: Grid, width: Width) -> Prior:
    first, below = prior.sizes[0], prior.sizes[1:]
    top = integer_prior(prior.top, z[:, :first], grid.of_units(slice(first)), width)
    heads = [blocks(net.body) + blocks(net.head) for net in prior.below]  # type: ignore[arg-type]
    none = [z[:, :0] for _ in below]
    return TopDownPrior(top, integer_layers(heads, none, [1.0] * len(below), below, z, grid, width))


@singledispatch
def integer_likelihood(observation: Likelihood) -> tuple[IntegerLikelihood, Output]:
    """Return a likelihood over whole numbers, and the steps of its parameters."""
    raise NotImplementedError(f"the likelihood {type(observation).__name__} has no integer form")


@integer_likelihood.register
def _(observation: BernoulliLikelihood) -> tuple[IntegerLikelihood, Output]:
    n = math.prod(observation.event_shape)
    return Bernoulli(int(observation.top)), Output(np.full(n, 1 / LOG_STEPS), np.zeros(n), REACH)


@integer_likelihood.register
def _(observation: ContextLogisticLikelihood) -> tuple[IntegerLikelihood, Output]:
    alone, output = _levels(observation)
    kernel = np.rint(observation.kernel.double().numpy() * (1 << KERNEL_BITS)).astype(np.int64)
    shape = list(observation.picture_shape)
    return ContextLevels(alone.n_levels, shape, kernel, alone.inverse, alone.lowest), output


@integer_likelihood.register(DiscretizedLogisticLikelihood)
def _levels(observation: DiscretizedLogisticLikelihood) -> tuple[Levels, Output]:
    if observation.n_levels is None:
        raise NotImplementedError("whole numbers without ends have no integer form yet")
    m, n = observation.n_components, math.prod(observation.event_shape)
    half = (observation.n_levels - 1) / 2  # of the networks' −1 … 1
    inverse = inverse_scales(lambda logs: bounded(logs, -7, 7) + math.log(half), 1.0)
    likelihood = Levels(observation.n_levels, m, observation.ends, inverse, LOWEST_LOG)
    is_loc = np.repeat(np.arange(likelihood.n_parameters) < m, n)
    first_edge = -(half + 0.5) / half  # a level x lies between edges x and x + 1
    output = Output(np.where(is_loc, 1 / half / PLACES, 1 / LOG_STEPS), np.where(is_loc, first_edge, 0.0), REACH)
    return likelihood, output
