"""The machine: threads, memory and installed packages."""

from __future__ import annotations

import contextlib
import os
import platform
import subprocess
import sys
from importlib import metadata
from pathlib import Path

__all__ = ["THREADS", "accelerator", "facts", "forget_peak", "peak", "pin"]

THREADS = 2
_LIBRARIES = [
    "lamina",
    "jax",
    "jaxlib",
    "numpy",
    "optax",
    "keras",
    "tensorflow",
    "tensorflow-cpu",
    "flax",
    "equinox",
    "torch",
]
_LIMITS = [
    "PJRT_NPROC",  # XLA in JAX
    "OMP_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "MKL_NUM_THREADS",
    "TF_NUM_INTRAOP_THREADS",
    "TF_NUM_INTEROP_THREADS",
]


def pin(threads: int = THREADS) -> None:
    """Limit this process and its children to a number of cores and threads.

    Call it before any library is imported, because libraries read the number of cores only once.
    """
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:threads])
    os.environ.update(dict.fromkeys(_LIMITS, str(threads)))


def peak() -> int:
    """Peak memory of this process in bytes."""
    with contextlib.suppress(OSError):
        for line in Path("/proc/self/status").read_text().splitlines():
            if line.startswith("VmHWM"):
                return int(line.split()[1]) * 1024
    import resource  # noqa: PLC0415 - not on every system

    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit


def forget_peak() -> None:
    """Reset the peak memory to the current memory, if the system supports it."""
    with contextlib.suppress(OSError):
        Path("/proc/self/clear_refs").write_text("5")


def accelerator() -> str:
    """Name and driver of the GPU; empty if there is none."""
    query = ["nvidia-smi", "--query-gpu=name,driver_version", "--format=csv,noheader"]
    with contextlib.suppress(OSError, subprocess.CalledProcessError):
        return subprocess.run(query, capture_output=True, text=True, check=True).stdout.strip()
    return ""


def facts(device: str = "cpu") -> dict[str, str]:
    """Hardware and software versions that affect the measurements.

    Args:
        device: key of DEVICES. Cases on a GPU use all cores.
    """
    used = THREADS if device == "cpu" else "all"
    found = {} if device == "cpu" else {"GPU": accelerator()}
    found |= {
        "processor": _processor(),
        "cores": f"{os.cpu_count()} ({used} used)",
        "system": f"{platform.system()} {platform.machine()}",
        "python": platform.python_version(),
    }
    for library in _LIBRARIES:
        with contextlib.suppress(metadata.PackageNotFoundError):
            found[library] = metadata.version(library)
    return found


def _processor() -> str:
    with contextlib.suppress(OSError):
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()
