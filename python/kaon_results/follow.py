"""The command `kaon-follow`: sends the rows of a run to Weights & Biases or MLflow."""

import argparse
import contextlib
import fcntl
import json
import math
import os
import signal
import sys
import time
from pathlib import Path

from kaon_data import DataError
from kaon_data.console import add_version, run_command

from .runs import read_run
from .services import SERVICES


def main(arguments=None):
    return run_command(_main, arguments)


def _main(arguments):
    parser = argparse.ArgumentParser(
        prog="kaon-follow",
        formatter_class=argparse.RawDescriptionHelpFormatter,
        description="Sends the configuration, the rows of metrics.csv and the results of a run to Weights & Biases or\n"
        "MLflow, while it is running or afterwards. Ends when the run is finished. The same command\n"
        "continues where it was stopped: follow-wandb.json or follow-mlflow.json in the folder of the run\n"
        "records what was sent.",
        epilog="example:\n"
        "  WANDB_MODE=offline kaon-follow runs/quickstart --to wandb\n"
        "  MLFLOW_TRACKING_URI=sqlite:///mlflow.db kaon-follow runs/quickstart --to mlflow --once")
    add_version(parser)
    parser.add_argument("run", metavar="RUN", help="the folder of a run")
    parser.add_argument("--to", required=True, choices=list(SERVICES), help="where to send it")
    parser.add_argument("--project", default="kaon", metavar="NAME",
                        help="project (wandb) or experiment (mlflow); default %(default)s")
    parser.add_argument("--name", metavar="NAME", help="name of the run there; default: run.name of its configuration")
    parser.add_argument("--once", action="store_true", help="send what the run has written so far, and end")
    parser.add_argument("--interval", type=_seconds, default=30.0, metavar="SECONDS",
                        help="polling interval in seconds; default 30")
    options = parser.parse_args(arguments)
    try:
        follow(options.run, options.to, options.project, options.name, options.once, options.interval)
    except DataError as error:
        print(f"kaon-follow: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("kaon-follow: stopped; the same command continues", file=sys.stderr)
        return 130
    return 0


def follow(folder, service, project="kaon", name=None, once=True, interval=30.0):
    """Sends a run until it is finished, or with `once` what it has so far. Raises `DataError`."""
    run = read_run(folder)
    with _only_one(run.folder, service), _interrupted_by_termination():
        record = Record.read(run.folder / f"follow-{service}.json")
        name = name or run.config.get("run.name") or run.folder.resolve().name
        target = SERVICES[service](run, project, str(name), record)
        sent, said, is_finished = 0, False, False
        try:
            while True:
                is_finished = run.what_is_missing is None
                sent += send(run, target, record, once or is_finished)
                if once or is_finished:
                    break
                if not said:
                    print(f"{folder}: {_rows(sent)} sent; waiting for more ({run.what_is_missing})", flush=True)
                    said = True
                time.sleep(interval)
                run = read_run(folder)
            _send_results(run, target)
        finally:
            target.close(is_finished)
            record.write()
    print(f"{folder}: {_rows(sent)} sent to {target.place}")
    if target.remark:
        print(target.remark)


def send(run, target, record, is_last):
    """Sends the rows of `metrics.csv` that were not sent before; returns their number.

    The last step of a run may have two rows, which are sent as one: unless `is_last`, its row waits for the next look.
    """
    rows = [(step, values) for step, values in rows_by_step(run) if step > record.step]
    if rows and not is_last and rows[-1][0] >= run.config.get("training.steps", math.inf):
        rows.pop()
    for step, values in rows:
        target.log(step, values)
        record.step = step
    if rows:
        target.flush()
        record.write()
    return len(rows)


def rows_by_step(run):
    """The rows of `metrics.csv` without empty fields, those of a step merged, in order: pairs of step and values."""
    curves, found = run.curves, {}
    if "step" not in curves:
        return []
    for number, step in enumerate(curves["step"]):
        row = found.setdefault(int(step), {})
        row.update({name: column[number] for name, column in curves.items()
                    if name != "step" and not math.isnan(column[number])})
    return sorted(found.items())


def _send_results(run, target):
    """Sends the measures of `metrics.json` as `evaluation/…`, with the step of the checkpoint."""
    measures = {name: float(value) for name, value in run.evaluation.get("measures", {}).items() if value is not None}
    if measures:
        target.log_results(
            run.evaluation.get("step") or run.last_step,
            {f"evaluation/{name}": value for name, value in measures.items()})


class Record:
    """What was sent: the name of the run at the service, and the last step."""

    def __init__(self, path, places):
        self.path, self.places, self.place = path, places, None

    @classmethod
    def read(cls, path):
        """Reads the file, which may be missing."""
        try:
            places = json.loads(path.read_text(encoding="utf-8"))
            if not all(isinstance(each, dict) and isinstance(each["step"], int) and isinstance(each["id"], str)
                       for each in places.values()):
                raise ValueError("unexpected contents")
        except FileNotFoundError:
            places = {}
        except (OSError, ValueError, KeyError, AttributeError) as error:
            raise DataError(
                f"{path} cannot be read ({error}); remove it to send the run again as a new one") from error
        return cls(path, places)

    def open(self, place):
        """Selects the project or server; returns the name of the run there, None if it has not been sent there."""
        self.place = place
        return self.places[place]["id"] if place in self.places else None

    def begin(self, identifier):
        self.places[self.place] = {"id": identifier, "step": 0}
        self.write()

    @property
    def step(self):
        return self.places[self.place]["step"]

    @step.setter
    def step(self, step):
        self.places[self.place]["step"] = step

    def write(self):
        temporary = self.path.with_suffix(".tmp")
        try:
            temporary.write_text(json.dumps(self.places, indent=2) + "\n", encoding="utf-8")
            os.replace(temporary, self.path)
        except OSError as error:
            raise DataError(f"{self.path} cannot be written: {error.strerror or error}") from error


@contextlib.contextmanager
def _only_one(folder, service):
    """Keeps a second command from sending the same rows."""
    path = Path(folder) / f".follow-{service}.lock"
    try:
        with open(path, "a", encoding="utf-8") as file:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            yield
    except BlockingIOError as error:
        raise DataError(f"another command is sending {folder} to {service}; wait for it, or stop it") from error
    except PermissionError as error:
        raise DataError(f"{path} cannot be written: {error.strerror}; the record of what was sent is kept there") \
            from error


@contextlib.contextmanager
def _interrupted_by_termination():
    """SIGTERM, as from a batch system, ends the command like Ctrl-C."""
    def interrupt(*_):
        raise KeyboardInterrupt

    try:
        before = signal.signal(signal.SIGTERM, interrupt)
    except ValueError:      # not in the main thread
        yield
        return
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def _rows(count):
    return f"{count} row" if count == 1 else f"{count} rows"


def _seconds(text):
    try:
        value = float(text)
    except ValueError:
        value = 0
    if not 0 < value < math.inf:
        raise argparse.ArgumentTypeError(f"expected a positive number of seconds, found {text!r}")
    return value


if __name__ == "__main__":
    sys.exit(main())
