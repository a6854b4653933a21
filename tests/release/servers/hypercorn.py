"""Python's hypercorn with the application in the same process.

Version 0.18 leaves no room for three variants, whoever its client is: content that comes after an early answer ends
its connection or is never read; at the end of an HTTP/2 connection it answers none of the requests that it has begun
(h2load gets 0 of 20 answers with `keep_alive_max_requests = 3`); and it has no graceful restart."""

import json
import shutil

from servers.base import Server, usual_variants


class Hypercorn(Server):
    name = "hypercorn"
    forwards = False
    answers_early = False
    variants = tuple(usual_variants(streams=(1, 2, 10), ends=("h1",), early=False, reload=False))

    def configure(self):
        lines = {
            "workers": 0,  # one process, without semaphores that could be left behind
            "bind": [f"127.0.0.1:{self.port}"],
            "certfile": str(self.suite.certificate),
            "keyfile": str(self.suite.key),
            "alpn_protocols": self.alpn,
            "keep_alive_max_requests": self.variant.ends or 1_000_000,
            "keep_alive_timeout": 60,
            "loglevel": "WARNING",
        }
        if self.variant.streams:
            lines["h2_max_concurrent_streams"] = self.variant.streams
        # JSON's strings, numbers and lists are TOML's, too.
        self.write("hypercorn.toml", "".join(f"{key} = {json.dumps(value)}\n" for key, value in lines.items()))
        shutil.copy(self.suite.programs / "hypercorn_app.py", self.place)

    def environment(self):
        return {"JOURNAL": str(self.journal), "PYTHONDONTWRITEBYTECODE": "1"}

    def command(self):
        return [str(self.suite.hypercorn), "-c", "hypercorn.toml", "hypercorn_app:app"]
