"""One window for the whole way: outline, train, look, correct, in the browser.

    python app.py
    python app.py --language zh --no-browser

Opens a page of this computer alone; images and outlines stay in the project's folders, where the
other scripts find them, and what is started from the page goes on when it is closed. Needs
`python -m pip install -r requirements-app.txt`.
"""

from __future__ import annotations

import locale
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

from spm.errors import InputError
from spm.run import command_line
from spm.run.setting_kinds import Range
from spm.run.settings import Settings, takes

if TYPE_CHECKING:
    from engine.app.project import Project
    from spm.checks.preflight import Findings


# --- settings: change the values, the text below each says what it is ---------------------------
class Window(Settings):
    """Where the page is opened, and which folders it works in."""

    port: Annotated[int, Range(1, 65535)] | None = None
    """Port of this computer at which the page is served. None takes 8642, or a free one where that
    is taken."""
    browser: bool = True
    """Open the page in the browser; else its address is printed alone."""
    language: Literal["en", "zh"] | None = None
    """Language of the page. None takes the system's: Chinese where it is Chinese, else English."""
    images_dir: Path = Path("images")
    """Folder of the images to recognise."""
    source_dir: Path = Path("aug_test_in")
    """Folder of the training images."""
    out_dir: Path = Path("img_cache")
    """Folder of the results."""
    log_dir: Path = Path("logs")
    """Folder of the training runs."""


# ------------------------------------------------------------------------------------------------


FOLDERS = ("images_dir", "source_dir", "out_dir", "log_dir")


@takes(Window)
def main(settings: Window) -> int:
    """Serve the page until Ctrl-C.

    Raises:
        InputError: when a package is missing, or the port taken.
    """
    try:
        import starlette  # noqa: F401
        import uvicorn  # noqa: F401
    except ImportError as error:
        raise InputError(
            f"the package {error.name} is not installed; install what the window needs with: "
            "python -m pip install -r requirements-app.txt"
        ) from None
    from engine.app.server import serve

    serve(project_of(settings), settings.port, settings.browser)
    return 0


def project_of(settings: Window) -> Project:
    """Return the folders, and what the scripts do for the page."""
    from engine.app.project import Project

    language = settings.language or system_language()
    folders = {name: getattr(settings, name) for name in FOLDERS}
    return Project(**folders, language=language, scripts=Scripts())


class Scripts:
    """What the page needs of the other scripts; `engine` knows none of them."""

    @staticmethod
    def settings_of(module: str) -> type[Settings]:
        """Return a script's class of settings."""
        import predict_big_pic
        import train_test
        import workflow

        kinds = {
            "workflow": workflow.Workflow,
            "train_test": train_test.Training,
            "predict_big_pic": predict_big_pic.PredictionRun,
        }
        return kinds[module]

    @staticmethod
    def look(project: Project) -> Findings:
        """Return what `workflow.py --check` finds in the project's folders."""
        import workflow

        folders = {name: getattr(project, name) for name in FOLDERS}
        return workflow.look(workflow.Workflow(check=True).replace(**folders))[1]


def system_language() -> str:
    """Return "zh" where the system's language is Chinese, else "en"."""
    named = locale.getlocale()[0] or ""
    return "zh" if named.lower().startswith(("zh", "chinese")) else "en"


if __name__ == "__main__":
    command_line.run(main)
