"""Seconds of a training step of torchvision's Mask R-CNN, for `steps.py --torchvision PYTHON`.

    PYTHON benchmarks/torchvision_step.py [side=512] [dtype=mixed_bfloat16] [repeats=15]

Run by a Python that has PyTorch and torchvision, which this project does not need; it imports
nothing of the project. ResNet-50 with FPN from nothing, all layers trained, two images with 24
square molecules each; as many RoIs an image as our step trains on.
"""

import json
import sys
import time

import torch
import torchvision

IMAGES, MOLECULES, ROIS = 2, 24, 100


def example(side: int) -> tuple[list, list]:
    """Images (3, side, side) of noise with bright squares, and their boxes, classes and masks."""
    random = torch.Generator().manual_seed(0)
    images, targets = [], []
    for _ in range(IMAGES):
        image = torch.rand((3, side, side), generator=random) * 0.2
        width = side // 8
        corners = torch.randint(0, side - width, (MOLECULES, 2), generator=random)
        masks = torch.zeros((MOLECULES, side, side), dtype=torch.uint8)
        for mask, (x, y) in zip(masks, corners.tolist(), strict=True):
            mask[y : y + width, x : x + width] = 1
            image[:, y : y + width, x : x + width] += 0.4
        boxes = torch.cat([corners, corners + width], dim=1).float()
        labels = torch.randint(1, 3, (MOLECULES,), generator=random)
        images.append(image)
        targets.append({"boxes": boxes, "labels": labels, "masks": masks})
    return images, targets


def main() -> None:
    given = dict(argument.split("=") for argument in sys.argv[1:])
    side, repeats = int(given.get("side", 512)), int(given.get("repeats", 15))
    low = given.get("dtype", "mixed_bfloat16") == "mixed_bfloat16"
    network = torchvision.models.detection.maskrcnn_resnet50_fpn(
        weights=None, weights_backbone=None, num_classes=3, min_size=side, max_size=side,
        trainable_backbone_layers=5, box_batch_size_per_image=ROIS,
    )  # fmt: skip
    optimizer = torch.optim.SGD(network.parameters(), lr=1e-4, momentum=0.9, weight_decay=1e-4)
    images, targets = example(side)

    def step() -> float:
        start = time.perf_counter()
        optimizer.zero_grad()
        with torch.autocast("cpu", dtype=torch.bfloat16, enabled=low):
            loss = sum(network(images, targets).values())
        loss.backward()
        optimizer.step()
        return time.perf_counter() - start

    network.train()
    first, *times = [step() for _ in range(1 + repeats)]
    found = {"seconds": sorted(times)[repeats // 2], "first_step": first}
    found["versions"] = f"PyTorch {torch.__version__}, torchvision {torchvision.__version__}"
    print("RESULT", json.dumps(found))


if __name__ == "__main__":
    main()
