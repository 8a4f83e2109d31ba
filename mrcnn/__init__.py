"""Mask R-CNN on Keras 3: matterport's detector and public interface, written afresh."""

from .onednn import use_onednn
from .quiet import keep_quiet

keep_quiet()
use_onednn()
