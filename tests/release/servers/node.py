"""Node's https and http2 with the application in the same process."""

import dataclasses
import json
import shutil

from servers.base import Server, Variant, usual_variants

CUT = "the server breaks off answers to requests that it has processed"


class OwnPort(Server):
    """Takes a free port by itself and says which."""

    forwards = False
    answers_early = False

    def listens(self):
        if "listening on" not in self.output():
            return False
        self.port = int(self.output().split("listening on")[1].split()[0])
        return super().listens()


class Node(OwnPort):
    name = "node"
    tells_resets = True
    # Before HTTP/1.1 answers are small: a request that comes while the last answer is still in the socket's buffer
    # pauses the parser of Node 20, which then breaks on content that TLS has decrypted already, whoever sends it.
    variants = (
        *(dataclasses.replace(variant, answers=1024) if variant.protocol == "h1" else variant
          for variant in usual_variants(streams=(1, 2, 10))),
        Variant("calm-10", ends=10, extra={"code": 11}),
        Variant("refuses", extra={"refuses": 5}),
        Variant("refuses-all-1", streams=1, ends=1, extra={"refuses": 3}),
        Variant("leaves", ends=10, extra={"leaves": 2}),
        Variant("needs-h1", answers=1024, extra={"requiresHttp1": True}),
        Variant("shrinks", mix="slow", extra={"shrinks": 20}),
        *(Variant(f"cut-{where}", protocol, answers=1024, extra={"cuts": 10, "cut": where},
                  may_fail=CUT, may_break=CUT,
                  # The end of a connection can overtake the head.
                  may_repeat_get=CUT if (where, protocol) == ("head", "h1") else "")
          for where in ("head", "content") for protocol in ("h1", "h2")),
    )

    def command(self):
        options = {
            "journal": str(self.journal), "certificate": str(self.suite.certificate), "key": str(self.suite.key),
            "protocol": self.variant.protocol, **self.variant.extra,
        }
        if self.variant.streams:
            options["streams"] = self.variant.streams
        if self.variant.ends:
            options["ends"] = self.variant.ends
        return [shutil.which("node"), str(self.suite.programs / "node.mjs"), json.dumps(options)]
