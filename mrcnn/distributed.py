"""Training over several cards and machines: a step of N processes is a step on the batch of N.

On PyTorch, with a process a card, started by torchrun on any number of machines.
DistributedDataParallel averages the gradients while they are computed. On TensorFlow and JAX one
card trains: MultiWorkerMirroredStrategy does not work with Keras 3 (its issue 20585), and Keras
3.15 cannot feed our batches to a MirroredStrategy (it averages the first one, booleans included).

Losses are means over the anchors or RoIs of the batch that count, and a process's images have
more or fewer of them than another's. So each process divides by the count of all, and multiplies
by the number of processes: the mean over the processes is then the mean over the whole batch. In
the same way BatchNorm, where it is trained, takes the statistics of the whole batch.
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


def check(config):
    """Raise ValueError unless as many processes train as GPU_COUNT says."""
    wanted = config.GPU_COUNT
    if wanted == _processes:
        return
    if backend() != "torch":
        raise ValueError(
            f"GPU_COUNT={wanted} needs the PyTorch backend: set KERAS_BACKEND=torch and start the "
            f"script with torchrun --nproc-per-node={wanted}. Received: the {backend()} backend."
        )
    raise ValueError(
        f"GPU_COUNT={wanted} takes as many processes: start the script with "
        f"torchrun --nproc-per-node={wanted}. Received: {_processes}."
    )


def own_share(batch_size):
    """Which images of a batch this process loads: the first one's place, and how many."""
    count = batch_size // _processes
    return _rank * count, count


# --- inside a step -----------------------------------------------------------------------------


def total(value):
    """The sum of a tensor over the processes; no gradient flows through it."""
    if _alone(value):
        return value
    import torch
    import torch.distributed as group

    value = value.detach().clone(memory_format=torch.contiguous_format)
    group.all_reduce(value)
    return value


def mean(value):
    """The mean of a tensor over the processes, through which gradients flow to all of them."""
    return value if _alone(value) else _sum_with_gradient()(value) / _processes


def reported(value):
    """A loss whose gradient is this process's and whose value is the mean over the processes.

    With it all processes report the same losses, and stop at the same step when one is not finite.
    """
    return value if _alone(value) else value + (total(value) / _processes - value.detach())


def own_rows(array):
    """The rows of an array over the whole batch that belong to this process."""
    if _processes == 1:
        return array
    count = array.shape[0] // _processes
    return array[_rank * count : (_rank + 1) * count]


def _alone(value):
    """Whether there is nothing to add up: one process, or Keras asking for shapes (on "meta")."""
    return _processes == 1 or value.device.type == "meta"


@functools.cache
def _sum_with_gradient():
    """`total` as an operation: what all processes use the sum for comes back to each summand."""
    import torch

    class Sum(torch.autograd.Function):
        @staticmethod
        def forward(context, value):
            return total(value)

        @staticmethod
        def backward(context, gradient):
            return total(gradient)

    return Sum.apply


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
