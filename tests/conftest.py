"""What every test stands on: one thread per worker, repeatable properties, the larger data sets."""

import os
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")  # before torch, and for the commands that tests start

import hypothesis
import pytest
import torch

torch.set_num_threads(1)

hypothesis.settings.register_profile("vaekit", deadline=None, max_examples=40, derandomize=bool(os.environ.get("CI")))
hypothesis.settings.load_profile("vaekit")


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """Folder of data sets too large for the repository; tests that ask for it are skipped without it."""
    folder = Path(__file__).parents[2] / "shared" / "data"
    if not folder.is_dir():
        pytest.skip("the larger data sets (../shared/data) are not here")
    return folder
