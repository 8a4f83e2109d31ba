"""The one exception that scripts show to a user as a sentence instead of a traceback."""

from __future__ import annotations

from collections.abc import Iterable


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
