"""Predictions of the time of steps on many nodes."""

import importlib.util
import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from kaon_data import DataError
from kaon_scaling import Job, Network, predict, read_figures
from kaon_scaling.cli import main
from kaon_scaling.comparison import byte_overhead, link_bandwidth
from kaon_scaling.figures import jets_of_slowest, largest
from kaon_scaling.network import TCP_PAYLOAD, parse_bandwidth, parse_time
from kaon_scaling.prediction import exchange_time, gather_time, messages
from kaon_scaling.tables import advice, layouts, serial_share, thread_speed

PARAMETERS = 28_059_912
#: A network without any cost but that of its bytes.
PLAIN = Network(latency=0, bandwidth=1e9, overhead=0, gap=0, byte_overhead=0)


def report(jets, ranks=1, threads=1, groups=1, passes=lambda jets: 0.02 + 0.02 * jets, update=0.03, **changes):
    """A report of `kaon bench`, of `jets` jets per rank."""
    step = passes(jets) + update
    return {
        "jets_per_second": jets * ranks / step, "jets_per_step": jets * ranks, "update_ms": 1000 * update,
        "last_backward_ms": 1000 * 2 / 3 * passes(jets), "micro_batch_size": 64, "parameters": PARAMETERS,
        "threads": threads, "ranks": ranks, "groups": groups, "precision": "bf16",
        "communication_ms": 20.0 if ranks > 1 else None, **changes,
    }


def write(path, *reports):
    path.write_text(json.dumps(list(reports) if len(reports) > 1 else reports[0]))
    return str(path)


@pytest.fixture
def bench(tmp_path):
    """The measurement of a node of one rank, as a file."""
    return write(tmp_path / "bench.json", *(report(2 ** power) for power in range(7)))


@pytest.fixture
def figures(bench):
    return read_figures([bench])


def test_one_node_takes_the_measured_time(figures):
    for jets in (1, 4, 64):
        assert predict(figures, Job(1, 1, jets), PLAIN).total == pytest.approx(0.05 + 0.02 * jets)
    # Between the measurements and beyond them.
    assert predict(figures, Job(1, 1, 24), PLAIN).total == pytest.approx(0.05 + 0.02 * 24)
    assert predict(figures, Job(1, 1, 200), PLAIN).total == pytest.approx(0.05 + 0.02 * 200)
    # Fewer jets than ranks.
    assert predict(figures, Job(1, 1, 0.5), PLAIN).passes == pytest.approx(0.04)


def test_the_last_backward_pass_is_that_of_the_last_micro_batch(figures):
    assert figures.backward(64) == pytest.approx(2 / 3 * 1.3)
    assert figures.backward(65) == pytest.approx(figures.backward(1))
    assert figures.backward(128) == pytest.approx(figures.backward(64))
    # The larger jets of the slowest rank are no further micro-batch: they hide the exchange as well.
    assert figures.backward(64, 1.03) > figures.backward(64)
    assert predict(figures, Job(2, 1, 128), PLAIN).exchange == pytest.approx(4 * PARAMETERS / 2 / 1e9 / 27)


def test_micro_batches_chosen_for_few_jets(tmp_path):
    figures = read_figures([write(tmp_path / "auto.json", *(
        report(jets, micro_batch_size=min(jets, 17), last_backward_ms=10 * ((jets - 1) % 17 + 1))
        for jets in (1, 2, 4, 8, 16, 32, 64)))])
    assert figures.micro_batch == 17
    assert figures.backward(17) == pytest.approx(0.17) and figures.backward(64) == pytest.approx(0.13)


def test_the_shortest_of_several_measurements(tmp_path, bench):
    slower = write(tmp_path / "b.json", *(report(2 ** power, update=0.05) for power in range(7)))
    both = read_figures([slower, bench])
    assert both.update() == pytest.approx(0.03) and both.passes(8) == pytest.approx(0.18)
    other = write(tmp_path / "c.json", *(report(2 ** power, threads=2) for power in range(7)))
    with pytest.raises(DataError, match="c.json and .*bench.json differ in threads"):
        read_figures([bench, other])


@pytest.mark.parametrize("reports, complaint", [
    ([report(1, parameters=None)], "has no parameters: measure with the current"),
    ([report(1, update_ms=-1)], "update_ms is -1, expected a positive number"),
    ([report(1, ranks=2, groups=2)], "measured with 2 groups of ranks: measure one node"),
    ([report(1), report(2, threads=2)], "measurements with different threads"),
    ([report(32), report(64, micro_batch_size=16)], "measurements with different micro_batch_size"),
    ([report(1), report(1)], "the same number of jets per step twice"),
    ([report(1, update_ms=1e6)], "update_ms is longer than the step of 1 jets"),
    ([3], "is not a JSON file of 'kaon bench"),
])
def test_wrong_measurements_are_named(tmp_path, capsys, reports, complaint):
    assert main(["predict", write(tmp_path / "x.json", *reports)]) == 1
    said = capsys.readouterr()
    assert said.out == "" and said.err.startswith(f"kaon-scaling: {tmp_path}/x.json") and complaint in said.err
    assert said.err.count("\n") == 1


def test_files_that_cannot_be_read_are_named(tmp_path, capsys):
    assert main(["predict", "/no/file.json"]) == 1
    assert "/no/file.json cannot be read: No such file" in capsys.readouterr().err
    (tmp_path / "x.json").write_text("{")
    assert main(["predict", str(tmp_path / "x.json")]) == 1
    assert "is not a JSON file of" in capsys.readouterr().err


def test_messages_of_about_a_million_elements():
    assert len(messages(PARAMETERS, 2)) == 27 and sum(messages(PARAMETERS, 2)) == pytest.approx(PARAMETERS)
    # Larger ones on many ranks, so that the part of each is not too small; eight million at most.
    assert len(messages(PARAMETERS, 128)) == 13
    assert len(messages(PARAMETERS, 4096)) == 3


def test_the_exchange_without_overlap_takes_the_time_of_its_bytes():
    for nodes in (2, 4, 16):
        seconds = 4 * PARAMETERS * (nodes - 1) / nodes / 1e9
        for ranks in (1, 8):
            # The places of a node share its link: the same bytes.
            job = Job(nodes, ranks, 64, overlap=False)
            assert exchange_time(PARAMETERS, job, PLAIN, 0.5) == pytest.approx(0.5 + seconds)
            assert gather_time(PARAMETERS, job, PLAIN) == pytest.approx(seconds)
            assert exchange_time(PARAMETERS, replace(job, element=2), PLAIN, 0.5) == pytest.approx(0.5 + seconds / 2)


def test_the_backward_pass_hides_the_exchange():
    job = Job(2, 1, 64)
    seconds = 4 * PARAMETERS / 2 / 1e9
    # All but the last message; or all that fits.
    assert exchange_time(PARAMETERS, job, PLAIN, 1.0) == pytest.approx(1.0 + seconds / 27)
    assert exchange_time(PARAMETERS, job, PLAIN, 0.01) == pytest.approx(seconds + 0.01 / 27)
    assert exchange_time(PARAMETERS, replace(job, overlap=False), PLAIN, 1.0) == pytest.approx(1.0 + seconds)


def test_the_processor_and_the_latency_cost_time(figures):
    job = Job(2, 1, 64)
    busy = replace(PLAIN, byte_overhead=1e-9)
    # What is sent and received costs the backward pass 1 ns a byte, although the link is fast enough.
    assert exchange_time(PARAMETERS, job, busy, 1.0) == pytest.approx(1.0 + 2 * 4 * PARAMETERS / 2 * 1e-9, rel=0.01)
    # Without overlap the processor works while the link does.
    alone = exchange_time(PARAMETERS, replace(job, overlap=False), busy, 0)
    assert alone == pytest.approx(2 * 4 * PARAMETERS / 2 * 1e-9, rel=0.01)
    # Few messages at a time: a long latency is paid for every eight of them.
    far = replace(PLAIN, latency=1.0, bandwidth=1e15)
    assert exchange_time(PARAMETERS, job, far, 0) == pytest.approx(4.0)
    assert predict(figures, Job(2, 1, 2), far).small == pytest.approx(6.0)
    # Messages to many nodes cost the processor and the network interface.
    many = Job(64, 8, 64, overlap=False)
    assert exchange_time(PARAMETERS, many, replace(PLAIN, bandwidth=1e15, overhead=1e-3), 0) == pytest.approx(0.378)
    assert exchange_time(PARAMETERS, many, replace(PLAIN, bandwidth=1e15, gap=1e-3), 0) == pytest.approx(1.512)


def test_up_links_of_a_fat_tree_limit_the_bandwidth():
    network = replace(PLAIN, nodes_per_leaf=16, oversubscription=4)
    assert network.effective_bandwidth(16) == 1e9
    # Of 63 others, 48 are behind the up-links, which have a quarter of the bandwidth.
    assert network.effective_bandwidth(64) == pytest.approx(1e9 * 63 / 48 / 4)
    assert replace(network, oversubscription=1).effective_bandwidth(64) == 1e9
    # Nodes that do not send while they receive use half of their link; the up-links then have more in reserve.
    half = replace(network, half_duplex=True)
    assert half.effective_bandwidth(2) == 0.5e9 and replace(half, oversubscription=2).effective_bandwidth(64) == 0.5e9
    assert half.effective_bandwidth(64) == network.effective_bandwidth(64) < 0.5e9


@pytest.mark.skipif(
    importlib.util.find_spec("simgrid") is None
    and not list(Path("/usr/lib/python3/dist-packages").glob("simgrid*.so")),
    reason="python3-simgrid is not installed")
@pytest.mark.parametrize("options", [
    ["--nodes", "8"], ["--nodes", "64", "--nodes-per-leaf", "16", "--oversubscription", "2"],
    ["--nodes", "32", "--nodes-per-leaf", "8", "--oversubscription", "4", "--latency", "20us", "--bandwidth", "10gbit"],
])
def test_simgrid_confirms_the_formulas(options):
    ended = subprocess.run(
        [sys.executable, "-m", "kaon_scaling", "simulate", *options], capture_output=True, text=True, timeout=300,
        cwd=Path(__file__).parents[1])
    if "SimGrid is missing" in ended.stderr:
        pytest.skip("python3-simgrid is for another version of Python")
    assert ended.returncode == 0, ended.stderr
    assert abs(float(ended.stdout.split("(")[1].split(" %")[0])) < 1


def test_the_slowest_rank_counts(figures):
    assert largest(1) == 0 and largest(2) == pytest.approx(0.564, abs=0.03) and 3.1 < largest(1000) < 3.4
    # The largest of 512 jets; two a rank are about as many constituents as the largest of a thousand.
    assert jets_of_slowest(1, 512, 1) == pytest.approx(2.2, abs=0.1)
    assert jets_of_slowest(2, 512, 1) == pytest.approx(2.3, abs=0.1)
    assert jets_of_slowest(8, 512, 1) == 8
    assert jets_of_slowest(8, 4, 4) == 8 and jets_of_slowest(1, 8, 8) == 1
    step = predict(figures, Job(512, 1, 512), replace(PLAIN, bandwidth=1e15))
    assert step.passes == pytest.approx(0.02 + 0.02 * jets_of_slowest(1, 512, 1))


def test_the_update_falls_with_the_elements_of_a_rank(figures):
    assert predict(figures, Job(4, 2, 64), PLAIN).update == pytest.approx(0.03 / 8)
    # Until the memory of the node is the limit; it limits the sums in the node too.
    limited = predict(figures, Job(1, 64, 64), PLAIN)
    memory = predict(figures, Job(1, 64, 64, memory=100e9), PLAIN)
    assert memory.update == pytest.approx(28 * PARAMETERS / 100e9)
    assert memory.passes == pytest.approx(limited.passes + 64 * 4 * PARAMETERS / 100e9)


def test_strong_and_weak_scaling_are_printed(bench, tmp_path, capsys):
    figure, output = tmp_path / "scaling.png", tmp_path / "scaling.json"
    assert main(["predict", bench, "--nodes", "1,4,16", "--ranks", "4", "--batch", "512", "--steps", "1000",
                 "--json", str(output), "--figure", str(figure)]) == 0
    said = capsys.readouterr().out
    assert "strong scaling: 512 jets per step" in said and "weak scaling: 8 jets per rank" in said
    found = json.loads(output.read_text())
    strong, weak = found["strong scaling: 512 jets per step"], found["weak scaling: 8 jets per rank"]
    assert [row["ranks"] for row in strong] == [4, 16, 64] == [row["ranks"] for row in weak]
    assert [row["jets_per_rank"] for row in strong] == [128, 32, 8] and weak[2]["batch_size"] == 512
    # Both tables end with the same job.
    assert strong[2]["step_ms"] == pytest.approx(weak[2]["step_ms"])
    for rows in (strong, weak):
        assert rows[0]["efficiency"] == 1 and rows[0]["efficiency"] > rows[1]["efficiency"] > rows[2]["efficiency"]
        for row in rows:
            parts = ("passes_ms", "exchange_ms", "weights_ms", "update_ms", "small_sums_ms")
            assert row["step_ms"] == pytest.approx(sum(row[part] for part in parts))
            assert row["days"] == pytest.approx(row["step_ms"] / 86400)
    assert strong[0]["step_ms"] > strong[1]["step_ms"] > strong[2]["step_ms"]
    assert figure.read_bytes().startswith(b"\x89PNG")
    assert main(["predict", bench, "--nodes", "1,2", "--format", "markdown"]) == 0
    assert "| nodes | per node | ranks |" in capsys.readouterr().out


def test_measurements_are_printed(bench, capsys):
    assert main(["measured", bench, "--format", "markdown"]) == 0
    said = capsys.readouterr().out
    assert "measured: 1 × 1 (bf16, 28059912 parameters, micro-batches of 64 jets)" in said
    assert "| 8 | 210.0 | 180.0 | 120.0 | 30.0 | 38.1 |" in said


def test_slower_networks_and_fp32_take_longer(figures):
    job = Job(16, 8, 1024)
    times = [predict(figures, job, replace(Network(), bandwidth=bandwidth)).total for bandwidth in (1e8, 1e9, 1e10)]
    assert times[0] > times[1] > times[2]
    slow = replace(Network(), bandwidth=1e8)
    assert predict(figures, replace(job, element=2), slow).total < times[0]
    assert predict(figures, replace(job, overlap=False), slow).total > times[0]


def test_layouts_use_all_cores(figures, tmp_path, bench, capsys):
    assert [(ranks, layout.threads) for ranks, layout in layouts(figures, 12, 0.25)] == [(12, 1), (6, 2), (3, 4)]
    rows = advice(figures, Job(1, 1, 1000), Network(), [1, 8], 64, 0.1)
    assert set(rows) == {1, 8} and all(row.job.ranks * row.threads == 64 for row in rows[8])
    assert rows[8][0].step.total == min(row.step.total for row in rows[8])
    # Threads that help completely make a few ranks better than many with a single jet.
    other = write(tmp_path / "two.json", *(
        report(2 ** power, threads=2, passes=lambda jets: (0.02 + 0.02 * jets) / 1.6) for power in range(7)))
    assert thread_speed(2, 0.25) == pytest.approx(1.6)
    assert serial_share(figures, read_figures([other])) == pytest.approx(0.25)
    assert serial_share(read_figures([other]), figures) == pytest.approx(0.25)
    assert main(["advise", bench, "--threads-bench", other, "--cores", "64", "--nodes", "8"]) == 0
    said = capsys.readouterr().out
    assert "25 % of the passes do not use threads (measured)" in said and "nodes of 64 cores" in said
    assert main(["advise", bench, "--threads-bench", bench]) == 1
    assert "measure another number" in capsys.readouterr().err


def test_units():
    assert parse_bandwidth("100gbit") == parse_bandwidth("12.5 GB") == 12.5e9
    assert parse_time("2us") == pytest.approx(2e-6) and parse_time("0s") == 0
    for text in ("100", "0gbit", "x", "1ms", "-1gbit"):
        with pytest.raises(DataError, match="is not a bandwidth, such as"):
            parse_bandwidth(text)


@pytest.mark.parametrize("arguments, complaint", [
    (["--nodes", "4,2"], "give increasing numbers"), (["--bandwidth", "fast"], "'fast' is not a bandwidth"),
    (["--oversubscription", "0.5"], "is not a number of at least 1"),
    (["--batch", "0"], "'0' is not a whole number of at least 1"), (["--nodes", "1,x"], "'x' is not a whole number"),
    (["--oversubscription", "x"], "'x' is not a number"),
])
def test_wrong_options_are_named(bench, capsys, arguments, complaint):
    with pytest.raises(SystemExit) as ended:
        main(["predict", bench, *arguments])
    assert ended.value.code == 2 and complaint in capsys.readouterr().err


def test_figures_have_a_known_ending(bench, capsys):
    assert main(["predict", bench, "--figure", "x.txt"]) == 1
    assert "--figure x.txt does not end in .pdf" in capsys.readouterr().err
    assert main(["predict", bench, "--json", "/no/x.json"]) == 1
    assert "/no/x.json cannot be written" in capsys.readouterr().err


def test_predictions_are_compared_with_measurements(bench, figures, tmp_path, capsys):
    network = replace(Network(), bandwidth=125e6 * TCP_PAYLOAD)
    step = predict(figures, Job(2, 1, 128), network).total

    def measured(name, seconds, **changes):
        pair = report(64, ranks=2, groups=2, jets_per_second=128 / seconds, **changes)
        return ["--measured", name, write(tmp_path / f"{name}.json", pair), "1gbit"]

    near, far = measured("near", 1.1 * step), measured("far", 1.3 * step)
    output = tmp_path / "comparison.json"
    assert main(["compare", bench, *near, "on", "fp32", "--format", "markdown", "--json", str(output)]) == 0
    said = capsys.readouterr().out
    assert f"| near | 1gbit | on | fp32 | 64 | {1000 * step:.0f} | {1100 * step:.0f} | -9.1 % |" in said
    assert json.loads(output.read_text())[0]["difference"] == pytest.approx(1 / 1.1 - 1)
    assert main(["compare", bench, *near, "on", "fp32", *far, "on", "fp32"]) == 1
    assert "more than 15 % from the measurement: far" in capsys.readouterr().err
    assert main(["compare", bench, *near, "maybe", "fp32"]) == 1
    assert "expected on or off" in capsys.readouterr().err
    # The bandwidth that was measured on the link instead of its rate.
    slow = write(tmp_path / "slow.json", report(8, ranks=2, groups=2, communication_ms=5000))
    assert main(["compare", bench, *near, "off", "fp32", "--link", "1gbit", slow, "--json", str(output),
                 "--tolerance", "9"]) == 0
    network = replace(Network(), bandwidth=4 * PARAMETERS / 5)
    predicted = predict(figures, Job(2, 1, 128, overlap=False), network).total
    assert json.loads(output.read_text())[0]["predicted_ms"] == pytest.approx(1000 * predicted) and predicted > 6
    # Measured on one host.
    assert main(["compare", bench, "--measured", "one", write(tmp_path / "one.json", report(64, ranks=2)), "1gbit",
                 "on", "fp32"]) == 1
    assert "measured with 2 ranks in 1 groups" in capsys.readouterr().err


def test_the_time_of_a_byte_without_a_limit(tmp_path):
    # Each rank sends and receives half of 4 E bytes twice: in the sums and in the gather.
    path = write(tmp_path / "x.json", report(8, ranks=2, groups=2, communication_ms=8e-6 * PARAMETERS))
    assert byte_overhead(path) == pytest.approx(1e-9)
    assert link_bandwidth(path) == pytest.approx(0.5e9)
    with pytest.raises(DataError, match="has no communication_ms: measure at least two ranks"):
        link_bandwidth(write(tmp_path / "y.json", report(8)))
