"""What docs/format.md says is what archives are: a decoder written from it, in whole numbers alone, reads them."""

import numpy as np

from vaekit.codec import archive, container, whole
from vaekit.codec.container import VAE, Block

FEW = 10  # rows; the decoder takes its time


def by_the_model(rows, payload):
    return Block(VAE, len(rows), container.digest(rows.tobytes()), payload.to_bytes())


def test_whole_numbers_alone_decode_an_archive(case, plain, monkeypatch):
    monkeypatch.setattr(archive, "_may_be_smaller", lambda *_: False)  # a few rows by zstd would be no proof
    monkeypatch.setattr(archive, "_smallest", by_the_model)
    vae, data = case
    rows = np.ascontiguousarray(data[:3] if data.ndim == 4 else data[:FEW])
    header, model, blocks = plain.read(vae.compress(rows, embed_model=True))
    integer, expected = plain.model_of(model)
    assert plain.known_answer(integer) == expected
    assert (header["dtype"], header["row_shape"]) == (rows.dtype.str, list(rows.shape[1:]))
    ((method, n_items, digest, payload),) = blocks
    assert (method, n_items, digest) == (VAE, len(rows), container.digest(rows.tobytes()))
    codes = whole.array_to_codes(vae.schema_, rows)
    assert plain.decode(integer, payload, n_items) == codes.tolist()
