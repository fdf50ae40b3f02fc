"""A real browser for tests: headless Chromium, spoken to by the DevTools protocol over two pipes."""

import base64
import json
import os
import shutil
import subprocess
import time
from contextlib import contextmanager

NAMES = ("chromium", "chromium-browser", "google-chrome")
_FLAGS = (
    "--headless=new", "--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-component-update",
    "--disable-sync", "--disable-default-apps", "--disable-extensions", "--no-first-run", "--no-default-browser-check",
    "--disable-dev-shm-usage", "--remote-debugging-pipe",
    "--disable-features=OptimizationHints,OptimizationGuideModelDownloading,NetworkTimeServiceQuerying",
    "--host-resolver-rules=MAP * ~NOTFOUND", "--no-startup-window",
)  # fmt: skip


def found():
    """The browser's program; None where there is none."""
    return next((path for name in NAMES if (path := shutil.which(name))), None)


class Page:
    """One tab, and all that it said and asked for: `complaints` and `requests` (addresses)."""

    def __init__(self, to, back, process):
        self._to, self._back, self._process, self._number, self._session = to, back, process, 0, None
        self.complaints, self.requests = [], []
        target = self.call("Target.createTarget", url="about:blank")["targetId"]
        self._session = self.call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        for domain in ("Page", "Runtime", "Log", "Network"):
            self.call(f"{domain}.enable")

    def call(self, method, **parameters):
        self._number += 1
        message = {"id": self._number, "method": method, "params": parameters}
        self._to.write(json.dumps(message | ({"sessionId": self._session} if self._session else {})).encode() + b"\0")
        self._to.flush()
        while True:
            reply = self._read()
            if reply.get("id") == self._number:
                assert "error" not in reply, reply
                return reply["result"]

    def open(self, path, width, height, *, is_dark=False):
        """Load a file at a size in pixels, as a phone does where it is narrow."""
        self.call("Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1,
                  mobile=width < 600)  # fmt: skip
        self.call("Emulation.setTouchEmulationEnabled", enabled=width < 600)
        scheme = "dark" if is_dark else "light"
        self.call("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": scheme}])
        self.call("Page.navigate", url=path.resolve().as_uri())
        while self.value("document.readyState") != "complete":
            time.sleep(0.02)

    def value(self, expression):
        """What JavaScript makes of it."""
        found = self.call("Runtime.evaluate", expression=expression, returnByValue=True, awaitPromise=True)
        assert "exceptionDetails" not in found, found
        return found["result"].get("value")

    def screenshot(self, path):
        """The whole page, however long, as a PNG."""
        shot = self.call("Page.captureScreenshot", format="png", captureBeyondViewport=True)
        path.write_bytes(base64.b64decode(shot["data"]))

    def close(self):
        """End the whole browser, which then writes what it logged."""
        if self._process.poll() is None:
            self._session = None
            self.call("Browser.close")
            self._process.wait(20)

    def press(self, key):
        for kind in ("keyDown", "keyUp"):
            self.call("Input.dispatchKeyEvent", type=kind, key=key, code=key,
                      windowsVirtualKeyCode={"Tab": 9, "Escape": 27, "Enter": 13}[key])  # fmt: skip

    def tap(self, x, y):
        self.call("Input.dispatchTouchEvent", type="touchStart", touchPoints=[{"x": x, "y": y}])
        self.call("Input.dispatchTouchEvent", type="touchEnd", touchPoints=[])

    def _read(self):
        reply = bytearray()
        while not reply.endswith(b"\0"):
            part = self._back.read1()
            assert part, "the browser is gone"
            reply += part
        messages = [json.loads(part) for part in bytes(reply).split(b"\0") if part]
        for each in messages:
            self._note(each)
        return next((each for each in messages if "id" in each), {})

    def _note(self, message):
        method, told = message.get("method"), message.get("params", {})
        if method == "Network.requestWillBeSent":
            self.requests.append(told["request"]["url"])
        elif method == "Runtime.exceptionThrown":
            self.complaints.append(told["exceptionDetails"])
        elif method == "Runtime.consoleAPICalled" and told["type"] in ("error", "warning", "assert"):
            self.complaints.append(told["args"])
        elif method == "Log.entryAdded" and told["entry"]["level"] in ("error", "warning"):
            self.complaints.append(told["entry"])


@contextmanager
def opened(folder):
    """A page of a browser with a fresh profile below `folder`, which logs what it asks the network in `net.json`."""
    ours, theirs = os.pipe(), os.pipe()
    # Chromium reads from 3 and writes to 4.
    shell = f'exec "$@" 3<&{ours[0]} 4>&{theirs[1]}'
    options = (f"--user-data-dir={folder / 'profile'}", f"--log-net-log={folder / 'net.json'}")
    command = ["bash", "-c", shell, "bash", found(), *_FLAGS, *options]
    process = subprocess.Popen(
        command, pass_fds=(ours[0], theirs[1]), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    os.close(ours[0])
    os.close(theirs[1])
    with os.fdopen(ours[1], "wb") as to, os.fdopen(theirs[0], "rb") as back:
        try:
            page = Page(to, back, process)
            yield page
            page.close()
        finally:
            process.kill()


def asked(folder):
    """The addresses beyond this machine that pages asked for; the browser's own errands have no origin."""
    log = json.loads((folder / "net.json").read_text())
    kind = log["constants"]["logEventTypes"]["URL_REQUEST_START_JOB"]
    jobs = [each["params"] for each in log["events"] if each["type"] == kind and "url" in each.get("params", {})]
    return [job["url"] for job in jobs if job["initiator"] != "not an origin" and not job["url"].startswith("file:")]
