"""A verb in parts answers what it answers of the whole, whatever does the work and whatever stops it."""

import importlib.util
import json
import os
import signal
import sys

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import vaekit
from vaekit.data.readers import read
from vaekit.data.writers import write
from vaekit.errors import ClusterError, DataError, MissingExtraError, OutputError, ParameterError, SourceError
from vaekit.tasks import on_ray as ray_room
from vaekit.tasks.bulk import MANIFEST, in_parts, one_by_one, parts_in
from vaekit.tasks.jobs import Job
from vaekit.tasks.on_ray import TRIES, Worker, on_ray

N_ROWS = 40
OPTIONS = {
    "embed": {},
    "score": {"importance_samples": 4, "told": 2},
    "impute": {"draws": 1, "seed": 0},
    "intervals": {"coverage": 0.8},
    "compress": {"embed_model": True, "dial": None},
}
needs_ray = pytest.mark.skipif(
    importlib.util.find_spec("ray") is None, reason="Ray is not here: pip install 'vaekit[ray]'"
)


@pytest.fixture(scope="module")
def room(tmp_path_factory):
    """Rows with gaps as an array and as a table, a model of each, and another model."""
    folder, rng = tmp_path_factory.mktemp("bulk"), np.random.default_rng(0)
    array = rng.integers(0, 9, (N_ROWS, 3)).astype(np.float64)
    array[rng.random(array.shape) < 0.2] = np.nan
    table = pl.DataFrame({"a": array[:, 0], "b": rng.choice(["x", "y"], N_ROWS)}).with_columns(
        pl.col("a").fill_nan(None)
    )
    write(array, folder / "array.npy")
    write(table, folder / "table.parquet")
    for name, rows, seed in (("array", array, 0), ("table", table, 0), ("other", array, 1)):
        vaekit.VAE(latent_dim=2, hidden=(8,), epochs=2, random_state=seed).fit(rows).save(folder / f"{name}.vae")
    return folder


SOURCES = {"array": "array.npy", "table": "table.parquet"}


def job_of(room, kind="array", verb="embed"):
    return Job(verb, str(room / f"{kind}.vae"), OPTIONS[verb])


def stacked(folder):
    """Return what a folder's parts hold, one after the other."""
    parts = parts_in(folder)
    if parts[0].suffix == ".vaez":
        found = [vaekit.decompress(path.read_bytes()) for path in parts]
    else:
        found = [read(path) for path in parts]
    return np.concatenate(found) if isinstance(found[0], np.ndarray) else pl.concat(found)


def same(one, other):
    if isinstance(one, np.ndarray):
        return one.dtype == other.dtype and np.array_equal(one.view(np.uint8), other.view(np.uint8))
    return one.equals(other) and one.schema == other.schema


@pytest.mark.parametrize("kind", SOURCES)
@pytest.mark.parametrize("verb", OPTIONS)
@settings(max_examples=2)
@given(n=st.integers(1, N_ROWS), first=st.integers(0, 20))
def test_the_parts_of_a_verb_are_the_verb_of_the_whole(room, tmp_path_factory, kind, verb, n, first):
    folder, rows = tmp_path_factory.mktemp("parts"), f"{first}:"
    for name, size in (("whole", N_ROWS), ("parts", max(n, 9))):
        manifest = in_parts(
            job_of(room, kind, verb), str(room / SOURCES[kind]), folder / name, rows=rows, part_rows=size
        )
        assert manifest["complete"]
        assert sum(part["rows"] for part in manifest["parts"]) == N_ROWS - first
        assert sorted(os.listdir(folder / name)) == sorted([MANIFEST, *(part["file"] for part in manifest["parts"])])
    assert same(stacked(folder / "whole"), stacked(folder / "parts"))


def test_parts_are_what_the_estimator_answers(room, tmp_path):
    vae, rows = vaekit.load(room / "array.vae"), np.load(room / "array.npy")
    answers = {"embed": vae.transform(rows), "impute": vae.impute(rows), "compress": rows}
    for verb, answer in answers.items():
        in_parts(job_of(room, verb=verb), str(room / "array.npy"), tmp_path / verb, part_rows=25)
        assert same(stacked(tmp_path / verb), answer)
    in_parts(job_of(room, verb="score"), str(room / "array.npy"), tmp_path / "score", part_rows=25)
    assert same(stacked(tmp_path / "score")["log_likelihood_nats"].to_numpy(), vae.score_samples(rows, 4))


def test_a_folders_suffix_is_that_of_its_parts(room, tmp_path):
    in_parts(job_of(room), str(room / "array.npy"), tmp_path / "codes.parquet", part_rows=25)
    assert [path.name for path in parts_in(tmp_path / "codes.parquet")] == ["part-00000.parquet", "part-00001.parquet"]
    assert pl.read_parquet(tmp_path / "codes.parquet" / "*.parquet").columns == ["z0", "z1"]


@pytest.mark.parametrize("kind", SOURCES)
def test_a_stopped_job_goes_on_with_the_parts_that_are_missing(room, tmp_path, kind):
    begun = []

    def stopped(job, parts):
        for part in one_by_one(job, parts):
            (tmp_path / "codes" / ".vaekit-half.npy").touch()
            yield part
            if part.first == 10:
                raise KeyboardInterrupt

    def noted(job, parts):
        begun.extend(part.first for part in parts)
        return one_by_one(job, parts)

    where = (job_of(room, kind), str(room / SOURCES[kind]), tmp_path / "codes")
    with pytest.raises(KeyboardInterrupt):
        in_parts(*where, part_rows=10, engine=stopped)
    with pytest.raises(SourceError, match="lacks parts; give the command"):
        parts_in(tmp_path / "codes")
    shares = []
    in_parts(*where, part_rows=10, engine=noted, tell=shares.append)
    assert begun == [20, 30]
    assert shares == [pytest.approx(rows / N_ROWS) for rows in (30, 40)]
    assert same(stacked(tmp_path / "codes"), vaekit.load(room / f"{kind}.vae").transform(read(room / SOURCES[kind])))
    assert len(os.listdir(tmp_path / "codes")) == 5


def test_a_folder_of_other_parts_is_refused(room, tmp_path):
    data, folder = str(tmp_path / "rows.npy"), tmp_path / "codes"
    np.save(data, np.load(room / "array.npy"))
    in_parts(job_of(room), data, folder, part_rows=20)
    before = {path.name: path.stat().st_mtime_ns for path in folder.iterdir() if path.name != MANIFEST}
    others = {
        "another model": (Job("embed", str(room / "other.vae")), data, 20),
        "another verb": (job_of(room, verb="score"), data, 20),
        "other data": (job_of(room), str(room / "array.npy"), 20),
        "another length": (job_of(room), data, 15),
    }
    for said, (job, source, n) in others.items():
        with pytest.raises(OutputError, match=f"holds parts .*{said}; name another folder with -o"):
            in_parts(job, source, folder, part_rows=n)
    in_parts(job_of(room), data, folder, part_rows=20)
    assert before == {path.name: path.stat().st_mtime_ns for path in folder.iterdir() if path.name != MANIFEST}


def test_what_cannot_be_done_in_parts_is_said(room, tmp_path):
    data = str(room / "array.npy")
    with pytest.raises(OutputError, match="holds other things already"):
        in_parts(job_of(room), data, room)
    with pytest.raises(SourceError, match="so it is no folder of parts"):
        parts_in(room)
    with pytest.raises(ParameterError, match="part_rows must be at least 1; got 0"):
        in_parts(job_of(room), data, tmp_path / "codes", part_rows=0)
    with pytest.raises(DataError, match="hold nothing; there are 40 rows"):
        in_parts(job_of(room), data, tmp_path / "codes", rows="70:")
    assert os.listdir(tmp_path) == []


# -- the engine on Ray -------------------------------------------------------------------------------------------------


def planned(room, folder, part_rows=20):
    """Return the parts of a job, none of which is done."""
    seen = []
    with pytest.raises(AssertionError):
        in_parts(
            job_of(room),
            str(room / "array.npy"),
            folder,
            part_rows=part_rows,
            engine=lambda _, parts: iter(seen.extend(parts) or []),
        )
    return seen


def test_a_worker_answers_with_the_words_of_what_went_wrong(room, tmp_path):
    parts = planned(room, tmp_path / "codes")
    assert Worker(job_of(room), parts)({"id": 1}) == {"id": 1, "kind": "", "words": ""}
    answer = Worker(Job("embed", str(tmp_path / "away.vae")), parts)({"id": 0})
    with pytest.raises(
        SourceError, match=r"away.vae is not there on .*, a machine of the cluster; model, data and out"
    ):
        ray_room._raise_told(answer)
    answer = Worker(job_of(room, "table"), parts)({"id": 0})
    with pytest.raises(DataError):
        ray_room._raise_told(answer)


def test_a_part_that_kills_its_workers_is_given_up(room, tmp_path):
    parts = planned(room, tmp_path / "codes")
    answers = [Worker(job_of(room), parts)({"id": 0})["kind"] for _ in range(TRIES + 1)]
    assert answers == [""] * TRIES + ["ClusterError"]


@needs_ray
def test_a_cluster_that_does_not_answer_is_said_at_once(monkeypatch, room, tmp_path):
    import ray

    monkeypatch.setattr(ray, "is_initialized", lambda: False)
    with pytest.raises(ClusterError, match=r"No Ray cluster answers at 127.0.0.1:1 \(Connection refused\)"):
        in_parts(job_of(room), str(room / "array.npy"), tmp_path / "codes", engine=on_ray("127.0.0.1:1"))


def test_without_ray_the_line_that_installs_it_is_said(monkeypatch, room, tmp_path):
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(MissingExtraError, match=r"pip install 'vaekit\[ray\]'"):
        in_parts(job_of(room), str(room / "array.npy"), tmp_path / "codes", engine=on_ray())


@needs_ray
@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # Ray's own, of its own settings
def test_a_killed_worker_loses_nothing(room, tmp_path):
    class KillsItsFirstWorker(Job):
        def __call__(self, part):
            folder = os.path.dirname(part.target)
            if part.first == 20 and not os.path.exists(f"{folder}.killed"):
                with open(f"{folder}.killed", "x"), open(f"{folder}/.vaekit-half.npy", "x"):
                    os.kill(os.getpid(), signal.SIGKILL)
            super().__call__(part)

    with ray_room._cluster(None):
        job = KillsItsFirstWorker("embed", str(room / "array.vae"))
        manifest = in_parts(job, str(room / "array.npy"), tmp_path / "codes", part_rows=10, engine=on_ray())
    assert (tmp_path / "codes.killed").exists()
    assert manifest == json.loads((tmp_path / "codes" / MANIFEST).read_text())
    assert sorted(os.listdir(tmp_path / "codes")) == [MANIFEST, *(f"part-{k:05}.npy" for k in range(4))]
    assert same(stacked(tmp_path / "codes"), vaekit.load(room / "array.vae").transform(np.load(room / "array.npy")))
