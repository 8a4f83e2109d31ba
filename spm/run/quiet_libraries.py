"""Warnings and log lines of libraries: what a user should know is printed by us."""

import logging
import sys
import warnings


def keep_libraries_quiet() -> None:
    """Hide the warnings and log lines of libraries; their errors are shown. Python's -W and
    PYTHONWARNINGS, and logging that was set up, show them."""
    if not sys.warnoptions:
        warnings.simplefilter("ignore")
    logging.lastResort.setLevel(logging.ERROR)


def are_quiet() -> bool:
    """Return whether they are hidden in this process."""
    return logging.lastResort.level >= logging.ERROR
