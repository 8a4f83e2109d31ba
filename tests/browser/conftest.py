"""The window of app.py in a real browser; skipped where there is none."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import browser
import pytest
from app_page import Page, Server, start_browser


@pytest.fixture(scope="session")
def driver(tmp_path_factory) -> Iterator:
    """One Chromium for all tests of a process."""
    if browser.find() is None:
        pytest.skip("no Chromium and chromedriver (Debian: apt-get install chromium-driver)")
    found = start_browser(tmp_path_factory.mktemp("chromium"))
    yield found
    found.quit()


@pytest.fixture
def window(driver) -> Iterator[Callable]:
    """Call it with a project's folder: the page of a server that ends with the test."""
    servers, pages = [], []

    def opened(project: Path, *flags: str) -> Page:
        servers.append(Server(project, *flags))
        pages.append(Page(driver, servers[-1].address))
        pages[-1].server = servers[-1]
        return pages[-1]

    first = driver.current_window_handle
    yield opened
    for handle in driver.window_handles:
        if handle != first:
            driver.switch_to.window(handle)
            driver.close()
    driver.switch_to.window(first)
    for server in servers:
        if server.process.poll() is None:
            server.end()
