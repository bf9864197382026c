"""A model card: the page beside a model file on the Hugging Face Hub, made from the file's own record.

What `vaekit` knows stands between two marks, and is written anew when the model is pushed again. The head and the rest
of the page are written once, and then belong to the person: the licence above all.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from vaekit.data.schema import Schema
from vaekit.training.diagnosis import Finding
from vaekit.training.progress import duration

MEANT_FOR = (
    "Meant for rows like those it was trained on. Scores are bounds, and compare within one model; of rows unlike "
    "all it has seen they say only that. The file keeps up to 512 of the rows as the encoder reads them, and the codes "
    "of up to 2,000: where the rows are secret, so is the file."
)
BEGIN = "<!-- vaekit push writes anew what stands from here -->"
END = "<!-- to here -->"
HEAD = """---
library_name: vaekit
tags:
- autoencoder
- {kind}
---

# {name}

{block}

## Licence

None is named yet. Say here, and as `license:` in the head of this page, what others may do with the model.
"""
USE = """## Use

```sh
pip install 'vaekit[hub]'
vaekit pull {repo} -o m.vae
vaekit sample m.vae -n 64
```

```python
import vaekit

vae = vaekit.load("hf://{repo}")
rows = vae.sample(64)
codes = vae.transform(rows)
```"""


def model_card(header: dict[str, Any], repo: str, older: str | None = None) -> str:
    """Return the card of a model, in Markdown.

    Parameters
    ----------
    header : dict
        Of the model file.
    repo : str
        Where the model will be, OWNER/NAME.
    older : str, optional
        The page that is there. What does not stand between the marks is kept; without marks, all is.

    Examples
    --------
    >>> import tempfile, numpy as np, vaekit
    >>> from vaekit.storage.header import read_header
    >>> X = np.random.default_rng(0).normal(size=(50, 3))
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = vaekit.VAE(latent_dim=1, epochs=2).fit(X).save(f"{folder}/m.vae")
    ...     card = model_card(read_header(path), "ada/flowers")
    >>> 'vaekit.load("hf://ada/flowers")' in card
    True
    """
    block = "\n\n".join((BEGIN, *_parts(header, repo), END))
    if older is not None:
        return re.sub(f"{re.escape(BEGIN)}.*{re.escape(END)}", lambda _: block, older, count=1, flags=re.DOTALL)
    return HEAD.format(kind=header["architecture"]["model"], name=repo.partition("/")[2] or repo, block=block)


def _parts(header: dict[str, Any], repo: str) -> Iterator[str]:
    """Yield the paragraphs that the record tells."""
    schema, record = Schema.from_json(header["schema"]), header["record"]
    metrics = record["metrics"]
    yield (
        f"A model of the kind `{header['architecture']['model']}` with {metrics['latent_dim']} latent units "
        f"({metrics['active_units']} active), trained on {schema.n_rows:,} rows of {schema.noun}. It makes "
        "codes of rows, rows of codes and new rows, tells how likely a row is, and fills gaps."
    )
    yield MEANT_FOR
    yield USE.format(repo=repo)
    yield f"## Data\n\n````text\n{schema}\n````"
    yield "## Figures\n\n" + _table(("figure", "value", "unit"), _figures(record, schema))
    yield "## Model\n\n" + _table(("", ""), _choices(header))
    yield "## Diagnosis\n\n" + "\n".join(f"- {Finding(**finding)}" for finding in record["diagnosis"])


def _figures(record: dict[str, Any], schema: Schema) -> Iterator[tuple[str, str, str]]:
    """Yield what was measured at the end of training."""
    metrics = record["metrics"]
    yield "bound on held-out rows", f"{metrics['valid_elbo_nats']:.2f}", "nats a row; higher is likelier"
    yield "bound on training rows", f"{metrics['train_elbo_nats']:.2f}", "nats a row"
    yield "best model without a latent, on held-out rows", f"{metrics['without_latent_nats']:.2f}", "nats a row"
    told = record.get("compression", {})
    if "bits_per_dim" in told:
        yield "size of an archive", f"{told['bits_per_dim']:.4g}", f"bits a value, of {schema.n_dims} in a row"
    yield "rows held out", f"{record['held_out_rows']:,}", "rows"


def _choices(header: dict[str, Any]) -> Iterator[tuple[str, str]]:
    """Yield what the model is made of."""
    architecture, record = header["architecture"], header["record"]
    settings = record["settings"]
    yield "network", f"{architecture['network']} {'-'.join(map(str, architecture['hidden']))}"
    yield "likelihood", ", ".join(sorted(set(filter(None, architecture["likelihoods"]))))
    yield "prior", f"{architecture['prior']}, {architecture['levels']} layer(s)"
    yield "objective", f"{settings['objective']}, beta {settings['beta']:g}"
    yield "training", f"{len(record['history'])} epochs in {duration(record['seconds'])}: {record['reason']}"
    yield "seed", str(settings["seed"])
    yield "version", f"vaekit {header['vaekit']}, format {header['format']}"
    yield "weights", f"SHA-256 {header['weights_sha256']}"


def _table(head: tuple[str, ...], lines: Iterator[tuple[str, ...]]) -> str:
    """Return a table of Markdown."""
    return "\n".join(f"| {' | '.join(cells)} |" for cells in (head, ("---",) * len(head), *lines))
