"""Sources larger than memory: what is read of them, what is refused, and how much memory that takes."""

import io
import os
import subprocess
import sys
import tarfile
import textwrap

import numpy as np
import polars as pl
import pytest
from PIL import Image

from vaekit.data import memory, streams
from vaekit.data.readers import opened, read
from vaekit.data.schema import Schema
from vaekit.data.streams import Sampled, sampled, sharded, stream_of
from vaekit.errors import DataError, SourceError

RNG = np.random.default_rng(0)
PICTURES = RNG.integers(0, 256, (40, 6, 5), dtype=np.uint8)
TABLE = pl.DataFrame({"x": RNG.normal(size=40), "n": RNG.integers(0, 9, 40), "word": RNG.choice(["a", "b"], 40)})


def add(tar: tarfile.TarFile, name: str, content: bytes) -> None:
    info = tarfile.TarInfo(name)
    info.size = len(content)
    tar.addfile(info, io.BytesIO(content))


def png(array: np.ndarray) -> bytes:
    file = io.BytesIO()
    Image.fromarray(array).save(file, "png")
    return file.getvalue()


def npy(array: np.ndarray) -> bytes:
    file = io.BytesIO()
    np.save(file, array)
    return file.getvalue()


def write_tar(path, arrays, suffix: str = "png", mode: str = "w") -> None:
    with tarfile.open(path, mode) as tar:
        for i, array in enumerate(arrays):
            add(tar, f"./train/{i:04}.{suffix}", png(array) if suffix.endswith("png") else npy(array))
            add(tar, f"./train/{i:04}.cls", str(i % 10).encode())


def write_npy(folder):
    np.save(folder / "a.npy", PICTURES)
    return folder / "a.npy", PICTURES


def write_fortran(folder):
    np.save(folder / "a.npy", np.asfortranarray(PICTURES.astype(">f4")))
    return folder / "a.npy", PICTURES.astype("f4")


def write_npy_folder(folder):
    np.save(folder / "0.npy", PICTURES[:7])
    np.save(folder / "1.npy", PICTURES[7:])
    return folder, PICTURES


def write_parquet(folder):
    TABLE.write_parquet(folder / "a.parquet", row_group_size=13)
    return folder / "a.parquet", TABLE


def write_arrow(folder):
    TABLE.write_ipc(folder / "a.arrow", compression="zstd")
    return folder / "a.arrow", TABLE


def write_parquet_folder(folder):
    (folder / "deep").mkdir()
    TABLE[:11].write_parquet(folder / "deep/0.parquet")
    TABLE[11:11].write_parquet(folder / "deep/1.parquet")
    TABLE[11:].select("word", "x", "n").write_parquet(folder / "deep/2.parquet")
    (folder / "_SUCCESS").touch()
    return folder, TABLE


def write_pattern(folder):
    path, _ = write_parquet_folder(folder)
    TABLE.write_parquet(folder / "other.parquet")
    return path / "deep/*.parquet", TABLE


def write_pictures(folder):
    for i, picture in enumerate(PICTURES):
        Image.fromarray(picture).save(folder / f"{i:03}.png")
    return folder, PICTURES


def write_tars(folder):
    write_tar(folder / "0.tar", PICTURES[:9])
    write_tar(folder / "1.tar", PICTURES[9:])
    return folder, PICTURES


def write_tar_of_arrays(folder):
    write_tar(folder / "a.tar", PICTURES, "npy")
    return folder / "a.tar", PICTURES


SOURCES = [
    write_npy,
    write_fortran,
    write_npy_folder,
    write_parquet,
    write_arrow,
    write_parquet_folder,
    write_pattern,
    write_pictures,
    write_tars,
    write_tar_of_arrays,
]


@pytest.fixture(params=SOURCES)
def source(request, tmp_path):
    return request.param(tmp_path)


def same(data, expected) -> bool:
    if isinstance(expected, pl.DataFrame):
        return data.equals(expected)
    return data.dtype == expected.dtype and np.array_equal(data, expected)


def test_any_rows_are_read_alone(source):
    path, expected = source
    stream = stream_of(str(path))
    assert stream.n_rows == len(expected)
    for start, stop in [(0, 40), (0, 1), (5, 17), (39, 40)]:
        assert same(stream.read(start, stop), expected[start:stop])
        assert same(stream[start:stop].read(), expected[start:stop])
    assert same(stream[10:30][5:-5].read(1, 3), expected[16:18])


def test_they_are_what_every_verb_reads(source):
    path, expected = source
    assert same(read(path), expected)
    assert same(read(path, "-7:"), expected[-7:])


def test_chunks_part_the_rows_and_are_of_one_part_each(source):
    stream = stream_of(str(source[0]))
    assert stream.chunks[0] == 0
    assert stream.chunks[-1] == 40
    assert (np.diff(stream.chunks) > 0).all()
    assert set(np.cumsum([part.n_rows for part in stream.parts])) <= set(stream.chunks)


def test_codes_are_those_of_rows_in_memory(source):
    path, expected = source
    schema = Schema.infer(expected)
    np.testing.assert_array_equal(stream_of(str(path)).encode(schema, 3, 29), schema.encode(expected)[3:29])


def test_data_are_streamed_where_they_are_large(source, monkeypatch):
    path, expected = source
    assert same(opened(path), expected)
    monkeypatch.setattr(streams, "resident_bytes", lambda: 20)
    found = opened(path, "5:")
    assert isinstance(found, Sampled)
    assert found.stream.n_rows == 35
    assert same(found.data, expected[5:])


def test_a_sample_is_bounded_and_from_all_over(tmp_path, monkeypatch):
    monkeypatch.setattr(streams, "MOST_SAMPLED", 2560)
    np.save(tmp_path / "a.npy", np.arange(100_000)[:, None])
    shares = []
    found = sampled(stream_of(str(tmp_path / "a.npy")), shares.append)
    assert len(found.rows) == len(np.unique(found.rows)) == 2560
    np.testing.assert_array_equal(found.data[:, 0], found.rows)
    assert np.histogram(found.rows, 20, (0, 100_000))[0].min() > 100
    assert shares[-1] == 1


class TestRefusals:
    def test_a_value_that_the_schema_does_not_know_is_named_with_its_file_and_row(self, tmp_path):
        path, _ = write_parquet_folder(tmp_path)
        schema = Schema.infer(TABLE)
        TABLE.with_columns(word=pl.when(pl.int_range(40) == 33).then(pl.lit("new")).otherwise("word")).write_parquet(
            path / "deep/3.parquet"
        )
        rule = r"deep/3\.parquet: Column 'word' has value new in row 33; it was learned as categorical"
        with pytest.raises(DataError, match=rule):
            stream_of(str(path)).encode(schema, 60, 80)

    def test_files_of_other_columns(self, tmp_path):
        path, _ = write_parquet_folder(tmp_path)
        TABLE.rename({"n": "m"}).write_parquet(path / "deep/3.parquet")
        with pytest.raises(SourceError, match=r"3\.parquet holds rows of the columns m, word, x, but .*0\.parquet of"):
            read(path)

    def test_files_of_other_shapes(self, tmp_path):
        path, _ = write_npy_folder(tmp_path)
        np.save(path / "2.npy", PICTURES[:, :3])
        with pytest.raises(SourceError, match=r"2\.npy holds rows of shape \(3, 5\), but .*0\.npy of shape \(6, 5\)"):
            read(path)

    def test_files_of_several_kinds(self, tmp_path):
        write_npy(tmp_path)
        path, _ = write_parquet_folder(tmp_path)
        with pytest.raises(SourceError, match=r"holds files of several kinds \(\.npy, \.parquet\); keep one kind"):
            read(path)

    def test_a_damaged_file(self, tmp_path):
        path, _ = write_parquet_folder(tmp_path)
        (path / "deep/2.parquet").write_bytes(b"PAR1 and no more")
        with pytest.raises(SourceError, match=r"2\.parquet cannot be read"):
            read(path)

    def test_a_pattern_without_files(self, tmp_path):
        with pytest.raises(SourceError, match=r"\*\.parquet does not exist"):
            read(tmp_path / "*.parquet")

    def test_a_file_of_no_rows(self, tmp_path):
        TABLE[:0].write_parquet(tmp_path / "a.parquet")
        with pytest.raises(SourceError, match="holds no rows"):
            opened(tmp_path)
        assert len(opened(tmp_path / "a.parquet")) == 0

    @pytest.mark.parametrize(
        ("other", "rule"),
        [
            (PICTURES[0, :4], r"x\.tar, sample 40 is 5 x 4 in mode L, but those looked at before were 5 x 6"),
            (np.dstack([PICTURES[0]] * 3), r"sample 40 is 5 x 6 in mode RGB, .* were 5 x 6 in mode L"),
        ],
    )
    def test_a_picture_unlike_those_looked_at(self, tmp_path, monkeypatch, other, rule):
        monkeypatch.setattr("vaekit.data.parts.SOME_PICTURES", 1)
        write_tar(tmp_path / "x.tar", [*PICTURES, other])
        with pytest.raises(SourceError, match=rule):
            sharded(str(tmp_path / "x.tar")).read()

    def test_arrays_of_several_shapes(self, tmp_path):
        write_tar(tmp_path / "x.tar", [*PICTURES, PICTURES[0, :3]], "npy")
        with pytest.raises(SourceError, match=r"sample 40 has shape \(3, 5\), but one before it \(6, 5\)"):
            read(tmp_path / "x.tar")

    def test_samples_of_several_pictures_or_none(self, tmp_path):
        with tarfile.open(tmp_path / "x.tar", "w") as tar:
            add(tar, "a.left.png", png(PICTURES[0]))
            add(tar, "a.right.png", png(PICTURES[0]))
        with pytest.raises(SourceError, match=r"has 2 pictures or arrays in sample 'a' \(\.png, \.png\)"):
            read(tmp_path / "x.tar")
        with tarfile.open(tmp_path / "y.tar", "w") as tar:
            add(tar, "a.cls", b"1")
        with pytest.raises(SourceError, match=r"has 0 pictures or arrays in sample 'a' \(\.cls\)"):
            read(tmp_path / "y.tar")

    def test_a_compressed_tar(self, tmp_path):
        write_tar(tmp_path / "x.tar", PICTURES, mode="w:gz")
        with pytest.raises(SourceError, match=r"x\.tar is compressed, so that no sample can be read alone; unpack it"):
            read(tmp_path / "x.tar")

    def test_objects(self, tmp_path):
        np.save(tmp_path / "a.npy", np.array([[{}]]))
        with pytest.raises(SourceError, match="holds Python objects, which are never unpickled"):
            opened(tmp_path / "a.npy")


def test_the_least_limit_of_memory_counts(tmp_path, monkeypatch):
    machine = memory.resident_bytes()
    limits = [tmp_path / name for name in ("v2", "v1", "absent")]
    limits[0].write_text("max\n")
    limits[1].write_text(f"{machine}\n")
    monkeypatch.setattr(memory, "GROUP_LIMITS", [str(limit) for limit in limits])
    assert memory.resident_bytes() == int(machine * memory.RESIDENT_SHARE)


GROWTH = """
    import resource, sys
    from vaekit.data.schema import Schema
    from vaekit.data.streamed import StreamedBatches
    from vaekit.data.streams import sampled, stream_of

    stream = stream_of(sys.argv[1])
    found = sampled(stream[:50_000])
    schema = Schema.infer(found.data)
    batches = StreamedBatches(stream, schema, schema.encode(found.data)[:1000], 4096, 0)
    next(batches.epoch(0))
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    n_rows = sum(len(x) for x in batches.epoch(0))
    print(n_rows, (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) // 1024)
"""


def grown(path) -> tuple[int, int]:
    """Return how many rows an epoch had, and by how many MiB a process grew as it read them."""
    words = [sys.executable, "-c", textwrap.dedent(GROWTH), str(path)]
    found = subprocess.run(
        words, capture_output=True, text=True, check=True, env={**os.environ, "OMP_NUM_THREADS": "1"}
    )
    n_rows, mebibytes = map(int, found.stdout.split())
    return n_rows, mebibytes


@pytest.mark.skipif(sys.platform != "linux", reason="counts KiB as Linux does")
class TestMemory:
    def test_an_epoch_of_an_array_takes_less_than_the_array(self, tmp_path):
        array = np.lib.format.open_memmap(tmp_path / "a.npy", "w+", np.uint8, (100_000, 64, 64))  # 400 MB
        array[::100] = 200  # of the others the disk holds nothing
        array.flush()
        n_rows, mebibytes = grown(tmp_path / "a.npy")
        assert n_rows == 100_000
        assert mebibytes < 120

    def test_an_epoch_of_a_table_takes_less_than_the_table(self, tmp_path):
        part = pl.DataFrame(RNG.normal(size=(125_000, 10)), schema=[f"x{j}" for j in range(10)])
        part.write_parquet(tmp_path / "00.parquet", compression="uncompressed")
        for i in range(1, 40):  # 400 MB of floats, 200 MB of codes
            os.link(tmp_path / "00.parquet", tmp_path / f"{i:02}.parquet")
        n_rows, mebibytes = grown(tmp_path)
        assert n_rows == 5_000_000
        assert mebibytes < 120
