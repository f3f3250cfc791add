import io

import makers
import numpy as np
import pytest
import yaml
from descriptions import CONFIGS
from run_folders import scores_for, write_predictions

from kaon_data import Options, convert
from kaon_data.cli import convert_table


@pytest.fixture
def sources(tmp_path):
    """Three files of three classes with 70, 50 and 30 jets, with pT from 500, 1500 and 2500 GeV."""
    folder = tmp_path / "root"
    (folder / "more").mkdir(parents=True)
    for number, (name, label, jets) in enumerate(
        [("HToBB_000", "Hbb", 70), ("TTBar_000", "Tbqq", 50), ("more/ZJetsToNuNu_000", "QCD", 30)]
    ):
        arrays = makers.jetclass_arrays(jets, label, seed=number)
        arrays["jet_pt"] += 1000 * number
        makers.write_root(folder / f"{name}.root", arrays)
    return folder


@pytest.fixture
def run(tmp_path):
    """Converts with small pieces and buckets and returns the folder; the console output is in `run.said`."""
    def call(source, name="out", form="jetclass", workers=1, **options):
        if form == "btag":
            options.setdefault("max_constituents", 15)
        said = io.StringIO()
        try:
            convert(
                source if isinstance(source, list) else [source], tmp_path / name, Options(form, **options), workers,
                said, piece_jets=20, bucket_jets=16,
            )
        finally:
            call.said = said.getvalue()
        return tmp_path / name

    return call


@pytest.fixture
def table(tmp_path, capsys):
    """Converts sources by a description (a file of configs/data, or settings); returns the code and what was said."""
    def call(settings, *arguments, out="out"):
        path = CONFIGS / f"{settings}.yaml"
        if not isinstance(settings, str):
            path = tmp_path / "description.yaml"
            path.write_bytes(
                settings if isinstance(settings, bytes) else yaml.safe_dump(settings, sort_keys=False).encode())
        code = convert_table(
            [str(path), *map(str, arguments), "--output", str(tmp_path / out), "--workers", "1"])
        call.said = capsys.readouterr().err
        call.path = tmp_path / out / "jets_000.h5"
        return code

    return call


@pytest.fixture
def predictions(tmp_path):
    """Predictions of three flavours in a run folder."""
    labels = np.arange(300) % 3
    return write_predictions(tmp_path / "run/evaluation/predictions.h5", ["light", "c", "b"], labels=labels,
                             scores=scores_for(labels, 3, np.random.default_rng(0)))
