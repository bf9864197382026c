"""vaekit info."""

from typing import Any

from vaekit.cli.shared import Json, ModelPath, print_json


def info(model: ModelPath, *, json: Json = False) -> None:
    """Print what a model file holds.

    It tells of data, architecture, training and diagnosis.

    Example: vaekit info m.vae
    """
    from vaekit.storage.header import read_header

    header = read_header(model)
    if json:
        print_json(header)
        return
    print(text_of(header))


def text_of(header: dict[str, Any]) -> str:
    """Return a model file's header as people read it."""
    from vaekit.data.schema import Schema
    from vaekit.training.diagnosis import Finding

    record, architecture = header["record"], header["architecture"]
    settings, metrics = record["settings"], record["metrics"]
    lines = [
        f"vaekit model, format {header['format']}, written by vaekit {header['vaekit']}",
        f"weights    sha256 {header['weights_sha256']}",
        f"model      {architecture['model']}, {architecture['network']} {architecture['hidden']}",
        f"prior      {architecture['prior']}",
        f"latent     {metrics['latent_dim']} units ({metrics['active_units']} active)",
        f"levels     {architecture['levels']}",
        f"likelihood {', '.join(sorted(set(filter(None, architecture['likelihoods']))))}",
        f"objective  {settings['objective']}",
        f"training   {len(record['history'])} epochs in {record['seconds']:.1f} s: {record['reason']}",
        f"seed       {settings['seed']}",
        f"held out   {metrics['valid_elbo_nats']:.2f} nats a row",
        f"compresses {_compression(record.get('compression', {}))}",
        *_classes(record),
        *_gaps(record),
        "",
        str(Schema.from_json(header["schema"])),
        "",
        *[str(Finding(**finding)) for finding in record["diagnosis"]],
    ]
    return "\n".join(lines)


def _classes(record: dict[str, Any]) -> list[str]:
    """Return the line of the classes that a model learned, where it learned any."""
    known = record.get("classes")
    return [f"classes    {known['name']}: {', '.join(map(str, known['values']))}"] if known else []


def _gaps(record: dict[str, Any]) -> list[str]:
    """Return the line of gaps that depend on what is missing, where a model learned of such."""
    return [f"gaps       {record['gaps']}"] if record.get("gaps") else []


def _compression(told: dict[str, Any]) -> str:
    """Return what compressing with the model takes, in words."""
    if "bits_per_dim" not in told:
        return f"by zstd alone: {told.get('why_not', 'it was fitted before there was an integer form')}"
    return f"to {told['bits_per_dim']:.4g} bits a value ({told['float_bits_per_dim']:.4g} in real numbers)"
