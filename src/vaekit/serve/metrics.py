"""What the server counts, in Prometheus' text format (version 0.0.4)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0)
ROWS = (1.0, 4.0, 16.0, 64.0, 256.0, 1024.0, 4096.0)


class Histogram:
    """How many numbers were at most each bound, their sum and their count."""

    def __init__(self, bounds: tuple[float, ...]) -> None:
        self.bounds, self.counts = bounds, [0] * len(bounds)
        self.total, self.n = 0.0, 0

    def add(self, number: float) -> None:
        """Count a number."""
        self.total, self.n = self.total + number, self.n + 1
        for k, bound in enumerate(self.bounds):
            self.counts[k] += number <= bound

    def lines(self, name: str) -> Iterator[str]:
        """Return the lines that tell it."""
        yield f"# TYPE {name} histogram"
        for bound, count in zip(self.bounds, self.counts, strict=True):
            yield f'{name}_bucket{{le="{bound:g}"}} {count}'
        yield f'{name}_bucket{{le="+Inf"}} {self.n}'
        yield f"{name}_sum {self.total:.9g}"
        yield f"{name}_count {self.n}"


class Metrics:
    """Requests by route and status, how long they took, and rows in batches."""

    def __init__(self) -> None:
        self.requests: Counter[tuple[str, int]] = Counter()
        self.seconds, self.batch_rows = Histogram(SECONDS), Histogram(ROWS)

    def add(self, route: str, status: int, seconds: float) -> None:
        """Count a request."""
        self.requests[route, status] += 1
        self.seconds.add(seconds)

    def text(self, queued: int, under_way: int) -> str:
        """Return all of it.

        Parameters
        ----------
        queued, under_way : int
            Requests that wait for the worker, and that are not answered yet.
        """
        lines = ["# TYPE vaekit_requests_total counter"]
        for (route, status), n in sorted(self.requests.items()):
            lines.append(f'vaekit_requests_total{{route="{route}",status="{status}"}} {n}')
        for name, number in (("vaekit_queued_requests", queued), ("vaekit_requests_under_way", under_way)):
            lines += [f"# TYPE {name} gauge", f"{name} {number}"]
        lines += self.seconds.lines("vaekit_request_seconds")
        lines += self.batch_rows.lines("vaekit_batch_rows")
        return "\n".join(lines) + "\n"
