"""Headless Chromium, driven through its own protocol (DevTools) by a pipe."""

import itertools
import json
import os
import subprocess
import tempfile
import threading

from stand import PATIENCE

FLAGS = [
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
    "--disable-background-networking", "--disable-component-update", "--disable-sync",
    "--disable-dev-shm-usage", "--hide-scrollbars", "--remote-debugging-pipe",
]


class Browser:
    """Chromium, and what it says through its pipe."""

    def __init__(self, *flags):
        self._flags = flags

    def __enter__(self):
        self._profile = tempfile.TemporaryDirectory(ignore_cleanup_errors=True)
        to_browser, self._out = os.pipe()
        self._in, from_browser = os.pipe()

        def wire():
            # The browser reads descriptor 3 and writes descriptor 4. The copies are out of the way first.
            ends = [os.dup(end) for end in (to_browser, from_browser)]
            spare = [os.dup2(end, number) for end, number in zip(ends, (103, 104))]
            for end, number in zip(spare, (3, 4)):
                os.dup2(end, number)

        self._process = subprocess.Popen(
            ["chromium", *FLAGS, *self._flags, f"--user-data-dir={self._profile.name}", "about:blank"],
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
            preexec_fn=wire, close_fds=False, start_new_session=True,
        )
        os.close(to_browser)
        os.close(from_browser)
        self._numbers = itertools.count(1)
        self._replies = {}
        self.events = []
        self._news = threading.Condition()
        threading.Thread(target=self._listen, daemon=True).start()
        return self

    def __exit__(self, *_):
        # By its number and those of its own children: nothing else is in this group.
        os.killpg(self._process.pid, 9)
        self._process.wait()
        self._profile.cleanup()

    def _listen(self):
        rest = b""
        while piece := os.read(self._in, 1 << 16):
            *messages, rest = (rest + piece).split(b"\0")
            with self._news:
                for message in map(json.loads, messages):
                    if "id" in message:
                        self._replies[message["id"]] = message
                    else:
                        self.events.append(message)
                self._news.notify_all()

    def call(self, method, session=None, **parameters):
        number = next(self._numbers)
        message = {"id": number, "method": method, "params": parameters}
        if session:
            message["sessionId"] = session
        os.write(self._out, json.dumps(message).encode() + b"\0")
        self.until(lambda: number in self._replies, f"an answer to {method}")
        reply = self._replies.pop(number)
        if "error" in reply:
            raise SystemExit(f"{method}: {reply['error']}")
        return reply["result"]

    def until(self, happened, what):
        with self._news:
            if not self._news.wait_for(happened, PATIENCE):
                raise SystemExit(f"{what} did not come within {PATIENCE} s")


class Tab:
    """A page of its own."""

    def __init__(self, browser):
        self.browser = browser
        self._target = browser.call("Target.createTarget", url="about:blank")["targetId"]
        attached = browser.call("Target.attachToTarget", targetId=self._target, flatten=True)
        self.session = attached["sessionId"]
        for domain in ("Page", "Network", "Runtime"):
            self.call(f"{domain}.enable")

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.browser.call("Target.closeTarget", targetId=self._target)

    def call(self, method, **parameters):
        return self.browser.call(method, self.session, **parameters)

    def events(self, method):
        for event in list(self.browser.events):
            if event.get("sessionId") == self.session and event["method"] == method:
                yield event["params"]

    def goes(self, url):
        """Goes there as if a person had typed it, and waits until it is shown."""
        outcome = {}

        def navigate():
            outcome.update(self.call("Page.navigate", url=url))
            return "errorText" not in outcome

        self.loads(navigate, url)
        return outcome.get("errorText")

    def loads(self, cause, what):
        """Does something after which another page is shown, and waits until it is, unless the cause says
        that none will be."""
        shown = sum(1 for _ in self.events("Page.loadEventFired"))
        if cause() is not False:
            self.browser.until(
                lambda: sum(1 for _ in self.events("Page.loadEventFired")) > shown, str(what)
            )

    def does(self, script):
        """Runs the body of an async function; its result."""
        expression = f"(async () => {{ {script} }})()"
        outcome = self.call(
            "Runtime.evaluate", expression=expression, awaitPromise=True, returnByValue=True
        )
        if "exceptionDetails" in outcome:
            raise SystemExit(f"{script}: {outcome['exceptionDetails']}")
        return outcome["result"].get("value")

    def shown(self):
        outcome = self.call(
            "Runtime.evaluate", expression="document.documentElement.innerText", returnByValue=True
        )
        return outcome["result"]["value"]
