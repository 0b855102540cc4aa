"""Training on several devices, added to a finished network from outside.

    torchrun --nproc-per-node 8 -m training.train --data data ...
    python -m training.train --multiprocessing-distributed --device-list 0,1,2,3,4,5,6,7 ...

One process per device. A single process is a group of one, on the same path.
"""

from __future__ import annotations

import os
import signal
import socket
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from types import TracebackType
from typing import Any

import numpy as np
import torch
from torch import Tensor, distributed, nn
from torch.distributed.algorithms.ddp_comm_hooks.default_hooks import fp16_compress_hook
from torch.distributed.distributed_c10d import PrefixStore, Store
from torch.distributed.rendezvous import rendezvous
from torch.nn.parallel import DistributedDataParallel

from inference.errors import InputError
from inference.machine import usable_cores
from training.config import TrainConfig
from training.device import START_FIX, read_number

PORT = 29500
MOMENT = 10.0  # seconds by which processes that are started at once may be apart


class Ranks:
    """The processes that train together; a context that opens and closes their group.

    Attributes:
        rank: number of this process, from 0.
        count: number of processes.

    Raises:
        InputError: the environment says of several processes too little, or what cannot be.
    """

    def __init__(self, device: torch.device) -> None:
        require_group()
        self.rank, self.count = read_number("RANK", 0), read_number("WORLD_SIZE", 1)
        self._device = device
        self._host: distributed.ProcessGroup | None = None  # for tensors on the CPU

    def __enter__(self) -> Ranks:
        if self.count > 1:
            choose = distributed.get_default_backend_for_device
            backend = choose(self._device.type)
            distributed.init_process_group(
                backend,
                store=open_store(self.rank, self.count),
                rank=self.rank,
                world_size=self.count,
            )
            if self._device.type != "cpu":
                self._host = distributed.new_group(backend=choose("cpu"))
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        # After an error, others may wait in a collective that this rank never joins.
        if self.count > 1 and error is None:
            distributed.destroy_process_group()

    def any(self, flag: bool) -> bool:
        """True on every rank if it is on one. Votes stay on the CPU, so no device waits for them."""
        if self.count == 1:
            return flag
        votes = torch.tensor([float(flag)])
        distributed.all_reduce(votes, distributed.ReduceOp.MAX, self._host)
        return bool(votes.item())

    def sum(self, counts: np.ndarray) -> np.ndarray:
        """Sums an integer array over the ranks."""
        if self.count == 1:
            return counts
        total = torch.from_numpy(counts)
        distributed.all_reduce(total, group=self._host)
        return total.numpy()

    def sync_batchnorm(self, network: nn.Module) -> nn.Module:
        """Makes batch normalisation see the images of all ranks, by replacing its layers."""
        if self.count > 1:
            for name, module in list(network.named_modules()):
                if isinstance(module, nn.BatchNorm2d):
                    network.set_submodule(name, SyncBatchNorm(module))
        return network

    def replicate(self, network: nn.Module, compress: bool) -> nn.Module:
        """Wraps a network so that its gradients are averaged over the ranks.

        Args:
            compress: send the gradients in fp16.
        """
        if self.count == 1:
            return network
        devices = None if self._device.type == "cpu" else [self._device]
        # Gradients own their memory, not views of buckets: some fused optimisers keep addresses.
        replica = DistributedDataParallel(network, devices)
        # Each rank has its own normalisation statistics; those of rank 0 are validated and shipped.
        replica.broadcast_buffers = False
        if compress:
            replica.register_comm_hook(None, fp16_compress_hook)
        return replica

    def unwrap(self, replica: nn.Module) -> nn.Module:
        """The network that `replicate` was given."""
        return replica.module if isinstance(replica, DistributedDataParallel) else replica

    def sync_gradients(self, replica: nn.Module, enabled: bool) -> None:
        """Whether the next backward pass averages gradients over the ranks, or only adds them up."""
        if isinstance(replica, DistributedDataParallel):
            replica.require_backward_grad_sync = enabled

    def broadcast_buffers(self, network: nn.Module) -> None:
        """Gives every rank the normalisation statistics of rank 0."""
        if self.count > 1:
            for buffer in network.buffers():
                distributed.broadcast(buffer, 0)


def open_store(rank: int, count: int) -> Store:
    """The store in which the processes find each other.

    Processes that torchrun starts again get the store of those that died, with their addresses in it, and
    may wait for the dead for ever (pytorch issue 135712): each attempt has names of its own. The attempts
    of several machines are not counted alike: there TORCH_DISABLE_SHARE_RDZV_TCP_STORE=1 makes a new one.
    """
    store, _, _ = next(rendezvous("env://", rank, count))
    if os.environ.get("GROUP_WORLD_SIZE", "1") != "1":
        return store
    attempt = os.environ.get("TORCHELASTIC_RESTART_COUNT", "0")
    return PrefixStore(f"attempt {attempt}", store)


class SumOverRanks(torch.autograd.Function):
    """The sum of a tensor over the ranks; so is its gradient."""

    @staticmethod
    def forward(context: Any, tensor: Tensor) -> Tensor:
        total = tensor.clone()
        distributed.all_reduce(total)
        return total

    @staticmethod
    def backward(context: Any, *gradients: Tensor) -> Tensor:
        return SumOverRanks.forward(context, *gradients)


class SyncBatchNorm(nn.BatchNorm2d):
    """Batch normalisation over the images of all ranks, which hold equally many.

    torch's own runs on some accelerators only. The variance is taken around the mean: one message more
    than mean(x^2) - mean(x)^2, but no cancellation.
    """

    def __init__(self, plain: nn.BatchNorm2d) -> None:
        super().__init__(plain.num_features, plain.eps, plain.momentum)
        self.load_state_dict(plain.state_dict())
        self.to(plain.weight.device)

    def forward(self, input: Tensor) -> Tensor:
        if not self.training:
            return super().forward(input)
        x = input.float()
        ranks = distributed.get_world_size()
        mean = SumOverRanks.apply(x.mean((0, 2, 3))) / ranks
        centred = x - mean[:, None, None]
        variance = SumOverRanks.apply(centred.square().mean((0, 2, 3))) / ranks
        with torch.no_grad():
            momentum = self.momentum or 0.0
            pixels = ranks * x.numel() / x.shape[1]
            self.running_mean.lerp_(mean, momentum)  # type: ignore[union-attr]
            unbiased = variance * (pixels / max(pixels - 1, 1))
            self.running_var.lerp_(unbiased, momentum)  # type: ignore[union-attr]
            self.num_batches_tracked.add_(1)  # type: ignore[union-attr]
        scale = self.weight * torch.rsqrt(variance + self.eps)
        return (centred * scale[:, None, None] + self.bias[:, None, None]).to(input.dtype)


@contextmanager
def ending_at_once() -> Iterator[None]:
    """Makes sys.exit end one process of several at once, without Python's shutdown.

    DistributedDataParallel keeps its group, and so the threads of gloo, until the very end. A thread that
    still holds a tensor then asks for an interpreter that is shutting down, and aborts the process
    ("terminate called without an active exception"): 1 run in 16 with 8 ranks on 2 busy cores.
    """
    try:
        yield
    except SystemExit as end:
        if not is_launched():
            raise
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(end.code if isinstance(end.code, int) else 1)


@contextmanager
def letting_the_first_speak() -> Iterator[None]:
    """Holds back an error in all processes of a machine but the first.

    What stops one usually stops all: torchrun ends the others as soon as the first has said it. An error
    that is a process's own comes MOMENT seconds late.

    Raises:
        InputError: instead of the backend's own error, the connection to another process was lost.
    """
    try:
        yield
    except RuntimeError as error:
        if is_lost_connection(error):
            raise InputError(
                "another process of this run has gone: killed, out of memory, or its machine is down; "
                "continue with --resume"
            ) from error
        raise
    except (InputError, OSError):
        if os.environ.get("LOCAL_RANK", "0") not in ("", "0"):
            time.sleep(MOMENT)
        raise


def is_lost_connection(error: RuntimeError) -> bool:
    """True for what NCCL and the store raise, and for what Gloo, which has no type of its own, says."""
    return isinstance(error, distributed.DistError) or "gloo/transport" in str(error)


def is_launched() -> bool:
    """True in a process that knows its rank."""
    return bool(os.environ.get("RANK"))


def require_group() -> None:
    """Raises InputError unless one of several processes knows its rank and where the first one is."""
    count = read_number("WORLD_SIZE", 1)
    needed = ("RANK", "MASTER_ADDR", "MASTER_PORT")
    missing = [name for name in needed if not os.environ.get(name)]
    if count > 1 and missing:
        raise InputError(
            f"WORLD_SIZE={count}: {' and '.join(missing)} must be set too; {START_FIX}"
        )
    if read_number("RANK", 0) >= count:
        raise InputError(
            f"RANK={os.environ['RANK']}: must be less than WORLD_SIZE={count}; {START_FIX}"
        )


def must_launch(config: TrainConfig) -> bool:
    """True if this process must start the others; those that torchrun starts know their rank."""
    several = config.multiprocessing_distributed or len(config.devices) > 1 or config.nodes > 1
    return several and not is_launched()


def launch(config: TrainConfig, processes: int, arguments: Sequence[str]) -> int:
    """Runs this command under torchrun, in so many processes.

    Returns:
        The exit code: 0 if every process succeeded.

    Raises:
        InputError: the machines do not find each other.
    """
    from torch.distributed.elastic.multiprocessing.api import SignalException
    from torch.distributed.elastic.multiprocessing.errors import ChildFailedError
    from torch.distributed.elastic.rendezvous import RendezvousError
    from torch.distributed.run import main as torchrun

    host, port = split_address(config.addr)
    rendezvous = ["--nnodes", str(config.nodes), "--rdzv-backend", "c10d", "--rdzv-id", "training"]
    rendezvous += ["--rdzv-endpoint", f"{host or 'localhost'}:{port or (PORT if host else 0)}"]
    cores = usable_cores()
    os.environ.setdefault("OMP_NUM_THREADS", str(max(1, cores // processes)))  # torchrun sets 1
    if signal.getsignal(signal.SIGHUP) == signal.SIG_IGN:  # under nohup; torchrun would end the run
        os.environ.setdefault("TORCHELASTIC_SIGNALS_TO_HANDLE", "SIGTERM,SIGINT")
    module = ["-m", "training.train"]
    try:
        torchrun([*rendezvous, "--nproc-per-node", str(processes), *module, *arguments])
    except SignalException as error:  # passed on to the processes, which have saved
        return 128 + error.sigval
    except ChildFailedError as error:
        return max(failure.exitcode for failure in error.failures.values()) or 1
    except RendezvousError as error:
        raise InputError(
            f"--addr {config.addr or 'localhost'}: the machines cannot reach each other ({error}); start "
            f"the same command on all {config.nodes}, and open port {port or PORT} on the first"
        ) from error
    return 0


def require_host(address: str) -> None:
    """Raises InputError unless the host of an --addr can be found; an empty one is none."""
    host, port = split_address(address)
    try:
        if host:
            socket.getaddrinfo(host.strip("[]"), port or PORT)
    except OSError as error:
        raise InputError(
            f"--addr {address}: no such host ({error.strerror}); give the name or IP address of the "
            "first machine, as in 10.0.0.1"
        ) from error


def split_address(address: str) -> tuple[str, int]:
    """Host and port of HOST:PORT, HOST or [IPv6]:PORT; "" and 0 for what is not given."""
    host, colon, port = address.rpartition(":")
    if colon and port.isdecimal():
        return host, int(port)
    return address, 0
