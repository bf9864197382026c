"""vaekit score."""

from vaekit.cli.shared import (
    DataPath,
    ModelPath,
    Output,
    Rows,
    Samples,
    check_result,
    load_model,
    read_rows,
    write_result,
)


def score(
    model: ModelPath,
    data: DataPath,
    *,
    output: Output = None,
    rows: Rows = None,
    importance_samples: Samples = 64,
) -> None:
    """Write how likely each row of DATA is: log_likelihood_nats, bits_per_dim and tail_probability.

    The tail probability is the share of held-out rows at most as likely: small for an anomaly.

    Example: vaekit score m.vae measurements.csv -o scores.csv
    """
    check_result(output)
    scores = load_model(model).score_rows(read_rows(data, rows), importance_samples)
    import polars as pl

    write_result(pl.DataFrame(scores._asdict()), output)
