"""Training over several cards and machines: a step of N workers is a step on the batch of N.

Each backend has its own engine, and a worker is what it shares a step out to:

- PyTorch: a process a card, on any number of machines, started by torchrun. DistributedDataParallel
  averages the gradients while they are computed.
- TensorFlow: the cards of one machine, one process, `tf.distribute.MirroredStrategy`.
  MultiWorkerMirroredStrategy does not work with Keras 3 (its issue 20585).
- JAX: the cards of one machine, one process, `keras.distribution.DataParallel`. The step is one
  program over the whole batch that XLA cuts in parts, so nothing here needs to be summed.

Losses are means over the anchors or RoIs of the batch that count, and a worker's pictures have
more or fewer of them than another's. So each worker divides by the count of all workers, and
multiplies by their number: the mean over the workers is then the mean over the whole batch. In the
same way BatchNorm, where it is trained, takes the statistics of the whole batch.
"""

import atexit
import functools
import os

from .devices import backend

# Of this process among those that torchrun started.
_rank, _processes = 0, 1


def launched():
    """How many processes torchrun started, 1 without it."""
    if "RANK" not in os.environ or "MASTER_ADDR" not in os.environ:
        return 1
    return int(os.environ.get("WORLD_SIZE", "1"))


def join():
    """Join the processes that torchrun started; without torchrun, or a second time, do nothing.

    Raises:
        ValueError: on a backend that does not train over processes.
    """
    global _rank, _processes
    if launched() == 1 or _processes > 1:
        return
    if backend() != "torch":
        raise ValueError(
            f"Training over {launched()} processes needs the PyTorch backend (set "
            f"KERAS_BACKEND=torch). Received: the {backend()} backend."
        )
    import torch
    import torch.distributed as group

    if torch.cuda.is_available():
        torch.cuda.set_device(int(os.environ["LOCAL_RANK"]))
    group.init_process_group("nccl" if torch.cuda.is_available() else "gloo")
    atexit.register(group.destroy_process_group)
    _rank, _processes = group.get_rank(), group.get_world_size()


def rank():
    """Number of this process, from 0 on. Number 0 alone writes files."""
    return _rank


def processes():
    """How many processes share a step."""
    return _processes


def from_first(make):
    """The answer of `make()` in process 0, in all of them; so is an exception that it raises."""
    if _processes == 1:
        return make()
    import torch.distributed as group

    box = [None, None]
    if _rank == 0:
        try:
            box[0] = make()
        except Exception as error:
            box[1] = error
    group.broadcast_object_list(box, src=0)
    if box[1] is not None:
        raise box[1]
    return box[0]


# --- how a step is shared out ------------------------------------------------------------------


def check(config):
    """Raise ValueError unless GPU_COUNT workers can be had."""
    wanted, name = config.GPU_COUNT, backend()
    if name == "torch":
        if wanted != _processes:
            raise ValueError(
                f"GPU_COUNT={wanted} on PyTorch takes as many processes: start the script with "
                f"torchrun --nproc-per-node={wanted}. Received: {_processes}."
            )
    elif wanted > 1 and name == "jax":
        import jax

        if jax.local_device_count() < wanted:
            raise ValueError(
                f"GPU_COUNT={wanted}, but JAX sees {jax.local_device_count()} of "
                f"{jax.default_backend()}; correct GPU_COUNT."
            )


def strategy(config):
    """The object under whose `scope()` a model of GPU_COUNT workers is made and compiled, or None.

    Raises:
        ValueError: when there are not so many workers.
    """
    join()
    check(config)
    if config.GPU_COUNT <= 1:
        return None
    if backend() == "jax":
        return _data_parallel(config.GPU_COUNT)
    if backend() == "tensorflow":
        return _mirrored(config.GPU_COUNT)
    return None


@functools.cache
def _data_parallel(count):
    """The distribution over the first `count` devices. It holds for the rest of the process: Keras
    looks it up whenever a model is trained."""
    import keras

    distribution = keras.distribution.DataParallel(
        devices=keras.distribution.list_devices()[:count]
    )
    keras.distribution.set_distribution(distribution)
    return distribution


@functools.cache
def _mirrored(count):
    import tensorflow as tf

    kind = "GPU" if tf.config.list_logical_devices("GPU") else "CPU"
    devices = [device.name for device in tf.config.list_logical_devices(kind)]
    if len(devices) < count:
        raise ValueError(
            f"GPU_COUNT={count}, but TensorFlow sees {len(devices)} {kind}; correct GPU_COUNT."
        )
    return tf.distribute.MirroredStrategy(devices[:count])


def graph_batch(config):
    """Pictures that the training graph of one worker is built for; on JAX one graph serves all."""
    return config.BATCH_SIZE if backend() == "jax" else config.IMAGES_PER_GPU


def own_share(batch_size):
    """Which pictures of a batch this process loads: the first one's place, and how many."""
    count = batch_size // _processes
    return _rank * count, count


# --- inside a step -----------------------------------------------------------------------------


def workers():
    """How many workers add up their losses and gradients; 1 on JAX."""
    if backend() == "tensorflow":
        import tensorflow as tf

        return tf.distribute.get_strategy().num_replicas_in_sync
    return _processes


def total(value):
    """The sum of a tensor over the workers; no gradient flows through it."""
    if _processes > 1 and value.device.type != "meta":  # Keras asks for shapes on "meta"
        import torch
        import torch.distributed as group

        value = value.detach().clone(memory_format=torch.contiguous_format)
        group.all_reduce(value)
    elif workers() > 1 and (replica := _replica()):
        value = replica.all_reduce("SUM", value)
    return value


def mean(value):
    """The mean of a tensor over the workers, through which gradients flow to all of them."""
    if _processes > 1 and value.device.type != "meta":
        return _sum_with_gradient()(value) / _processes
    if workers() > 1 and (replica := _replica()):
        return replica.all_reduce("MEAN", value)
    return value


@functools.cache
def _sum_with_gradient():
    """`total` of PyTorch as an operation: what one worker's sum is used for in all workers comes
    back to its summand."""
    import torch

    class Sum(torch.autograd.Function):
        @staticmethod
        def forward(context, value):
            return total(value)

        @staticmethod
        def backward(context, gradient):
            return total(gradient)

    return Sum.apply


def own_rows(array, count):
    """The `count` rows of an array over the whole batch that belong to this worker."""
    first = _rank * count
    if workers() > 1 and backend() == "tensorflow" and (replica := _replica()):
        first = replica.replica_id_in_sync_group * count
    return array[first : first + count]


def _replica():
    """TensorFlow's context of one replica; None on another backend and while a graph is built."""
    if backend() != "tensorflow":
        return None
    import tensorflow as tf

    return tf.distribute.get_replica_context()


def reported(value):
    """A loss whose gradient is this worker's and whose value is the mean over the workers.

    With it all processes report the same losses, and stop at the same step when one is not finite.
    """
    if _processes == 1 or value.device.type == "meta":
        return value
    return value + (total(value) / _processes - value.detach())


def summand(loss):
    """A worker's loss as the engine wants it: TensorFlow adds gradients up, PyTorch averages."""
    return loss / workers() if backend() == "tensorflow" and workers() > 1 else loss


class SharedStep:
    """Mixin of a Keras model on PyTorch: a training step whose gradients are averaged.

    `share()` is called whenever other layers become trainable. It also gives all processes the
    variables of process 0.
    """

    def share(self):
        from torch.nn.parallel import DistributedDataParallel

        # Past the attribute tracking of Keras and PyTorch: the wrapper holds this model, too.
        object.__setattr__(self, "_shared", DistributedDataParallel(self))

    def train_step(self, data):
        """Keras's step, but through the wrapper, and with its gradients."""
        import torch

        x = data[0]
        outputs = self._shared(x, training=True)
        self.zero_grad()
        loss = self._compute_loss(x=x, y_pred=outputs, training=True)
        self._loss_tracker.update_state(loss.detach())
        self.optimizer.scale_loss(loss).backward()
        variables = self.trainable_weights
        with torch.no_grad():
            self.optimizer.apply([v.value.grad for v in variables], variables)
        return self.compute_metrics(x, None, outputs)
