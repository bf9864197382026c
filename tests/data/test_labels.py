"""A table's own column may be its labels; whether it stays among the rows, whoever reads them says."""

import numpy as np
import polars as pl
import pytest

import vaekit
from vaekit.data.labels import labels_apart
from vaekit.errors import SourceError

FRAME = pl.DataFrame({"x": np.linspace(0, 1, 40), "y": ["a", "b"] * 20})


@pytest.mark.parametrize("keep", [(), ("x", "y")])
def test_a_column_is_set_apart_unless_it_is_kept(keep):
    rows, labels = labels_apart(FRAME, "y", keep=keep)
    assert rows.columns == (["x", "y"] if keep else ["x"])
    assert labels.to_list() == FRAME["y"].to_list()


def test_what_is_no_column_and_no_file_is_told_with_the_columns():
    with pytest.raises(SourceError, match=r"none does not exist; .* Nor is it a column: these are x, y\."):
        labels_apart(FRAME, "none")


def test_a_model_is_looked_at_by_a_column_that_it_reads():
    vae = vaekit.VAE(epochs=1, preset="fast").fit(FRAME)
    assert vae.evaluate(FRAME, labels="y", importance_samples=2).keys() >= {"elbo_nats"}
    assert len(vae.plot_codes(FRAME, "y", _axes()).get_legend().get_texts()) == 2


def _axes():
    from matplotlib.figure import Figure

    return Figure().subplots()
