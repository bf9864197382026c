"""vaekit score."""

from vaekit.cli import shared
from vaekit.cli.shared import DataPath, ModelPath, Output, Quiet, Rows, Samples


def score(
    model: ModelPath,
    data: DataPath,
    *,
    output: Output = None,
    rows: Rows = None,
    importance_samples: Samples = 64,
    quiet: Quiet = False,
) -> None:
    """Write how likely each row of DATA is.

    The columns are log_likelihood_nats, bits_per_dim and tail_probability, the share of held-out rows at most as
    likely: small for an anomaly.

    Example: vaekit score m.vae measurements.csv -o scores.csv
    """
    shared.check_result(output)
    fitted = shared.load_model(model)
    import polars as pl

    from vaekit.tasks.score import score

    with shared.telling("scoring", quiet=quiet) as tell:
        scores = score(fitted, shared.read_rows(data, rows), importance_samples, tell)
    shared.write_result(pl.DataFrame(scores._asdict()), output)
