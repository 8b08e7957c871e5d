"""Processes with several devices, which the CPU pretends to have."""

import contextlib
import json
import os
import subprocess
import sys
import textwrap
from collections.abc import Callable, Iterator

__all__ = ["Run", "process_with_devices"]

Run = Callable[[str], str]
"""Runs a program in a process, and returns what it prints."""

FAST = """
    import os
    from tests import programs

    programs.share_contexts()
    if os.environ.get("JAX_DISABLE_MOST_OPTIMIZATIONS"):
        programs.compile_once()
"""
"""As in the process of the tests themselves, which sets the variable."""

SERVE = """
    import contextlib, io, json, sys, traceback

    shared = dict(globals())
    for line in sys.stdin:
        error = None
        with contextlib.redirect_stdout(io.StringIO()) as printed:
            try:
                exec(json.loads(line), dict(shared))
            except BaseException:
                error = traceback.format_exc()
        print(json.dumps([error, printed.getvalue()]), flush=True)
"""


@contextlib.contextmanager
def process_with_devices(count: int, prelude: str) -> Iterator[Run]:
    """In a `with` block, run programs in one process with `count` devices.

    Args:
        count: the number of devices.
        prelude: a program that runs first; the others see its names.
    """
    code = "".join(map(textwrap.dedent, (FAST, prelude, SERVE)))
    command = [sys.executable, "-W", "ignore", "-c", code]
    flags = f"{os.environ.get('XLA_FLAGS', '')} --xla_force_host_platform_device_count={count}"
    environment = os.environ | {"XLA_FLAGS": flags, "PYTHONPATH": os.pathsep.join(sys.path)}
    pipes = dict.fromkeys(("stdin", "stdout"), subprocess.PIPE)
    with subprocess.Popen(command, text=True, env=environment, **pipes) as process:

        def ask(body: str) -> str:
            process.stdin.write(json.dumps(textwrap.dedent(body)) + "\n")
            process.stdin.flush()
            error, printed = json.loads(process.stdout.readline())
            assert error is None, error
            return printed

        yield ask
        process.stdin.close()
