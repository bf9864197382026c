"""vaekit report."""

from typing import Annotated

import typer

from vaekit.cli import shared
from vaekit.cli.shared import DataPath, ModelPath, Quiet, Rows
from vaekit.data.files import atomic_write


def report(
    model: ModelPath,
    data: DataPath,
    *,
    output: Annotated[str, typer.Option("-o", "--output", metavar="OUT.html", help="The page to write.")],
    labels: Annotated[str | None, typer.Option(metavar="DATA|COLUMN", help="Classes of the rows, for colours.")] = None,
    rows: Rows = None,
    quiet: Quiet = False,
) -> None:
    """Write a page about a model on DATA, to be opened in a browser.

    It holds all it shows: pictures, figures, faults, a map of the codes, what each job is worth beside something cheap.

    Example: vaekit report m.vae test.npz::x_test --labels test.npz::y_test -o report.html
    """
    shared.check_output(output)
    fitted = shared.load_model(model)
    from vaekit.data.labels import labels_apart
    from vaekit.tasks.report import report

    chosen, classes = labels_apart(shared.read_rows(data, rows), labels, rows, fitted.schema.names)
    with shared.telling("reporting", quiet=quiet) as tell:
        page = report(fitted, chosen, classes, tell)
    atomic_write(output, page.encode())
    shared.say(f"wrote {output} ({len(page) / 1e6:.1f} MB): open it in a browser", quiet=quiet)
