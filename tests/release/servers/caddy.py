"""Caddy before the application. It has no limit of requests or streams that could be set."""

import dataclasses
import json
import shutil
import subprocess

from servers.base import PATIENCE, RESTING, Server, usual_variants

# Over HTTP/1.1, whoever its client is, Caddy 2.6 closes the caller's content when the answer begins, and with it the
# connection to the application if that had not been told of the content's end: it logs "aborting with incomplete
# response: use of closed network connection". A chunked answer then ends with its last chunk, as if it were whole.
_WHY = "Caddy cuts answers of the application to requests with content"
CUTTING = {"may_fail": _WHY, "may_break": _WHY, "may_truncate": _WHY, "may_repeat_get": RESTING["may_repeat_get"]}


class Caddy(Server):
    name = "caddy"
    variants = tuple(
        dataclasses.replace(variant, **CUTTING) if variant.protocol == "h1" else variant
        for variant in usual_variants(ends=())
    )

    def configure(self):
        def early(status):
            return {"match": [{"path": [f"/api/v2/early/{status}"]}],
                    "handle": [{"handler": "static_response", "status_code": status, "body": "early\n"}]}

        forward = {"handle": [{
            "handler": "reverse_proxy", "upstreams": [{"dial": f"127.0.0.1:{self.origin}"}]}]}
        self.write("caddy.json", json.dumps({
            "admin": {"listen": f"unix/{self.place}/admin"},
            "logging": {"logs": {"default": {"level": "WARN"}}},
            "apps": {
                "tls": {"certificates": {"load_files": [
                    {"certificate": str(self.suite.certificate), "key": str(self.suite.key)}]}},
                "http": {"grace_period": "30s", "servers": {"tls": {
                    "listen": [f"127.0.0.1:{self.port}"],
                    "protocols": ["h1", "h2"] if self.variant.protocol == "h2" else ["h1"],
                    "tls_connection_policies": [{}],
                    "automatic_https": {"disable": True},
                    "routes": [early(200), early(401), early(413), forward],
                }}},
            },
        }))

    def environment(self):
        return {"HOME": str(self.place), "XDG_DATA_HOME": str(self.place), "XDG_CONFIG_HOME": str(self.place)}

    def command(self):
        return [shutil.which("caddy"), "run", "--config", str(self.place / "caddy.json")]

    def reload(self):
        subprocess.run(
            [shutil.which("caddy"), "reload", "--force", "--config", str(self.place / "caddy.json"),
             "--address", f"unix/{self.place}/admin"],
            check=True, timeout=PATIENCE, capture_output=True, stdin=subprocess.DEVNULL,
        )
