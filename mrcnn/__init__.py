"""Mask R-CNN on Keras 3: matterport's detector and public interface, written afresh."""

import os

# TensorFlow greets with a dozen lines about the processor and missing CUDA libraries.
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
