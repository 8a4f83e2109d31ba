#!/usr/bin/env bash
# TensorFlow 2.21.0 on a Linux x86 processor (takes some minutes: a large package).
# Behaviour: whether a deleted tensor of 300 MB stays in the process hangs on the processor. With
# oneDNN a pool of TensorFlow's own serves the processor too, grows, and gives nothing back, so that
# the resident memory of a training step is what the pool ever held, and malloc's settings do not
# reach it. With TF_ONEDNN_USE_SYSTEM_ALLOCATOR=1, or without oneDNN, it is the system's again at
# once, and each new one is cleared page by page. The same wheel takes oneDNN by itself on a processor
# with AVX512-VNNI, and not on one without AVX-512 (TF_ENABLE_ONEDNN_OPTS=1 or 0 says it).
# Seen: kept 316, 0 and 0 MB (on both kinds); ten such tensors brought 0 new pages with the pool and
# 768,010 without oneDNN (AMD EPYC without AVX-512, where oneDNN was off by default).
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
import resource

import tensorflow as tf
from tensorflow.python.util import _pywrap_util_port


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
kept = megabytes() - start
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
for _ in range(10):
    tf.ones((300, 1024, 256))
pages = resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before
print(round(kept), pages, int(_pywrap_util_port.IsMklEnabled()))
PY
run() { env -u TF_ENABLE_ONEDNN_OPTS CUDA_VISIBLE_DEVICES=-1 TF_CPP_MIN_LOG_LEVEL=3 "$@" "$python" kept.py 2>/dev/null; }
read -r _ _ default < <(run)
read -r pool pool_pages _ < <(run TF_ENABLE_ONEDNN_OPTS=1)
read -r system _ _ < <(run TF_ENABLE_ONEDNN_OPTS=1 TF_ONEDNN_USE_SYSTEM_ALLOCATOR=1)
read -r plain plain_pages _ < <(run TF_ENABLE_ONEDNN_OPTS=0)
echo "MB kept of a deleted tensor: pool $pool; system's allocator $system; without oneDNN $plain"
echo "new pages for ten tensors: pool $pool_pages; without oneDNN $plain_pages; oneDNN by default: $default"
[ "$pool" -gt 250 ] && [ "$system" -lt 50 ] && [ "$plain" -lt 50 ]
[ "$pool_pages" -lt 10000 ] && [ "$plain_pages" -gt 100000 ]
if grep -q avx512_vnni /proc/cpuinfo; then [ "$default" = 1 ]; fi
if ! grep -q -e avx512 -e avx_vnni -e amx /proc/cpuinfo; then [ "$default" = 0 ]; fi
