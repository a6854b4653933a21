"""A Docker engine of their own for the tests in this directory.

It lies in a temporary directory, in a network of its own, and ends with the `with` statement: one that runs here
already may see other files than the tests do, and is somebody's.
"""

import json
import os
import pathlib
import signal
import subprocess
import sys
import tempfile
import time

from stand import Program

PATIENCE = 120  # seconds that any awaited event may take
NOT_POSSIBLE_HERE = 77  # the exit code by which a test says so
IMAGE, APP = "webwork-sidecar", "app"
ROOT = pathlib.Path(__file__).parent.parent.parent

CONFINED = [
    "--read-only", "--cap-drop", "ALL", "--security-opt", "no-new-privileges", "--memory", "32m",
    "--pids-limit", "64",
]
USER = ["--user", "65532:65532"]


def until(what, is_so):
    deadline = time.monotonic() + PATIENCE
    while not is_so():
        if time.monotonic() > deadline:
            raise SystemExit(f"waited in vain for {what}")
        time.sleep(0.1)


class Engine:
    """Runs docker commands. `place` is a directory for files of the test."""

    def __init__(self, *options, network=("unshare", "--net")):
        """`network` is what puts the engine into a network; nothing, for a test that has one already. `options`
        are more of dockerd's."""
        self._network, self._options = network, options

    def __enter__(self):
        self._directory = tempfile.TemporaryDirectory()
        self.place = pathlib.Path(self._directory.name)
        home = self.place / "engine"
        home.mkdir()
        self.environment = {**os.environ, "DOCKER_BUILDKIT": "1", "DOCKER_HOST": f"unix://{home}/socket"}
        # Whoever cancels a test wants nothing of it to stay.
        signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
        self._daemon = Program(
            *self._network, "dockerd", "--host", self.environment["DOCKER_HOST"], "--data-root",
            str(home / "data"), "--exec-root", str(home / "exec"), "--pidfile", str(home / "pid"),
            # What is tested needs no way out of the engine's networks.
            "--storage-driver", "vfs", "--iptables=false", "--ip6tables=false", *self._options,
        )
        try:
            self._daemon.says("API listen on")
        except SystemExit as why:
            print(f"no Docker engine starts here: {why}")
            self._directory.cleanup()
            sys.exit(NOT_POSSIBLE_HERE)
        try:
            self.client = self._client()
        except BaseException:
            self.__exit__()
            raise
        return self

    def _client(self):
        """The client that can build: newer ones need a plugin for it, that of Debian does not."""
        for client in ("docker", "/usr/bin/docker"):
            done = self._tried(client, "build", "--help")
            if done.returncode == 0 and "buildx component is missing" not in done.stderr + done.stdout:
                return client
        raise SystemExit("no docker client here can build: install docker-buildx")

    def _tried(self, *command, patience=PATIENCE, environment=None):
        return subprocess.run(
            list(map(str, command)), env=environment or self.environment, stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, timeout=patience,
        )

    def __exit__(self, *_):
        # A daemon that ends leaves containers that do not want to.
        running = self._tried("docker", "ps", "--quiet").stdout.split()
        if running:
            self._tried("docker", "kill", *running)
        self._daemon.stop()
        self._directory.cleanup()

    def docker(self, *arguments, **options):
        """The standard output of a docker command that succeeds."""
        return self.run(self.client, *arguments, **options)

    def run(self, *command, **options):
        done = self._tried(*command, **options)
        if done.returncode != 0:
            raise SystemExit(
                f"{' '.join(map(str, command))}: exit code {done.returncode}\n"
                f"{done.stdout[-3000:]}{done.stderr[-3000:]}"
            )
        return done.stdout.strip()

    def build(self):
        """The image, of the last stage of the Dockerfile and the release binary of this run."""
        binary = os.environ.get("BIN") or sys.exit("BIN is not set: run tests/run")
        self.context = self.place / "context"
        self.context.mkdir()
        subprocess.run([ROOT / "config/package/root", self.context / "root", binary], check=True)
        self.build_prebuilt(IMAGE)
        # What the engine itself cannot do has a code of its own.
        done = self._tried(self.client, "run", "--rm", "--network", "none", *CONFINED, IMAGE, "--version")
        if done.returncode == 125:
            print(f"the Docker engine here starts no container:\n{done.stderr}")
            sys.exit(NOT_POSSIBLE_HERE)

    def build_prebuilt(self, name, *options):
        self.docker("build", "--quiet", "--file", ROOT / "Dockerfile", "--build-arg", "ROOT=prebuilt",
                    "--tag", name, *options, self.context)

    def build_app(self):
        """An image with this host's shell and curl, for an app, that nobody has to pull."""
        root = self.place / "shell"
        for name in ("sh", "curl", "cat"):
            found = self.run("sh", "-c", f"command -v {name}")
            program = pathlib.Path(os.path.realpath(found))
            _put(program, root / "bin" / name)
            for word in self._tried("ldd", program).stdout.split():
                if word.startswith("/"):
                    _put(pathlib.Path(word), root / word[1:])
        archive = self.place / "shell.tar"
        self.run("tar", "-C", root, "-cf", archive, ".")
        self.docker("import", "--change", "ENV PATH=/bin", archive, APP)

    def start(self, name, *arguments):
        """A container that goes on; its name."""
        self.docker("run", "--detach", "--name", name, *arguments)
        return name

    def logs(self, container):
        done = self._tried(self.client, "logs", container)
        return done.stdout + done.stderr

    def inspected(self, container, template):
        return self.docker("container", "inspect", "--format", template, container)

    def is_healthy(self, container):
        return self.inspected(container, "{{.State.Health.Status}}") == "healthy"

    def status(self, container):
        return json.loads(self.docker("exec", container, "/webwork-sidecar", "status", "--json"))


def _put(source, target):
    target.parent.mkdir(parents=True, exist_ok=True)
    if not target.exists():
        target.write_bytes(source.read_bytes())
        target.chmod(0o755)


class Compose:
    """A profile of the compose file, whose apps run config/app.sh, with images that are here."""

    def __init__(self, engine, profile, *more, **variables):
        """`more` are further files."""
        self._engine = engine
        self.environment = {
            **engine.environment, "COMPOSE_PROJECT_NAME": "test", "SIDECAR_IMAGE": IMAGE, "APP_IMAGE": APP,
            **variables,
        }
        files = [option for file in (ROOT / "config/compose.yaml", *more) for option in ("--file", file)]
        self._command = ["docker-compose", *files, "--profile", profile]

    def run(self, *arguments):
        return self._engine.run(*self._command, *arguments, environment=self.environment)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.run("down", "--volumes", "--timeout", "10")


class Simulated:
    """A simulated API in a network of its own without a way out, and what runs beside it there."""

    count = 0

    def __init__(self, engine, *options):
        Simulated.count += 1
        name = f"simulator-{Simulated.count}"
        self.engine = engine
        self.files = engine.place / name
        self.files.mkdir()
        os.chown(self.files, 65532, 65532)
        self.container = engine.start(
            name, "--network", "none", *CONFINED, *USER, "--volume", f"{self.files}:/simulated",
            IMAGE, "simulate", "--listen", "127.0.0.1:9443", "--directory", "/simulated",
            "--rate-limit", "0", "--token-rate-limit", "0", *options,
        )
        until("the simulator's files", (self.files / "personal-access-token.toml").exists)

    def call(self):
        """What an app beside a sidecar does."""
        said = self.engine.docker(
            "run", "--rm", *self.network(), APP, "curl", "--silent", "--show-error", "--fail-with-body",
            "http://localhost:9180/api/v2/workspaces",
        )
        if '"success":true' not in said:
            raise SystemExit(f"the app was told: {said}")

    def open_to_everybody(self):
        """Lets accounts read the files that they do not belong to."""
        for file in self.files.iterdir():
            file.chmod(0o644)
        self.files.chmod(0o755)

    def network(self):
        return ["--network", f"container:{self.container}"]

    def configured(self, kind):
        """Options for a sidecar with that kind of credential."""
        return [
            *self.network(), "--volume", f"{self.files}:/etc/webwork-sidecar:ro", "--env",
            f"WEBWORK_SIDECAR_CONFIG=/etc/webwork-sidecar/{kind}.toml", "--env",
            "WEBWORK_SIDECAR_STATE__DIRECTORY=/var/lib/webwork-sidecar",
        ]
