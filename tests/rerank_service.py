"""A rerank service on a real port that answers as the test says, and remembers what it was asked."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, Self


@dataclass(frozen=True)
class Asked:
    """One call."""

    path: str
    headers: dict[str, str]
    body: dict[str, Any]


@dataclass(frozen=True)
class Answer:
    """What the service says; ``wait`` holds it back until the event is set."""

    body: Any
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    wait: threading.Event | None = None


def score_of(query: str, text: str) -> float:
    """How well a text answers a query here: letters that both have, less a little for each letter of the text."""
    return len(set(query) & set(text)) - len(text) / 100


def scored(query: str, texts: Sequence[str]) -> list[float]:
    return [score_of(query, text) for text in texts]


def ranked(query: str, texts: Sequence[str], key: str = "relevance_score") -> list[dict[str, Any]]:
    """Return the scores as services do: best first, each with the place of its text."""
    found = [{"index": place, key: score} for place, score in enumerate(scored(query, texts))]
    return sorted(found, key=lambda item: -item[key])


def tei(asked: Asked) -> Answer:
    return Answer(ranked(asked.body["query"], asked.body["texts"], "score"))


class RerankService:
    """Answers in a thread of its own until it is closed."""

    def __init__(self, answer: Callable[[Asked], Answer] = tei) -> None:
        self.answer = answer
        self.asked: list[Asked] = []
        service = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                asked = Asked(self.path, dict(self.headers), body)
                service.asked.append(asked)
                answer = service.answer(asked)
                if answer.wait is not None:
                    answer.wait.wait(10)
                content = answer.body if isinstance(answer.body, bytes) else json.dumps(answer.body).encode()
                self.send_response(answer.status)
                for name, value in answer.headers.items():
                    self.send_header(name, value)
                self.send_header("Content-Length", str(len(content)))
                self.end_headers()
                self.wfile.write(content)

            def log_message(self, *args: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self._server.handle_error = lambda *_: None  # a caller that gave up
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.01})
        self._thread.start()

    @property
    def uri(self) -> str:
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    def close(self) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        self.close()
