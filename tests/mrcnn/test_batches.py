"""Batches for training: what they hold, and which images they draw."""

import itertools
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor

import keras
import numpy as np
import psutil
import pytest
from checkout import ROOT
from keras import ops
from toys import Damaged, Heavy, Refusing, SomeEmpty, TinyConfig, Toys

from mrcnn.batch_workers import BatchWorkers, WorkerEnded
from mrcnn.batches import BatchStream, DataGenerator
from mrcnn.box_tools import extract_bboxes
from mrcnn.matterport.generator import data_generator
from mrcnn.model import MaskRCNN
from mrcnn.samples import ImagesError


def config(**changes):
    return type("Changed", (TinyConfig,), {"IMAGES_PER_GPU": 2, **changes})()


def ids_of(batches, index):
    return batches[index][0][1][:, 0].astype(int).tolist()


def epoch_ids(batches):
    return [image_id for index in range(len(batches)) for image_id in ids_of(batches, index)]


def test_what_a_batch_holds():
    batches = DataGenerator(Toys().load(3), config(), seed=1)
    assert len(batches) == 2  # three images, two a step
    image, meta, match, deltas, class_ids, boxes, masks = batches[0][0]
    assert image.shape == (2, 128, 128, 3) and image.dtype == np.float32
    assert -124 <= image.min() < 0 < image.max() < 160  # the mean colour is subtracted
    assert meta.shape == (2, 15)
    assert match.shape == (2, 3 * (32**2 + 16**2 + 8**2 + 4**2 + 2**2), 1)
    assert set(np.unique(match)) == {-1, 0, 1} and match.dtype == np.int32
    assert ((match != 0).sum(axis=(1, 2)) == 64).all()
    assert deltas.shape == (2, 64, 4)
    assert class_ids.shape == (2, 8) and class_ids.dtype == np.int32
    assert sorted(class_ids[0].tolist()) == [0, 0, 0, 0, 0, 1, 1, 2]
    assert boxes.shape == (2, 8, 4) and not boxes[0, 3:].any()
    assert masks.shape == (2, 28, 28, 8) and masks.dtype == bool
    assert masks[0, ..., :3].any(axis=(0, 1)).all() and not masks[0, ..., 3:].any()


def test_whole_masks():
    batches = DataGenerator(Toys().load(2), config(USE_MINI_MASK=False), shuffle=False)
    *_, boxes, masks = batches[0][0]
    assert masks.shape == (2, 128, 128, 8)
    np.testing.assert_array_equal(extract_bboxes(masks[0]), boxes[0].astype(int))


def test_each_image_comes_once_before_any_comes_again():
    """Pitfall 12: over epochs of any length, all images are drawn equally often."""
    batches = DataGenerator(Toys().load(7), config(), steps=3, seed=4)
    drawn = []
    for _ in range(7):  # 7 epochs of 3 steps of 2: each image six times
        drawn += epoch_ids(batches)
        batches.on_epoch_end()
    for turn in range(6):
        assert sorted(drawn[7 * turn : 7 * turn + 7]) == list(range(7))
    orders = {tuple(drawn[7 * turn : 7 * turn + 7]) for turn in range(6)}
    assert len(orders) > 3  # drawn anew each time


def test_threads_do_not_repeat_batches():
    """Pitfall 12: four workers at once make the batches that one makes, each once."""
    dataset = Toys().load(8)
    batches = DataGenerator(dataset, config(), seed=2)
    with ThreadPoolExecutor(4) as pool:
        together = list(pool.map(batches.__getitem__, range(4)))
    alone = [DataGenerator(dataset, config(), seed=2)[index] for index in range(4)]
    for (a,), (b,) in zip(together, alone, strict=True):
        for x, y in zip(a, b, strict=True):
            np.testing.assert_array_equal(x, y)
    assert sorted(int(i) for (b,) in together for i in b[1][:, 0]) == list(range(8))


def test_same_seed_same_batches():
    """A batch depends on seed and place alone, not on what was asked for before."""
    dataset = Toys().load(4)
    first, second = (DataGenerator(dataset, config(), seed=9) for _ in range(2))
    second[0]
    for a, b in zip(first[1][0], second[1][0], strict=True):
        np.testing.assert_array_equal(a, b)
    other = DataGenerator(dataset, config(), seed=10)
    assert any((a != b).any() for a, b in zip(first[1][0], other[1][0], strict=True))


def test_going_on_from_an_epoch():
    dataset = Toys().load(5)
    run = DataGenerator(dataset, config(), steps=2, seed=3)
    run.on_epoch_end()
    resumed = DataGenerator(dataset, config(), steps=2, seed=3, first_epoch=1)
    for a, b in zip(run[1][0], resumed[1][0], strict=True):
        np.testing.assert_array_equal(a, b)


def test_without_shuffling():
    batches = DataGenerator(Toys().load(4), config(), shuffle=False)
    assert epoch_ids(batches) == [0, 1, 2, 3]


def test_an_image_without_molecules():
    """A dataset that draws its own samples knows that there is nothing but background."""

    class Empty(Toys):
        def load_sample(self, image_id, rng):
            return *self.load_image_and_nothing(image_id), np.zeros((0, 4))

        def load_image_and_nothing(self, image_id):
            masks, class_ids = self.load_mask(image_id)
            return np.zeros((128, 128, 3), np.uint8), class_ids, masks

    match, deltas, class_ids, boxes, masks = DataGenerator(Empty().load(1, toys=0), config())[0][0][
        2:
    ]
    assert set(np.unique(match)) == {-1, 0}
    for array in (deltas, class_ids, boxes, masks):
        assert not array.any()


def test_images_without_instances_are_passed_over(capsys):
    """As in matterport's generator; the next image of the pass stands in."""
    batches = DataGenerator(SomeEmpty().load(7), config(), shuffle=False, steps=7)
    assert epoch_ids(batches) == [1, 1, 2, 4, 4, 5, 1, 1, 1, 2, 4, 4, 5, 1]
    assert capsys.readouterr().out == ""
    assert_same(first_batches(2, dataset=SomeEmpty().load(7)),
                first_batches(0, dataset=SomeEmpty().load(7)))  # fmt: skip
    assert capsys.readouterr().out == ""  # nor did threads have to do the processes' work
    with pytest.raises(ImagesError, match="no image to train on: none of them has an instance"):
        DataGenerator(Toys().load(3, toys=0), config())[0]


def test_a_crop_that_shows_nothing_is_drawn_again():
    """An image large against the crops, with one small instance: most crops miss it."""

    class Large(Toys):
        def load_image(self, image_id):
            return np.zeros((512, 512, 3), np.uint8)

        def load_mask(self, image_id):
            masks = np.zeros((512, 512, 1), bool)
            masks[100:110, 100:110] = True
            return masks, np.array([1])

    crops = config(IMAGE_RESIZE_MODE="crop", IMAGE_MIN_DIM=128)
    batches = DataGenerator(Large().load(1), crops, steps=4)
    for index in range(4):
        assert (batches[index][0][4] > 0).any(axis=1).all()


def damaged(count, bad, **paths):
    dataset = Damaged().load(count)
    dataset.bad = bad
    for image_id in bad:
        dataset.image_info[image_id]["path"] = f"scan {image_id}.png"
    return dataset


@pytest.mark.parametrize("processes", [0, 2])
def test_five_images_that_cannot_be_loaded_are_left_out(processes, capsys):
    """Each is named once, in one line, whichever process met it; the run is the same in all."""
    bad = (1, 2, 5, 6, 8)
    batches = DataGenerator(damaged(12, bad), config(), seed=3)
    with BatchStream(batches, 0, processes) as stream:
        found = list(itertools.islice(stream.generator(), 30))
    drawn = [int(i) for batch in found for i in batch[0][1][:, 0]]
    assert set(drawn) == set(range(12)) - set(bad)
    told = capsys.readouterr().out.splitlines()
    assert sorted(told) == [
        f"Image left out: scan {i}.png: OSError: no image in scan {i}.png" for i in bad
    ]
    again = DataGenerator(damaged(12, bad), config(), seed=3)
    assert_same(found, [again.batch(k) for k in range(30)])


@pytest.mark.parametrize("processes", [0, 2])
def test_a_sixth_image_that_cannot_be_loaded_stops_training(processes):
    batches = DataGenerator(damaged(12, range(6)), config(), seed=3)
    with (
        BatchStream(batches, 0, processes) as stream,
        pytest.raises(ImagesError, match=r"6 images .* last one is scan \d.png: OSError: no image"),
    ):
        list(itertools.islice(stream.generator(), 60))


@pytest.fixture(scope="module")
def model(tmp_path_factory, eagerly):
    changes = {"STEPS_PER_EPOCH": 4, "VALIDATION_STEPS": 8}
    changes |= {"IMAGE_MIN_DIM": 64, "IMAGE_MAX_DIM": 64}
    return MaskRCNN("training", config(**changes), tmp_path_factory.mktemp("logs"))


@pytest.mark.parametrize("where", ["training", "validation"])
def test_training_raises_what_the_images_raised(where, model):
    """And not TensorFlow's page about a generator."""
    bad, good = damaged(8, range(6)), Toys().load(4)
    sets = (bad, good) if where == "training" else (good, bad)
    with pytest.raises(ImagesError, match="6 images cannot be loaded") as caught:
        model.train(*sets, 0.001, 1, "heads", verbose=0)
    assert isinstance(caught.value.__cause__, OSError)


def test_more_molecules_than_places():
    batches = DataGenerator(Toys().load(2, toys=12), config(), seed=1)
    _, _, _, _, class_ids, boxes, masks = batches[0][0]
    assert (class_ids > 0).all() and boxes.any(axis=2).all()
    assert masks.any(axis=(1, 2)).all()


def test_a_dataset_that_draws_its_own_samples():
    class Drawn(Toys):
        def load_sample(self, image_id, rng):
            masks, class_ids = self.load_mask(image_id)
            masks[..., 0] = False  # moved out of the image
            image = rng.integers(0, 255, (128, 128, 3)).astype(np.uint8)
            return image, class_ids, masks, np.array([[0, 0, 40, 128]])

    batches = DataGenerator(Drawn().load(2), config(), seed=1)
    image, meta, match, _, class_ids, boxes, masks = batches[0][0]
    assert class_ids[0, :4].tolist() == [2, 1, -1, 0]
    np.testing.assert_array_equal(boxes[0, 2], [0, 0, 40, 128])
    assert not masks[0, ..., 2].any()
    assert meta[0, 12:].tolist() == [1, 1, 1]
    # No anchor that lies on the ignored region is background.
    anchors = batches.anchors[match[0, :, 0] == -1]
    assert (np.minimum(anchors[:, 2], 40) - np.maximum(anchors[:, 0], 0) < 1e-3 * 128).mean() > 0.9
    again = DataGenerator(Drawn().load(2), config(), seed=1)[0][0]
    np.testing.assert_array_equal(image, again[0])


def test_augmentation_leaves_named_sources_alone():
    imgaug = pytest.importorskip("imgaug.augmenters")
    turn = imgaug.Invert(1.0)
    dataset = Toys().load(1)
    plain, changed, spared = (
        DataGenerator(dataset, config(), seed=1, augmentation=a, no_augmentation_sources=s)[0][0][0]
        for a, s in ((None, ()), (turn, ()), (turn, ["toy"]))
    )
    assert (plain != changed).any()
    np.testing.assert_array_equal(plain, spared)


def test_no_images_at_all():
    with pytest.raises(ValueError, match="no images"):
        DataGenerator(Toys().load(0), config())


def test_generator_of_the_older_api():
    dataset = Toys().load(3)
    batches = data_generator(dataset, config(), shuffle=False, batch_size=2)
    drawn = []
    for _ in range(3):
        inputs, outputs = next(batches)
        assert len(inputs) == 7 and outputs == []
        drawn += inputs[1][:, 0].astype(int).tolist()
    assert drawn == [0, 1, 2, 0, 1, 2]
    inputs, _ = next(data_generator(dataset, config(), batch_size=3))
    assert len(inputs[0]) == 3
    mirrored = [
        next(data_generator(dataset, config(), False, augment, seed=seed))[0][0][0]
        for augment, seed in ((False, 0), *((True, seed) for seed in range(6)))
    ]
    assert any((m == mirrored[0][:, ::-1]).all() for m in mirrored[1:])


class Seen(keras.metrics.Metric):
    """The first image of every batch that a model was trained with, over all epochs."""

    def __init__(self):
        super().__init__(name="seen")
        self.ids = self.add_variable((32,), initializer=keras.initializers.Constant(-1))
        self.count = self.add_variable((), initializer="zeros")

    def update_state(self, image):
        here = ops.equal(ops.arange(32, dtype="float32"), self.count)
        self.ids.assign(ops.where(here, image, self.ids))
        self.count.assign(self.count + 1)

    def result(self):
        return self.count

    def reset_state(self):
        pass


class Looker(keras.Model):
    def compute_loss(self, x=None, y=None, y_pred=None, sample_weight=None, training=True):
        self.seen.update_state(x[1][0, 0])
        return ops.sum(y_pred)


@pytest.mark.parametrize("steps", [1, 3])
def test_training_takes_the_batches_in_order(steps):
    """Whatever Keras does between two epochs, and when the run goes on from an epoch."""
    batches = DataGenerator(Toys().load(7), config(IMAGES_PER_GPU=1), seed=0)
    inputs = [keras.Input(a.shape[1:], dtype=str(a.dtype)) for a in batches.batch(0)[0]]
    model = Looker(inputs, keras.layers.Dense(1)(inputs[1]))
    model.seen = Seen()
    model.compile("sgd", jit_compile=False)
    for first, last in ((0, 3), (3, 5)):
        with BatchStream(batches, first * steps) as stream:
            model.fit(
                stream.generator(),
                steps_per_epoch=steps,
                initial_epoch=first,
                epochs=last,
                shuffle=False,
                verbose=0,
            )
    expected = [ids[0] for ids in (batches.batch(k)[0][1][:, 0] for k in range(5 * steps))]
    assert ops.convert_to_numpy(model.seen.ids)[: 5 * steps].tolist() == expected
    assert list(stream.generator()) == []  # it has ended with its block


def test_a_dataset_of_which_nothing_can_be_loaded():
    with (
        BatchStream(DataGenerator(damaged(1, [0]), config())) as stream,
        pytest.raises(ImagesError, match="no image to train on: scan 0.png: OSError"),
    ):
        next(stream.generator())


def first_batches(processes, count=4, dataset=None):
    batches = DataGenerator(dataset or Toys().load(5), config(), seed=3)
    with BatchStream(batches, 2, processes) as stream:
        return list(itertools.islice(stream.generator(), count))


def assert_same(found, expected):
    for one, other in zip(found, expected, strict=True):
        for a, b in zip(one[0], other[0], strict=True):
            np.testing.assert_array_equal(a, b)


def test_processes_make_the_same_batches_as_threads():
    assert_same(first_batches(2), first_batches(0))


SCRIPT = """
import sys
sys.path[:0] = {paths!r}
from toys import TinyConfig, Toys
class Two(TinyConfig):
    IMAGES_PER_GPU = 2
{guard}
    from mrcnn.batches import BatchStream, DataGenerator
    print("the script runs", flush=True)
    with BatchStream(DataGenerator(Toys().load(4), Two(), seed=3), 0, 2) as stream:
        batches = stream.generator()
        ids = sum(int(next(batches)[0][1][:, 0].sum()) for _ in range(4))
        print(ids, stream._workers, flush=True)
"""


@pytest.mark.parametrize("guard", ["if __name__ == '__main__':", "if True:"])
def test_a_script_without_a_main_guard_is_not_run_again(guard, tmp_path):
    """Each process would import the script, and train in it."""
    script = tmp_path / "my training.py"
    paths = [str(ROOT / p) for p in ("", "tests/mrcnn", "tests/helpers")]
    script.write_text(SCRIPT.format(paths=paths, guard=guard), encoding="utf-8")
    done = subprocess.run([sys.executable, script], capture_output=True, text=True, timeout=300)
    lines = done.stdout.splitlines()
    assert done.returncode == 0, done.stderr
    assert lines.count("the script runs") == 1
    assert lines[-1].startswith("12 ")
    told = [line for line in lines if "made by threads" in line]
    if guard == "if True:":
        assert len(told) == 1 and "__name__ == '__main__'" in told[0]
        assert lines[-1].endswith("None")
    else:
        assert not told and "BatchWorkers" in lines[-1]


def test_a_killed_worker_costs_no_batch(capsys):
    batches = DataGenerator(Toys().load(5), config(), seed=3)
    with BatchStream(batches, 2, processes=1) as stream:
        generator = stream.generator()
        found = [next(generator)]
        for process in stream._workers.processes:
            process.kill()
        found += itertools.islice(generator, 30)
    assert "threads go on" in capsys.readouterr().out
    assert_same(found, first_batches(0, 31))


def test_a_worker_that_is_killed_while_it_hands_over_a_batch_is_told():
    """Half a message must not be waited for: a ProcessPoolExecutor does, for ever."""
    workers = BatchWorkers(Heavy(), 1)
    memory = psutil.Process().memory_info
    workers.make(0)
    with ThreadPoolExecutor(1) as thread:
        batch, before = thread.submit(workers.make, 1), memory().rss
        while memory().rss < before + 5 * 10**7 and not batch.done():
            time.sleep(0.001)
        workers.processes[0].kill()
        with pytest.raises(WorkerEnded):
            batch.result(timeout=60)
    workers.close()


def test_an_error_in_a_worker_comes_to_its_caller():
    workers = BatchWorkers(Refusing(), 1)
    with pytest.raises(RuntimeError, match="Refusal: no batch"):
        workers.make(0)
    with pytest.raises(ImagesError, match="no image"):
        workers.make(1)
    workers.close()
    assert not any(process.is_alive() for process in workers.processes)


def test_a_dataset_that_cannot_be_sent_is_served_by_threads(capsys):
    toys = Toys().load(5)
    toys.secret = lambda: None
    found = first_batches(2, dataset=toys)
    assert "Batches are made by threads" in capsys.readouterr().out
    assert_same(found, first_batches(0))


def test_workers_end_with_a_killed_parent(tmp_path):
    """Whoever kills a training must not find its workers in memory afterwards."""
    script = tmp_path / "parent.py"
    script.write_text(
        "import os, sys\n"
        f"sys.path[:0] = {[str(ROOT / p) for p in ('', 'tests/mrcnn', 'tests/helpers')]!r}\n"
        "if __name__ == '__main__':\n"
        "    from mrcnn import batch_workers\n"
        "    from toys import Heavy\n"
        "    maker = Heavy()\n"
        "    workers = batch_workers.BatchWorkers(maker, 1)\n"
        "    workers.make(0)\n"
        "    print(workers.processes[0].pid, flush=True)\n"
        "    os._exit(9)\n"
    )
    done = subprocess.run([sys.executable, script], capture_output=True, text=True, timeout=120)
    worker = int(done.stdout.split()[-1])
    for _ in range(100):
        if not psutil.pid_exists(worker) or psutil.Process(worker).status() == "zombie":
            return
        time.sleep(0.1)
    pytest.fail("The worker outlived its parent.")
