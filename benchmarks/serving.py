"""A served model under load: 64 clients beside direct calls in one process.

Protocol: a VAE of 16 units and hidden layers of 300 on 5,000 pictures of MNIST, 2 epochs (speed does not depend on how
well it is trained), served by `vaekit serve` with one thread, on the machine that the clients run on too. Clients are
coroutines of one process, each with a connection it keeps, without an HTTP library, which would take more of the
machine than the server does. Each sends a picture, waits for the answer, and sends the next, for 10 s. Beside it:
`VAE.transform` and `VAE.score_samples` in one process, a row at a time, and 512 rows at a time. Every answer of
`embed` is compared with the estimator's, bit for bit.
"""

from __future__ import annotations

import asyncio
import io
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from itertools import count
from pathlib import Path
from typing import Any

import httpx
import numpy as np
from _report import publish

import vaekit

MNIST = Path(__file__).parents[2] / "shared/data/mnist.npz"
CLIENTS, SECONDS, BATCH = 64, 10.0, 512


def npy(rows: np.ndarray) -> bytes:
    file = io.BytesIO()
    np.save(file, rows)
    return file.getvalue()


def direct(verb: Callable[[np.ndarray], np.ndarray], pictures: np.ndarray, at_once: int) -> float:
    """Return rows a second."""
    began, rows = time.perf_counter(), 0
    for k in count():
        start = k * at_once % (len(pictures) - at_once + 1)
        verb(pictures[start : start + at_once])
        rows += at_once
        if (took := time.perf_counter() - began) > 3:
            return rows / took
    raise AssertionError


async def load(address: str, verb: str, bodies: list[bytes]) -> tuple[list[float], list[tuple[int, bytes]]]:
    """Return the seconds of each request, and the answers with the numbers of their pictures."""
    seconds, answers, numbers = [], [], count()
    host, port = address.removeprefix("http://").split(":")
    until = time.perf_counter() + SECONDS

    async def client() -> None:
        connection = await asyncio.open_connection(host, int(port))
        while (began := time.perf_counter()) < until:
            k = next(numbers) % len(bodies)
            answer = await asked(*connection, verb, bodies[k])
            seconds.append(time.perf_counter() - began)
            answers.append((k, answer))
        connection[1].close()

    await asyncio.gather(*(client() for _ in range(CLIENTS)))
    return seconds, answers


async def asked(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, verb: str, body: bytes) -> bytes:
    """Return the body of the answer to one request of a connection."""
    head = f"POST /v1/{verb} HTTP/1.1\r\nHost: localhost\r\nContent-Length: {len(body)}\r\n"
    types = "Content-Type: application/x-npy\r\nAccept: application/x-npy\r\n\r\n"
    writer.write((head + types).encode() + body)
    status, *headers = (await reader.readuntil(b"\r\n\r\n")).decode().lower().splitlines()
    assert " 200 " in status, status
    length = next(line for line in headers if line.startswith("content-length:"))
    return await reader.readexactly(int(length.split(":")[1]))


def row(how: str, per_second: float, seconds: list[float] | None = None) -> dict[str, Any]:
    p50, p99 = (1000 * float(np.quantile(seconds, q)) for q in (0.5, 0.99)) if seconds else (None, None)
    return {"how": how, "rows/s": per_second, "p50, ms": p50, "p99, ms": p99}


def main() -> None:
    pictures = dict(np.load(MNIST))["x_train"][:5000]
    vae = vaekit.VAE(16, hidden=(300, 300), network="mlp", epochs=2, threads=1).fit(pictures)
    few = pictures[:1000]
    bodies, codes = [npy(picture[None]) for picture in few], vae.transform(few)
    table = []
    for name, verb in (("embed", vae.transform), ("score", vae.score_samples)):
        table.append(row(f"{name}, direct, a row at a time", direct(verb, few, 1)))
        table.append(row(f"{name}, direct, {BATCH} rows at a time", direct(verb, few, BATCH)))
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-m", "vaekit", "serve", str(vae.save(f"{folder}/m.vae")), "--port", "0"]
        with subprocess.Popen([*command, "--threads", "1"], stderr=subprocess.PIPE, text=True) as server:
            assert server.stderr is not None
            address = server.stderr.readline().split()[-1]
            for name in ("embed", "score"):
                seconds, answers = asyncio.run(load(address, name, bodies))
                table.append(row(f"{name}, served to {CLIENTS} clients", len(seconds) / SECONDS, seconds))
                if name == "embed":
                    assert all(np.array_equal(np.load(io.BytesIO(body))[0], codes[k]) for k, body in answers)
            told = httpx.get(f"{address}/metrics").text
            server.terminate()
        assert server.returncode == 0
    batches = {line.split()[0]: float(line.split()[1]) for line in told.splitlines() if line.startswith("vaekit_batch")}
    publish("serving", __doc__.split("Protocol: ")[1].strip().replace("\n", " "), table, batches=batches)


if __name__ == "__main__":
    main()
