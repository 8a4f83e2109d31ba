"""The window in the browser: a server on this computer for one page, and for one project's folders.

It has no logic of its own that the scripts lack: what it answers comes from `spm` and `engine`, and
what it starts are the scripts.
"""
