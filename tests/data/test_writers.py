import io
import os
import sys
from contextlib import nullcontext

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays
from PIL import Image

from vaekit.data.readers import read
from vaekit.data.writers import WRITERS, picture_grid, write, write_rows
from vaekit.errors import OutputError, ParameterError

TABLES = [".csv", ".tsv", ".parquet", ".arrow"]

FRAME = pl.DataFrame({"age": [31, None], "sex": ["f", 'é, "x"\n'], "height": [1.7, None]})

finite = st.floats(allow_nan=False, allow_infinity=False)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("round-trips")


@given(arrays(st.sampled_from(["u1", "<f4", ">i2", "?"]), array_shapes(min_dims=1, max_dims=3)))
def test_rows_in_pieces_make_the_file_that_numpy_makes(folder, x):
    write_rows(folder / "pieces.npy", x.dtype, x.shape, (x[i : i + 1].tobytes() for i in range(len(x))))
    np.save(folder / "whole.npy", x)
    assert (folder / "pieces.npy").read_bytes() == (folder / "whole.npy").read_bytes()


@pytest.mark.parametrize("suffix", [".npy", ".npz"])
@given(
    array=arrays(
        st.sampled_from(["?", "u1", "<i2", "<i8", "f2", "f4", "f8", "c8", "<U3"]),
        array_shapes(min_dims=1, max_dims=4, min_side=0),
    )
)
def test_any_array_comes_back(folder, suffix, array):
    write(array, folder / f"a{suffix}")
    data = read(folder / f"a{suffix}")
    assert data.dtype == array.dtype
    np.testing.assert_array_equal(data, array)


@pytest.mark.parametrize("suffix", TABLES)
@given(array=arrays("f8", array_shapes(min_dims=2, max_dims=2), elements=finite))
def test_any_matrix_comes_back_from_a_table(folder, suffix, array):
    write(array, folder / f"a{suffix}")
    table = read(folder / f"a{suffix}")
    assert table.columns == [f"x{i}" for i in range(array.shape[1])]
    np.testing.assert_array_equal(table.to_numpy(), array)


@pytest.mark.parametrize("suffix", TABLES)
def test_a_table_comes_back(tmp_path, suffix):
    write(FRAME, tmp_path / f"a{suffix}")
    assert read(tmp_path / f"a{suffix}").equals(FRAME)


@pytest.mark.parametrize("dtype", ["f2", "f4", ">f4", "i8", "u8", "?", "<U3"])
@pytest.mark.parametrize("suffix", TABLES)
def test_a_table_takes_plain_values(tmp_path, suffix, dtype):
    array = np.array([[0, 1], [1, 0]]).astype(dtype)
    write(array, tmp_path / f"a{suffix}")
    assert read(tmp_path / f"a{suffix}").shape == (2, 2)


def test_columns_are_named(tmp_path):
    write(np.eye(2), tmp_path / "a.csv", names=["a", "b"])
    assert read(tmp_path / "a.csv").columns == ["a", "b"]
    write(np.arange(3), tmp_path / "a.csv", ["score"])
    assert read(tmp_path / "a.csv")["score"].to_list() == [0, 1, 2]


@pytest.mark.parametrize("names", [["a"], ["a", "b", "c"], ["a", "a"]])
def test_each_column_is_named_once(tmp_path, names):
    with pytest.raises(ParameterError, match="names must name each of 2 columns once; got"):
        write(np.eye(2), tmp_path / "a.csv", names)
    assert os.listdir(tmp_path) == []


def test_named_arrays_come_back(tmp_path):
    write({"file": np.eye(2), "group/y": np.arange(3)}, tmp_path / "a.npz")
    np.testing.assert_array_equal(read(f"{tmp_path}/a.npz::file"), np.eye(2))
    np.testing.assert_array_equal(read(f"{tmp_path}/a.npz::group/y"), np.arange(3))
    with np.load(tmp_path / "a.npz") as archive:
        assert archive.files == ["file", "group/y"]


def test_a_numeric_table_becomes_an_array(tmp_path):
    write(pl.DataFrame({"a": [1, None], "b": [0.5, 2.0]}), tmp_path / "a.npy")
    np.testing.assert_array_equal(read(tmp_path / "a.npy"), [[1, 0.5], [np.nan, 2]])


class TestPictures:
    @given(arrays("u1", st.tuples(st.integers(1, 9), *[st.integers(1, 5)] * 2) | st.just((3, 2, 2, 3))))
    def test_the_grid_holds_each_picture(self, pictures):
        grid = picture_grid(pictures)
        height, width = pictures.shape[1:3]
        columns = next(c for c in range(1, 9) if c * c >= len(pictures))
        rows = -(-len(pictures) // columns)
        assert grid.shape[:2] == (rows * (height + 2) - 2, columns * (width + 2) - 2)
        for i, picture in enumerate(pictures):
            top, left = i // columns * (height + 2), i % columns * (width + 2)
            np.testing.assert_array_equal(grid[top : top + height, left : left + width], picture)

    def test_the_gap_is_grey(self):
        grid = picture_grid(np.zeros((3, 1, 1)))
        assert grid.tolist() == [[0, 128, 128, 0]] + [[128] * 4] * 2 + [[0, 128, 128, 128]]

    @pytest.mark.parametrize(
        ("value", "dtype", "maximum", "level"),
        [
            (7, "u1", None, 7),
            (7, "i8", None, 7),
            (8, "u1", 16, 128),
            (500, "i4", 1000, 128),
            (True, "?", None, 255),
            (0.5, "f4", None, 128),
            (-0.5, "f4", None, 0),
            (1.5, "f8", None, 255),
            (1.5, "f8", 3.0, 128),
            (np.nan, "f4", None, 0),
            (np.inf, "f4", None, 255),
        ],
    )
    def test_levels(self, value, dtype, maximum, level):
        assert picture_grid(np.full((1, 1, 1), value, dtype), maximum=maximum).tolist() == [[level]]

    @pytest.mark.parametrize("channels", [(), (1,), (3,), (4,)])
    def test_one_picture_comes_back(self, tmp_path, channels):
        picture = np.arange(24 * (channels or (1,))[0], dtype=np.uint8).reshape(1, 6, 4, *channels)
        write(picture, tmp_path / "a.png")
        np.testing.assert_array_equal(read(tmp_path / "a.png"), picture.squeeze(-1) if channels == (1,) else picture)

    def test_a_maximum_brightens_the_file(self, tmp_path):
        write(np.full((1, 2, 2), 16, np.uint8), tmp_path / "a.png", maximum=16)
        assert read(tmp_path / "a.png").min() == 255

    @given(arrays("u1", st.tuples(st.integers(1, 12), st.integers(1, 3), st.integers(1, 3))))
    def test_a_folder_of_pictures_comes_back(self, tmp_path_factory, pictures):
        folder = tmp_path_factory.mktemp("pictures")
        write(pictures, f"{folder}/new/folder/")
        assert len(os.listdir(folder / "new" / "folder")) == len(pictures)
        assert (folder / "new" / "folder" / "00000.png").exists()
        np.testing.assert_array_equal(read(folder), pictures)

    def test_many_pictures_keep_their_order(self, tmp_path, monkeypatch):
        saved = []
        monkeypatch.setattr("vaekit.data.writers._save_picture", lambda picture, file: saved.append(file))
        monkeypatch.setattr("vaekit.data.writers._atomic_file", lambda path: nullcontext(path.name))
        write(np.zeros((100_001, 1, 1), np.uint8), f"{tmp_path}/")
        assert saved == sorted(saved)
        assert len(saved) == 100_001


class TestStandardOutput:
    @pytest.mark.parametrize("path", ["-", None])
    @pytest.mark.parametrize("array", [np.eye(2), np.zeros((2, 3, 4), "u1"), np.arange(3)[::-1]])
    def test_an_array_is_npy(self, capfdbinary, path, array):
        write(array, path)
        np.testing.assert_array_equal(np.load(io.BytesIO(capfdbinary.readouterr().out)), array)

    def test_a_table_is_csv(self, capsysbinary):
        write(FRAME, "-")
        assert pl.read_csv(capsysbinary.readouterr().out).equals(FRAME)

    def test_several_arrays_are_npz(self, capsysbinary):
        write({"a": np.eye(2)}, "-")
        assert np.load(io.BytesIO(capsysbinary.readouterr().out)).files == ["a"]

    def test_a_terminal_shows_text(self, capsysbinary, monkeypatch):
        monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
        write(np.array([[1.5, 2.0]]), "-", ["a", "b"])
        write(np.zeros((1, 2, 1), "u1"), "-")
        assert capsysbinary.readouterr().out == b"a,b\n1.5,2.0\nx0,x1\n0,0\n"

    def test_several_arrays_do_not_fit_a_terminal(self, capsysbinary, monkeypatch):
        monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
        with pytest.raises(OutputError, match="standard output takes one array; got 2; write .npz instead"):
            write({"a": np.eye(2), "b": np.eye(2)}, None)

    def test_a_full_disk_is_a_sentence(self, monkeypatch):
        full = open("/dev/full", "w")  # noqa: SIM115
        monkeypatch.setattr(sys, "stdout", full)
        with pytest.raises(OutputError, match="standard output cannot be written: No space left"):
            write(np.zeros(1), "-")
        with pytest.raises(OSError, match="No space left"):
            full.close()

    def test_a_closed_pipe_is_the_callers_matter(self, monkeypatch):
        reader, writer = os.pipe()
        os.close(reader)
        with open(writer, "wb", buffering=0) as pipe:
            monkeypatch.setattr(sys, "stdout", Stream(pipe))
            with pytest.raises(BrokenPipeError):
                write(np.zeros(1), "-")


class Stream:
    def __init__(self, buffer):
        self.buffer = buffer

    def isatty(self):
        return False

    def flush(self):
        self.buffer.flush()


REFUSED = {
    "unknown suffix": (
        np.eye(2),
        "a.xyz",
        r"suffix '\.xyz', which cannot be written; choose one of \.npy, \.npz",
    ),
    "no suffix": (np.eye(2), "a", "suffix '', which cannot be written"),
    "pictures to a table": (np.zeros((2, 2, 2)), "a.csv", r"got float64 \[2, 2, 2\]; write \.npy instead"),
    "complex numbers to a table": (
        np.eye(2, dtype="c8"),
        "a.parquet",
        r"got complex64 \[2, 2\]; write \.npy",
    ),
    "table to a picture": (FRAME, "a.png", r"takes pictures; got a table; write \.csv instead"),
    "table to a folder": (FRAME, "a/", r"takes pictures; got a table; write \.csv instead"),
    "arrays to a picture": ({"a": np.eye(2)}, "a.png", r"got several arrays; write \.npz instead"),
    "arrays to a table": ({"a": np.eye(2)}, "a.csv", r"takes one array; got 1; write \.npz instead"),
    "text to an array": (FRAME, "a.npy", r"column 'sex' is String; write \.parquet instead"),
    "dates to a table": (np.zeros((1, 1), "M8[s]"), "a.csv", r"got datetime64\[s\] \[1, 1\]; write \.npy"),
    "objects": (np.array([{}]), "a.npy", "takes numbers; got Python objects; convert them"),
    "objects by name": ({"a": np.array([{}])}, "a.npz", "takes numbers; got Python objects"),
    "objects to a table": (np.array([{}]), "a.csv", "takes numbers; got Python objects"),
    "lists to text": (
        pl.DataFrame({"a": [[1, 2]]}),
        "a.csv",
        r"a\.csv cannot be written: .*choose \.parquet",
    ),
    "vectors as pictures": (
        np.zeros((10, 64)),
        "a.png",
        r"Pictures have shape .*; got \[10, 64\]; write \.npy",
    ),
    "two channels": (np.zeros((1, 2, 2, 2)), "a.png", r"got \[1, 2, 2, 2\]"),
    "no pictures": (np.zeros((0, 2, 2)), "a.png", r"got \[0, 2, 2\]"),
    "more than 8 bits": (np.full((1, 2, 2), 700), "a.png", r"got int64 up to 700; give maximum="),
    "negative levels": (np.full((1, 2, 2), -1), "a.png", "integers in 0..255"),
    "missing folder": (np.eye(2), "no/a.npy", "no does not exist; create it first"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_refused_with_the_next_step_and_without_a_trace(tmp_path, case):
    result, name, said = REFUSED[case]
    with pytest.raises(OutputError, match=said):
        write(result, f"{tmp_path}/{name}")
    assert os.listdir(tmp_path) == []


@pytest.mark.parametrize("maximum", [0, -1, np.nan])
def test_a_maximum_is_positive(maximum):
    with pytest.raises(ParameterError, match="maximum must be a positive number; got"):
        picture_grid(np.zeros((1, 2, 2)), maximum=maximum)


def test_a_file_in_place_of_the_folder_is_refused(tmp_path):
    (tmp_path / "a").touch()
    with pytest.raises(OutputError, match="a/ cannot be written: File exists; choose another path"):
        write(np.zeros((1, 2, 2)), f"{tmp_path}/a/")


@pytest.mark.parametrize("suffix", WRITERS)
def test_a_full_disk_leaves_the_old_file(tmp_path, suffix):
    resource = pytest.importorskip("resource")
    target = tmp_path / f"a{suffix}"
    target.write_bytes(b"old")
    noise = np.random.default_rng(0).random((4, 100, 100) if suffix == ".png" else (10_000, 4))
    _, hard = limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (4096, hard))
    try:
        with pytest.raises(OutputError, match=rf"a\{suffix} cannot be written: "):
            write(noise, target)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert target.read_bytes() == b"old"
    assert os.listdir(tmp_path) == [target.name]


def test_pictures_are_plain_files_for_others(tmp_path):
    write(np.ones((4, 2, 2), bool), tmp_path / "a.png")
    with Image.open(tmp_path / "a.png") as picture:
        assert picture.format == "PNG"
        assert picture.size == (2 * 32 + 2, 2 * 32 + 2)  # two pixels, each shown as sixteen


def test_small_pictures_are_enlarged_by_a_whole_number_only_where_people_look(tmp_path):
    pictures = np.arange(32, dtype=np.uint8).reshape(2, 4, 4)
    write(pictures, tmp_path / "strip.png", columns=2)
    strip = read(tmp_path / "strip.png")[0]
    assert strip.shape == (32, 66)
    np.testing.assert_array_equal(strip[::8, :32:8], pictures[0])
    write(pictures, f"{tmp_path}/each/")
    np.testing.assert_array_equal(read(tmp_path / "each"), pictures)
