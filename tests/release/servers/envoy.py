"""Envoy, which is in a wheel, before the application.

A restart is its hot restart: the new process takes the sockets, and the old one drains for seconds. There are two
processes at most: a third one would end the first at once."""

import json
import os
import pathlib

from servers.base import Server, free_port, usual_variants

TYPES = "type.googleapis.com/envoy.extensions"
DRAIN = 1  # seconds; the old process ends some time later


class Envoy(Server):
    name = "envoy"
    variants = tuple(usual_variants(streams=(1, 2, 10)))
    base = 0

    def configure(self):
        common = {"max_requests_per_connection": self.variant.ends} if self.variant.ends else {}
        http2 = {"max_concurrent_streams": self.variant.streams} if self.variant.streams else {}

        def early(status):
            return {"match": {"path": f"/api/v2/early/{status}"},
                    "direct_response": {"status": status, "body": {"inline_string": "early\n"}}}

        manager = {
            "@type": f"{TYPES}.filters.network.http_connection_manager.v3.HttpConnectionManager",
            "stat_prefix": "in",
            "codec_type": "HTTP2" if self.variant.protocol == "h2" else "HTTP1",
            "common_http_protocol_options": common,
            "http2_protocol_options": http2,
            "drain_timeout": "0.5s",
            "http_filters": [{"name": "router", "typed_config": {
                "@type": f"{TYPES}.filters.http.router.v3.Router"}}],
            "route_config": {"virtual_hosts": [{"name": "all", "domains": ["*"], "routes": [
                early(200), early(401), early(413),
                {"match": {"prefix": "/"}, "route": {"cluster": "application", "timeout": "0s"}},
            ]}]},
        }
        tls = {
            "@type": f"{TYPES}.transport_sockets.tls.v3.DownstreamTlsContext",
            "common_tls_context": {
                "alpn_protocols": self.alpn[:1],
                "tls_certificates": [{"certificate_chain": {"filename": str(self.suite.certificate)},
                                      "private_key": {"filename": str(self.suite.key)}}],
            },
        }

        def address(port):
            return {"socket_address": {"address": "127.0.0.1", "port_value": port}}

        self.write("envoy.json", json.dumps({"static_resources": {
            "listeners": [{"name": "in", "address": address(self.port), "filter_chains": [{
                "filters": [{"name": "manager", "typed_config": manager}],
                "transport_socket": {"name": "tls", "typed_config": tls},
            }]}],
            "clusters": [{
                "name": "application", "type": "STATIC", "connect_timeout": "10s",
                "load_assignment": {"cluster_name": "application", "endpoints": [
                    {"lb_endpoints": [{"endpoint": {"address": address(self.origin)}}]}]},
            }],
        }}))
        # Two that share an id would share memory.
        self.base = free_port()

    def command(self):
        command = [str(self.suite.envoy), "-c", str(self.place / "envoy.json"), "--concurrency", "2",
                   "--log-level", "warn"]
        if not self.variant.reload:
            return [*command, "--disable-hot-restart"]
        return [
            *command, "--base-id", str(self.base), "--restart-epoch", str(len(self.processes)),
            "--drain-time-s", str(DRAIN), "--parent-shutdown-time-s", str(DRAIN + 3), "--drain-strategy", "immediate",
            "--socket-path", f"@upstreams_{os.getpid()}_{self.base}",
        ]

    def reload(self):
        if all(process.poll() is not None for process in self.processes[:-1]):
            self.start(*self.command())

    def __exit__(self, *exception):
        super().__exit__(*exception)
        # Processes that are killed leave their shared memory, whose name has ten times the id.
        pathlib.Path(f"/dev/shm/envoy_shared_memory_{self.base}0").unlink(missing_ok=True)
