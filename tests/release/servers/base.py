"""A server under test: its processes, its port, its variants."""

import os
import pathlib
import signal
import socket
import subprocess
import threading
import time
from dataclasses import dataclass, field

PATIENCE = 60  # seconds that any awaited event may take
ATTEMPTS = 5  # ports that are tried, where another process may take a free one first


@dataclass(frozen=True)
class Variant:
    """One configuration of a server, and what the sidecar may answer before it."""

    name: str
    protocol: str = "h2"  # or h1
    mix: str = "usual"  # of requests: usual, slow or early
    streams: int = 0  # streams that a connection may have at a time; 0 for the server's default
    ends: int = 0  # requests after which a connection ends; 0 for the server's default
    reload: bool = False  # restarted gracefully while requests come in
    answers: int = 60_000  # bytes of the largest one
    least: int = 0  # requests without which it shows nothing
    most: int = 1_000_000  # requests, where more take too long
    extra: dict = field(default_factory=dict)  # for one kind of server alone
    # What the sidecar may answer instead of the server, each with its reason. Without a reason it may not.
    may_refuse: str = ""  # 502, nothing was processed
    may_fail: str = ""  # 502 or 504, perhaps processed
    may_repeat_get: str = ""  # a GET is processed twice
    may_break: str = ""  # the answer breaks off
    may_truncate: str = ""  # the answer is complete for HTTP and lacks its end


def usual_variants(streams=(), ends=("h1", "h2"), early=True, reload=True):
    """The variants that most servers have."""
    for protocol in ("h1", "h2"):
        yield Variant("plain", protocol)
        yield Variant("slow", protocol, mix="slow")
        if early:
            yield Variant("early", protocol, mix="early")
        if protocol in ends:
            yield Variant("ends-1", protocol, ends=1)
            yield Variant("ends-10", protocol, ends=10)
            yield Variant("ends-1000", protocol, ends=1000, least=3000)
        if reload:
            yield Variant("reload", protocol, mix="slow", reload=True, **(RESTING if protocol == "h1" else {}))
    for limit in streams:
        yield Variant(f"streams-{limit}", streams=limit)


# RFC 9110 §9.2.2: a POST cannot be repeated when the server has closed the connection without an answer. The
# server closes a connection at rest at the moment at which a request is sent on it.
RESTING = {
    "may_fail": "HTTP/1.1 cannot tell whether a request on a closing connection was processed",
    "may_repeat_get": "an idempotent request is sent again when its connection at rest has died",
}


class Server:
    """Runs a server for one variant until the `with` statement ends.

    A subclass has `name`, `variants`, `configure` and `command`; `place` is its own directory, `port` where it
    listens, `origin` the port of the application."""

    name = ""
    forwards = True  # to the origin; otherwise it writes the journal itself
    answers_early = True  # itself, without the application, so that the journal does not have these requests
    tells_resets = False  # of the streams of HTTP/2
    variants = ()

    def __init__(self, variant, place, suite, origin, journal):
        self.variant = variant
        self.place = pathlib.Path(place)
        self.suite = suite
        self.origin = origin
        self.journal = journal
        self.port = 0
        self.processes = []

    def configure(self):
        """Writes the files for `self.port`."""

    def command(self):
        raise NotImplementedError

    def environment(self):
        return {}

    def reload(self):
        """Restarts it gracefully."""
        self.processes[0].send_signal(signal.SIGHUP)

    @property
    def alpn(self):
        return ["h2", "http/1.1"] if self.variant.protocol == "h2" else ["http/1.1"]

    @property
    def url(self):
        return f"https://localhost:{self.port}"

    def write(self, name, text):
        file = self.place / name
        file.write_text(text)
        return file

    def output(self):
        return (self.place / "output").read_text(errors="replace")

    def start(self, *command):
        with open(self.place / "output", "ab") as output:
            process = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=output, stderr=output, cwd=self.place,
                env={**os.environ, **self.environment()}, start_new_session=True,
            )
        self.processes.append(process)
        return process

    def __enter__(self):
        try:
            for _ in range(ATTEMPTS):
                self.port = free_port()
                self.configure()
                if self._begins():
                    return self
            raise SystemExit(f"{self.name} does not start:\n{self.output()}")
        except BaseException:
            self.__exit__()
            raise

    def _begins(self):
        process = self.start(*self.command())
        deadline = time.monotonic() + PATIENCE
        while time.monotonic() < deadline:
            ended = process.poll() is not None
            if ended or self.listens():
                return not ended
            threading.Event().wait(0.02)
        return False

    def listens(self):
        """Whether a server with the certificate of this suite answers."""
        try:
            with socket.create_connection(("127.0.0.1", self.port), PATIENCE) as plain:
                self.suite.client.wrap_socket(plain, server_hostname="localhost").close()
                return True
        except OSError:
            return False

    def __exit__(self, *_):
        for process in reversed(self.processes):
            process.terminate()
        for process in self.processes:
            try:
                process.wait(5)
            except subprocess.TimeoutExpired:
                pass
            # A server's children share its session, and some outlive it.
            try:
                os.killpg(process.pid, signal.SIGKILL)
            except ProcessLookupError:
                pass
            process.wait()


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]
