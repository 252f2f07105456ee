"""Debian's Chromium, driven over the DevTools protocol by a pair of pipes.

A `Page` records what must never happen while it is driven: requests to other origins, violations of
its content security policy, and errors of its scripts.
"""

import base64
import itertools
import json
import os
import queue
import subprocess
import tempfile
import threading
import time
import urllib.parse

TIMEOUT_S = 60
# An address of this machine too.
OTHER_SITE = "127.0.0.2"
OPTIONS = [
    "--headless=new",
    "--no-sandbox",
    "--disable-gpu",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-features=Translate",
    "--force-color-profile=srgb",
    "--hide-scrollbars",
    # Nothing but this machine.
    f"--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1, EXCLUDE {OTHER_SITE}",
    "--use-fake-ui-for-media-stream",
    "--use-fake-device-for-media-stream",
    "--remote-debugging-pipe",
]
KEYS = {
    "Enter": (13, "\r"), "Escape": (27, ""), "Tab": (9, ""), " ": (32, " "), "Delete": (46, ""),
    "ArrowLeft": (37, ""), "ArrowUp": (38, ""), "ArrowRight": (39, ""), "ArrowDown": (40, ""),
    "Home": (36, ""), "End": (35, ""), "PageDown": (34, ""),
}
MODIFIERS = {"Alt": 1, "Control": 2, "Shift": 8}
REPORTS = """
addEventListener("securitypolicyviolation", (e) => report("policy: " + e.violatedDirective + " " + e.blockedURI));
new PerformanceObserver((list) => (globalThis.longTasks ??= []).push(...list.getEntries().map((e) => e.duration)))
  .observe({ entryTypes: ["longtask"] });
"""


class Chromium:
    """A browser with a profile of its own."""

    def __init__(self, folder, video):
        profile = tempfile.mkdtemp(prefix="chromium-", dir=folder)
        self.log = (folder / "chromium.log").open("a")
        to_browser, self.commands = os.pipe()
        self.events, from_browser = os.pipe()

        def connect():
            # Above 3 and 4 first, in case that one pipe has the number of the other.
            kept = os.dup(to_browser), os.dup(from_browser)
            os.dup2(kept[0], 3)
            os.dup2(kept[1], 4)

        command = ["chromium", *OPTIONS, f"--use-file-for-fake-video-capture={video}", f"--user-data-dir={profile}"]
        self.process = subprocess.Popen(
            command, preexec_fn=connect, close_fds=False, stdout=self.log, stderr=self.log
        )
        os.close(to_browser)
        os.close(from_browser)
        self.numbers, self.waiting, self.listeners = itertools.count(1), {}, {}
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self):
        pending = b""
        while chunk := os.read(self.events, 1 << 20):
            *messages, pending = (pending + chunk).split(b"\0")
            for message in map(json.loads, messages):
                if "id" in message:
                    self.waiting.pop(message["id"]).put(message)
                elif listener := self.listeners.get(message.get("sessionId")):
                    listener(message["method"], message["params"])

    def send(self, method, session=None, **params):
        number, answer = next(self.numbers), queue.Queue()
        self.waiting[number] = answer
        message = {"id": number, "method": method, "params": params}
        if session:
            message["sessionId"] = session
        data = json.dumps(message).encode() + b"\0"
        while data:
            data = data[os.write(self.commands, data) :]
        response = answer.get(timeout=TIMEOUT_S)
        if "error" in response:
            raise AssertionError(f"{method}: {response['error']}")
        return response["result"]

    def open(self, url, **options):
        return Page(self, url, **options)

    def close(self):
        self.process.terminate()
        self.process.wait()
        self.log.close()


class Page:
    """One tab."""

    def __init__(self, browser, url, width=1280, height=860, language="en-US", dark=False, touch=False):
        self.browser, self.origin = browser, "{0.scheme}://{0.netloc}".format(urllib.parse.urlsplit(url))
        self.faults, self.requests = [], []
        # A context of its own: no storage is shared with other tabs.
        self.context = browser.send("Target.createBrowserContext")["browserContextId"]
        self.target = browser.send("Target.createTarget", url="about:blank", browserContextId=self.context)["targetId"]
        attached = browser.send("Target.attachToTarget", targetId=self.target, flatten=True)
        self.session = attached["sessionId"]
        browser.listeners[self.session] = self._on_event
        for domain in ("Page", "Runtime", "Network", "DOM", "Log"):
            self.send(f"{domain}.enable")
        self.send("Runtime.addBinding", name="report")
        # As the page in front, whatever tabs were opened before.
        self.send("Emulation.setFocusEmulationEnabled", enabled=True)
        self.send("Page.addScriptToEvaluateOnNewDocument", source=REPORTS)
        self.send("Network.setUserAgentOverride", userAgent="samegate-tests", acceptLanguage=language)
        self.send("Emulation.setLocaleOverride", locale=language)
        self.send("Emulation.setTimezoneOverride", timezoneId="UTC")
        self.resize(width, height, dark, touch)
        self.send("Page.navigate", url=url)

    def resize(self, width, height, dark=False, touch=False):
        self.send("Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=touch)
        self.send("Emulation.setTouchEmulationEnabled", enabled=touch)
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        motion = {"name": "prefers-reduced-motion", "value": "reduce"}
        self.send("Emulation.setEmulatedMedia", features=[scheme, motion])

    def send(self, method, **params):
        return self.browser.send(method, self.session, **params)

    def _on_event(self, method, params):
        if method == "Network.requestWillBeSent":
            url = params["request"]["url"]
            self.requests.append(url)
            if not url.startswith((f"{self.origin}/", "data:", "blob:", "about:")):
                self.faults.append(f"request to {url}")
        elif method == "Runtime.exceptionThrown":
            details = params["exceptionDetails"]
            self.faults.append(f"error: {details.get('exception', {}).get('description', details['text'])}")
        elif method == "Runtime.bindingCalled":
            self.faults.append(params["payload"])
        elif method == "Log.entryAdded" and params["entry"]["source"] == "security":
            self.faults.append(params["entry"]["text"])

    def run(self, expression):
        """Evaluates an expression in the page, and waits for its promise."""
        result = self.send("Runtime.evaluate", expression=expression, awaitPromise=True, returnByValue=True, userGesture=True)
        if "exceptionDetails" in result:
            details = result["exceptionDetails"]
            raise AssertionError(f"{expression[:200]}: {details.get('exception', {}).get('description', details)}")
        return result["result"].get("value")

    def until(self, expression, timeout=TIMEOUT_S):
        """Waits until an expression is true; returns its value."""
        end = time.monotonic() + timeout
        while time.monotonic() < end:
            try:
                if value := self.run(expression):
                    return value
            except AssertionError:
                pass
            time.sleep(0.05)
        shown = self.run("document.body.innerText")
        raise AssertionError(f"never true: {expression}; the page shows:\n{shown[:1500]}\nfaults: {self.faults}")

    def text(self, selector="body"):
        return self.run(f"document.querySelector({json.dumps(selector)})?.innerText ?? ''")

    def until_text(self, text, selector="body", timeout=TIMEOUT_S):
        self.until(f"document.querySelector({json.dumps(selector)})?.innerText.includes({json.dumps(text)})", timeout)

    def center(self, selector):
        """Returns the position of an element, once it is there and does not move."""
        find = (
            f"(() => {{ const e = document.querySelector({json.dumps(selector)}); if (!e) return null;"
            "e.scrollIntoViewIfNeeded?.(); const r = e.getBoundingClientRect();"
            "return r.width > 0 ? [r.x + r.width / 2, r.y + r.height / 2] : null; })()"
        )
        return self.until(find)

    def click(self, selector, modifiers=()):
        self.click_at(*self.center(selector), modifiers)

    def click_at(self, x, y, modifiers=()):
        held = sum(MODIFIERS[name] for name in modifiers)
        for kind in ("mouseMoved", "mousePressed", "mouseReleased"):
            button = "none" if kind == "mouseMoved" else "left"
            self.send("Input.dispatchMouseEvent", type=kind, x=x, y=y, button=button, clickCount=1, modifiers=held)

    def click_text(self, text, selector="button, a, label"):
        """Clicks the visible control with exactly this text."""
        mark = (
            f"(() => {{ const all = [...document.querySelectorAll({json.dumps(selector)})].filter((e) => "
            f"e.checkVisibility() && e.innerText.trim().replaceAll(/\\s+/g, ' ') === {json.dumps(text)});"
            "const open = document.querySelector('dialog[open]'); const e = open ? all.find((x) => open.contains(x)) : all[0];"
            "document.querySelector('[data-test]')?.removeAttribute('data-test');"
            "if (!e || e.disabled) return false; e.dataset.test = ''; return true; })()"
        )
        self.until(mark)
        self.click("[data-test]")

    def press(self, key, modifiers=()):
        held = sum(MODIFIERS[name] for name in modifiers)
        code, text = KEYS[key] if key in KEYS else (ord(key.upper()), key)
        if held & 2:
            text = ""
        params = {"key": key, "windowsVirtualKeyCode": code, "modifiers": held}
        self.send("Input.dispatchKeyEvent", type="keyDown", text=text, **params)
        self.send("Input.dispatchKeyEvent", type="keyUp", **params)

    def type(self, text):
        self.send("Input.insertText", text=text)

    def fill(self, selector, text):
        """Replaces the text of a field as a user does."""
        self.click(selector)
        self.run(f"document.querySelector({json.dumps(selector)}).select()")
        if text:
            self.type(text)
        else:
            self.press("Delete")

    def choose_files(self, selector, *files):
        document = self.send("DOM.getDocument")["root"]["nodeId"]
        node = self.send("DOM.querySelector", nodeId=document, selector=selector)["nodeId"]
        self.send("DOM.setFileInputFiles", nodeId=node, files=[str(file) for file in files])

    def drop(self, selector, *files):
        x, y = self.center(selector)
        data = {"items": [], "files": [str(file) for file in files], "dragOperationsMask": 1}
        for kind in ("dragEnter", "dragOver", "drop"):
            self.send("Input.dispatchDragEvent", type=kind, x=x, y=y, data=data)

    def screenshot(self):
        return base64.b64decode(self.send("Page.captureScreenshot", format="png")["data"])

    def offline(self, is_offline):
        self.send("Network.emulateNetworkConditions", offline=is_offline, latency=0, downloadThroughput=-1, uploadThroughput=-1)

    def close(self):
        self.browser.send("Target.disposeBrowserContext", browserContextId=self.context)
        self.browser.listeners.pop(self.session, None)
