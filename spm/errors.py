"""What a user is shown as a sentence instead of a traceback: the one exception of ours for it, and
the words for those of the system."""

from __future__ import annotations

import errno
from collections.abc import Iterable
from pathlib import Path


class InputError(Exception):
    """Something in the user's files, folders or settings is wrong and the user can mend it.

    The message is one sentence: the file, what is wrong, what to do.
    """

    @classmethod
    def joined(cls, messages: Iterable[str | Exception]) -> InputError:
        """Return one error that reports several problems, one line each.

        Args:
            messages: sentences or exceptions; repeated ones are reported once.

        Raises:
            ValueError: when there is no message at all.
        """
        lines = list(dict.fromkeys(str(message) for message in messages))
        if not lines:
            raise ValueError("InputError.joined needs at least one message. Received: none.")
        return cls("\n".join(lines))


def raise_problems(problems: Iterable[str | Exception]) -> None:
    """Raise one InputError that reports all problems; go on when there is none."""
    if problems := list(problems):
        raise InputError.joined(problems)


def os_sentence(error: OSError) -> str:
    """Return one sentence that names the file of an OSError and the way out."""
    name = error.filename or error.filename2
    if isinstance(name, str) and Path(name).name.startswith("."):
        name = Path(name).parent  # a temporary file or a lock, of which the user knows nothing
    what = error.strerror or str(error) or type(error).__name__
    hints = {
        "ENOSPC": "free some space and start again",
        "EDQUOT": "free some space and start again",
        "EROFS": "choose a folder that can be written to",
        "EACCES": "close programs that use it or change its permissions",
        "EPERM": "close programs that use it or change its permissions",
        "ENOENT": "check the name",
        "EMFILE": "close other programs",
    }
    hint = hints.get(errno.errorcode.get(error.errno or 0, ""), "check the disk and the folder")
    return f"{name}: {what}; {hint}." if name else f"{what}; {hint}."
