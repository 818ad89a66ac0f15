"""Pages open in Chromium, and all that went wrong in them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

if TYPE_CHECKING:
    from playwright.sync_api import BrowserContext, ConsoleMessage, Dialog, Page, Request

PHONE = {"width": 360, "height": 740}
DESKTOP = {"width": 1280, "height": 800}
# Nothing leaves this machine, whatever a page asks for, and root may start it.
ARGUMENTS = (
    "--no-sandbox",
    "--no-proxy-server",
    "--disable-dev-shm-usage",
    "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",
)
_REPORT_VIOLATIONS = """
addEventListener("securitypolicyviolation", (event) => {
  window.reportViolation(`${event.effectiveDirective} ${event.blockedURI} ${event.sample}`);
});
"""


class Visit:
    """A page, and what it did that no page of ours may do."""

    def __init__(self, context: BrowserContext, origin: str) -> None:
        self.origin = origin
        self.faults: list[str] = []
        self.addresses: list[str] = []
        self.page: Page = context.new_page()
        self.page.expose_binding("reportViolation", self._on_violation)
        self.page.add_init_script(_REPORT_VIOLATIONS)
        self.page.on("console", self._on_console)
        self.page.on("pageerror", lambda error: self.faults.append(f"error: {error}"))
        self.page.on("dialog", self._on_dialog)
        self.page.on("request", self._on_request)
        self.page.on("popup", lambda page: self.faults.append(f"window: {page.url}"))
        self.page.on("crash", lambda _: self.faults.append("crash"))

    def open(self, path: str) -> Page:
        """Go to a page of the server, and wait until it is there."""
        self.page.goto(self.origin + path)
        return self.page

    def is_wide(self) -> bool:
        """Whether the page is wider than its window."""
        return bool(self.page.evaluate("document.documentElement.scrollWidth > innerWidth"))

    def _on_violation(self, _source: Any, what: str) -> None:
        self.faults.append(f"policy: {what}")

    def _on_console(self, message: ConsoleMessage) -> None:
        # That a page says 404 is what is wanted of some; what they load may not be missing. For JSON, which can not
        # say what its icon is, a browser tries an address of its own.
        may_miss = (self.page.url, f"{self.origin}/favicon.ico")
        if not (message.text.startswith("Failed to load resource") and message.location["url"] in may_miss):
            self.faults.append(f"console: {message.text} ({message.location['url'][:200]})")

    def _on_dialog(self, dialog: Dialog) -> None:
        self.faults.append(f"dialog: {dialog.message}")
        dialog.dismiss()

    def _on_request(self, request: Request) -> None:
        self.addresses.append(request.url[:500])
        parts = urlsplit(request.url)
        # A picture that came with a message is no request to anybody.
        if parts.scheme != "data" and f"{parts.scheme}://{parts.netloc}" != self.origin:
            self.faults.append(f"request: {request.url[:200]}")
