#!/usr/bin/env bash
# TensorFlow 2.21.0 on a Linux x86 processor (takes some minutes: a large package).
# Behaviour: a tensor of 300 MB that is deleted stays in the process. With oneDNN, the default there,
# a pool of TensorFlow's own serves the processor too, grows, and gives nothing back, so that the
# resident memory of a training step is what the pool ever held, and malloc's settings do not reach
# it. With TF_ONEDNN_USE_SYSTEM_ALLOCATOR=1, or without oneDNN, it is the system's again at once.
# Seen: kept 316, 0 and 0 MB.
# Last run: 2026-11-29, Python 3.11.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
python=$work/venv/bin/python
"$python" -m pip install --quiet --disable-pip-version-check tensorflow==2.21.0 keras==3.15.1 'numpy==2.2.6'
cd "$work"
cat > kept.py <<'PY'
import gc
import os

import tensorflow as tf


def megabytes():
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 2**20


tf.linalg.matmul(tf.ones((256, 256)), tf.ones((256, 256)))
start = megabytes()
tensor = tf.ones((300, 1024, 256))
held = megabytes() - start
del tensor
gc.collect()
assert held > 250, held
print(round(megabytes() - start))
PY
run() { env CUDA_VISIBLE_DEVICES=-1 TF_CPP_MIN_LOG_LEVEL=3 "$@" "$python" kept.py 2>/dev/null; }
pool=$(run)
system=$(run TF_ONEDNN_USE_SYSTEM_ALLOCATOR=1)
plain=$(run TF_ENABLE_ONEDNN_OPTS=0)
echo "MB kept of a deleted tensor: pool $pool; system's allocator $system; without oneDNN $plain"
[ "$pool" -gt 250 ] && [ "$system" -lt 50 ] && [ "$plain" -lt 50 ]
