"""nginx before the application. `keepalive_requests` ends connections in both protocols."""

import os
import shutil

from servers.base import Server, Variant, usual_variants


class Nginx(Server):
    name = "nginx"
    variants = (
        *usual_variants(streams=(1, 2, 10)),
        # The last frame of an answer is then an empty one, after content of a known length.
        Variant("unbuffered", extra={"buffering": "off"}),
        Variant("unbuffered", "h1", extra={"buffering": "off"}),
        Variant("streams-2-ends-10", streams=2, ends=10),
    )

    def configure(self):
        streams = f"http2_max_concurrent_streams {self.variant.streams};" if self.variant.streams else ""
        ends = f"keepalive_requests {self.variant.ends};" if self.variant.ends else ""
        http2 = "http2" if self.variant.protocol == "h2" else ""
        buffering = self.variant.extra.get("buffering", "on")
        self.write("nginx.conf", f"""
{"user root;" if os.getuid() == 0 else ""}
daemon off;
pid {self.place}/pid;
error_log stderr error;
worker_processes 2;
worker_shutdown_timeout 30s;
events {{ worker_connections 1024; }}
http {{
    access_log off;
    client_body_temp_path {self.place}/client;
    proxy_temp_path {self.place}/proxy;
    fastcgi_temp_path {self.place}/fastcgi;
    uwsgi_temp_path {self.place}/uwsgi;
    scgi_temp_path {self.place}/scgi;
    upstream application {{ server 127.0.0.1:{self.origin}; keepalive 64; }}
    server {{
        listen 127.0.0.1:{self.port} ssl {http2};
        ssl_certificate {self.suite.certificate};
        ssl_certificate_key {self.suite.key};
        client_max_body_size 8m;
        {streams}
        {ends}
        location / {{
            proxy_pass http://application;
            proxy_http_version 1.1;
            proxy_set_header Connection "";
            proxy_buffering {buffering};
            proxy_request_buffering {buffering};
        }}
        location /api/v2/early/200 {{ return 200 "early\\n"; }}
        location /api/v2/early/401 {{ return 401; }}
        location /api/v2/early/413 {{ return 413; }}
    }}
}}
""")

    def command(self):
        return [shutil.which("nginx"), "-e", "stderr", "-p", str(self.place), "-c", str(self.place / "nginx.conf")]
