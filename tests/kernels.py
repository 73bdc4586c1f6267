"""Kernels that begin quickly, for nbval.

A kernel spends three seconds of processor time on imports, and every notebook has one. So these kernels are
copies of a program that has loaded the large packages, and nothing of the course itself. A cell that uses a
part of a package without importing it passes here; `make notebooks`, which starts kernels as usual, tells.
"""

import multiprocessing
import os
import sys
import time

LARGE = ["ipykernel.kernelapp", "ipykernel.ipkernel", "matplotlib.pyplot", "pandas", "scipy.stats"]
LARGE += ["sklearn.ensemble", "sklearn.linear_model", "sklearn.model_selection", "sklearn.svm", "anywidget"]


def be_a_kernel(arguments, folder, variables, path):
    """What the new process does."""
    import matplotlib
    import pandas
    from ipykernel import kernelapp

    os.setsid()  # nbval ends a kernel with all processes of its group
    os.chdir(folder)
    os.environ.clear()
    os.environ.update(variables, JPY_PARENT_PID=str(os.getppid()))
    # What these packages decide when they are loaded in a kernel.
    matplotlib.rcParams["backend"] = os.environ["MPLBACKEND"] = "module://matplotlib_inline.backend_inline"
    pandas.options.display.max_columns = 20
    sys.path[:], sys.argv[:] = path, ["ipykernel_launcher", *arguments]
    os.dup2(os.open(os.devnull, os.O_WRONLY), 2)
    kernelapp.launch_new_instance()


class Copy:
    """A started kernel, with what jupyter_client asks of a process."""

    stdin = stdout = stderr = None
    hidden = ()  # where tests look for modules, and no notebook

    def __init__(self, command, cwd, env, **_):
        context = multiprocessing.get_context("forkserver")
        context.set_forkserver_preload(LARGE)
        # The command ends: -m ipykernel_launcher -f connection.json
        given = command[command.index("ipykernel_launcher") + 1 :]
        path = [place for place in sys.path if place not in self.hidden]
        self.process = context.Process(target=be_a_kernel, args=(given, cwd, env, path), daemon=True)
        self.process.start()
        self.pid = self.process.pid
        while self.poll() is None and os.getpgid(self.pid) != self.pid:
            time.sleep(0.01)  # until it has a group of its own
        self.kill, self.terminate = self.process.kill, self.process.terminate

    def poll(self):
        return self.process.exitcode

    def wait(self):
        self.process.join()
        return self.process.exitcode

    def send_signal(self, number):
        os.kill(self.pid, number)
