"""Archives decode to the same bits on other processors' kernels, in other numbers of threads, blocks and sites."""

import hashlib
import os
import subprocess
import sys

import numpy as np
import pytest

from vaekit.codec import archive, entropy, packing, workers
from vaekit.codec.dial import Dial
from vaekit.data.builtin import load

CHILD = """
import hashlib, sys
from pathlib import Path
from vaekit.codec import archive
folder = Path(sys.argv[1])
for name in ("a", "rounded", "latent"):
    rows = archive.decompress((folder / f"{name}.vaez").read_bytes(), (folder / "m.int").read_bytes())
    print(hashlib.sha256(rows.tobytes()).hexdigest())
assert "torch" not in sys.modules
"""


@pytest.fixture(scope="module")
def written(digits_model, tmp_path_factory):
    folder, rows = tmp_path_factory.mktemp("archives"), load("digits")[:1200].astype(np.uint8)
    (folder / "a.vaez").write_bytes(digits_model.compress(rows))
    (folder / "m.int").write_bytes(digits_model.fitted_.integer_model)
    for name, said in {"rounded": {"max_error": 2}, "latent": {"quality": 0}}.items():
        (folder / f"{name}.vaez").write_bytes(digits_model.compress(rows, **said))
    return folder, rows


@pytest.mark.parametrize("threads", ["1", "2"])
@pytest.mark.parametrize("kernel", ["Prescott", "Nehalem", "Haswell", "SkylakeX"])
def test_other_kernels_and_threads_decode_the_same(written, digits_model, kernel, threads):
    folder, rows = written
    environment = os.environ | {
        "OPENBLAS_CORETYPE": kernel,
        "OPENBLAS_NUM_THREADS": threads,
        "OMP_NUM_THREADS": threads,
    }
    done = subprocess.run([sys.executable, "-c", CHILD, str(folder)], env=environment, capture_output=True, text=True)
    if done.returncode < 0:
        pytest.skip(f"this processor cannot run the kernels of {kernel}")
    here = [digits_model.decompress((folder / f"{name}.vaez").read_bytes()) for name in ("a", "rounded", "latent")]
    assert np.array_equal(here[0], rows)
    assert done.stdout.split() == [hashlib.sha256(found.tobytes()).hexdigest() for found in here], done.stderr


@pytest.mark.parametrize(("blocks", "sites"), [(1, 2048), (8, 100), (3, 10**6)])
def test_other_groups_decode_the_same(written, digits_model, monkeypatch, blocks, sites):
    folder, rows = written
    monkeypatch.setattr(workers, "BLOCKS_AT_ONCE", blocks)
    monkeypatch.setattr(entropy, "SITES_AT_ONCE", sites)
    blob = (folder / "a.vaez").read_bytes()
    assert np.array_equal(digits_model.decompress(blob), rows)
    assert digits_model.compress(rows) == blob


@pytest.mark.parametrize(("name", "dial"), [("a", None), ("rounded", Dial(max_error=2)), ("latent", Dial(quality=0))])
def test_several_processes_make_the_same_archive(written, digits_model, monkeypatch, name, dial):
    folder, rows = written
    monkeypatch.setattr(workers, "BLOCKS_AT_ONCE", 1)
    blob, model = (folder / f"{name}.vaez").read_bytes(), digits_model.fitted_.integer_model
    assert packing.compress(rows, model, dial=dial, processes=2) == blob
    assert np.array_equal(archive.decompress(blob, model, processes=2), archive.decompress(blob, model))
    if dial is None:
        assert np.array_equal(archive.decompress(blob, model), rows)


def test_products_are_exact_in_torch_too(digits_model):
    """The same sums by another library's kernels, and in float64."""
    import torch

    from vaekit.codec.model_bytes import from_bytes

    product = from_bytes(digits_model.fitted_.integer_model).posterior.encoder[1]
    h = np.random.default_rng(0).integers(0, 17, (50, 64)).astype(np.float64)
    exact = h.astype(object) @ product.weight.astype(object).T
    for dtype in (torch.float32, torch.float64):
        found = torch.from_numpy(h).to(dtype) @ torch.from_numpy(product.weight.T.copy()).to(dtype)
        assert (found.numpy().astype(np.int64) == exact).all()
    assert (product._multiplied(h).astype(np.int64) == exact).all()
