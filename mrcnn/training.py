"""The model that a training step sees, which sums the losses, and the stages of a training."""

import keras
from keras import ops

from . import distributed
from .fused_kernels import FusedSGD
from .layers import MeanL2

LOSS_NAMES = (
    "rpn_class_loss",
    "rpn_bbox_loss",
    "mrcnn_class_loss",
    "mrcnn_bbox_loss",
    "mrcnn_mask_loss",
)

# Which layers a named training stage moves, by regular expression of their names.
_HEADS = r"(mrcnn\_.*)|(rpn\_.*)|(fpn\_.*)"
STAGES = {
    "heads": _HEADS,
    "3+": r"(res3.*)|(bn3.*)|(res4.*)|(bn4.*)|(res5.*)|(bn5.*)|" + _HEADS,
    "4+": r"(res4.*)|(bn4.*)|(res5.*)|(bn5.*)|" + _HEADS,
    "5+": r"(res5.*)|(bn5.*)|" + _HEADS,
    "all": ".*",
}


class TrainingModel(keras.Model):
    """The training graph, whose loss is the weighted sum of its five loss outputs and the
    regularisation. Each term is tracked under its name."""

    def configure(self, loss_weights):
        self.loss_weights = [float(loss_weights.get(name, 1.0)) for name in LOSS_NAMES]
        self.terms = [keras.metrics.Mean(name=name) for name in LOSS_NAMES]

    def train_step(self, *given):
        # Of this step alone: in a script's own loop the loss has the gradient of the decay.
        with MeanL2.left_to_the_optimizer(isinstance(self.optimizer, FusedSGD)):
            return super().train_step(*given)

    def compute_loss(self, x=None, y=None, y_pred=None, sample_weight=None, training=True):
        losses = y_pred[-len(LOSS_NAMES) :]
        for metric, value in zip(self.terms, losses, strict=True):
            metric.update_state(distributed.reported(value))
        total = sum(w * v for w, v in zip(self.loss_weights, losses, strict=True))
        if self.losses:
            total = total + sum(ops.cast(v, "float32") for v in self.losses)
        return distributed.reported(total)
