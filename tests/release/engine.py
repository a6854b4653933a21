"""A Docker engine for the tests in this directory: the one that runs here, or one of their own.

An engine of their own lies in a temporary directory with its socket, and ends with the `with` statement. What
is started in either has a name that begins with a prefix of this run, and is removed.
"""

import json
import os
import pathlib
import subprocess
import sys
import tempfile
import time

from stand import Program

PATIENCE = 120  # seconds that any awaited event may take
NOT_POSSIBLE_HERE = 77  # the exit code by which a test says so
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

    def __init__(self, own=False):
        """`own` is for a test in a network of its own, whose engine must be there, too."""
        self._own = own

    def __enter__(self):
        self._daemon = None
        self._directory = tempfile.TemporaryDirectory()
        self.place = pathlib.Path(self._directory.name)
        self.prefix = f"webwork-{os.getpid()}"
        self.image = f"{self.prefix}-image"
        self.environment = {**os.environ, "DOCKER_BUILDKIT": "1"}
        try:
            if self._own or not self._answers():
                self._start()
            self.client = self._client()
        except BaseException:
            self.__exit__()
            raise
        return self

    def _start(self):
        home = self.place / "engine"
        home.mkdir()
        self.environment["DOCKER_HOST"] = f"unix://{home}/socket"
        self._daemon = Program(
            "dockerd", "--host", self.environment["DOCKER_HOST"], "--data-root", str(home / "data"),
            "--exec-root", str(home / "exec"), "--pidfile", str(home / "pid"), "--storage-driver", "vfs",
            # What is tested needs no way out of the engine's networks.
            "--iptables=false", "--ip6tables=false", *([] if self._own else ["--bridge=none"]),
        )
        try:
            self._daemon.says("API listen on")
        except SystemExit as why:
            print(f"no Docker engine runs or starts here: {why}")
            sys.exit(NOT_POSSIBLE_HERE)

    def _answers(self):
        return self._tried("docker", "version").returncode == 0

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
        self._remove()
        if self._daemon:
            self._daemon.stop()
        self._directory.cleanup()

    def _remove(self):
        """Whatever this run has made."""
        for kind, removal in (("container", ["rm", "--force", "--volumes"]), ("volume", ["rm", "--force"]),
                              ("network", ["rm"]), ("image", ["rm", "--force"])):
            field = {"image": "{{.Repository}}", "container": "{{.Names}}"}.get(kind, "{{.Name}}")
            everything = [] if kind in ("volume", "network") else ["--all"]
            listed = self._tried("docker", kind, "ls", *everything, "--format", field).stdout.split()
            for name in {name for name in listed if name.startswith(self.prefix)}:
                self._tried("docker", kind, *removal, name)

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

    def build(self, name=None):
        """The image, of the last stage of the Dockerfile and the release binary of this run."""
        self.image = name or self.image
        binary = os.environ.get("BIN") or sys.exit("BIN is not set: run tests/run")
        context = self.place / "context"
        context.mkdir()
        subprocess.run([ROOT / "config/package/root", context / "root", binary], check=True)
        self.docker("build", "--quiet", "--file", ROOT / "Dockerfile", "--build-arg", "ROOT=prebuilt",
                    "--tag", self.image, context)
        # What the engine itself cannot do has a code of its own.
        done = self._tried(self.client, "run", "--rm", "--network", "none", *CONFINED, self.image, "--version")
        if done.returncode == 125:
            print(f"the Docker engine here starts no container:\n{done.stderr}")
            sys.exit(NOT_POSSIBLE_HERE)

    def shell_image(self):
        """An image with this host's shell and curl, for an app, that nobody has to pull."""
        root = self.place / "shell"
        for name in ("sh", "curl", "cat"):
            found = self.run("sh", "-c", f"command -v {name}")
            program = pathlib.Path(os.path.realpath(found))
            _put(program, root / "bin" / name)
            for word in self._tried("ldd", program).stdout.split():
                if word.startswith("/"):
                    _put(pathlib.Path(word), root / word[1:])
        name = f"{self.prefix}-shell"
        archive = self.place / "shell.tar"
        self.run("tar", "-C", root, "-cf", archive, ".")
        self.docker("import", "--change", "ENV PATH=/bin", archive, name)
        return name

    def named(self, name):
        return f"{self.prefix}-{name}"

    def volume(self, name):
        return self.docker("volume", "create", self.named(name))

    def start(self, name, *arguments):
        """A container that goes on; its name."""
        name = self.named(name)
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
            engine.image, "simulate", "--listen", "127.0.0.1:9443", "--directory", "/simulated",
            "--rate-limit", "0", "--token-rate-limit", "0", *options,
        )
        until("the simulator's files", (self.files / "personal-access-token.toml").exists)

    def call(self, shell):
        """What an app beside a sidecar does."""
        said = self.engine.docker(
            "run", "--rm", *self.network(), shell, "curl", "--silent", "--show-error", "--fail-with-body",
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
