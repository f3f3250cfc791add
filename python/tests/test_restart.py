"""Conversions that are interrupted, repeated or changed."""

import os
import signal
import subprocess
import sys
import time

import makers
import pytest
from test_mixing import digests

import kaon_data
from kaon_data import buckets, convert

SCRIPT = """
import sys, time
from kaon_data import Options, convert
from kaon_data import buckets
write = buckets.write
def slow(*arguments):
    write(*arguments)
    time.sleep(0.2)
buckets.write = slow
convert([sys.argv[1]], sys.argv[2], Options("jetclass", jets_per_file=40), 1, piece_jets=20, bucket_jets=16)
"""


def test_a_killed_conversion_continues_where_it_stopped(run, sources, tmp_path, monkeypatch):
    whole = run(sources, "whole", jets_per_file=40)
    killed = tmp_path / "killed"
    process = subprocess.Popen([sys.executable, "-c", SCRIPT, sources, killed], stderr=subprocess.DEVNULL)
    work = killed / ".conversion"
    deadline = time.monotonic() + 30
    while len([*work.glob("piece-??????")]) < 3 and time.monotonic() < deadline:
        time.sleep(0.02)
    process.send_signal(signal.SIGKILL)
    process.wait()
    done = {path: path.stat().st_mtime_ns for path in work.glob("piece-??????")}
    assert 3 <= len(done) < 9
    assert not [*killed.glob("*.h5")] and not (killed / "conversion.json").exists()

    touched, original = [], convert.__globals__["_scatter_piece"]

    def watched(plan, piece, path):
        touched.append(path)
        return original(plan, piece, path)

    monkeypatch.setitem(convert.__globals__, "_scatter_piece", watched)
    run(sources, "killed", jets_per_file=40)
    assert "continuing" in run.said
    assert len(touched) == 9 - len(done) and not set(touched) & set(done)
    assert digests(killed) == digests(whole)
    assert (killed / "conversion.json").read_text() == (whole / "conversion.json").read_text()
    assert not work.exists()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_the_command_with_a_sentence(sources, tmp_path, number):
    script = SCRIPT.replace("time.sleep(0.2)", "time.sleep(60)")
    script = script[:script.index("convert([")] + (
        "from kaon_data.cli import convert_jetclass\n"
        "convert_jetclass([sys.argv[1], '--output', sys.argv[2], '--workers', '1'])\n"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", script, sources, tmp_path / "out"], stderr=subprocess.PIPE, text=True
    )
    deadline = time.monotonic() + 30
    while not [*tmp_path.glob("out/.conversion/piece-*")] and time.monotonic() < deadline:
        time.sleep(0.02)
    process.send_signal(number)
    assert "stopped; the same command continues" in process.communicate()[1]
    assert process.returncode == 128 + number


def test_a_conversion_stopped_between_files_continues(run, sources, tmp_path, monkeypatch):
    whole = run(sources, "whole", jets_per_file=40)
    original, written = convert.__globals__["_write_output"], []

    def fail_at_the_third(*arguments):
        if len(written) == 2:
            raise KeyboardInterrupt
        written.append(arguments[-1])
        return original(*arguments)

    monkeypatch.setitem(convert.__globals__, "_write_output", fail_at_the_third)
    with pytest.raises(KeyboardInterrupt):
        run(sources, "stopped", jets_per_file=40)
    assert not [*(tmp_path / "stopped").glob("*.h5")]
    monkeypatch.setitem(convert.__globals__, "_write_output", original)
    assert digests(run(sources, "stopped", jets_per_file=40)) == digests(whole)
    assert "continuing: 80 of 150 jets already written" in run.said


def test_a_finished_conversion_does_nothing(run, sources):
    folder = run(sources)
    before = {path: path.stat().st_mtime_ns for path in folder.iterdir()}
    run(sources)
    assert "nothing to do" in run.said
    assert {path: path.stat().st_mtime_ns for path in folder.iterdir()} == before


@pytest.mark.parametrize("finished", [True, False])
def test_other_options_or_sources_are_refused(run, sources, monkeypatch, finished):
    if not finished:
        def stop(*_):
            raise KeyboardInterrupt

        with monkeypatch.context() as patch:
            patch.setitem(convert.__globals__, "_write_output", stop)
            with pytest.raises(KeyboardInterrupt):
                run(sources)
    else:
        run(sources)
    with pytest.raises(kaon_data.DataError, match="made with --seed 0, not with --seed 2"):
        run(sources, seed=2)
    with pytest.raises(kaon_data.DataError, match="made with --layout packed, not with --layout padded"):
        run(sources, layout="padded")
    with pytest.raises(kaon_data.DataError, match="made from 3 sources including .*Z.*root, which is not given"):
        run([sources / "HToBB_000.root", sources / "TTBar_000.root"])
    makers.write_root(sources / "HToBB_000.root", makers.jetclass_arrays(70, "Hbb", seed=99))
    with pytest.raises(kaon_data.DataError, match="made with a different file HToBB_000.root"):
        run(sources)


def test_files_of_others_are_not_overwritten(run, sources, tmp_path):
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "jets_000.h5").write_text("mine")
    with pytest.raises(kaon_data.DataError, match="jets_000.h5 exists and is not part of this conversion"):
        run(sources)
    assert (tmp_path / "out" / "jets_000.h5").read_text() == "mine"


def test_two_conversions_into_one_folder_are_refused(run, sources, monkeypatch):
    def meanwhile(*_):
        run(sources)

    monkeypatch.setitem(convert.__globals__, "_scatter_piece", meanwhile)
    with pytest.raises(kaon_data.DataError, match="another conversion is writing to"):
        run(sources)


def test_a_full_disk_is_said_and_can_be_continued(run, sources, tmp_path, monkeypatch):
    def full(*_):
        raise OSError(28, os.strerror(28))

    with monkeypatch.context() as patch:
        patch.setattr(buckets, "write", full)
        with pytest.raises(kaon_data.DataError, match="no space left"):
            run(sources)
    assert not [*(tmp_path / "out").glob("*.h5")]
    assert run(sources).joinpath("jets_000.h5").exists()
