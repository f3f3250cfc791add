"""Functions in several processes."""

import concurrent.futures
import multiprocessing
import os
import signal
import threading
import time


class Workers:
    """Runs functions in several processes, or in this one if one is enough."""

    def __init__(self, count):
        self._count = count
        self._pool = None

    def run(self, function, arguments, keeps_order=False):
        """Yields the results as they complete, or in order; a failure cancels the calls not yet started."""
        arguments = list(arguments)
        if self._count == 1 or len(arguments) < 2:
            for each in arguments:
                yield function(*each)
            return
        if self._pool is None:
            self._pool = concurrent.futures.ProcessPoolExecutor(
                self._count, multiprocessing.get_context("spawn"), _watch_parent, (os.getpid(),)
            )
        futures = [self._pool.submit(function, *each) for each in arguments]
        ordered = futures if keeps_order else concurrent.futures.as_completed(futures)
        try:
            for future in ordered:
                yield future.result()
        finally:
            for future in futures:
                future.cancel()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self._pool is not None:
            self._pool.shutdown(cancel_futures=True)


def _watch_parent(parent):
    """Makes a worker exit when the main process has been killed, and ignore Ctrl-C, which the main process handles."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)

    def watch():
        while os.getppid() == parent:
            time.sleep(0.5)
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()
