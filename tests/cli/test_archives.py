"""The verbs of archives, in files and in pipes, in zstd's manner."""

import json
import re

import numpy as np
import polars as pl
import pytest
from PIL import Image

from vaekit.data.builtin import load


@pytest.fixture(scope="module")
def folder(vaekit, tmp_path_factory):
    """A model of digits, and digits to compress."""
    folder = tmp_path_factory.mktemp("archives")
    fitted = vaekit("fit", "builtin:digits", "-o", folder / "m.vae", "--epochs", 3, "--threads", 1, "--quiet")
    assert fitted.status == 0, fitted.err
    np.save(folder / "x.npy", load("digits").astype(np.uint8))
    return folder


def run(vaekit, *words, stdin=b""):
    done = vaekit(*words, stdin=stdin)
    assert done.status == 0, done.err
    return done


def test_there_and_back_by_the_usual_names(vaekit, folder):
    told = run(vaekit, "compress", folder / "m.vae", folder / "x.npy", "--compare").err
    assert "115,008 bytes" in told
    assert "2 blocks by vae" in told
    assert "zstd -19" in told
    assert "xz -9" in told
    assert (folder / "x.npy").exists()  # the input stays
    before = (folder / "x.npy").read_bytes()
    again = vaekit("decompress", folder / "x.npy.vaez", "--model", folder / "m.vae")
    assert again.status == 1
    assert "exists already. Write over it with -f" in again.err
    run(vaekit, "decompress", folder / "x.npy.vaez", "--model", folder / "m.vae", "-f")
    assert (folder / "x.npy").read_bytes() == before


def test_an_archive_is_not_written_over(vaekit, folder):
    (folder / "there.vaez").write_bytes(b"mine")
    done = vaekit("compress", folder / "m.vae", folder / "x.npy", "-o", folder / "there.vaez")
    assert done.status == 1
    assert (folder / "there.vaez").read_bytes() == b"mine"
    run(vaekit, "compress", folder / "m.vae", folder / "x.npy", "-o", folder / "there.vaez", "-f", "--quiet")
    assert (folder / "there.vaez").read_bytes() != b"mine"


def test_streams(vaekit, folder):
    raw = (folder / "x.npy").read_bytes()
    packed = run(vaekit, "compress", folder / "m.vae", "-", "--embed-model", "-o", "-", "--quiet", stdin=raw).out
    assert run(vaekit, "decompress", "-", "--quiet", stdin=packed).out == raw


def test_a_folder_of_pictures_comes_back_with_names_and_pixels(vaekit, folder, tmp_path):
    pictures = load("digits")[:40].astype(np.uint8)
    for i, picture in enumerate(pictures):
        path = tmp_path / f"in/{'odd' if i % 2 else 'even'}/p{i}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(picture).save(path)
    run(vaekit, "compress", folder / "m.vae", tmp_path / "in", "--quiet")
    run(vaekit, "decompress", tmp_path / "in.vaez", "--model", folder / "m.vae", "-o", f"{tmp_path}/out/", "--quiet")
    for i, picture in enumerate(pictures):
        found = np.asarray(Image.open(tmp_path / f"out/{'odd' if i % 2 else 'even'}/p{i}.png"))
        assert np.array_equal(found, picture)


def test_a_table_comes_back(vaekit, folder, tmp_path):
    table = pl.DataFrame({"n": [3, None, 1], "text": ["a", "ü", None], "x": [0.1, 2.0, -1e300]})
    table.write_parquet(tmp_path / "t.parquet")
    run(vaekit, "compress", folder / "m.vae", tmp_path / "t.parquet", "--quiet")
    run(vaekit, "decompress", tmp_path / "t.parquet.vaez", "-o", tmp_path / "back.parquet", "--quiet")
    assert pl.read_parquet(tmp_path / "back.parquet").equals(table)


def test_list_tells_what_is_within(vaekit, folder, tmp_path):
    run(vaekit, "compress", folder / "m.vae", folder / "x.npy", "-o", tmp_path / "x.vaez", "--quiet")
    told = json.loads(run(vaekit, "list", tmp_path / "x.vaez", "--json").text)
    assert told["n_items"] == 1797
    assert told["raw_bytes"] == 115_008
    assert told["n_bytes"] == (tmp_path / "x.vaez").stat().st_size
    assert told["methods"] == {"vae": 2}
    words = run(vaekit, "list", tmp_path / "x.vaez").text
    assert "1,797 rows of uint8 (8, 8)" in words
    assert f"needs the model {told['model_sha256'][:12]}" in words


def test_without_its_model_an_archive_is_refused_in_a_sentence(vaekit, folder, tmp_path):
    run(vaekit, "compress", folder / "m.vae", folder / "x.npy", "-o", tmp_path / "x.vaez", "--quiet")
    for verb in ("decompress", "test"):
        done = vaekit(verb, tmp_path / "x.vaez")
        assert done.status == 1
        assert "does not hold it. Name the model's file." in done.err
        assert "Traceback" not in done.err


def test_damage_is_named_and_the_rest_is_salvaged(vaekit, folder, tmp_path):
    run(vaekit, "compress", folder / "m.vae", folder / "x.npy", "-o", tmp_path / "x.vaez", "--quiet")
    run(vaekit, "test", tmp_path / "x.vaez", "--model", folder / "m.vae")
    data = bytearray((tmp_path / "x.vaez").read_bytes())
    data[3000] ^= 1
    (tmp_path / "bad.vaez").write_bytes(data)
    words = (tmp_path / "bad.vaez", "--model", folder / "m.vae")
    done = vaekit("test", *words)
    assert done.status == 1
    assert "1 of 2 blocks are whole" in done.err
    assert "is damaged in the blocks 0." in done.err
    assert vaekit("decompress", *words, "-o", tmp_path / "all.npy").status == 1
    assert not (tmp_path / "all.npy").exists()
    run(vaekit, "decompress", *words, "--salvage", "-o", tmp_path / "some.npy")
    assert np.array_equal(np.load(tmp_path / "some.npy"), np.load(folder / "x.npy")[1250:])


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("decompress", "nowhere.vaez"), "There is no file nowhere.vaez. Check the path of the archive."),
        (("list", "{x}"), "This is no vaekit archive, or its first bytes are damaged."),
        (("test", "{folder}"), "cannot be read: Is a directory. Give the path of a .vaez file."),
        (("compress", "{m}", "{x}", "-o", "no/such/folder.vaez"), "no/such does not exist"),
        (("compress", "{m}", "{x}", "--threads", "0", "-o", "{new}"), "threads must be at least 1; got 0."),
    ],
)
def test_mistakes_are_said_in_a_sentence(vaekit, folder, tmp_path, words, said):
    places = {"x": folder / "x.npy", "m": folder / "m.vae", "folder": folder, "new": tmp_path / "new.vaez"}
    done = vaekit(*(word.format(**places) for word in words))
    assert done.status in (1, 2)
    assert said in done.err
    assert "Traceback" not in done.err


def test_less_than_all(vaekit, folder):
    rows = load("digits").astype(np.uint8)
    told = run(
        vaekit, "compress", folder / "m.vae", folder / "x.npy", "-o", folder / "few.vaez", "--lossy", "--max-error", 2
    ).err
    assert "largest error 2, root mean square" in told
    run(vaekit, "decompress", folder / "few.vaez", "--model", folder / "m.vae", "-o", folder / "few.npy", "--quiet")
    off = np.abs(np.load(folder / "few.npy").astype(int) - rows)
    assert 0 < off.max() <= 2
    assert "lossy: max_error 2" in run(vaekit, "list", folder / "few.vaez").text
    assert (folder / "few.vaez").stat().st_size < 20_000
    told = run(vaekit, "compress", folder / "m.vae", folder / "x.npy", "-o", "-", "--lossy", "--target-bits", 60).err
    assert "bits a value; 2 blocks by" in told


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--quality", 3], "Say --lossy with them"),
        (["--lossy", "--quality", 3, "--max-error", 2], "got quality and max_error"),
        (["--lossy", "--quality", 101], "quality must be from 0 to 100; got 101"),
        (["--lossy", "--max-error", "little"], "max_error must be 0 or more, .*; got little"),
        (["--lossy", "--target-bits", 0], "target_bits must be more than 0; got 0"),
    ],
)
def test_a_dial_out_of_its_range_is_misuse(vaekit, folder, words, said):
    done = vaekit("compress", folder / "m.vae", folder / "x.npy", "-o", folder / "none.vaez", *words)
    assert done.status == 2
    assert re.search(said, done.err)
    assert not (folder / "none.vaez").exists()


def test_a_picture_is_of_the_curve_and_a_png_by_any_name(vaekit, folder):
    done = vaekit("evaluate", folder / "m.vae", folder / "x.npy", "--picture", folder / "c.png")
    assert done.status == 2
    assert "--picture draws the curve of --rate-distortion. Say both." in done.err
    words = ("--rows", "0:50", "--rate-distortion", "--picture", folder / "curve", "--json", "--quiet")
    points = json.loads(run(vaekit, "evaluate", folder / "m.vae", folder / "x.npy", *words).out)["rate_distortion"]
    assert [point["quality"] for point in points] == list(range(0, 100, 10))
    assert (folder / "curve").read_bytes().startswith(b"\x89PNG")
