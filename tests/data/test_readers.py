import gzip
import io
import lzma
import os
import struct
import subprocess
import sys
import zipfile
from types import SimpleNamespace

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays
from PIL import Image

from vaekit.data import builtin
from vaekit.data.readers import READERS, read
from vaekit.errors import DataError, ParameterError, SourceError

TABLE = pl.DataFrame({"age": [31, None, 45], "sex": ["f", "m", None], "height": [1.7, 1.8, None]})

NUMBERS = np.arange(12, dtype=np.float32).reshape(4, 3)


def npy_bytes(array, allow_pickle=False, version=None) -> bytes:
    file = io.BytesIO()
    np.lib.format.write_array(file, array, version, allow_pickle)
    return file.getvalue()


def npz_bytes(compression=zipfile.ZIP_STORED, **arrays) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", compression) as archive:
        for name, array in arrays.items():
            archive.writestr(f"{name}.npy", npy_bytes(array, allow_pickle=True))
    return file.getvalue()


def table_bytes(method, **options) -> bytes:
    file = io.BytesIO()
    getattr(TABLE, method)(file, **options)
    return file.getvalue()


def idx_bytes(array, code) -> bytes:
    big_endian = array.astype(array.dtype.newbyteorder(">"))
    return bytes([0, 0, code, array.ndim]) + struct.pack(f">{array.ndim}I", *array.shape) + big_endian.tobytes()


def picture_bytes(array, kind="png") -> bytes:
    file = io.BytesIO()
    Image.fromarray(array).save(file, kind)
    return file.getvalue()


def same(data, expected) -> bool:
    if isinstance(expected, pl.DataFrame):
        return data.equals(expected)
    return data.dtype == expected.dtype and np.array_equal(data, expected)


LEVELS = np.arange(12, dtype=np.uint8).reshape(2, 3, 2)

SOURCES = {
    "a.npy": (npy_bytes(NUMBERS), NUMBERS),
    "fortran.npy": (npy_bytes(np.asfortranarray(NUMBERS)), NUMBERS),
    "big-endian.npy": (npy_bytes(NUMBERS.astype(">f4")), NUMBERS),
    "version-2.npy": (npy_bytes(NUMBERS, version=(2, 0)), NUMBERS),
    "a.npz": (npz_bytes(x=NUMBERS), NUMBERS),
    "lzma.npz": (npz_bytes(zipfile.ZIP_LZMA, x=NUMBERS), NUMBERS),
    "deflated.npz": (npz_bytes(zipfile.ZIP_DEFLATED, x=NUMBERS), NUMBERS),
    "a.csv": (table_bytes("write_csv"), TABLE),
    "UPPER.CSV": (table_bytes("write_csv"), TABLE),
    "a.csv.gz": (gzip.compress(table_bytes("write_csv")), TABLE),
    "a.tsv": (table_bytes("write_csv", separator="\t"), TABLE),
    "a.tsv.gz": (gzip.compress(table_bytes("write_csv", separator="\t")), TABLE),
    "glob[1]*.csv": (table_bytes("write_csv"), TABLE),
    "a.parquet": (table_bytes("write_parquet"), TABLE),
    "a.arrow": (table_bytes("write_ipc"), TABLE),
    "glob[1]*.arrow": (table_bytes("write_ipc"), TABLE),
    "stream.arrow": (table_bytes("write_ipc_stream"), TABLE),
    "a.feather": (table_bytes("write_ipc"), TABLE),
    "images-idx3-ubyte": (idx_bytes(LEVELS, 0x08), LEVELS),
    "images.idx3-ubyte": (idx_bytes(LEVELS, 0x08), LEVELS),
    "images-idx3-ubyte.gz": (gzip.compress(idx_bytes(LEVELS, 0x08)), LEVELS),
    "short.idx": (idx_bytes(LEVELS.astype("i2"), 0x0B), LEVELS.astype("i2")),
    "float.idx": (idx_bytes(LEVELS.astype("f4"), 0x0D), LEVELS.astype("f4")),
    "grey.png": (picture_bytes(LEVELS[0]), LEVELS[:1]),
    "colour.bmp": (picture_bytes(np.dstack([LEVELS[0]] * 3), "bmp"), np.dstack([LEVELS[0]] * 3)[None]),
}


@pytest.fixture
def stdin(monkeypatch):
    def feed(content: bytes) -> None:
        monkeypatch.setattr(sys, "stdin", SimpleNamespace(buffer=io.BytesIO(content)))

    return feed


@pytest.mark.parametrize("name", SOURCES)
def test_reads_each_format(tmp_path, name):
    content, expected = SOURCES[name]
    (tmp_path / name).write_bytes(content)
    assert same(read(tmp_path / name), expected)


@pytest.mark.parametrize("name", SOURCES)
def test_rows_are_python_slices_of_each_format(tmp_path, name):
    content, expected = SOURCES[name]
    (tmp_path / name).write_bytes(content)
    assert same(read(str(tmp_path / name), rows="-1:"), expected[-1:])


STREAMS = [name for name in SOURCES if not name.endswith((".png", ".bmp", ".tsv", ".tsv.gz"))]


@pytest.mark.parametrize("name", STREAMS)
def test_standard_input_is_recognised_by_its_first_bytes(stdin, name):
    content, expected = SOURCES[name]
    stdin(content)
    assert same(read("-"), expected)


def test_every_suffix_has_a_source():
    read_here = {os.path.splitext(name)[1].lower() for name in SOURCES}
    assert read_here >= {
        suffix for suffix in READERS if suffix not in {".jpg", ".jpeg", ".gif", ".webp", ".tif", ".tiff"}
    }


def test_a_named_pipe_is_read_as_a_stream(tmp_path):
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    with subprocess.Popen([sys.executable, "-c", f"open({str(pipe)!r}, 'w').write('a,b\\n1,2\\n')"]):
        assert read(pipe).rows() == [(1, 2)]


@given(
    array=arrays(st.sampled_from(["u1", "<i8", "f4"]), array_shapes(min_dims=1, max_dims=3)),
    start=st.none() | st.integers(-9, 9),
    stop=st.none() | st.integers(-9, 9),
)
def test_rows_equal_python_slices(tmp_path_factory, array, start, stop):
    path = tmp_path_factory.mktemp("rows") / "a.npy"
    np.save(path, array)
    rows = f"{'' if start is None else start}:{'' if stop is None else stop}"
    expected = array[start:stop]
    if len(expected):
        np.testing.assert_array_equal(read(path, rows), expected)
    else:
        with pytest.raises(DataError, match=f"Rows {rows} of .*a.npy hold nothing; there are {len(array)} rows"):
            read(path, rows)


@pytest.mark.parametrize("rows", [None, "1:"])
@pytest.mark.parametrize("name", ["a.npy", "a.npz"])
def test_the_array_is_the_callers_own(tmp_path, name, rows):
    path = tmp_path / name
    path.write_bytes(SOURCES[name][0])
    data = read(path, rows)
    before = path.read_bytes()
    data[:] = 7
    assert type(data) is np.ndarray
    assert data.base is None
    assert path.read_bytes() == before


def test_a_slice_of_a_huge_file_is_cheap(tmp_path):
    path = tmp_path / "huge.npy"
    shape = (10**9, 1000)  # a terabyte, of which the disk holds nothing but the header
    np.lib.format.write_array_header_1_0(
        header := io.BytesIO(), {"descr": "|u1", "fortran_order": False, "shape": shape}
    )
    with open(path, "wb") as file:
        file.write(header.getvalue())
        file.truncate(len(header.getvalue()) + shape[0] * shape[1])
    assert read(path, "-3:").shape == (3, 1000)


@pytest.mark.parametrize("rows", ["5", "", "a:b", "1:2:3", "1.5:", "--1:", ":-", " 1:2"])
def test_malformed_rows_are_refused_before_the_file_is_opened(rows):
    with pytest.raises(ParameterError, match=r"rows must be A:B, such as .*; got '"):
        read("no-such-file.npy", rows)


class TestNamedArrays:
    CONTENT = npz_bytes(x_train=NUMBERS, y_train=np.zeros(4, "i8"), notes=np.array([{}]))

    def test_the_name_chooses(self, tmp_path, stdin):
        (tmp_path / "a.npz").write_bytes(self.CONTENT)
        stdin(self.CONTENT)
        (tmp_path / "B.NPZ").write_bytes(self.CONTENT)
        assert read(f"{tmp_path}/a.npz::y_train").shape == (4,)
        assert read(f"{tmp_path}/B.NPZ::y_train").shape == (4,)
        assert read("-::x_train").shape == (4, 3)

    def test_without_a_name_the_error_lists_them(self, tmp_path, stdin):
        (tmp_path / "a.npz").write_bytes(self.CONTENT)
        stdin(self.CONTENT)
        listed = r"a\.npz holds 3 arrays; name one: .*a\.npz::x_train \[4, 3\], .*::y_train \[4\], .*::notes \[1\]"
        with pytest.raises(SourceError, match=listed):
            read(tmp_path / "a.npz")
        with pytest.raises(SourceError, match=r"standard input holds 3 arrays; name one: -::x_train \[4, 3\]"):
            read("-")

    def test_an_unknown_name_is_refused(self, tmp_path):
        (tmp_path / "a.npz").write_bytes(npz_bytes(x=NUMBERS))
        with pytest.raises(SourceError, match=r"holds 1 array, none called 'y'; name one: .*::x \[4, 3\]"):
            read(f"{tmp_path}/a.npz::y")

    def test_a_pickled_array_is_refused(self, tmp_path):
        (tmp_path / "a.npz").write_bytes(self.CONTENT)
        with pytest.raises(SourceError, match="a.npz::notes holds Python objects, which are never unpickled"):
            read(f"{tmp_path}/a.npz::notes")

    def test_a_file_whose_name_has_colons_is_just_a_file(self, tmp_path):
        (tmp_path / "a.npz::b.npz").write_bytes(npz_bytes(x=NUMBERS))
        assert same(read(f"{tmp_path}/a.npz::b.npz"), NUMBERS)

    @given(position=st.integers(0, 2000), flip=st.integers(1, 255), method=st.sampled_from([0, 8, 12, 14]))
    def test_a_damaged_archive_is_refused_or_unharmed(self, tmp_path_factory, position, flip, method):
        content = bytearray(npz_bytes(method, x=NUMBERS))
        content[position % len(content)] ^= flip
        path = tmp_path_factory.mktemp("damaged") / "a.npz"
        path.write_bytes(content)
        try:
            data = read(path)
        except SourceError:
            return
        assert same(data, NUMBERS)


class TestTextTables:
    def read(self, tmp_path, text):
        (tmp_path / "a.csv").write_bytes(text if isinstance(text, bytes) else text.encode())
        return read(tmp_path / "a.csv")

    @pytest.mark.parametrize("null", ["", "NA", "NaN", "nan", "null", "None"])
    def test_missing_values(self, tmp_path, null):
        table = self.read(tmp_path, f"a,b\n1.5,u\n{null},{null}\n")
        assert table.rows() == [(1.5, "u"), (None, None)]

    def test_the_kind_of_a_column_is_judged_by_all_its_rows(self, tmp_path):
        table = self.read(tmp_path, "a,b\n" + "1,1\n" * 5000 + "1.5,x\n")
        assert table.schema == {"a": pl.Float64, "b": pl.String}

    def test_dates_are_recognised(self, tmp_path):
        assert self.read(tmp_path, "day\n2024-02-29\n").schema == {"day": pl.Date}

    def test_a_byte_order_mark_and_windows_lines(self, tmp_path):
        assert self.read(tmp_path, b"\xef\xbb\xbfa,b\r\n1,2\r\n").to_dicts() == [{"a": 1, "b": 2}]

    @pytest.mark.parametrize("line", ["5.1,3.5,1.4", "0,0,7", "-1,2,3", "1.5,,nan", "\ufeff0.5,1,2"])
    def test_a_first_line_of_measurements_is_a_row(self, tmp_path, line):
        table = self.read(tmp_path, f"{line}\n4,5,6\n")
        assert table.columns == ["x0", "x1", "x2"]
        assert len(table) == 2

    @pytest.mark.parametrize("line", ["a,b,c", "0,1,2", "0, 1, 2", ",0,1", "2019,2020,2021", "a,0.5,0.5"])
    def test_a_first_line_of_names_is_none(self, tmp_path, line):
        table = self.read(tmp_path, f"{line}\n4,5,6\n")
        assert table.rows() == [(4, 5, 6)]


def save(folder, **pictures):
    for name, picture in pictures.items():
        picture.save(folder / name.replace("_", "."))


class TestPictures:
    def test_grey_pictures_are_sorted_by_path(self, tmp_path):
        (tmp_path / "a").mkdir()
        save(tmp_path, b_png=Image.new("L", (3, 2), 20), c_png=Image.new("1", (3, 2), 1))
        save(tmp_path / "a", z_bmp=Image.new("L", (3, 2), 10))
        data = read(tmp_path)
        assert data.dtype == np.uint8
        assert data.shape == (3, 2, 3)
        assert data[:, 0, 0].tolist() == [10, 20, 255]

    def test_other_files_and_hidden_pictures_are_left_out(self, tmp_path):
        (tmp_path / ".thumbnails").mkdir()
        (tmp_path / "notes.txt").touch()
        (tmp_path / "._a.png").touch()
        save(tmp_path / ".thumbnails", a_png=Image.new("L", (1, 1)))
        save(tmp_path, a_png=Image.new("L", (3, 2)))
        assert read(tmp_path).shape == (1, 2, 3)

    @pytest.mark.parametrize(
        ("modes", "shape"),
        [
            (("RGB", "RGB"), (2, 2, 3, 3)),
            (("L", "RGB"), (2, 2, 3, 3)),
            (("P", "P"), (2, 2, 3, 3)),
            (("RGBA", "RGBA"), (2, 2, 3, 4)),
            (("RGBA", "RGB"), (2, 2, 3, 3)),
            (("LA", "L"), (2, 2, 3, 3)),
        ],
    )
    def test_channels(self, tmp_path, modes, shape):
        save(tmp_path, a_png=Image.new(modes[0], (3, 2)), b_png=Image.new(modes[1], (3, 2)))
        assert read(tmp_path).shape == shape

    @pytest.mark.parametrize("suffix", ["png", "jpg", "jpeg", "bmp", "gif", "webp", "tif", "tiff"])
    def test_each_kind_of_picture(self, tmp_path, suffix):
        Image.new("RGB", (3, 2), (200, 200, 200)).save(tmp_path / f"a.{suffix}")
        assert read(tmp_path).shape == (1, 2, 3, 3)
        assert abs(int(read(tmp_path / f"a.{suffix}").mean()) - 200) < 3

    def test_two_sizes_are_refused(self, tmp_path):
        save(
            tmp_path,
            a_png=Image.new("L", (28, 28)),
            b_png=Image.new("L", (28, 28)),
            c_png=Image.new("L", (32, 30)),
        )
        with pytest.raises(SourceError, match=r"a\.png is 28 x 28 and .*c\.png is 32 x 30; resize them"):
            read(tmp_path)

    def test_the_damaged_one_is_named(self, tmp_path):
        save(tmp_path, a_png=Image.new("L", (28, 28)), b_png=Image.effect_noise((28, 28), 9))
        (tmp_path / "b.png").write_bytes((tmp_path / "b.png").read_bytes()[:200])
        with pytest.raises(SourceError, match=r"b\.png cannot be read"):
            read(tmp_path)

    def test_a_folder_without_pictures_is_refused(self, tmp_path):
        with pytest.raises(SourceError, match=r"is a folder without pictures \(\.png, "):
            read(tmp_path)

    def test_a_decompression_bomb_is_refused(self, tmp_path, monkeypatch):
        save(tmp_path, a_png=Image.new("L", (28, 28)))
        monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 100)
        with pytest.raises(SourceError, match=r"a\.png cannot be read: Image size \(784 pixels\) exceeds limit"):
            read(tmp_path)

    def test_sixteen_bit_levels_are_refused(self, tmp_path):
        Image.fromarray(np.full((2, 3), 4000, np.uint16)).save(tmp_path / "a.png")
        with pytest.raises(SourceError, match=r"a\.png has more than 256 levels \(mode I;16\)"):
            read(tmp_path)

    def test_postscript_under_another_name_is_refused(self, tmp_path):
        Image.new("RGB", (3, 2)).save(tmp_path / "a.eps")
        (tmp_path / "a.eps").rename(tmp_path / "a.png")
        with pytest.raises(SourceError, match="cannot identify image file"):
            read(tmp_path)


class TestBuiltin:
    def test_digits_are_pictures_of_seventeen_levels(self):
        digits = read("builtin:digits")
        assert digits.shape == (1797, 8, 8)
        assert digits.dtype == np.uint8
        assert (digits.min(), digits.max()) == (0, 16)

    def test_labels_belong_to_the_pictures(self):
        digits, labels = builtin.load("digits").astype(float), builtin.labels("digits")
        means = np.stack([digits[labels == k].mean(0) for k in range(10)])
        nearest = ((digits[:, None] - means) ** 2).sum((2, 3)).argmin(1)
        assert (nearest == labels).mean() > 0.85

    @pytest.mark.parametrize("ask", [lambda: read("builtin:faces"), lambda: builtin.labels("faces")])
    def test_an_unknown_name_lists_the_known(self, ask):
        with pytest.raises(SourceError, match="builtin:faces is no built-in data set; choose one of: builtin:digits"):
            ask()


WHOLE = "cannot be read: .*check that it is whole"

BAD = {
    "empty": ("a.npy", b"", r"a\.npy is empty; write the data again"),
    "empty gzip": ("a.csv.gz", gzip.compress(b""), "is empty"),
    "unknown suffix": (
        "a.xyz",
        b"hello",
        r"suffix '\.xyz', which is not read; give one of \.npy, \.npz, .*IDX",
    ),
    "no suffix": ("data", b"hello", "suffix '', which is not read"),
    "no npy": ("a.npy", b"hello, I am text", WHOLE),
    "truncated npy": ("a.npy", npy_bytes(NUMBERS)[:-5], WHOLE),
    "npy header alone": ("a.npy", npy_bytes(NUMBERS)[:40], WHOLE),
    "object npy": (
        "a.npy",
        npy_bytes(np.array([{}]), True),
        "holds Python objects, which are never unpickled; save",
    ),
    "object npy.gz": ("a.npy.gz", gzip.compress(npy_bytes(np.array([{}]), True)), "holds Python objects"),
    "pickle": ("a.npy", b"\x80\x04N.", WHOLE),
    "single value": ("a.npy", npy_bytes(np.array(5.0)), "holds a single value, not rows"),
    "no zip": ("a.npz", b"hello, I am text", WHOLE),
    "truncated npz": ("a.npz", npz_bytes(x=NUMBERS)[:-30], WHOLE),
    "npz of nothing": ("a.npz", npz_bytes(), "holds no arrays; save it with numpy.savez"),
    "wrong checksum": (
        "a.npz",
        npz_bytes(x=NUMBERS).replace(NUMBERS.tobytes(), NUMBERS.tobytes()[::-1]),
        "CRC",
    ),
    "header against checksum": ("a.npz", npz_bytes(x=np.zeros(9000)).replace(b"(9000,)", b"(1000,)"), "CRC"),
    "no gzip": ("a.csv.gz", b"a,b\n1,2\n", WHOLE),
    "truncated gzip": ("a.csv.gz", gzip.compress(b"a,b\n1,2\n")[:-9], WHOLE),
    "damaged gzip": ("a.csv.gz", gzip.compress(b"a,b\n1,2\n")[:10] + b"\xff" * 20, WHOLE),
    "truncated idx": ("a.idx", idx_bytes(LEVELS, 8)[:-1], WHOLE),
    "idx with more": ("a.idx", idx_bytes(LEVELS, 8) + b"\0", WHOLE),
    "idx header alone": ("a-idx3-ubyte", idx_bytes(LEVELS, 8)[:6], WHOLE),
    "no idx": ("a.idx", b"hello", "does not begin as an IDX file"),
    "ragged csv": ("a.csv", b"a,b\n1,2\n1,2,3\n", WHOLE),
    "binary csv": ("a.csv", b"a,b\n\xff\xfe\x00,2\n", WHOLE),
    "csv of blank lines": ("a.csv", b"\n\n", WHOLE),
    "truncated parquet": ("a.parquet", table_bytes("write_parquet")[:-8], WHOLE),
    "no parquet": ("a.parquet", b"hello, I am text", WHOLE),
    "truncated arrow": ("a.arrow", table_bytes("write_ipc")[:-8], WHOLE),
    "no arrow": ("a.arrow", b"hello, I am text", WHOLE),
    "truncated png": ("a.png", picture_bytes(np.eye(99, dtype=np.uint8))[:-40], WHOLE),
    "no png": ("a.png", b"hello, I am text", WHOLE),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_files_get_one_sentence_that_names_them(tmp_path, case):
    name, content, said = BAD[case]
    (tmp_path / name).write_bytes(content)
    with pytest.raises(SourceError, match=said) as caught:
        read(tmp_path / name)
    assert str(tmp_path / name) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_damaged_lzma_is_refused(tmp_path):
    content = npz_bytes(zipfile.ZIP_LZMA, x=NUMBERS)
    start = content.index(b"x.npy") + len("x.npy") + 9  # after the name and the header of the LZMA stream
    (tmp_path / "a.npz").write_bytes(content[:start] + b"\xff" * 30 + content[start + 30 :])
    with pytest.raises(SourceError, match=WHOLE) as caught:
        read(tmp_path / "a.npz")
    assert isinstance(caught.value.__cause__, lzma.LZMAError | EOFError | zipfile.BadZipFile)


def test_empty_standard_input_is_refused(stdin):
    stdin(b"")
    with pytest.raises(SourceError, match="standard input is empty"):
        read("-")


def test_a_missing_file_is_refused(tmp_path):
    with pytest.raises(SourceError, match=r"no\.npy does not exist; check the path"):
        read(tmp_path / "no.npy")


def test_a_missing_archive_is_called_by_its_path():
    with pytest.raises(SourceError, match=r"no\.npz does not exist"):
        read("no.npz::x")


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (PermissionError(13, "Permission denied"), "Permission denied; ask its owner"),
        (MemoryError("Unable to allocate 1. TiB"), "Unable to allocate 1. TiB; read some of its rows"),
        (NotImplementedError(), "NotImplementedError; check that it is whole"),
    ],
)
def test_the_next_step_follows_from_the_reason(tmp_path, monkeypatch, error, said):
    def fail(source):
        raise error

    monkeypatch.setitem(READERS, ".npy", fail)
    np.save(tmp_path / "a.npy", NUMBERS)
    with pytest.raises(SourceError, match=said):
        read(tmp_path / "a.npy")


def test_a_panic_of_polars_is_a_sentence_too(tmp_path, monkeypatch):
    def panic(*arguments, **options):
        raise pl.exceptions.PanicException("index out of bounds")

    (tmp_path / "a.parquet").write_bytes(table_bytes("write_parquet"))
    monkeypatch.setattr(pl, "read_parquet", panic)
    with pytest.raises(SourceError, match=r"a\.parquet cannot be read: index out of bounds"):
        read(tmp_path / "a.parquet")


def test_reading_and_writing_import_neither_torch_nor_pandas(tmp_path):
    (tmp_path / "a.csv").write_bytes(table_bytes("write_csv"))
    (tmp_path / "a.png").write_bytes(picture_bytes(LEVELS[0]))
    program = (
        "import sys; from vaekit.data.readers import read; from vaekit.data.writers import write;"
        "write(read('a.csv'), 'b.parquet'); write(read('a.png'), 'b.png');"
        "print([name for name in ('torch', 'pandas', 'sklearn') if name in sys.modules])"
    )
    run = subprocess.run(
        [sys.executable, "-c", program],
        cwd=tmp_path,
        env=os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)},
        capture_output=True,
        text=True,
        check=True,
    )
    assert run.stdout == "[]\n"
