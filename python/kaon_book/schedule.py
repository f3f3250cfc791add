"""Runs the list on this machine, a few runs at a time."""

import os
import signal
import subprocess
import sys
import time

#: The exit code of kaon, and of the book, when steps are left.
STEPS_LEFT = 75


def plan(runs, folder):
    """The text of `--plan`: runs, steps and expected hours of one core, by row and in all."""
    rows = {}
    for run in runs:
        for row in run.rows:
            rows.setdefault(row, []).append(run)
    lines = [f"{'row':<14}{'runs':>6}{'finished':>10}{'steps':>14}{'core hours':>12}"]
    done = {run.name for run in runs if run.is_finished(folder)}
    for row, needed in [*rows.items(), ("all", runs)]:
        lines.append(f"{row:<14}{len(needed):>6}{sum(run.name in done for run in needed):>10}"
                     f"{sum(run.steps for run in needed):>14,}{hours(needed):>12.2f}")
    left = [run for run in runs if run.name not in done]
    lines.append(f"Rows share runs. {len(left)} runs are left, about {hours(left):.2f} hours of one core.")
    return "\n".join(lines)


def hours(runs):
    return sum(run.seconds for run in runs) / 3600


class Schedule:
    """Starts runs when those that they need are finished. A failing run leaves the others going; what needs it is not
    started. SIGINT and SIGTERM stop all runs after the current step, with a checkpoint."""

    def __init__(self, book, kaon, parallel=2, threads=1, out=sys.stderr):
        self.book, self.kaon, self.parallel, self.threads, self.out = book, kaon, parallel, threads, out
        self.failed, self.stopped, self.running = [], [], {}
        self.stopping = False

    def run(self):
        """Returns the exit code."""
        folder = self.book.folder
        waiting = self.book.ordered()
        finished = {run.name for run in waiting if run.is_finished(folder)}
        self.all, self.expected = len(waiting), sum(run.seconds for run in waiting if run.name not in finished)
        self.begin, self.spent, self.done = time.monotonic(), 0.0, len(finished)
        self._say(f"{self.done} of {self.all} runs are finished; about {self.expected / 3600:.2f} hours of one core "
                  f"are left")
        waiting = [run for run in waiting if run.name not in finished]
        old = {each: signal.signal(each, self._stop) for each in (signal.SIGINT, signal.SIGTERM)}
        try:
            while (waiting and not self.stopping) or self.running:
                self._start_ready(waiting, finished)
                if not self.running:
                    break
                for run, process in [pair for pair in self.running.items() if pair[1].poll() is not None]:
                    del self.running[run]
                    if self._ended(run, process):
                        finished.add(run.name)
                time.sleep(0.05)
        finally:
            for each, handler in old.items():
                signal.signal(each, handler)
        return self._report(waiting)

    def _start_ready(self, waiting, finished):
        while len(self.running) < self.parallel and not self.stopping:
            run = next((run for run in waiting if all(name in finished for name in run.needs)), None)
            if run is None:
                return
            waiting.remove(run)
            self._start(run)

    def _start(self, run):
        run.prepare(self.book.folder)
        place = run.result(self.book.folder)
        words = run.words(self.book)
        if run.command in ("pretrain", "finetune", "evaluate"):
            words.append(f"parallel.threads={self.threads}")
        with open(place / "output.txt", "w", encoding="utf-8") as output:
            # A session of its own, so that ^C at the terminal does not kill kaon before its checkpoint.
            self.running[run] = process = subprocess.Popen(
                [self.kaon, *words], stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT,
                start_new_session=True, env={**os.environ, "OPENBLAS_NUM_THREADS": "1"})
        process.begin = time.monotonic()

    def _ended(self, run, process):
        seconds, code = time.monotonic() - process.begin, process.returncode
        if code == STEPS_LEFT or self.stopping and code == -signal.SIGUSR1:
            self.stopped.append(run)
            return False
        if code:
            self.failed.append(run)
            text = (run.result(self.book.folder) / "output.txt").read_text(encoding="utf-8", errors="replace")
            last = "\n".join("    " + line for line in text.splitlines()[-3:])
            self._say(f"{run.name}: failed with exit code {code}:\n{last}")
            return False
        run.mark(self.book.folder)
        self.done += 1
        self.spent += run.seconds
        elapsed = time.monotonic() - self.begin
        left = elapsed * (self.expected - self.spent) / max(self.spent, 1e-9)
        self._say(f"[{self.done}/{self.all}, {left / 3600:.1f} h left] {run.name}: {seconds:.0f} s")
        return True

    def _stop(self, *_):
        self.stopping = True
        for process in self.running.values():
            if process.poll() is None:
                process.send_signal(signal.SIGUSR1)

    def _report(self, waiting):
        if self.stopping:
            self._say(f"stopped: {self.done} of {self.all} runs are finished; the same command continues")
            return STEPS_LEFT
        self._say(f"{self.done} of {self.all} runs are finished")
        for run in self.failed:
            place = run.result(self.book.folder)
            self._say(f"failed: {run.name}, see {place / 'output.txt'}")
        if waiting:
            names = ", ".join(run.name for run in waiting[:5]) + (" …" if len(waiting) > 5 else "")
            self._say(f"not started, because a run that they need failed: {len(waiting)} runs: {names}")
        return 1 if self.failed or waiting else STEPS_LEFT if self.stopped else 0

    def _say(self, text):
        print(text, file=self.out, flush=True)
