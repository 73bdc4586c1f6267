"""A JupyterLab server and a real browser in it, for tests and benchmarks."""

import contextlib
import os
import re
import shutil
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from pathlib import Path

from playwright.sync_api import sync_playwright

PLACES = (
    "JUPYTER_CONFIG_DIR JUPYTER_DATA_DIR JUPYTER_RUNTIME_DIR IPYTHONDIR "
    "JUPYTERLAB_SETTINGS_DIR JUPYTERLAB_WORKSPACES_DIR"
).split()
LAB = [sys.executable, "-m", "jupyterlab", "--no-browser", "--allow-root", "--ip=127.0.0.1"]
LAB += ["--ServerApp.port_retries=0", "--IdentityProvider.token=", "--LabApp.expose_app_in_browser=True"]
FLAGS = [
    "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync",
    # No name is resolved, so that nothing can leave the machine. What tries to is counted all the same.
    "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",
]  # fmt: skip


def find_chromium() -> str | None:
    """Where Chromium or Chrome is, if anywhere; the variable CHROMIUM wins."""
    names = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")
    return os.environ.get("CHROMIUM") or next(filter(None, map(shutil.which, names)), None)


# Messages of the browser's console that have nothing to do with the course.
HARMLESS = {
    # JupyterLab's debugger, when a kernel is closed before it has answered it: seen on a busy machine.
    "Could not restore the debugger state",
    # JupyterLab, when the last words of a kernel that died arrive after its widgets were given up.
    "Comm not found for comm id",
}


@contextlib.contextmanager
def serve(folder: Path, **environment: str):
    """Serve a folder with a JupyterLab of this environment that knows nothing of the user's settings.

    `environment` adds variables for the server and its kernels. Gives the server's address.
    """
    with socket.socket() as free, tempfile.TemporaryDirectory() as home:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
        free.close()
        places = {name: str(Path(home) / name) for name in PLACES}
        log = Path(home) / "server.log"
        with log.open("w", encoding="utf-8") as output:
            server = subprocess.Popen(
                [*LAB, f"--port={port}", f"--ServerApp.root_dir={folder}"],
                env={**os.environ, **places, "JUPYTER_PREFER_ENV_PATH": "1", **environment},
                stdout=output,
                stderr=subprocess.STDOUT,
                cwd=folder,
            )
        address = f"http://127.0.0.1:{port}"
        try:
            _wait_for(address, server, log)
            yield address
        finally:
            server.terminate()
            try:
                server.wait(20)
            except subprocess.TimeoutExpired:
                server.kill()


def _wait_for(address, server, log):
    for _ in range(600):
        if server.poll() is not None:
            break
        with contextlib.suppress(OSError):
            urllib.request.urlopen(address + "/api/status", timeout=5).close()
            return
        time.sleep(0.1)
    raise RuntimeError("JupyterLab did not start:\n" + log.read_text(encoding="utf-8"))


class Browser:
    """A browser with an empty profile that keeps account of what it should not do.

    Attributes
    ----------
    complaints : list of str
        Errors of the pages' consoles, without the harmless ones.
    outside : list of str
        Addresses outside this machine that a page asked for.
    """

    def __init__(self, executable: str | None = None, **options):
        self._stack = contextlib.ExitStack()
        playwright = self._stack.enter_context(sync_playwright())
        browser = playwright.chromium.launch(executable_path=executable or find_chromium(), args=FLAGS)
        self._stack.callback(browser.close)
        self.context = browser.new_context(**{"viewport": {"width": 1300, "height": 900}} | options)
        self.context.set_default_timeout(60_000)
        self.complaints, self.outside = [], []
        self.context.on("request", lambda request: self._account(request.url))
        self.context.on("console", self._listen)
        self.context.on("weberror", lambda error: self.complaints.append(str(error.error)))

    def __enter__(self):
        return self

    def __exit__(self, *error):
        self._stack.close()

    def _account(self, url):
        if not re.match(r"(http|ws)s?://127\.0\.0\.1[:/]|data:|blob:|about:", url):
            self.outside.append(url)

    def _listen(self, message):
        if message.type == "error" and not any(part in message.text for part in HARMLESS):
            self.complaints.append(f"{message.text} ({message.location.get('url', '')})")

    def open(self, address: str, notebook: str) -> "Notebook":
        """Open a notebook, given by its path in the served folder, and wait for its kernel."""
        page = self.context.new_page()
        page.on("websocket", lambda socket: self._account(socket.url))
        page.goto(f"{address}/lab/tree/{notebook}?reset")
        page.wait_for_function(
            "name => window.jupyterapp?.shell?.currentWidget?.context?.path === name", arg=notebook
        )
        page.evaluate("""async () => {
            window.panel = jupyterapp.shell.currentWidget;
            await panel.context.ready;
            await panel.sessionContext.ready;
        }""")
        page.wait_for_function(
            "panel.sessionContext.isReady && panel.sessionContext.session?.kernel?.status === 'idle'"
        )
        return Notebook(page)


class Notebook:
    """An open notebook. Cells are counted from 0, text cells too."""

    def __init__(self, page):
        self.page = page

    def run_all(self, seconds: float = 120) -> None:
        """Run all cells and wait for the last."""
        self._run("notebook:run-all-cells", seconds)

    def run(self, cell: int, seconds: float = 60) -> None:
        """Run one cell."""
        choose = "cell => { panel.content.deselectAll(); panel.content.activeCellIndex = cell; }"
        self.page.evaluate(choose, cell)
        self._run("notebook:run-cell", seconds)

    def _run(self, command, seconds):
        # Not awaited here: the browser's own patience for an evaluation has no limit that could be set.
        self.page.evaluate(
            """command => {
            window.ran = false;
            jupyterapp.commands.execute(command).then(() => { window.ran = true; });
        }""",
            command,
        )
        self.page.wait_for_function("window.ran", timeout=1000 * seconds)

    def type(self, cell: int, code: str) -> None:
        """Replace the text of a cell, by the keyboard."""
        self.page.evaluate(
            """cell => {
            panel.content.activeCellIndex = cell;
            panel.content.mode = 'edit';
            panel.content.activeCell.editor.focus();
        }""",
            cell,
        )
        self.page.keyboard.press("ControlOrMeta+a")
        # At once, as pasted: typed key by key, the editor would add brackets and indents of its own.
        self.page.keyboard.insert_text(code)

    def cells(self) -> list[dict]:
        """Every cell: its "type", "source", and "outputs" as in a notebook file."""
        return self.page.evaluate("""() => panel.content.widgets.map(cell => ({
            type: cell.model.type,
            source: cell.model.sharedModel.getSource(),
            outputs: cell.model.type === 'code' ? cell.model.outputs.toJSON() : [],
        }))""")

    def errors(self) -> list[str]:
        """What the outputs hold of errors and warnings."""
        outputs = [output for cell in self.cells() for output in cell["outputs"]]
        wrong = (one for one in outputs if one["output_type"] == "error" or one.get("name") == "stderr")
        return [one.get("evalue") or "".join(one.get("text", "")) for one in wrong]

    def theme(self, name: str) -> None:
        """ "JupyterLab Light" or "JupyterLab Dark"."""
        self.page.evaluate("theme => jupyterapp.commands.execute('apputils:change-theme', { theme })", name)
        self.page.wait_for_function(
            "light => document.body.dataset.jpThemeLight === light", arg=str("Dark" not in name).lower()
        )

    def close(self) -> None:
        """Stop the kernel and close the page."""
        self.page.evaluate("() => panel.sessionContext.shutdown()")
        self.page.close()
