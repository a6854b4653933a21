"""The release binary before its own simulator, for the tests in this directory.

Everything listens on a port of its own and ends with the `with` statement.
"""

import json
import os
import pathlib
import queue
import subprocess
import sys
import tempfile
import threading
import time
import urllib.request

PATIENCE = 60  # seconds that any awaited event may take

# Whatever reaches package registries through a proxy must not reach the sidecar through it.
os.environ["NO_PROXY"] = os.environ["no_proxy"] = "127.0.0.1,localhost"


class Program:
    """A running command whose lines are read as they come."""

    def __init__(self, *command, **options):
        self.lines = []
        self._news = queue.Queue()
        self._process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            **options,
        )
        threading.Thread(target=self._listen, daemon=True).start()

    def _listen(self):
        for line in self._process.stdout:
            self._news.put(line)
        self._news.put(None)

    def says(self, text, patience=PATIENCE):
        """Waits for a line with this text."""
        while True:
            line = self._news.get(timeout=patience)
            if line is None:
                raise SystemExit(f"it ended without saying {text!r}:\n{''.join(self.lines)}")
            self.lines.append(line)
            if text in line:
                return line

    def ends(self):
        """Asks it to end, and does not wait."""
        self._process.terminate()

    def stop(self):
        self._process.terminate()
        try:
            self._process.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()


class Stand:
    """A sidecar with the default configuration, but for its ports and `settings`, before a simulated API
    with these options."""

    def __init__(self, credential="authorization-code", simulator=(), settings=None):
        self._credential = credential
        self._simulator = simulator
        self._settings = settings or {}

    def __enter__(self):
        self._directory = tempfile.TemporaryDirectory()
        self._programs = []
        try:
            self._begin(pathlib.Path(self._directory.name))
        except BaseException:
            self.__exit__()
            raise
        return self

    def _begin(self, place):
        self.place = place
        binary = os.environ.get("BIN") or sys.exit("BIN is not set: run tests/run")
        self._start(
            binary, "simulate", "--plain", "--listen", "127.0.0.1:0", "--directory", str(place),
            *(self._simulator or ("--rate-limit", "0", "--token-rate-limit", "0")),
        )
        self.upstream = self._programs[0].says("API ").split()[1].removesuffix("/api/v2/")
        # The files are there when it names them.
        self._programs[0].says("Start a sidecar")
        environment = {
            **os.environ,
            "WEBWORK_SIDECAR_LISTEN__PROXY": "127.0.0.1:0",
            "WEBWORK_SIDECAR_LISTEN__ADMIN": "127.0.0.1:0",
            "WEBWORK_SIDECAR_LOG__FORMAT": "json",
            **self._settings,
        }
        configuration = str(place / f"{self._credential}.toml")
        self._start(binary, "run", "--config", configuration, env=environment, cwd=place)
        self.proxy = json.loads(self._programs[1].says('"forwarding"'))["url"]
        self.admin = json.loads(self._programs[1].says('"admin"'))["url"]
        self._has_token()

    def __exit__(self, *_):
        for program in reversed(self._programs):
            program.stop()
        self._directory.cleanup()

    def _has_token(self):
        """Waits for the first token, which nobody announces, and for its line in the journal."""
        deadline = time.monotonic() + PATIENCE
        exchanges = 0 if self._credential == "personal-access-token" else 1
        while not self.ask(self.admin + "/status")["ready"] or self.exchanges() < exchanges:
            if time.monotonic() > deadline:
                raise SystemExit("it never had a token")
            threading.Event().wait(0.01)

    def _start(self, *command, **options):
        self._programs.append(Program(*command, **options))

    def ask(self, url):
        """The JSON that a GET brings."""
        with urllib.request.urlopen(url, timeout=PATIENCE) as answer:
            return json.load(answer)

    def orders(self, path, order):
        """Has the simulated service do something: see `simulate --help`."""
        content = json.dumps(order).encode()
        urllib.request.urlopen(f"{self.upstream}/_admin/{path}", content, PATIENCE).close()

    def suffers(self, target, what, when="before", count=1):
        """From now on something goes wrong."""
        self.orders("faults", {"target": target, "what": what, "when": when, "count": count})

    def recovers(self):
        request = urllib.request.Request(self.upstream + "/_admin/faults", method="DELETE")
        urllib.request.urlopen(request, timeout=PATIENCE).close()

    def until(self, said, what):
        """Waits until the status says so; the status."""
        deadline = time.monotonic() + PATIENCE
        while not said(status := self.ask(self.admin + "/status")):
            if time.monotonic() > deadline:
                raise SystemExit(f"{what} did not come: {json.dumps(status, indent=2)}")
            threading.Event().wait(0.01)
        return status

    def stops(self):
        """Tells the sidecar to end, and does not wait."""
        self._programs[1].ends()

    def requests(self):
        """How many requests the API has received."""
        return sum(self.journal()["api_requests"].values())

    def exchanges(self):
        """How many exchanges the token endpoint has received."""
        return len(self.journal()["exchanges"])

    def journal(self):
        return self.ask(self.upstream + "/_admin/journal")
