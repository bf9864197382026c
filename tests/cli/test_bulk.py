"""The verbs with --engine ray, as people type them; the engine itself is tested in tests/tasks/test_bulk.py."""

import numpy as np
import polars as pl
import pytest

from vaekit.data.readers import read
from vaekit.tasks import on_ray
from vaekit.tasks.bulk import one_by_one, parts_in

RAY = ("--engine", "ray", "--part-rows", 25)


@pytest.fixture(autouse=True)
def no_cluster(monkeypatch):
    """Have this process do what Ray is asked for, and note where that was."""
    asked = []
    monkeypatch.setattr(on_ray, "on_ray", lambda address: asked.append(address) or one_by_one)
    return asked


@pytest.mark.parametrize(
    "words",
    [
        ("embed", "real.vae", "real.npy"),
        ("score", "table.vae", "table.csv", "--importance-samples", 4, "--explain", 2),
        ("impute", "table.vae", "table.parquet", "--rows", "3:"),
    ],
    ids=lambda words: words[0],
)
def test_parts_hold_what_one_file_would(vaekit, room, tmp_path, monkeypatch, words):
    monkeypatch.chdir(room)
    suffix = ".npy" if words[0] == "embed" else ".parquet"
    assert vaekit(*words, "-o", tmp_path / f"one{suffix}").status == 0
    answer = vaekit(*words, *RAY, "-o", tmp_path / "parts")
    assert (answer.status, answer.out) == (0, b""), answer.err
    assert "rows in" in answer.err
    one, parts = read(tmp_path / f"one{suffix}"), [read(path) for path in parts_in(tmp_path / "parts")]
    assert len(parts) > 1
    if suffix == ".npy":
        assert np.array_equal(one, np.concatenate(parts))
    else:
        assert one.equals(pl.concat(parts))


def test_intervals_count_rows_as_in_the_whole(vaekit, room, tmp_path):
    table = read(room / "table.csv").with_columns(
        pl.when(pl.int_range(60) % 20 == 7).then(None).otherwise("height").alias("height")
    )
    table.write_parquet(tmp_path / "gaps.parquet")
    words = ("impute", room / "table.vae", tmp_path / "gaps.parquet", *RAY)
    done = vaekit(*words, "-o", tmp_path / "whole", "--intervals", tmp_path / "sure")
    assert done.status == 0, done.err
    assert pl.concat([read(path) for path in parts_in(tmp_path / "sure")])["row"].to_list() == [7, 27, 47]


@pytest.mark.parametrize(
    ("model", "data", "back"), [("table", "table.csv", "b.parquet"), ("grey", "grey.npy", "b.npy")]
)
def test_a_folder_of_archives_is_decompressed_as_one(vaekit, room, tmp_path, model, data, back):
    words = ("compress", room / f"{model}.vae", room / data, "--embed-model", "-o", tmp_path / "parts")
    assert vaekit(*words, *RAY).status == 0
    assert len(parts_in(tmp_path / "parts")) > 1
    assert vaekit("decompress", tmp_path / "parts", "-o", tmp_path / back).status == 0
    one, other = read(room / data), read(tmp_path / back)
    assert one.equals(other) if isinstance(one, pl.DataFrame) else np.array_equal(one, other)


def test_pictures_of_a_folder_keep_their_names(vaekit, room, tmp_path):
    from vaekit.data.writers import write

    write(np.load(room / "grey.npy"), f"{tmp_path}/here/")
    for name in ("00003.png", "00030.png"):
        (tmp_path / "here" / name).rename(tmp_path / "here" / f"a-{name}")
    words = ("compress", room / "grey.vae", tmp_path / "here", *RAY, "--embed-model", "-o", tmp_path / "parts")
    assert vaekit(*words).status == 0
    assert vaekit("decompress", tmp_path / "parts", "-o", f"{tmp_path}/back/").status == 0
    names = sorted(path.name for path in (tmp_path / "here").iterdir())
    assert sorted(path.name for path in (tmp_path / "back").iterdir()) == names
    assert np.array_equal(read(tmp_path / "here"), read(tmp_path / "back"))


@pytest.mark.parametrize(
    ("words", "said", "status"),
    [
        (("--engine", "spark", "-o", "x"), "--engine must be one of local, ray; got 'spark'.", 2),
        (("--ray-address", "h:1", "-o", "x"), "--ray-address and --part-rows are of --engine ray.", 2),
        (("--engine", "ray"), "the result is a folder of parts. Name it with -o.", 2),
        (("--engine", "ray", "--part-rows", 0, "-o", "x"), "part_rows must be at least 1; got 0.", 2),
        (("--engine", "ray", "-o", "grey.npy"), "grey.npy cannot be written: File exists", 1),
        (("--engine", "ray", "-o", "no/such"), "no/such cannot be written: No such file or directory", 1),
    ],
)
def test_what_cannot_be_asked_is_said(vaekit, room, monkeypatch, words, said, status):
    monkeypatch.chdir(room)
    answer = vaekit("embed", "real.vae", "real.npy", *words)
    assert (answer.status, answer.out) == (status, b"")
    assert said in answer.err


def test_the_address_is_that_of_the_cluster(vaekit, room, tmp_path, no_cluster):
    words = ("embed", room / "real.vae", room / "real.npy", "--engine", "ray", "--ray-address", "head:6379")
    assert vaekit(*words, "-o", tmp_path / "parts").status == 0
    assert no_cluster == ["head:6379"]


def test_what_is_of_one_archive_is_refused(vaekit, room, tmp_path):
    words = ("compress", room / "real.vae", room / "real.npy", "--engine", "ray", "-o", tmp_path / "parts", "--compare")
    answer = vaekit(*words)
    assert (answer.status, answer.out) == (2, b"")
    assert "are of one archive. Leave them out with --engine ray." in answer.err
