"""nghttpx before the application. It passes content on while it arrives, so the application answers early."""

import shutil

from servers.base import Server, usual_variants


class Nghttpx(Server):
    name = "nghttpx"
    answers_early = False
    variants = tuple(usual_variants(streams=(1, 2, 10), ends=()))

    def configure(self):
        self.write("empty.conf", "")

    def command(self):
        streams = self.variant.streams
        return [
            shutil.which("nghttpx"), f"--conf={self.place}/empty.conf", "--workers=2", "--no-ocsp",
            "--errorlog-file=/dev/stderr", f"--frontend=127.0.0.1,{self.port}",
            f"--backend=127.0.0.1,{self.origin}", f"--npn-list={','.join(self.alpn)}",
            *([f"--frontend-http2-max-concurrent-streams={streams}"] if streams else []),
            str(self.suite.key), str(self.suite.certificate),
        ]
