"""The settings of the runs of the book at the scale of the paper."""

import pytest

from kaon_book.scales import PAPER


@pytest.mark.parametrize("jets", PAPER.labels)
def test_label_scans_of_version_1_have_fifty_epochs(jets):
    for task in ("labels-v1", "unseen-v1"):
        settings = dict(word.split("=") for word in PAPER.downstream(task, "fine_tuned", jets))
        steps, interval = int(settings["training.steps"]), int(settings["training.validation_interval"])
        assert abs(256 * steps - 50 * jets) < 256 and abs(256 * interval - jets) < 256


def test_few_signal_jets_shorten_the_rest_of_the_backbone():
    assert PAPER.downstream("cwola", "fine_tuned", 1000) == []
    assert PAPER.downstream("cwola", "fine_tuned", 5000) == ["fine_tuning.frozen_steps=5000"]
    assert PAPER.downstream("cwola", "fixed", 5000) == []
