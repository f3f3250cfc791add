"""Progress output: one line updated in place on a terminal, a few plain lines elsewhere."""

import os
import shutil
import sys
import time


class Progress:
    """Shows how many of `total` jets a pass has processed, the rate, and the remaining time."""

    def __init__(self, verb, total, done=0, stream=None, interval=None):
        self._verb = verb
        self._total = total
        self._before = self._done = done
        self._stream = stream or sys.stderr
        # A dumb terminal cannot redraw a line.
        self._live = self._stream.isatty() and os.environ.get("TERM") != "dumb"
        self._interval = interval if interval is not None else (0.2 if self._live else 30.0)
        self._start = self._last = time.monotonic()

    def advance(self, jets):
        self._done += jets
        now = time.monotonic()
        if now - self._last >= self._interval:
            self._last = now
            self._show(self._line(now))

    def finish(self):
        seconds = time.monotonic() - self._start
        fresh = self._done - self._before
        rate = f", {fresh / seconds:,.0f} jets/s" if fresh and seconds > 0 else ""
        self._show(f"{self._verb} {self._done:,} jets in {clock(seconds)}{rate}")
        if self._live:
            self._stream.write("\n")

    def interrupt(self):
        """Ends the current line on a terminal before other output."""
        if self._live:
            self._stream.write("\n")

    def _line(self, now):
        rate = (self._done - self._before) / max(now - self._start, 1e-9)
        remaining = f", {clock((self._total - self._done) / rate)} to go" if rate > 0 else ""
        return f"{self._verb} {self._done:,} of {self._total:,} jets, {rate:,.0f} jets/s{remaining}"

    def _show(self, line):
        if self._live:
            width = shutil.get_terminal_size().columns - 1
            self._stream.write("\r" + line[:width].ljust(width))
        else:
            self._stream.write(line + "\n")
        self._stream.flush()


def clock(seconds):
    """Formats a duration: 42 s, 3 min 20 s, 2 h 05 min."""
    if seconds < 60:
        return f"{seconds:.0f} s"
    if seconds < 3600:
        return f"{seconds // 60:.0f} min {seconds % 60:02.0f} s"
    return f"{seconds // 3600:.0f} h {seconds % 3600 // 60:02.0f} min"
