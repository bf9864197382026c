"""The verb export."""

import json


def test_it_tells_how_well_the_files_agree(vaekit, room, tmp_path):
    done = vaekit(
        "export", room / "table.vae", "-o", tmp_path / "m.onnx", "--check", room / "table.csv", "--rows", "0:9"
    )
    assert done.status == 0, done.err
    assert done.err == ""
    assert done.text.splitlines()[0] == f"wrote {tmp_path}/m.onnx and {tmp_path}/m.decoder.onnx"
    assert "9 rows of" in done.text

    told = json.loads(vaekit("export", room / "real.vae", "-o", tmp_path / "m.keras", "--json").text)
    assert told["files"] == [f"{tmp_path}/m.keras", f"{tmp_path}/m.decoder.keras"]
    assert told["relative_difference"] <= 1e-5


def test_misuse_is_said(vaekit, room, tmp_path):
    done = vaekit("export", room / "real.vae", "-o", tmp_path / "m.h5")
    assert done.status == 2
    assert "NAME.onnx or NAME.keras" in done.err
