"""What trackers hand over, as the programs themselves read it again."""

import json
import struct
import sys

import pytest

from vaekit.errors import MissingExtraError, ServiceError
from vaekit.training.progress import Began, Ended, EpochEnded, Note
from vaekit.training.trackers import TRACKERS, MLflow, TensorBoard, Tracker, WandB

SETTINGS = {"latent_dim": 2, "hidden": [8, 8], "prior": "normal"}
NUMBERS = {
    **{"progress": 0.5, "seconds": 10.0, "reconstruction_nats": -80.0, "kl_nats": 10.0, "valid_elbo_nats": -95.0},
    **{"valid_bits_per_dim": 0.175, "kl_weight": 1.0, "learning_rate": 1e-3, "rows_per_second": 12_345.0},
}
ELBO = {1: -89.0, 2: -88.0, 3: -87.0, 4: -86.0}


def tell(tracker, reason="finished"):
    epochs = [EpochEnded(epoch=n, epochs=4, elbo_nats=nats, **NUMBERS) for n, nats in ELBO.items()]
    for event in (Note("60 rows"), Began("chosen", SETTINGS), *epochs, Ended(reason, 40.0)):
        tracker(event)


# -- each program ------------------------------------------------------------------------------------------------------


def test_tensorboard_gets_settings_numbers_and_the_end(tmp_path):
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    tell(TensorBoard(tmp_path / "runs"))
    read = EventAccumulator(str(tmp_path / "runs"))
    read.Reload()
    assert {"kl_nats", "valid_elbo_nats", "learning_rate"} <= set(read.Tags()["scalars"])
    assert {p.step: p.value for p in read.Scalars("elbo_nats")} == ELBO
    text = {name: read.Tensors(f"{name}/text_summary")[0].tensor_proto.string_val[0] for name in ("settings", "reason")}
    assert b"| hidden | [8, 8] |" in text["settings"]
    assert text["reason"] == b"finished"


@pytest.mark.parametrize(
    ("reason", "status"),
    [
        ("finished", "FINISHED"),
        ("stopped early: the held-out bound no longer rose", "FINISHED"),
        ("interrupted", "KILLED"),
        ("failed", "FAILED"),
    ],
)
def test_mlflow_gets_settings_numbers_and_the_end(tmp_path, monkeypatch, reason, status):
    monkeypatch.setenv("MLFLOW_ALLOW_FILE_STORE", "true")  # to make the tables of a database takes seconds
    monkeypatch.delenv("MLFLOW_EXPERIMENT_NAME", raising=False)
    tracker = MLflow(tmp_path)
    tell(tracker, reason)
    run = tracker.client.get_run(tracker.run)
    assert run.data.params == {"latent_dim": "2", "hidden": "[8, 8]", "prior": "normal"}
    assert {m.step: m.value for m in tracker.client.get_metric_history(tracker.run, "elbo_nats")} == ELBO
    assert run.data.metrics["valid_elbo_nats"] == -95.0
    assert (run.data.tags["reason"], run.info.status) == (reason, status)
    assert tracker.client.get_experiment(run.info.experiment_id).name == "vaekit"


@pytest.fixture
def weights_and_biases():
    """Return the program without what it remembers of the variables of before, whichever test ran first."""
    import wandb

    wandb.teardown()
    yield wandb
    wandb.teardown()


def records(path):
    """Return the records of a file of Weights & Biases: a log in blocks of 32 KiB, as LevelDB has it."""
    from wandb.proto.wandb_internal_pb2 import Record

    data, at, whole = path.read_bytes(), 7, b""
    while at + 7 <= len(data):
        if 32768 - at % 32768 < 7:
            at += 32768 - at % 32768
        length, sort = struct.unpack("<HB", data[at + 4 : at + 7])
        whole += data[at + 7 : at + 7 + length]
        at += 7 + length
        if sort in (1, 4):  # all of a record, or its last piece
            record = Record()
            record.ParseFromString(whole)
            yield record
            whole = b""


def test_weights_and_biases_gets_settings_numbers_and_the_end(tmp_path, monkeypatch, weights_and_biases):
    monkeypatch.setenv("WANDB_MODE", "offline")
    monkeypatch.chdir(tmp_path)
    tell(WandB("flowers"), "interrupted")
    (path,) = tmp_path.glob("wandb/offline-run-*/*.wandb")
    found = {sort: [r for r in records(path) if r.WhichOneof("record_type") == sort] for sort in ("run", "history")}
    run = found["run"][0].run
    config = {item.key: json.loads(item.value_json) for item in run.config.update}
    assert run.project == "flowers"
    assert {name: config[name] for name in SETTINGS} == SETTINGS
    rows = [
        {".".join(i.nested_key) or i.key: json.loads(i.value_json) for i in r.history.item} for r in found["history"]
    ]
    assert {row["_step"]: row["elbo_nats"] for row in rows} == ELBO
    assert [r.exit.exit_code for r in records(path) if r.WhichOneof("record_type") == "exit"] == [255]
    assert weights_and_biases.run is None  # one that the caller has is left alone


# -- all of them -------------------------------------------------------------------------------------------------------


class Failing(Tracker):
    """A tracker that fails where it is told to."""

    name = "failing"

    def __init__(self, at):
        self.at, self.called = at, []
        super().__init__("nowhere")

    def _call(self, step):
        self.called.append(step)
        if step == self.at:
            raise RuntimeError("the disk is full.\nand much more")

    def _open(self, where):
        self._call("open")

    def _begin(self, settings):
        self._call("begin")

    def _log(self, numbers, epoch):
        self._call(epoch)

    def _end(self, reason):
        self._call("end")


def test_one_that_cannot_open_is_refused_before_the_run():
    with pytest.raises(
        ServiceError, match=r"The tracker failing cannot keep a run in nowhere: the disk is full\. Mend"
    ):
        Failing("open")


@pytest.mark.parametrize(("at", "called"), [("begin", 2), (2, 4), ("end", 7)])
def test_one_that_fails_later_is_said_once_and_left(capsys, at, called):
    tracker = Failing(at)
    tell(tracker)
    assert len(tracker.called) == called  # nothing after the failure
    assert capsys.readouterr().err == ("the tracker failing fails, the run goes on without it: the disk is full.\n")


@pytest.mark.parametrize("name", TRACKERS)
def test_without_its_package_the_install_line_is_said(tmp_path, monkeypatch, name):
    monkeypatch.setitem(sys.modules, {"tensorboard": "torch.utils.tensorboard"}.get(name, name), None)
    for module in [m for m in sys.modules if m.startswith("mlflow.")]:
        monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(MissingExtraError, match=rf"pip install 'vaekit\[{name}\]'"):
        TRACKERS[name](tmp_path)


def test_an_address_where_nothing_answers_is_refused(monkeypatch):
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    with pytest.raises(ServiceError, match=r"cannot keep a run in http://127.0.0.1:9: API request to .* failed\. Mend"):
        MLflow("http://127.0.0.1:9")


def test_weights_and_biases_wants_a_login_before_the_run(tmp_path, monkeypatch, weights_and_biases):
    monkeypatch.setenv("WANDB_MODE", "online")
    monkeypatch.setenv("NETRC", str(tmp_path / "none"))
    monkeypatch.delenv("WANDB_API_KEY", raising=False)
    with pytest.raises(ServiceError, match="wandb login"):
        WandB("flowers")
