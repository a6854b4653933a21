"""Go's net/http with the application in the same process. Its limit of streams, 250, cannot be set."""

from servers.base import usual_variants
from servers.node import OwnPort


class Go(OwnPort):
    name = "go"
    variants = tuple(usual_variants())

    def command(self):
        return [
            str(self.suite.upstreams), "server", "-journal", str(self.journal),
            "-certificate", str(self.suite.certificate), "-key", str(self.suite.key),
            "-protocol", self.variant.protocol, "-ends", str(self.variant.ends),
        ]
