"""Several processes see each row once and give the model of one; a lost worker ends the run, and others go on."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
from contextlib import ExitStack
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from safetensors.torch import load_file

from vaekit.cli import main
from vaekit.data.batches import Batches, Part, part_of
from vaekit.distributions.chain import Chain
from vaekit.distributions.posteriors import DiagonalNormal
from vaekit.distributions.shares import rows_of
from vaekit.distributions.uniform import coarse_uniform
from vaekit.errors import TrainingError
from vaekit.storage.model_file import load_model
from vaekit.training.checkpoints import Checkpoint
from vaekit.training.distributed import World, joined, noticing_loss_amid_products

HERE = Path(__file__).parent
sizes = st.integers(1, 9)

# -- shares ------------------------------------------------------------------------------------------------------------


@given(st.integers(0, 100), sizes)
def test_the_parts_of_a_batch_are_all_of_it_in_order_and_as_even_as_can_be(total, size):
    parts = [part_of(total, rank, size) for rank in range(size)]
    rows = [row for part in parts for row in part.of(list(range(total)))]
    assert rows == list(range(total))
    assert [len(part.of(rows)) for part in parts] == [part.n_rows for part in parts]
    assert max(part.n_rows for part in parts) - min(part.n_rows for part in parts) <= 1


@given(st.integers(1, 200), st.integers(1, 40), st.integers(0, 99), sizes, st.data())
def test_shares_of_any_number_are_the_batches_of_one(n, batch_size, epoch, size, data):
    rows = np.arange(n)[:, None]
    whole = Batches(rows, batch_size, seed=3)
    start = data.draw(st.integers(0, len(whole)))
    shares = [Batches(rows, batch_size, seed=3, share=(rank, size)) for rank in range(size)]
    together = [torch.cat(parts) for parts in zip(*(share.epoch(epoch, start) for share in shares), strict=True)]
    assert [x.tolist() for x in together] == [x.tolist() for x in whole.epoch(epoch, start)]
    for share in shares:
        assert [share.part(step).n_rows for step in range(len(whole))] == [len(x) for x in share.epoch(epoch)]


# -- noise -------------------------------------------------------------------------------------------------------------


def normal(n: int) -> DiagonalNormal:
    return DiagonalNormal(torch.zeros(n, 5), torch.ones(n, 5))


DRAWS = {
    "normal": lambda n: normal(n).rsample((3,)).transpose(0, 1),
    "uniform": lambda n: coarse_uniform(torch.zeros(n, 7)),
    "chain": lambda n: Chain([5], [lambda z: normal(n)]).rsample((3,)).transpose(0, 1),
}


@pytest.mark.parametrize("draw", DRAWS.values(), ids=DRAWS)
@given(st.integers(1, 30), sizes, st.integers(0, 2**31))
def test_rows_have_the_same_noise_however_many_processes_share_a_batch(draw, total, size, seed):
    def drawn(n):
        torch.manual_seed(seed)
        return draw(n), torch.rand(4)  # what comes after is the same too

    with torch.random.fork_rng(devices=[]):
        whole, after = drawn(total)
        for part in (part_of(total, rank, size) for rank in range(size)):
            with rows_of(part):
                own, after_own = drawn(part.n_rows)
            assert torch.equal(own, whole[part.first : part.first + part.n_rows])
            assert torch.equal(after_own, after) or not part.n_rows


def test_what_is_drawn_for_other_rows_than_the_part_is_left_alone():
    with torch.random.fork_rng(devices=[]), rows_of(Part(1, 2, 4)):
        torch.manual_seed(0)
        some = normal(3).rsample()
        torch.manual_seed(0)
        assert torch.equal(some, torch.randn(3, 5))


# -- a world of one ----------------------------------------------------------------------------------------------------


def test_without_torchrun_there_is_a_world_of_one_which_waits_for_nobody():
    with joined() as world:
        assert (world.rank, world.size, world.is_first) == (0, 1, True)
        assert world.total(torch.ones(2)).tolist() == [1, 1]
        assert world.same({"a": [1]}) == {"a": [1]}
        assert world.agree(2.5) == 2.5
        world.spread([torch.ones(1)])
        world.check_same("x")
        world.leave()


def test_other_data_than_the_first_workers_are_refused(monkeypatch):
    monkeypatch.setattr(World, "same", lambda self, plain: "theirs")
    with pytest.raises(
        TrainingError, match="Worker 1 has other data or settings than worker 0. Give both the same DATA"
    ):
        World(1, 2).check_same("ours")


@pytest.mark.parametrize(
    ("said", "error"), [("[gloo/pair.cc:5] Read error", TrainingError), ("shapes do not match", RuntimeError)]
)
def test_broken_connections_are_told_from_what_else_may_fail_between_messages(said, error):
    with pytest.raises(error) as caught, noticing_loss_amid_products():
        raise RuntimeError(said)
    assert ("worker of this run was lost" in str(caught.value)) == (error is TrainingError)


# -- two processes -----------------------------------------------------------------------------------------------------

CASES = {
    "elbo": {"epochs": 3},
    "two layers": {"levels": 2, "latent_dim": 3, "objective": "iwae", "epochs": 3},
    "autoencoder": {"model": "autoencoder", "objective": "reconstruction", "epochs": 3},
    "rows for one alone": {"batch_size": 1, "epochs": 1},
    "by the clock": {"seconds": 0.5, "epochs": 1000},
    "gone on": {"epochs": 3},
    "rolled back": {"objective": "poisoned", "epochs": 1},
    "in parts": {"levels": 2, "latent_dim": 3, "objective": "iwae", "shard": True, "epochs": 3},
    "in parts and pieces": {"batch_size": 5, "micro_batch": 1, "recompute": True, "epochs": 1, "shard": True},
    "in parts gone on": {"epochs": 3, "shard": True},
}
PICTURES = {"epochs": 4, "shard": True}
GONE_ON = [name for name in CASES if "gone on" in name]
ALL_CASES = f"""
import json, sys
sys.path.insert(0, {str(HERE)!r})
from conftest import make_run, make_run_of_pictures
from safetensors.torch import save_file
from vaekit.objectives import OBJECTIVES, elbo
from vaekit.training.checkpoints import Checkpoint
from vaekit.training.distributed import joined
from vaekit.training.sharded import is_divided, own_part

class Poisoned:
    calls = 0
    def __call__(self, model, x, beta=1.0):
        self.calls += model.training
        bound = elbo(model, x, beta)
        bad = model.training and self.calls == 3 and world.rank == 1
        return bound._replace(value=bound.value * float("nan")) if bad else bound

def own_bytes(run):
    return sum(own_part(t).nbytes for name, t in run.tensors().items() if is_divided(t))

with joined() as world:
    OBJECTIVES["poisoned"] = Poisoned()
    for name, said in json.loads(sys.argv[1]).items():
        checkpoint = Checkpoint(name + ".checkpoint", "x") if world.is_first and "gone on" in name else None
        run = make_run(checkpoint=checkpoint, world=world, threads=1, **said)
        if "gone on" in name:
            run.resume()
        run.train()
        save_file(run.model.state_dict(), f"{{name}} {{world.rank}}.safetensors")
        if world.is_first:
            open(name + ".json", "w").write(json.dumps(vars(run.facts)))
    checkpoint = Checkpoint("pictures.checkpoint", "x", 0.0) if world.is_first else None
    run = make_run_of_pictures(checkpoint, world, threads=1, **{PICTURES})
    held = [own_bytes(run), sum(t.nbytes for t in run.tensors().values() if is_divided(t))]
    run.train()
    save_file(run.model.state_dict(), f"pictures {{world.rank}}.safetensors")
    open(f"pictures {{world.rank}}.json", "w").write(json.dumps(held))
    world.leave()
"""


def start_two(folder: Path, program: str, *words: str) -> list[subprocess.Popen]:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = str(free.getsockname()[1])
    said = os.environ | {"WORLD_SIZE": "2", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": port, "LOCAL_WORLD_SIZE": "2"}
    return [
        subprocess.Popen(
            [sys.executable, "-W", "error", "-c", program, *words],
            cwd=folder,
            env=said | {"RANK": str(rank)},
            stderr=subprocess.PIPE,
            text=True,
        )
        for rank in range(2)
    ]


@pytest.fixture(scope="module")
def of_two(tmp_path_factory, make_run):
    """Return the folder of what two processes made of each case; some cases go on where one process was killed."""
    folder = tmp_path_factory.mktemp("two")
    for case in GONE_ON:
        checkpoint = Checkpoint(folder / f"{case}.checkpoint", "x")
        run = make_run(checkpoint=checkpoint, **CASES[case])
        run._round()
        checkpoint.write(run.tensors(), vars(run.facts))
    with ExitStack() as stack:
        workers = [stack.enter_context(worker) for worker in start_two(folder, ALL_CASES, json.dumps(CASES))]
        errors = [worker.communicate(timeout=100)[1] for worker in workers]
    assert [worker.returncode for worker in workers] == [0, 0], errors
    return folder


@pytest.mark.parametrize("case", [name for name in CASES if name not in ("by the clock", "rolled back")])
def test_two_processes_give_the_model_of_one(case, of_two, make_run):
    run = make_run(**CASES[case])
    run.train()
    two = load_file(of_two / f"{case} 0.safetensors")
    for name, weights in run.model.state_dict().items():
        torch.testing.assert_close(two[name], weights, rtol=2e-4, atol=2e-5)
    rows = json.loads((of_two / f"{case}.json").read_text())["rows"]
    for theirs, ours in zip(rows, run.facts.rows, strict=True):
        for number in ("elbo_nats", "kl_nats", "valid_elbo_nats", "learning_rate"):
            assert theirs[number] == pytest.approx(ours[number], rel=1e-4, abs=1e-5)


@pytest.mark.parametrize("case", CASES)
def test_both_processes_have_the_same_model_to_the_last_bit(case, of_two):
    first, second = (load_file(of_two / f"{case} {rank}.safetensors") for rank in range(2))
    assert all(torch.equal(first[name], second[name]) for name in first)


def test_both_go_back_when_one_had_no_finite_number(of_two):
    assert json.loads((of_two / "rolled back.json").read_text())["rate_factor"] == 0.5


def test_convolutions_and_two_layers_in_parts_are_the_model_of_one_also_when_one_goes_on(of_two, make_run_of_pictures):
    whole = make_run_of_pictures(**PICTURES)
    rest = make_run_of_pictures(Checkpoint(of_two / "pictures.checkpoint", "x"), **PICTURES)
    rest.resume()
    assert 0 < rest.facts.epoch < PICTURES["epochs"]
    whole.train()
    rest.train()
    for other in (rest.model.state_dict(), *(load_file(of_two / f"pictures {rank}.safetensors") for rank in range(2))):
        for name, weights in whole.model.state_dict().items():
            torch.testing.assert_close(other[name], weights, rtol=2e-4, atol=2e-5)


def test_each_process_holds_half_of_what_is_in_parts_which_is_most(of_two, make_run_of_pictures):
    held = [json.loads((of_two / f"pictures {rank}.json").read_text()) for rank in range(2)]
    state = sum(tensor.nbytes for tensor in make_run_of_pictures().tensors().values())
    assert sum(own for own, _ in held) == held[0][1] > 0.7 * state
    assert max(own for own, _ in held) < 0.6 * held[0][1]


# -- the command -------------------------------------------------------------------------------------------------------

OPTIONS = ("--epochs", "20", "--hidden", "16", "--latent-dim", "3", "--batch-size", "32", "--threads", "1", "--quiet")
COMMAND = """
import os, sys
from vaekit.training.checkpoints import Checkpoint
Checkpoint.__init__.__defaults__ = (0.02,)
open(os.environ["RANK"] + ".pid", "w").write(str(os.getpid()))
from vaekit.cli import main
main()
"""


def fit_alone(*words: str) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "argv", ["vaekit", "fit", "x.npy", *words, *OPTIONS])
        with pytest.raises(SystemExit, match="0"):
            main()


def test_a_killed_worker_ends_the_run_with_one_sentence_and_one_process_goes_on(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    np.save("x.npy", np.random.default_rng(0).normal(size=(300, 6)))
    Path("command.py").write_text(COMMAND)
    launcher = [sys.executable, "-m", "torch.distributed.run", "--nproc-per-node", "2", "command.py"]
    words = [*launcher, "fit", "x.npy", "-o", "two.vae", *OPTIONS]
    with subprocess.Popen(words, stderr=subprocess.PIPE, text=True) as process:
        while not Path("two.vae.checkpoint").exists():
            assert process.poll() is None, process.stderr.read()
            time.sleep(0.01)
        os.kill(int(Path("1.pid").read_text()), signal.SIGKILL)
        errors = process.communicate()[1]
    assert process.returncode == 1
    ours = [line for line in errors.splitlines() if line.startswith("vaekit:")]
    assert len(ours) == 1, errors
    assert ours[0].startswith("vaekit: A worker of this run was lost, or the run was ended from outside. Go on from")
    assert "exitcode  : 1 " in errors  # of the one that was left
    assert not Path("two.vae").exists()

    fit_alone("-o", "two.vae", "--resume")
    fit_alone("-o", "one.vae")
    two, one = load_model("two.vae"), load_model("one.vae")
    assert len(two.record["history"]) == len(one.record["history"])
    for name, weights in one.model.state_dict().items():
        torch.testing.assert_close(two.model.state_dict()[name], weights, rtol=2e-3, atol=2e-4)
