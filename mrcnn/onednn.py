"""TensorFlow's faster kernels for processors, oneDNN's.

TensorFlow 2.21 takes them by itself only where the processor has instructions for neural networks
(AVX512-VNNI and later), although they are faster without. Where it does not take them it also asks
the system for each tensor's memory anew, and gives it back.
"""

import os
import platform

SETTING = "TF_ENABLE_ONEDNN_OPTS"  # TensorFlow reads it when it is imported


def use_onednn():
    """Ask for oneDNN's kernels on PCs; a user's own TF_ENABLE_ONEDNN_OPTS wins (0: without)."""
    if platform.machine() in ("x86_64", "AMD64"):
        os.environ.setdefault(SETTING, "1")
