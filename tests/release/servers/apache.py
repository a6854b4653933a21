"""Apache httpd with mod_http2 and mod_proxy_http before the application.

`MaxKeepAliveRequests` ends HTTP/1.1 connections. For HTTP/2 there is only `MaxConnectionsPerChild`: a process ends
after so many connections, and says GOAWAY to those that it has."""

import dataclasses
import os
import shutil
import signal

from servers.base import Server, usual_variants

MODULES = "/usr/lib/apache2/modules"

# A process that ends says GOAWAY, goes on for a while, and then breaks off some requests that it has begun: "The user
# callback function failed", with a last stream that is not below them.
_WHY = "mod_http2 breaks off requests that it has begun when its process ends"
# How many depends on when its last GOAWAY is read before the reset that follows it.
ENDING = {"may_fail": _WHY, "may_break": _WHY, "may_repeat_get": _WHY}

SLOW = 600  # requests: a process is replaced once in a second


class Apache(Server):
    name = "apache"
    variants = tuple(
        dataclasses.replace(variant, **ENDING, most=1_000_000 if variant.reload else SLOW)
        if variant.protocol == "h2" and (variant.reload or variant.ends) else variant
        for variant in usual_variants(streams=(1, 2, 10))
        # A process has few connections of HTTP/2, so only the first one shows something.
        if variant.protocol == "h1" or variant.ends in (0, 1)
    )

    def configure(self):
        ends = ""
        if self.variant.ends and self.variant.protocol == "h1":
            ends = f"MaxKeepAliveRequests {self.variant.ends}"
        elif self.variant.ends:
            ends = f"MaxConnectionsPerChild {self.variant.ends}"
        elif self.variant.protocol == "h1":
            ends = "MaxKeepAliveRequests 0"
        names = ("mpm_event", "ssl", "http2", "proxy", "proxy_http", "rewrite", "authz_core", "reqtimeout")
        modules = "\n".join(f"LoadModule {name}_module {MODULES}/mod_{name}.so" for name in names)
        streams = f"H2MaxSessionStreams {self.variant.streams}" if self.variant.streams else ""
        user = "User www-data\nGroup www-data" if os.getuid() == 0 else ""
        # Threads for every connection: Apache closes connections at rest when all of a process are busy.
        self.write("httpd.conf", f"""
ServerRoot {self.place}
ServerName localhost
PidFile {self.place}/pid
DefaultRuntimeDir {self.place}
Listen 127.0.0.1:{self.port}
{modules}
{user}
Mutex pthread default
ErrorLog /dev/stderr
LogLevel warn
StartServers 1
ServerLimit 16
ThreadsPerChild 200
ThreadLimit 200
MaxRequestWorkers 3200
KeepAlive On
KeepAliveTimeout 60
GracefulShutdownTimeout 30
{ends}
{streams}
Protocols {"h2 http/1.1" if self.variant.protocol == "h2" else "http/1.1"}
SSLEngine on
SSLCertificateFile {self.suite.certificate}
SSLCertificateKeyFile {self.suite.key}
SSLSessionCache none
RewriteEngine on
RewriteRule ^/api/v2/early/401$ - [R=401,L]
RewriteRule ^/api/v2/early/413$ - [R=413,L]
RewriteRule ^/api/v2/early/200$ - [R=200,L]
ProxyPass / http://127.0.0.1:{self.origin}/
""")

    def command(self):
        return [shutil.which("apache2"), "-f", str(self.place / "httpd.conf"), "-D", "FOREGROUND"]

    def reload(self):
        self.processes[0].send_signal(signal.SIGUSR1)
