"""Weights & Biases and MLflow as the places to send a run to."""

import logging
import os
import re
import time
import uuid

import yaml

from kaon_data import DataError


class WeightsAndBiases:
    """A run of Weights & Biases; offline with the environment variable `WANDB_MODE=offline`."""

    def __init__(self, run, project, name, record):
        try:
            import wandb
        except ImportError as error:
            raise DataError(f"{error.name} is not installed; pip install wandb") from error
        self.remark = None
        identifier = record.open(f"project {project}")
        is_new = identifier is None
        if is_new:
            identifier = uuid.uuid4().hex[:8]
        settings = wandb.Settings(
            silent=True, console="off", disable_git=True, disable_code=True, x_disable_stats=True,
            x_disable_machine_info=True)
        try:
            self.run = wandb.init(
                project=project, id=identifier, name=name, resume="allow", job_type=run.objective, settings=settings)
            self.run.config.update(_tree(run), allow_val_change=True)
        except Exception as error:
            raise DataError(
                f"Weights & Biases: {error}; use 'wandb login', or set WANDB_MODE=offline") from error
        if is_new:
            record.begin(identifier)
        self.is_offline = bool(self.run.offline)
        self.place = "Weights & Biases, offline" if self.is_offline else self.run.url
        self.folder = os.path.relpath(os.path.dirname(self.run.dir))

    def log(self, step, values):
        self.run.log(values, step=step, commit=True)

    def log_results(self, step, values):
        self.run.summary.update(values | {"evaluation/step": step})

    def flush(self):
        """Rows are passed on at once."""

    def close(self, is_finished):
        self.run.finish()
        if self.is_offline:
            self.remark = f"to upload it: wandb sync {self.folder}"


class MLflow:
    """A run of MLflow; the server or database is that of the environment variable `MLFLOW_TRACKING_URI`."""

    #: Limits of one request.
    METRICS, PARAMETERS, LENGTH = 1000, 100, 6000

    def __init__(self, run, project, name, record):
        try:
            import mlflow
        except ImportError as error:
            raise DataError(f"{error.name} is not installed; pip install mlflow") from error
        logging.getLogger("mlflow").setLevel(logging.WARNING)
        logging.getLogger("alembic").setLevel(logging.WARNING)
        uri = mlflow.get_tracking_uri()
        self.remark, self.waiting, self.place = None, [], f"MLflow at {uri}"
        with self._errors():
            self.client = mlflow.MlflowClient(uri)
            found = self.client.get_experiment_by_name(project)
            experiment = found.experiment_id if found else self.client.create_experiment(project)
            self.id = record.open(f"{uri} {project}")
            if self.id is None:
                self.id = self.client.create_run(experiment, run_name=name).info.run_id
                record.begin(self.id)
            stored = self.client.get_run(self.id)
            # Also rows of a command that was killed before it could record them.
            self.steps = {key: {each.step for each in self.client.get_metric_history(self.id, key)}
                          for key in stored.data.metrics}
            self.client.update_run(self.id, status="RUNNING")
            self._log_configuration(run, stored.data.params)

    def _log_configuration(self, run, stored):
        from mlflow.entities import Param, RunTag

        values = {_key(key): _text(value)[:self.LENGTH] for key, value in run.config.items()}
        missing = [Param(key, value) for key, value in values.items() if key not in stored]
        for start in range(0, len(missing), self.PARAMETERS):
            self.client.log_batch(self.id, params=missing[start:start + self.PARAMETERS])
        # Parameters cannot be changed: those of a run that was continued with other values become tags.
        changed = [RunTag(key, value) for key, value in values.items() if stored.get(key, value) != value]
        for start in range(0, len(changed), self.PARAMETERS):
            self.client.log_batch(self.id, tags=changed[start:start + self.PARAMETERS])

    def log(self, step, values):
        from mlflow.entities import Metric

        for name, value in values.items():
            key = _key(name)
            if step not in self.steps.setdefault(key, set()):
                self.steps[key].add(step)
                self.waiting.append(Metric(key, value, int(1000 * time.time()), step))

    def log_results(self, step, values):
        self.log(step, values)
        self.flush()

    def flush(self):
        with self._errors():
            for start in range(0, len(self.waiting), self.METRICS):
                self.client.log_batch(self.id, metrics=self.waiting[start:start + self.METRICS])
        self.waiting = []

    def close(self, is_finished):
        if is_finished:
            with self._errors():
                self.client.set_terminated(self.id, "FINISHED")

    def _errors(self):
        return _Errors(self.place)


class _Errors:
    """Turns exceptions of MLflow into `DataError`."""

    def __init__(self, place):
        self.place = place

    def __enter__(self):
        return self

    def __exit__(self, kind, error, trace):
        from mlflow.exceptions import MlflowException

        if isinstance(error, (MlflowException, ImportError, OSError)):
            raise DataError(f"{self.place}: {error}; MLFLOW_TRACKING_URI selects another server") from error


SERVICES = {"wandb": WeightsAndBiases, "mlflow": MLflow}


def _tree(run):
    """The configuration as nested dictionaries."""
    return yaml.safe_load((run.folder / "config.yaml").read_text(encoding="utf-8"))


def _key(name):
    """A name with the characters that MLflow accepts."""
    return re.sub(r"[^\w\-. :/]", "_", name, flags=re.ASCII)


def _text(value):
    return "null" if value is None else str(value).lower() if isinstance(value, bool) else str(value)
