"""The training loop.

A run is a pure function of its settings and rows: order, noise and dropout of a round of steps follow from (seed,
epoch, step) alone, so a run that goes on from a checkpoint takes the very steps that one never killed would have taken.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

from vaekit.data.batches import Batches, Part, part_of, seed_of
from vaekit.data.streamed import StreamedBatches
from vaekit.distributions.shares import rows_of
from vaekit.errors import TrainingError
from vaekit.models.base import LatentModel
from vaekit.objectives import Bound, Objective, make_objective
from vaekit.training.adamw import AdamW
from vaekit.training.checkpoints import Checkpoint
from vaekit.training.compiling import Compiled
from vaekit.training.distributed import World, noticing_loss_amid_products
from vaekit.training.precision import (
    own_randomness,
    own_randomness_and_threads,
    random_states,
    reseed,
    set_random_states,
)
from vaekit.training.progress import Advanced, Ended, EpochEnded, Event, History, Listener, Note, RolledBack
from vaekit.training.recompute import recomputing
from vaekit.training.schedules import average_decay, kl_weight, one_cycle
from vaekit.training.settings import Settings
from vaekit.training.sharded import Shards, gathered, hand_out, is_divided, own_part

ROUND_STEPS = 100  # steps between two looks at whether all numbers are finite
AVERAGE_EVERY = 4  # steps; the average hardly changes, and a pass over all weights is saved
PATIENCE = 0.2  # of the run without a better held-out bound ends it
N_SUMS = 4  # rows, reconstruction, kl, and a number that is finite while all is well


@dataclass
class Facts:
    """Where a run stands, beside its tensors."""

    epoch: int = 0
    step: int = 0  # within the epoch
    seconds: float = 0.0
    epoch_began: float = 0.0
    rate_factor: float = 1.0
    failures: int = 0  # in a row
    best_nats: float = -float("inf")
    best_progress: float = 0.0
    reason: str = ""
    rows: list[dict[str, float]] = field(default_factory=list)


class Run:
    """One training run: a model, its optimiser, averaged and best weights, and where it stands.

    Parameters
    ----------
    model : LatentModel
        Trained in place; ends with the averaged weights of the epoch whose held-out bound was best.
    batches : Batches or StreamedBatches
    held_out : Tensor of shape (n_held_out, *event_shape)
    settings : Settings
    listeners : sequence of Listener
    checkpoint : Checkpoint, optional
    objective : Objective, optional
        In place of the one that the settings name.
    world : World, optional
        The processes that take part; each has its share of the batches and all rows held out.
    """

    def __init__(
        self,
        model: LatentModel,
        batches: Batches | StreamedBatches,
        held_out: Tensor,
        settings: Settings,
        listeners: Sequence[Listener] = (),
        checkpoint: Checkpoint | None = None,
        objective: Objective | None = None,
        world: World | None = None,
    ) -> None:
        self.settings, self.checkpoint, self.world = settings, checkpoint, world or World()
        self.shards = Shards(model, settings.device) if settings.shard and self.world.size > 1 else None
        self.model, self.batches, self.held_out = model.to(settings.device), batches, held_out
        with own_randomness(seed_of(settings.seed, 5)):
            chosen: Any = objective or make_objective(settings.objective, model.latent_dim)
        self.critic = chosen.to(settings.device) if isinstance(chosen, nn.Module) else nn.Module()  # its own weights
        said = {"draws": settings.draws, "strength": settings.strength}
        self.objective: Callable[..., Bound] = partial(chosen, **{k: v for k, v in said.items() if v is not None})
        self.loss_of = Compiled(self._loss_of, settings.device) if settings.compiled else self._loss_of
        self.facts, self.clock = Facts(), time.monotonic()
        self.history = History(self.facts.rows)
        self.listeners: list[Listener] = [self.history, *listeners]
        learned = [*model.named_parameters(), *self.critic.named_parameters("critic")]
        self.optimizer = AdamW({name: p for name, p in learned if p.requires_grad}, settings.weight_decay, self.world)
        self.rate = 0.0
        self.average = {k: v.clone() for k, v in model.state_dict().items()}
        self.best = {k: v.clone() for k, v in model.state_dict().items()}
        own = model.state_dict()  # the weights themselves, which stay where they are
        moving = [k for k, v in self.average.items() if v.is_floating_point()]
        self.moving = [[own_part(state[k]) for k in moving] for state in (self.average, own)]
        wide = torch.float32 if settings.device == "mps" else torch.float64  # which has no float64
        self.sums = torch.zeros(N_SUMS, device=settings.device, dtype=wide)
        self.recent = self.sums.clone()  # of this round, in this process
        self.weight = torch.zeros((), device=settings.device)  # of the KL; a tensor, so that compiled steps read it

    # -- the loop, one screen --------------------------------------------------------------------------------------

    def train(self) -> str:
        """Run to the end, to the budget, to the patience or to Ctrl-C; return which."""
        facts, settings = self.facts, self.settings
        with own_randomness_and_threads(settings.seed, settings.threads), self._sparing_memory(), self._in_parts():
            self._begin_alike()
            self.clock = time.monotonic() - facts.seconds
            try:
                while not facts.reason:
                    self._round()
            except KeyboardInterrupt:
                self._add_up()
                self._evaluate()
                facts.reason = "interrupted"
            except BaseException:
                self._tell(Ended("failed", facts.seconds))  # so that a bar is taken down
                raise
            _copy_into(self.model.state_dict(), self.best)
        self._tell(Ended(facts.reason, facts.seconds))
        return facts.reason

    def _round(self) -> None:
        """Take up to ROUND_STEPS steps; keep them when all numbers stayed finite, else go back and halve the rate."""
        facts, good = self.facts, self._copy()
        self.model.train()
        self.optimizer.forget_traces()
        reseed(self.settings.device, seed_of(self.settings.seed, 2, facts.epoch, facts.step))
        for x in self._next_batches():
            self._step(x)
            facts.step += 1
        self._add_up()
        if not bool(torch.isfinite(self.sums).all()):
            self._roll_back(good)
            return
        facts.failures = 0
        self._meet()
        if facts.step >= len(self.batches) or self.progress() >= 1:
            self._end_epoch()
        else:
            self._tell(self._advanced())
        self._keep()

    def _next_batches(self) -> Iterable[Tensor]:
        for taken, x in enumerate(self.batches.epoch(self.facts.epoch, self.facts.step)):
            if taken % self.world.meet_every == 0:
                self._meet()
            if taken == ROUND_STEPS or (taken and self.progress() >= 1):
                return
            yield x

    def _step(self, x: Tensor) -> None:
        facts, settings = self.facts, self.settings
        progress = self.progress()
        self.weight.fill_(self._kl_weight(progress))
        for rows, part, share in self._pieces(x):
            with self._autocast(), rows_of(part):
                loss, sums = self.loss_of(rows, self.weight)
            (loss * share).backward()
            self.recent += torch.cat([sums * (share > 0), loss.detach()[None]])
        self.world.average(p for p in self.optimizer.parameters if not is_divided(p))
        self.rate = settings.learning_rate * facts.rate_factor * one_cycle(progress)
        norm = self.optimizer.step(self.rate, settings.clip_norm)
        self.recent[-1] += norm
        self._average()

    def _pieces(self, x: Tensor) -> Iterator[tuple[Tensor, Part, float]]:
        """Yield the rows to compute at once, which of the batch they are, and their share of it.

        Each piece draws the whole batch's noise. All processes have as many pieces; for one of no rows they take one of
        no weight, so that random numbers go on as the others' do, and weights that are divided are gathered by all.
        """
        own = self.batches.part(self.facts.step)
        most = -(-own.total // self.world.size)  # that a process has
        pieces = own.cut(-(-most // (self.settings.micro_batch or most)))
        states = random_states(self.settings.device) if len(pieces) > 1 else []
        for piece in pieces:
            if states:
                set_random_states(states)
            rows = x[piece.first - own.first :][: piece.n_rows] if piece.n_rows else self.held_out[:1]
            yield rows, piece.or_one(), piece.n_rows / piece.total

    def _sparing_memory(self) -> AbstractContextManager[None]:
        return recomputing(self.model) if self.settings.recompute else nullcontext()

    @contextmanager
    def _in_parts(self) -> Iterator[None]:
        """Let weights that are divided be so for the block, and be put together at its end."""
        if not self.shards:
            yield
            return
        with noticing_loss_amid_products():
            yield
            self.shards.put_together()

    def _loss_of(self, x: Tensor, weight: Tensor) -> tuple[Tensor, Tensor]:
        """Return the loss of rows x, and what is summed up: rows, reconstruction, kl."""
        free = {"free_nats": self.settings.free_nats} if self.settings.free_nats else {}
        bound = self.objective(self.model, self.model.observation.observe(x), weight, **free)
        sums = [bound.kl.new_tensor(len(x)), bound.reconstruction.sum(), bound.kl.sum()]
        return bound.loss, torch.stack(sums).detach()

    # -- what all processes do together ----------------------------------------------------------------------------

    def _begin_alike(self) -> None:
        """Stand where the first process stands."""
        self.world.spread(tensor for tensor in self.tensors().values() if not is_divided(tensor))
        vars(self.facts).update(self.world.same(vars(self.facts)))
        self.history.rows = self.facts.rows

    def _meet(self) -> None:
        """Tell the time."""
        self.facts.seconds = self.world.agree(time.monotonic() - self.clock)

    def _add_up(self) -> None:
        """Move what the processes have summed up since they did so last into the sums of the epoch."""
        self.sums += self.world.total(self.recent)
        self.recent.zero_()

    # -- the ends of rounds and epochs -----------------------------------------------------------------------------

    def _advanced(self) -> Advanced:
        """Return how far a long epoch is."""
        facts, (rows, reconstruction, kl, _) = self.facts, self.sums.tolist()
        return Advanced(
            epoch=facts.epoch + 1,
            epochs=0 if self.settings.seconds else self.settings.epochs,
            progress=self.progress(),
            seconds=facts.seconds,
            elbo_nats=(reconstruction - kl) / rows,
            rows_per_second=rows / max(facts.seconds - facts.epoch_began, 1e-9),
        )

    def _end_epoch(self) -> None:
        facts = self.facts
        self._evaluate()
        facts.epoch, facts.step, facts.epoch_began = facts.epoch + 1, 0, facts.seconds
        self.sums.zero_()
        if self.progress() >= 1:
            facts.reason = "finished"
        elif self.progress() - facts.best_progress > PATIENCE and self.progress() > 2 * PATIENCE:
            facts.reason = "stopped early: the held-out bound no longer rose"

    def _evaluate(self) -> None:
        """Measure the averaged weights on held-out rows, keep them when they are the best so far, and tell."""
        facts, rows = self.facts, max(float(self.sums[0]), 1.0)
        held_out_nats = self.held_out_nats()
        self._meet()
        is_best = held_out_nats > facts.best_nats or facts.best_nats == -float("inf")
        if is_best or self.settings.to_the_end:
            facts.best_nats, facts.best_progress = held_out_nats, self.progress()
            _copy_into(self.best, self.average)
        reconstruction, kl = float(self.sums[1]) / rows, float(self.sums[2]) / rows
        self._tell(
            EpochEnded(
                epoch=facts.epoch + 1,
                epochs=0 if self.settings.seconds else self.settings.epochs,
                progress=self._progress_at(facts.epoch, facts.step),
                seconds=facts.seconds,
                elbo_nats=reconstruction - kl,
                reconstruction_nats=reconstruction,
                kl_nats=kl,
                valid_elbo_nats=held_out_nats,
                valid_bits_per_dim=-held_out_nats / self.model.event_shape.numel() / math.log(2),
                kl_weight=self._kl_weight(self._progress_at(facts.epoch, max(facts.step - 1, 0))),  # of the last step
                learning_rate=self.rate,
                rows_per_second=rows / max(facts.seconds - facts.epoch_began, 1e-9),
            )
        )

    def held_out_nats(self) -> float:
        """Return the mean bound of held-out rows under the averaged weights, in float32, with fixed noise."""
        own = {k: v.clone() for k, v in self.model.state_dict().items()}
        _copy_into(self.model.state_dict(), self.average)
        self.model.eval()
        reseed(self.settings.device, seed_of(self.settings.seed, 3))
        total = self.sums.new_zeros(())
        with torch.no_grad():
            observe = self.model.observation.observe
            for x in self.held_out.split(1024):
                part = part_of(len(x), self.world.rank, self.world.size)
                with rows_of(some := part.or_one()):
                    nats = self.objective(self.model, observe(some.of(x))).value.sum(dtype=total.dtype)
                total += nats if part.n_rows else 0.0
        _copy_into(self.model.state_dict(), own)
        return float(self.world.total(total)) / len(self.held_out)

    def _roll_back(self, good: tuple[dict[str, Tensor], dict[str, object]]) -> None:
        tensors, facts = good
        failures = self.facts.failures + 1
        self._restore(tensors, facts)
        self.facts.failures, self.facts.rate_factor = failures, self.facts.rate_factor / 2
        if failures == 3:
            raise TrainingError(
                f"Training gave no finite number three times in a row in epoch {self.facts.epoch + 1}, "
                "at smaller and smaller learning rates. Look for extreme values in the data, or lower learning_rate."
            )
        if failures == 1:
            self._tell(RolledBack(self.facts.epoch + 1, self.facts.rate_factor))

    # -- progress and state ----------------------------------------------------------------------------------------

    def progress(self) -> float:
        """The share of the run that is done, by steps or by the clock, whichever is further."""
        return self._progress_at(self.facts.epoch, self.facts.step)

    def _progress_at(self, epoch: int, step: int) -> float:
        by_steps = (epoch + step / len(self.batches)) / self.settings.epochs
        by_clock = self.facts.seconds / self.settings.seconds if self.settings.seconds else 0.0
        return min(1.0, max(by_steps, by_clock))

    def _kl_weight(self, progress: float) -> float:
        return kl_weight(progress, self.settings.warmup, self.settings.beta, self.settings.cycles)

    def _average(self) -> None:
        steps = self.facts.epoch * len(self.batches) + self.facts.step + 1
        every = AVERAGE_EVERY if steps > AVERAGE_EVERY else 1  # a run of a few steps has an average too
        if steps % every:
            return
        expected = (
            steps / max(self.progress(), 1e-3) if self.settings.seconds else self.settings.epochs * len(self.batches)
        )
        decay = average_decay(steps, int(expected)) ** every
        averages, weights = self.moving
        torch._foreach_lerp_(averages, weights, 1 - decay)

    def tensors(self) -> dict[str, Tensor]:
        """Every tensor of the run's state by name."""
        named = {"sums": self.sums}
        for group, state in (
            ("model", self.model.state_dict()),
            ("average", self.average),
            ("best", self.best),
            ("critic", self.critic.state_dict()),
        ):
            named |= {f"{group}.{k}": v for k, v in state.items()}
        named |= {f"optimizer.{k}": v for k, v in self.optimizer.tensors().items()}
        return named

    def _keep(self) -> None:
        """Write the checkpoint when that is due, of whole tensors, so that any number of processes can go on."""
        is_due = self.checkpoint is not None and not self.facts.reason and self.checkpoint.is_due()
        if self.shards:
            is_due = self.world.same(is_due)  # they gather together
        if is_due:
            tensors = gathered(self.tensors(), keep=self.world.is_first) if self.shards else self.tensors()
            if self.checkpoint:
                self.checkpoint.write(tensors, vars(self.facts))

    def resume(self) -> None:
        """Go on from the checkpoint that the first process has; all call this."""
        tensors, facts = self.checkpoint.read() if self.checkpoint else ({}, vars(self.facts))
        own = self.tensors()
        if self.shards:
            hand_out(own, tensors)
        self._restore(own | {name: tensor for name, tensor in tensors.items() if not is_divided(own[name])}, facts)
        self._tell(Note(f"going on after epoch {self.facts.epoch}, step {self.facts.step}"))

    def _copy(self) -> tuple[dict[str, Tensor], dict[str, object]]:
        return {k: v.detach().clone() for k, v in self.tensors().items()}, dict(vars(self.facts))

    def _restore(self, tensors: dict[str, Tensor], facts: dict[str, object]) -> None:
        _copy_into(self.tensors(), tensors)
        vars(self.facts).update(facts)
        self.history.rows = self.facts.rows

    def _autocast(self) -> torch.autocast:
        device = torch.device(self.settings.device).type
        return torch.autocast(device, torch.bfloat16, enabled=self.settings.precision == "bfloat16")

    def _tell(self, event: Event) -> None:
        for listener in self.listeners:
            listener(event)


def _copy_into(target: dict[str, Tensor], source: dict[str, Tensor]) -> None:
    with torch.no_grad():
        for name, tensor in target.items():
            tensor.copy_(source[name])
