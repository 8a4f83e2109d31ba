"""Passes lines from standard input to standard error, without those that say nothing to a user.

`mrcnn.quiet` runs it as a process of its own: what a program said before it was ended by the system
(TensorFlow on a processor without AVX, say) still arrives.
"""

import re
import signal
import sys

# TensorFlow 2.21 writes its information (I) through Abseil before any level is heeded. The other
# lines are known, and harmless: CUDA's libraries that are registered twice, TensorRT that nobody
# asked for.
NOISE = re.compile(
    rb"WARNING: All log messages before absl::InitializeLog\(\) is called"
    rb"|I\d{4} \d\d:\d\d:"
    rb"|\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d+: I "
    rb"|To enable the following instructions: .*rebuild TensorFlow"
    rb"|.*Unable to register cu\w+ factory"
    rb"|.*computation placer already registered"
    rb"|.*TF-TRT Warning: Could not find TensorRT"
)


def main() -> None:
    """Pass on the lines of standard input until its end."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C ends the program in front of it
    for line in sys.stdin.buffer:
        if not NOISE.match(line):
            sys.stderr.buffer.write(line)
            sys.stderr.buffer.flush()


if __name__ == "__main__":
    main()
