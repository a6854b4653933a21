"""HAProxy before the application. Version 2.6 has no end for HTTP/2 connections but a restart."""

import shutil

from servers.base import Server, usual_variants


class Haproxy(Server):
    name = "haproxy"
    # HTTP/1.1 connections end after one request or never.
    variants = tuple(
        variant for variant in usual_variants(streams=(1, 2, 10), ends=("h1",)) if variant.ends in (0, 1)
    )

    def configure(self):
        streams = f"tune.h2.max-concurrent-streams {self.variant.streams}" if self.variant.streams else ""
        ends = "option httpclose" if self.variant.ends else ""
        pair = self.write("pair.pem", self.suite.certificate.read_text() + self.suite.key.read_text())
        self.write("haproxy.cfg", f"""
global
    nbthread 2
    {streams}
    hard-stop-after 30s
    stats socket {self.place}/socket expose-fd listeners
defaults
    mode http
    timeout connect 10s
    timeout client 60s
    timeout server 60s
    timeout http-keep-alive 60s
frontend tls
    bind 127.0.0.1:{self.port} ssl crt {pair} alpn {",".join(self.alpn)}
    {ends}
    http-request return status 200 content-type text/plain string "early" if {{ path /api/v2/early/200 }}
    http-request deny deny_status 401 if {{ path /api/v2/early/401 }}
    http-request deny deny_status 413 if {{ path /api/v2/early/413 }}
    default_backend application
backend application
    server application 127.0.0.1:{self.origin}
""")

    def command(self):
        return [shutil.which("haproxy"), "-db", "-f", str(self.place / "haproxy.cfg")]

    def reload(self):
        old = self.processes[-1]
        self.start(*self.command(), "-x", str(self.place / "socket"), "-sf", str(old.pid))
