"""Starts one process per device, once all that can be checked beforehand is in order.

python -m training.train --multiprocessing-distributed --device-list 0,1,2,3,4,5,6,7 ...
"""

from __future__ import annotations

import os
import signal
import socket
from collections.abc import Sequence

from inference.errors import InputError
from inference.machine import usable_cores
from training.config import TrainConfig
from training.device import find_kind, list_devices
from training.records.run_folder import require_free
from training.setup import set_up

PORT = 29500


def must_launch(config: TrainConfig) -> bool:
    """True if this process must start the others; those that torchrun starts know their rank."""
    several = config.multiprocessing_distributed or len(config.devices) > 1 or config.nodes > 1
    return several and "RANK" not in os.environ


def launch(config: TrainConfig, arguments: Sequence[str]) -> int:
    """Runs this command under torchrun, one process per device.

    Returns:
        The exit code: 0 if every process succeeded.

    Raises:
        InputError: every process would fail; or the machines do not find each other.
    """
    return run_processes(config, rehearse(config), arguments)


def run_processes(config: TrainConfig, processes: int, arguments: Sequence[str]) -> int:
    """Runs so many processes under torchrun; the exit code."""
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
            f"--addr {config.addr or 'localhost'}: the machines do not find each other ({error}); start "
            f"the same command on all {config.nodes}, and let port {port or PORT} of the first through"
        ) from error
    return 0


def rehearse(config: TrainConfig) -> int:
    """Checks what would make every process fail, and makes the caches; the number of processes.

    Raises:
        InputError: something would.
    """
    if int(os.environ.get("RANK_SIZE", 1)) > 1 and "RANK_ID" in os.environ:
        raise InputError(
            f"RANK_ID={os.environ['RANK_ID']}: set, as in a loop over the devices; this command starts a "
            "process for each device itself: run it once, without the loop"
        )
    kind = find_kind(config.device, config.device_flag)
    processes = len(list_devices(kind, config.devices))
    require_free(config)
    set_up(config, 0, processes * config.nodes)
    return processes


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
