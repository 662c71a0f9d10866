"""Real processes that run ``ffrepro`` commands at once: forked by one that has imported everything already."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

SECONDS = 120  # until a test gives up waiting


class Forks:
    """Starts commands, each as a process of its own that may be stopped and killed."""

    def __init__(self):
        self._server = subprocess.Popen(
            [sys.executable, __file__], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        self._server.stdout.readline()  # it has imported everything

    def start(self, *argv, cwd, setup=""):
        """Run ``ffrepro ARGV`` in a folder, after the Python statements ``setup``; a ``Process``."""
        log = Path(cwd) / f".output-{time.monotonic_ns()}"
        pid = self._ask({"argv": [str(part) for part in argv], "cwd": str(cwd), "log": str(log), "setup": setup})
        return Process(self, pid, log)

    def _ask(self, request):
        self._server.stdin.write(json.dumps(request) + "\n")
        self._server.stdin.flush()
        return int(self._server.stdout.readline())

    def close(self):
        """End the process that forks."""
        self._server.communicate(timeout=SECONDS)


class Process:
    """A running command. ``code``: its exit code, minus the signal that ended it; None while it runs."""

    def __init__(self, forks, pid, log):
        self._forks, self.pid, self._log, self.code = forks, pid, log, None

    @property
    def output(self):
        """What it has printed, errors included."""
        return self._log.read_text() if self._log.exists() else ""

    def poll(self):
        """The exit code, None while it runs."""
        if self.code is None:
            answer = self._forks._ask({"poll": self.pid})
            self.code = None if answer == 256 else answer
        return self.code

    def wait(self):
        """The exit code, when it has ended."""
        self.until(lambda: self.poll() is not None)
        return self.code

    def until(self, condition):
        """Wait for a condition; it must come true."""
        deadline = time.monotonic() + SECONDS
        while not condition():
            assert time.monotonic() < deadline, self.output
            time.sleep(0.005)

    def kill(self):
        """SIGKILL; the exit code, which is that of a command that was faster."""
        if self.poll() is None:
            os.kill(self.pid, signal.SIGKILL)
        return self.wait()


def _serve():
    # Everything that the children would import, late as some of it is: it takes longer than their work.
    import scipy.signal  # noqa: F401
    import sklearn.linear_model  # noqa: F401
    import torch
    import torch._dynamo

    from ffrepro.claims import report  # noqa: F401
    from ffrepro.cli import bench, main, negatives, prepare, train  # noqa: F401
    from ffrepro.data import mnist, standin_images, trajectories_task  # noqa: F401
    from ffrepro.data.negatives import duplicates, planning  # noqa: F401
    from ffrepro.studies.chikhachev2025_rnn import bench_rnn  # noqa: F401
    from ffrepro.training import loop, sklearn_baseline  # noqa: F401

    torch.set_num_threads(1)
    print(0, flush=True)
    for line in sys.stdin:
        request = json.loads(line)
        if "poll" in request:
            pid, status = os.waitpid(request["poll"], os.WNOHANG)
            answer = os.waitstatus_to_exitcode(status) if pid else 256
        else:
            answer = os.fork()
            if answer == 0:
                _child(request, main.main)
        print(answer, flush=True)


def _child(request, main):
    output = os.open(request["log"], os.O_CREAT | os.O_WRONLY | os.O_APPEND, 0o600)
    for stream in (1, 2):
        os.dup2(output, stream)
    code = 3
    try:
        os.chdir(request["cwd"])
        exec(request["setup"], {})
        code = main(request["argv"])
    except BaseException:
        import traceback

        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


if __name__ == "__main__":
    _serve()
