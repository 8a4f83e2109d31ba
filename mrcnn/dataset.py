"""Dataset: the images and classes that training and evaluation run over.

Subclass it, call `add_class` and `add_image` in a loading method of your own, override
`load_mask` (and `load_image` where images do not come from files), and call `prepare`:

    class Shapes(Dataset):
        def load_shapes(self, count):
            self.add_class("shapes", 1, "square")
            for i in range(count):
                self.add_image("shapes", image_id=i, path=None, side=20)

        def load_image(self, image_id): ...
        def load_mask(self, image_id): ...

    dataset = Shapes()
    dataset.load_shapes(10)
    dataset.prepare()

Several sources can share one dataset. Each keeps its own ids; inside, classes and images are
numbered from 0 in the order they were added, class 0 being the background.
"""

import numpy as np


class Dataset:
    """Images, classes and their sources.

    Attributes:
        image_info: list of dicts with "id", "source", "path" and what else `add_image` was given.
        class_info: list of dicts with "source", "id" and "name"; entry 0 is the background.
        source_class_ids: dict from source to the class ids it has annotations for, with 0.

    `prepare` fills in: num_classes, class_ids, class_names, num_images, image_ids, sources.
    """

    def __init__(self, class_map=None):
        self._image_ids = np.zeros(0, int)
        self.image_info = []
        self.class_info = [{"source": "", "id": 0, "name": "BG"}]
        self.source_class_ids = {}

    def add_class(self, source, class_id, class_name):
        """Add a class; one that is there already is left as it is.

        Args:
            source: name of the source, without a dot.
            class_id: the source's own id.
            class_name: what people call it.
        """
        if "." in source:
            raise ValueError(f"The name of a source must have no dot. Received: {source!r}.")
        if any((info["source"], info["id"]) == (source, class_id) for info in self.class_info):
            return
        self.class_info.append({"source": source, "id": class_id, "name": class_name})

    def add_image(self, source, image_id, path, **kwargs):
        """Add an image.

        Args:
            source: name of the source.
            image_id: the source's own id.
            path: the file, or None.
            **kwargs: kept in `image_info` for `load_image` and `load_mask`.
        """
        self.image_info.append({"id": image_id, "source": source, "path": path, **kwargs})

    def append_data(self, class_info, image_info):
        """Add classes and images that are described already, as in another dataset.

        Args:
            class_info: list of dicts with "source", "id", "name"; the background is passed over.
            image_info: list of dicts as in the attribute of that name.
        """
        for info in class_info:
            if info["source"]:
                self.add_class(info["source"], info["id"], info["name"])
        for info in image_info:
            rest = {k: v for k, v in info.items() if k not in ("source", "id", "path")}
            self.add_image(info["source"], info["id"], info.get("path"), **rest)

    def image_reference(self, image_id):
        """Return a link or text that tells people where an image is from. Override it."""
        return ""

    def prepare(self, class_map=None):
        """Number what was added. Call it after the last `add_class` and `add_image`."""
        self.num_classes = len(self.class_info)
        self.class_ids = np.arange(self.num_classes)
        # Of names like "person, individual" the first is enough.
        self.class_names = [str(info["name"]).split(",")[0] for info in self.class_info]
        self.num_images = len(self.image_info)
        self._image_ids = np.arange(self.num_images)
        self.class_from_source_map = _numbers(self.class_info, self.class_ids)
        self.image_from_source_map = _numbers(self.image_info, self._image_ids)
        # Sorted, so that the order does not change from run to run.
        self.sources = sorted({info["source"] for info in self.class_info})
        self.source_class_ids = {
            source: [
                number
                for number, info in enumerate(self.class_info)
                if number == 0 or info["source"] == source
            ]
            for source in self.sources
        }

    def map_source_class_id(self, source_class_id):
        """Return our id of a class, given as "SOURCE.ID OF THE SOURCE"."""
        return self.class_from_source_map[source_class_id]

    def get_source_class_id(self, class_id, source):
        """Return the source's own id of our class `class_id`.

        Raises:
            ValueError: the class belongs to another source.
        """
        info = self.class_info[class_id]
        if info["source"] != source:
            raise ValueError(
                f"Class {class_id} belongs to source {info['source']!r}. Received: {source!r}."
            )
        return info["id"]

    @property
    def image_ids(self):
        """Our ids of all images: 0, 1, 2, ...; empty before `prepare`."""
        return self._image_ids

    def source_image_link(self, image_id):
        """Return the path or link of an image."""
        return self.image_info[image_id]["path"]

    def load_image(self, image_id):
        """Load an image from its path.

        Returns:
            (H, W, 3) uint8 RGB. Grey images are repeated in the three channels, transparency
            is dropped, 16-bit values are divided by 257.

        Raises:
            ValueError: the file is missing or no image; the message names it.
        """
        from PIL import Image

        path = self.image_info[image_id]["path"]
        try:
            with Image.open(path) as image:
                if image.mode.startswith("I;16"):
                    grey = np.rint(np.asarray(image) / 257).astype(np.uint8)
                    return np.repeat(grey[..., None], 3, axis=2)
                return np.array(image.convert("RGB"))
        except (OSError, TypeError, AttributeError) as error:
            raise ValueError(f"{path}: cannot be read as an image ({error}).") from error

    def load_mask(self, image_id):
        """Load the instances of an image. Override it.

        Returns:
            masks: (H, W, N) bool, one instance a channel.
            class_ids: (N,) int32. A negative id marks a region to be ignored (a crowd): neither a
                molecule to be learned nor background.
        """
        return np.zeros((0, 0, 0), bool), np.zeros(0, np.int32)


def _numbers(infos, ids):
    """Return a dict from "SOURCE.ID" to our number."""
    keys = (f"{info['source']}.{info['id']}" for info in infos)
    return dict(zip(keys, ids.tolist(), strict=True))
