"""Settings of the detector: one class, every setting an attribute.

Subclass `Config`, override what differs, and hand an instance to `MaskRCNN`:

    class ShapesConfig(Config):
        NAME = "shapes"
        NUM_CLASSES = 1 + 2  # background and two molecules

Names and defaults are those of matterport's Mask R-CNN (release 2.1), so that its scripts and
weights keep working; settings that exist only here stand in a block of their own at the end.
"""

import inspect
import math

import numpy as np

from .devices import best_dtype

# Channels of C2..C5 and blocks of the stages 2..5 for each trunk.
BACKBONES = ("resnet18", "resnet50", "resnet101")
# Settings that count steps.
_WHOLE = ("STEPS_PER_EPOCH", "VALIDATION_STEPS")
COMPUTE_DTYPES = ("float32", "mixed_bfloat16", "mixed_float16")


class Config:
    """All settings, with defaults. Derived ones (`BATCH_SIZE`, `IMAGE_SHAPE`, ...) are computed
    when an instance is made.

    Raises:
        ValueError: when an instance is made of settings that cannot work together.
    """

    # --- the run -------------------------------------------------------------------------------
    NAME = None  # goes into the names of run folders and weights files
    GPU_COUNT = 1  # cards, or processes without, that share a step (docs/scaling.md)
    IMAGES_PER_GPU = 2  # images a step and card
    STEPS_PER_EPOCH = 1000
    VALIDATION_STEPS = 50

    # --- the trunk and the pyramid -------------------------------------------------------------
    # "resnet18", "resnet50", "resnet101", or a function (see own_backbone.py).
    BACKBONE = "resnet101"
    # With a function: another one, of the image's shape, that gives the (rows, columns) of P2..P6;
    # None where BACKBONE_STRIDES tell them.
    COMPUTE_BACKBONE_SHAPE = None
    BACKBONE_STRIDES = [4, 8, 16, 32, 64]  # pixels a cell on P2..P6; start at 8 to leave P2 out
    FPN_CLASSIF_FC_LAYERS_SIZE = 1024  # width of the box head
    TOP_DOWN_PYRAMID_SIZE = 256  # channels of the pyramid
    NUM_CLASSES = 1  # with the background

    # --- region proposals ----------------------------------------------------------------------
    RPN_ANCHOR_SCALES = (
        32,
        64,
        128,
        256,
        512,
    )  # side of an anchor in pixels, one (or a tuple) a level
    RPN_ANCHOR_RATIOS = [0.5, 1, 2]  # width over height
    RPN_ANCHOR_STRIDE = 1  # cells between anchors
    RPN_NMS_THRESHOLD = 0.7  # IoU above which the lower proposal goes
    RPN_TRAIN_ANCHORS_PER_IMAGE = 256
    PRE_NMS_LIMIT = 6000  # proposals that enter the NMS
    POST_NMS_ROIS_TRAINING = 2000  # proposals that leave it
    POST_NMS_ROIS_INFERENCE = 1000
    RPN_BBOX_STD_DEV = np.array([0.1, 0.1, 0.2, 0.2])

    # --- images ------------------------------------------------------------------------------
    IMAGE_RESIZE_MODE = "square"  # "none", "square", "pad64" or "crop"
    IMAGE_MIN_DIM = 800
    IMAGE_MAX_DIM = 1024
    IMAGE_MIN_SCALE = 0
    IMAGE_CHANNEL_COUNT = 3  # or set IMAGE_SHAPE in an __init__ of your own
    MEAN_PIXEL = np.array([123.7, 116.8, 103.9])  # RGB
    USE_MINI_MASK = True  # train on masks cut to their box and shrunk
    MINI_MASK_SHAPE = (56, 56)  # (height, width)

    # --- the heads -----------------------------------------------------------------------------
    TRAIN_ROIS_PER_IMAGE = 200
    ROI_POSITIVE_RATIO = 0.33
    POOL_SIZE = 7  # RoIAlign of the box head
    MASK_POOL_SIZE = 14  # RoIAlign of the mask head
    MASK_SHAPE = [28, 28]
    BBOX_STD_DEV = np.array([0.1, 0.1, 0.2, 0.2])
    MAX_GT_INSTANCES = 100  # instances of an image that training can see

    # --- detections ----------------------------------------------------------------------------
    DETECTION_MAX_INSTANCES = 100
    DETECTION_MIN_CONFIDENCE = 0.7  # 0 keeps all
    DETECTION_NMS_THRESHOLD = 0.3  # IoU, within a class

    # --- optimisation --------------------------------------------------------------------------
    LEARNING_RATE = 0.001
    LEARNING_MOMENTUM = 0.9
    WEIGHT_DECAY = 0.0001
    LOSS_WEIGHTS = {
        "rpn_class_loss": 1.0,
        "rpn_bbox_loss": 1.0,
        "mrcnn_class_loss": 1.0,
        "mrcnn_bbox_loss": 1.0,
        "mrcnn_mask_loss": 1.0,
    }
    # False trains the heads on RoIs that the batches bring along: random ones around the instances.
    USE_RPN_ROIS = True
    TRAIN_BN = False  # True or None trains BatchNorm, False keeps its statistics fixed
    GRADIENT_CLIP_NORM = 5.0  # L2 norm of the whole gradient

    # --- settings that matterport's detector does not have -------------------------------------
    # Of convolutions; boxes, losses and weights stay float32. "float32", "mixed_bfloat16",
    # "mixed_float16", or "auto": bfloat16 where the device computes with it.
    COMPUTE_DTYPE = "float32"
    # Channels of the trunk's last stage (a bottleneck puts out four times as many); None: 512.
    STAGE5_WIDTH = None
    MASK_HEAD_CHANNELS = 256
    RPN_CHANNELS = 512
    BN_MOMENTUM = 0.99  # of the moving statistics, when BatchNorm is trained
    OPTIMIZER = "sgd"  # "sgd" (momentum, L2 as a loss term) or "adamw" (decoupled decay)
    SCHEDULE = "constant"  # "constant" or "cosine" (down to 1 % over the run)
    WARMUP_STEPS = 0  # steps over which the learning rate rises from nothing
    ADD_GT_ROIS = False  # let the true boxes stand among the proposals in training
    FILL_NEGATIVES = False  # fill the RoIs up with background instead of keeping the ratio
    IGNORE_OVERLAP = (
        0.001  # share of an anchor or RoI on ignored regions above which it is no background
    )
    # Take RoIs from the maps exactly where they are; False stretches them by up to half a stride
    # towards the borders, as matterport's weights are used to (see roi_align.py).
    EXACT_ROI_ALIGN = False
    # Let the mask head look at the middle of each of its cells, and cut its targets there; False
    # lays the outermost points on the box's edges, as matterport's weights are used to: masks
    # come out smaller than what they were trained on, and their points rounder.
    EXACT_MASKS = False
    # Share of a proposal's distance from its true box that the RoI of the mask head keeps in
    # training. At prediction that head sees refined boxes; 1 trains it on proposals as they come.
    MASK_ROI_ERROR = 1.0
    # Show the mask head C2 (4 pixels a cell) beside the pyramid's level.
    MASK_FINE_FEATURES = False
    TILE_DIM = None  # side of prediction's tiles in network pixels; None is the training's side
    JIT_COMPILE = "auto"  # XLA: True, False, or "auto" (on a GPU only)
    LOADER_PROCESSES = "auto"  # that make batches; 0 for threads, "auto": with a GPU only

    def __init__(self):
        for name in _WHOLE:  # those of the class, once more through __setattr__
            setattr(self, name, getattr(self, name))
        for name in ("BACKBONE", "COMPUTE_BACKBONE_SHAPE"):
            self._keep_function(name)
        self.BATCH_SIZE = self.IMAGES_PER_GPU * self.GPU_COUNT
        if self.IMAGE_RESIZE_MODE == "crop":
            side = self.IMAGE_MIN_DIM
        else:
            side = self.IMAGE_MAX_DIM
        self.IMAGE_SHAPE = np.array([side, side, self.IMAGE_CHANNEL_COUNT])
        # id, original shape, molded shape, window, scale, one flag a class
        self.IMAGE_META_SIZE = 1 + 3 + 3 + 4 + 1 + self.NUM_CLASSES
        self._check()

    def __setattr__(self, name, value):
        # Scripts divide numbers of images to get steps; what is left over is a step too.
        if name in _WHOLE and isinstance(value, (float, np.floating)):
            value = math.ceil(value)
        super().__setattr__(name, value)

    def _keep_function(self, name):
        """Python makes a method of a function in a class's body, to be called with the config as
        the first argument; who wrote no `self` there meant the function."""
        value = getattr(self, name)
        if inspect.ismethod(value) and value.__self__ is self:
            parameters = list(inspect.signature(value.__func__).parameters)
            if parameters[:1] != ["self"]:
                setattr(self, name, value.__func__)

    def _check(self):
        if self.BACKBONE not in BACKBONES and not callable(self.BACKBONE):
            raise ValueError(
                f"BACKBONE must be one of {BACKBONES}, or a function. Received: {self.BACKBONE!r}"
            )
        if self.COMPUTE_DTYPE == "auto":
            self.COMPUTE_DTYPE = best_dtype()
        if self.COMPUTE_DTYPE not in COMPUTE_DTYPES:
            raise ValueError(
                f"COMPUTE_DTYPE must be one of {COMPUTE_DTYPES}. Received: {self.COMPUTE_DTYPE!r}"
            )
        coarsest = 2 ** (len(self.BACKBONE_STRIDES) - 1) * self.BACKBONE_STRIDES[0]
        if self.IMAGE_RESIZE_MODE != "none" and int(self.IMAGE_SHAPE[0]) % coarsest:
            raise ValueError(
                f"The side of the network's image must be a multiple of {coarsest}, so that the "
                f"pyramid's levels fit on each other. Received: {int(self.IMAGE_SHAPE[0])}"
            )
        if len(self.RPN_ANCHOR_SCALES) != len(self.BACKBONE_STRIDES):
            raise ValueError(
                "RPN_ANCHOR_SCALES needs one entry for each of BACKBONE_STRIDES. "
                f"Received: {self.RPN_ANCHOR_SCALES} and {self.BACKBONE_STRIDES}"
            )

    def to_dict(self):
        """All settings as a dict of name -> value, for logs and weights files. Functions are left
        out, but for the name of one given as BACKBONE."""
        settings = {
            name: getattr(self, name)
            for name in sorted(dir(self))
            if name.isupper() and not callable(getattr(self, name))
        }
        if callable(self.BACKBONE):
            settings["BACKBONE"] = getattr(self.BACKBONE, "__name__", repr(self.BACKBONE))
        # What an __init__ of one's own may have changed; from_dict derives the shape anew.
        settings["IMAGE_CHANNEL_COUNT"] = int(self.IMAGE_SHAPE[2])
        return settings

    @classmethod
    def from_dict(cls, stored, **changes):
        """An instance with the settings of a `to_dict`, as weights files hold them.

        Names that no setting has are left out; derived settings are computed anew. A function that
        was the BACKBONE must be given again, among `changes`.

        Args:
            stored: dict of name -> value; JSON's lists become arrays where needed.
            changes: settings that go before those of `stored`.
        """
        known = {
            key: np.array(value) if isinstance(getattr(cls, key), np.ndarray) else value
            for key, value in stored.items()
            if key.isupper() and hasattr(cls, key)
        }
        return type("StoredConfig", (cls,), known | changes)()

    def display(self):
        """Print all settings."""
        print("\nConfigurations:")
        for name, value in self.to_dict().items():
            print(f"{name:30} {value}")
        print()
