"""vaekit classify."""

from vaekit.cli import shared
from vaekit.cli.shared import DataPath, ModelPath, Output, Quiet, Rows


def classify(
    model: ModelPath, data: DataPath, *, output: Output = None, rows: Rows = None, quiet: Quiet = False
) -> None:
    """Write the class of each row of DATA, by a model that was fitted with --labels.

    The first column is the likeliest class, under the labels' name; the others are the probability of each class.

    Example: vaekit fit train.npz::x -o m.vae --labels train.npz::y

    Example: vaekit classify m.vae new.npz::x -o classes.csv
    """
    shared.check_result(output)
    fitted = shared.load_model(model)
    import polars as pl

    from vaekit.tasks.classify import class_probabilities, classes_of

    classes = classes_of(fitted)
    with shared.telling("classifying", quiet=quiet) as tell:
        probabilities = class_probabilities(fitted, shared.read_rows(data, rows), tell)
    likeliest = pl.Series(fitted.record["classes"]["name"], classes[probabilities.argmax(1)])
    each = {f"p({value})": probabilities[:, k] for k, value in enumerate(classes.tolist())}
    shared.write_result(pl.DataFrame([likeliest]).with_columns(**each), output)
