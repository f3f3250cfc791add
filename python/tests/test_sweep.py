"""The scripts for sweeps, with a fake kaon."""

import os
import shutil
import signal
import subprocess
import time
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]

KAON = """#!/bin/bash
echo "$*" >>"$CALLS"
trap 'exit 75' USR1
case "$*" in
    *kill=1*) sleep 0.1; kill -9 $$ ;;
    *bad=1*) echo "Error: unknown key 'bad' on the command line" >&2; exit 1 ;;
    *slow=1*) for _ in {1..300}; do sleep 0.1; done ;;
esac
"""


@pytest.fixture
def kaon(tmp_path, monkeypatch):
    """A fake program; returns the file with the arguments of its calls."""
    program = tmp_path / "kaon"
    program.write_text(KAON)
    program.chmod(0o755)
    calls = tmp_path / "calls"
    calls.touch()
    monkeypatch.setenv("KAON", str(program))
    monkeypatch.setenv("CALLS", str(calls))
    return calls


def script(name, *arguments):
    result = subprocess.run(["bash", ROOT / "scripts" / name, *map(str, arguments)], capture_output=True, text=True,
                            timeout=60)
    return result.returncode, result.stdout, result.stderr


def sweep_file(tmp_path, *lines):
    path = tmp_path / "sweep.txt"
    path.write_text("".join(line + "\n" for line in lines))
    return path


def test_protocol_of_the_paper():
    def settings(protocol, jets, mode):
        status, said, err = script(
            "sweep-lines.sh", "--output", "r", "--backbone", "b", "--modes", mode, "--key", "data.jets", "--values",
            jets, "--protocol", protocol)
        assert status == 0, err
        return dict(word.split("=", 1) for word in said.split())

    first = settings("paper", "1000", "fine_tuned")
    assert first["optimizer.learning_rate"] == "1.0e-4" and first["schedule.warmup_steps"] == "10000"
    assert (first["fine_tuning.frozen_steps"], first["fine_tuning.catch_up_steps"]) == ("100", "5000")
    # Five validations, ten epochs of two steps apart.
    assert (first["training.validation_interval"], first["training.early_stopping_patience"]) == ("20", "5")
    assert first["data.validation_jets"] == "1000" and first["training.validation_jets"] == "all"
    for jets, patience in (("10_000", "25"), ("100000", "10"), ("1000000", "10"), ("2023331", "5")):
        run = settings("paper-btag", jets, "scratch")
        assert run["training.early_stopping_patience"] == patience and run["optimizer.learning_rate"] == "1.0e-4"
        assert int(run["training.validation_interval"]) == int(jets.replace("_", "")) // 500
        assert "fine_tuning.frozen_steps" not in run
    last = settings("paper", "100000000", "fine_tuned")
    assert last["optimizer.learning_rate"] == "1.0e-3" and last["schedule.warmup_steps"] == "40000"
    assert last["fine_tuning.frozen_steps"] == last["fine_tuning.catch_up_steps"] == "20000"
    assert last["data.validation_jets"] == "1000000"
    assert settings("paper", "100", "scratch")["optimizer.learning_rate"] == "1.0e-3"
    fixed = settings("paper", "100000000", "fixed")
    assert fixed["optimizer.learning_rate"] == "1.0e-4" and fixed["schedule.warmup_steps"] == "10000"


@pytest.mark.parametrize("arguments, message", [
    (["--key", "data.jets", "--values", "100 all"], "needs numbers of jets; --values contains 'all'"),
    (["--key", "masking.fraction", "--values", "0.1"], "add --key data.jets"),
    (["--protocol", "thesis"], "'thesis' is not known"),
])
def test_protocols_need_numbers_of_jets(arguments, message):
    status, _, said = script("sweep-lines.sh", "--output", "r", "--protocol", "paper", *arguments)
    assert status == 2 and message in said


def test_lines_are_the_product():
    status, said, _ = script(
        "sweep-lines.sh", "--output", "runs/labels", "--backbone", "kmeans=a/checkpoints/best", "--backbone",
        "flow=b/checkpoints/best", "--modes", "fine_tuned scratch", "--key", "data.jets", "--values", "100 1000",
        "--seeds", "0 1")
    lines = said.splitlines()
    assert status == 0 and len(lines) == len(set(lines)) == 2 * 2 * 2 + 2 * 2
    assert lines[0] == ("run.directory=runs/labels/kmeans/fine_tuned/data.jets-100/seed-0 backbone=a/checkpoints/best "
                        "backbone_mode=fine_tuned data.jets=100 seed=0")
    # The mode scratch is run once, with the shape of the first backbone.
    assert lines[-1] == ("run.directory=runs/labels/scratch/data.jets-1000/seed-1 backbone=a/checkpoints/best "
                         "backbone_mode=scratch data.jets=1000 seed=1")


def test_lines_for_pretrainings():
    status, said, _ = script(
        "sweep-lines.sh", "--pretrain", "--output", "r", "--key", "masking.fraction", "--values", "0.2 0.4", "--seeds",
        "0 1")
    assert status == 0 and said.splitlines()[1:3] == [
        "run.directory=r/masking.fraction-0.2/seed-1 masking.fraction=0.2 seed=1",
        "run.directory=r/masking.fraction-0.4/seed-0 masking.fraction=0.4 seed=0"]
    _, said, _ = script("sweep-lines.sh", "--pretrain", "--output", "r")
    assert said == "run.directory=r/seed-0 seed=0\n"


def test_words_with_spaces_survive(tmp_path, kaon):
    _, said, _ = script("sweep-lines.sh", "--output", "my runs", "--key", "data.classes",
                        "--values", "'[QCD, Hbb]' all")
    assert len(said.splitlines()) == 2
    config = ROOT / "configs/quickstart.yaml"
    status, _, _ = script("sweep.sh", sweep_file(tmp_path, *said.splitlines()), "finetune", config)
    assert status == 0
    assert kaon.read_text().splitlines()[0] == (
        f"finetune {config} run.directory=my runs/scratch/data.classes-QCD-Hbb/seed-0 backbone_mode=scratch "
        "data.classes=[QCD, Hbb] seed=0")


def test_each_value_has_its_own_folder():
    _, said, _ = script("sweep-lines.sh", "--output", "r", "--key", "k", "--values", "-1 1 [-1,2] 1e-3")
    assert [line.split()[0] for line in said.splitlines()] == [
        f"run.directory=r/scratch/k-{name}/seed-0" for name in ("-1", "1", "-1-2", "1e-3")]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "--output is missing"),
        (["--output", "r", "--modes", "fixed"], "the mode fixed needs a backbone"),
        (["--output", "r", "--modes", "finetuned"], "modes are fixed, fine_tuned and scratch"),
        (["--output", "r", "--seeds", "0,1"], "seeds are whole numbers"),
        (["--output", "r", "--seeds", "0", "1"], "unknown argument '1'"),
        (["--output", "r", "--key", "data.jets"], "--values is missing"),
        (["--output", "r", "--values", "1"], "--values without --key"),
        (["--output", "r", "--key", "seed", "--values", "1"], "has an option of its own"),
        (["--output", "r", "--key", "data.jets", "--values", "'1"], "unmatched quote"),
        (["--output", "r", "--key", "data.jets", "--values", "100 1000 'a b"], "unmatched quote"),
        (["--output", "r", "--key", "data.jets", "--values", " "], "--values is empty"),
        (["--output", "r", "--key", "k", "--values", "[1] 2 1"],
         "'[1]' and '1', whose runs would share the folder name k-1"),
        (["--output", "r", "--backbone", "x", "--backbone", "y"], "name the backbones if there are several"),
        (["--output", "r", "--pretrain", "--backbone", "x"], "--backbone is for fine-tunings"),
        (["--output", "r", "--pretrain", "--modes", "fixed"], "--modes is for fine-tunings"),
        (["--output", "r", "--backbone", "a=x", "--backbone", "a=y"], "two backbones have the name a"),
    ],
)
def test_bad_arguments_of_sweep_lines_are_rejected(arguments, message):
    status, said, error = script("sweep-lines.sh", *arguments)
    assert status == 2 and said == "" and message in error and len(error.splitlines()) == 1


@pytest.mark.parametrize("parallel", [1, 3])
def test_a_failing_line_is_reported_and_does_not_stop_others(tmp_path, kaon, parallel):
    file = sweep_file(tmp_path, "run.directory=r/1", "run.directory=r/2 bad=1", "", "run.directory=r/3 kill=1",
                      "run.directory=r/4")
    status, said, _ = script("sweep.sh", "--parallel", parallel, file, "finetune", ROOT / "configs/quickstart.yaml",
                             "seed=1")
    assert status == 1
    assert len(kaon.read_text().splitlines()) == 4
    assert f"line 2 of {file}: failed with exit code 1: run.directory=r/2 bad=1" in said
    assert "unknown key 'bad'" in said and f"line 4 of {file}: failed with exit code 137" in said
    assert said.splitlines()[-1] == "2 of 4 lines are done; failed: 2, 4"
    # Concurrent lines share the cores.
    assert ("parallel.threads=" in kaon.read_text()) == (parallel > 1)


def test_a_signal_stops_with_checkpoints(tmp_path, kaon):
    file = sweep_file(tmp_path, "run.directory=r/1 slow=1", "run.directory=r/2 slow=1", "run.directory=r/3")
    process = subprocess.Popen(
        ["bash", ROOT / "scripts/sweep.sh", "--parallel", "2", file, "pretrain", ROOT / "configs/quickstart.yaml"],
        stdout=subprocess.PIPE, text=True)
    while len(kaon.read_text().splitlines()) < 2:
        time.sleep(0.05)
    time.sleep(0.5)
    os.kill(process.pid, signal.SIGTERM)
    said, _ = process.communicate(timeout=30)
    assert process.returncode == 75
    assert said.splitlines()[-4:] == [
        f"line 1 of {file}: steps are left: r/1", f"line 2 of {file}: steps are left: r/2",
        f"line 3 of {file}: not started: r/3", "0 of 3 lines are done; steps are left: 1, 2; not started: 3"]


@pytest.mark.parametrize(
    ("lines", "arguments", "message"),
    [
        (["run.directory=r", "run.directory=r"], [], "lines 1 and 2 of {file} have the same run.directory=r"),
        (["seed=1"], [], "line 1 of {file} has no run.directory"),
        (["run.directory='r"], [], "line 1 of {file} has an unmatched quote"),
        ([], [], "{file} has no lines"),
        (["run.directory=r"], ["--parallel", "0"], "--parallel needs a number of at least 1"),
        (["run.directory=r"], ["--foo"], "unknown option --foo"),
    ],
)
def test_bad_sweeps_are_rejected_before_anything_starts(tmp_path, kaon, lines, arguments, message):
    file = sweep_file(tmp_path, *lines)
    status, _, error = script("sweep.sh", *arguments, file, "finetune", ROOT / "configs/quickstart.yaml")
    assert status == 2 and message.format(file=file) in error
    assert kaon.read_text() == ""


def test_array_task_rejects_an_unmatched_quote(tmp_path, kaon, monkeypatch):
    file = sweep_file(tmp_path, "run.directory=r", "run.directory=s data.jets=10 run.name='a b")
    monkeypatch.setenv("SLURM_SUBMIT_DIR", str(ROOT))
    monkeypatch.setenv("SLURM_ARRAY_TASK_ID", "2")
    result = subprocess.run(["bash", ROOT / "slurm/sweep.sbatch", file, "pretrain", ROOT / "configs/quickstart.yaml"],
                            capture_output=True, text=True, timeout=60)
    assert result.returncode == 2 and result.stdout == "" and kaon.read_text() == ""
    assert result.stderr == f"line 2 of {file} has an unmatched quote\n"


def test_array_task_runs_its_line(tmp_path, monkeypatch):
    file = sweep_file(tmp_path, "run.directory=r", "run.directory=s 'masking={fraction: 0.2}'")
    launcher = tmp_path / "srun"
    launcher.write_text(f"#!/bin/bash\nprintf '%s\\n' \"$@\" >{tmp_path}/started\n")
    launcher.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    monkeypatch.delenv("KAON_LAUNCHER", raising=False)
    monkeypatch.setenv("KAON", "the-program")
    monkeypatch.setenv("SLURM_SUBMIT_DIR", str(ROOT))
    for name, value in (("JOB_ID", 7), ("JOB_NODELIST", "node1"), ("NTASKS", 1), ("ARRAY_TASK_ID", 2)):
        monkeypatch.setenv(f"SLURM_{name}", str(value))
    result = subprocess.run(["bash", ROOT / "slurm/sweep.sbatch", file, "pretrain", "c.yaml"],
                            capture_output=True, text=True, timeout=60)
    assert result.returncode == 0 and result.stderr == ""
    assert result.stdout.splitlines()[0] == f"line 2 of {file}: run.directory=s masking={{fraction: 0.2}}"
    started = (tmp_path / "started").read_text().splitlines()
    words = started[started.index("the-program"):]
    assert words[:3] == ["the-program", "pretrain", "c.yaml"]
    assert "run.directory=s" in words and "masking={fraction: 0.2}" in words


def grid(*arguments):
    status, said, err = script("sweep-lines.sh", "--output", "runs/grid", *arguments)
    assert status == 0, err
    return said.splitlines()


def test_several_keys_form_a_grid():
    lines = grid("--pretrain", "--key", "masking.fraction", "--values", "0.2 0.4", "--key", "data.classes", "--values",
                 "'[QCD, Hbb]' [Tbqq]", "--seeds", "0 1")
    assert len(lines) == 8 and len(set(lines)) == 8
    assert lines[1] == ("run.directory=runs/grid/masking.fraction-0.2/data.classes-QCD-Hbb/seed-1 masking.fraction=0.2 "
                        "'data.classes=[QCD, Hbb]' seed=1")
    assert lines[6] == ("run.directory=runs/grid/masking.fraction-0.4/data.classes-Tbqq/seed-0 masking.fraction=0.4 "
                        "data.classes=[Tbqq] seed=0")


def test_grid_of_backbones_modes_and_three_keys():
    lines = grid("--backbone", "a=x", "--backbone", "b=y", "--modes", "fixed scratch", "--key", "data.jets", "--values",
                 "10 20", "--key", "head.layers", "--values", "1 2 3", "--key", "head.dropout", "--values", "0 0.1")
    assert len(lines) == 3 * 12
    assert lines[0].startswith("run.directory=runs/grid/a/fixed/data.jets-10/head.layers-1/head.dropout-0/seed-0 ")


def test_a_key_of_the_grid_replaces_the_protocol():
    (line,) = grid("--backbone", "b", "--modes", "fixed", "--key", "data.jets", "--values", "1000", "--key",
                   "optimizer.learning_rate", "--values", "3e-3", "--protocol", "paper")
    assert line.index("optimizer.learning_rate=1.0e-4") < line.index("optimizer.learning_rate=3e-3")
    assert "training.validation_interval=20" in line


@pytest.mark.parametrize("arguments, message", [
    (["--key", "a", "--values", "1", "--key", "b"], "--values is missing: the values of b"),
    (["--key", "a", "--values", "1", "--values", "2"], "there are 2 --values for 1 --key"),
    (["--key", "a", "--values", "1", "--key", "a", "--values", "2"], "--key a is given twice"),
    (["--key", "a", "--values", "1", "--key", "a.b", "--values", "2"], "one contains the other"),
    (["--seeds", "1 2 1"], "--seeds contains '1' twice"),
    (["--key", "a", "--values", "1", "--key", "b", "--values", "2 '2'"], "would share the folder name b-2"),
    (["--key", "a", "--values", " ".join(map(str, range(101))), "--key", "b", "--values",
      " ".join(map(str, range(100)))], "the grid has more than 10000 runs"),
])
def test_impossible_grids_are_refused(arguments, message):
    status, said, err = script("sweep-lines.sh", "--pretrain", "--output", "r", *arguments)
    assert status == 2 and said == "" and message in err and err.count("\n") == 1


def condor(tmp_path, *arguments, **variables):
    result = subprocess.run(["bash", ROOT / "condor/run.sh", *map(str, arguments)], capture_output=True, text=True,
                            timeout=60, env=dict(os.environ, **variables))
    return result.returncode, result.stdout, result.stderr


def test_condor_runs_a_command_on_the_cores_of_the_job(kaon, tmp_path):
    status, _, err = condor(tmp_path, "pretrain", "c.yaml", "seed=1", "run.time_limit=23h", KAON_CPUS="6")
    assert status == 0, err
    assert kaon.read_text() == "pretrain c.yaml seed=1 run.time_limit=23h run.resume=auto parallel.threads=6\n"


def test_condor_divides_the_cores_among_ranks(kaon, tmp_path):
    status, said, err = condor(tmp_path, "finetune", "c.yaml", KAON_CPUS="5", KAON_RANKS="2")
    assert status == 0, err
    assert kaon.read_text() == 2 * "finetune c.yaml run.resume=auto parallel.threads=2\n"


def test_condor_runs_the_line_of_a_process(kaon, tmp_path):
    lines = sweep_file(tmp_path, "run.directory=r0 seed=0", "run.directory=r1 'data.classes=[a, b]'")
    status, _, err = condor(tmp_path, "sweep", 1, lines, "finetune", "c.yaml")
    assert status == 0, err
    assert kaon.read_text() == ("finetune c.yaml run.directory=r1 data.classes=[a, b] run.resume=auto "
                                "parallel.threads=1\n")


def test_condor_passes_failures_and_stops_on(kaon, tmp_path):
    assert condor(tmp_path, "pretrain", "c.yaml", "bad=1")[0] == 1
    process = subprocess.Popen(["bash", ROOT / "condor/run.sh", "pretrain", "c.yaml", "slow=1"],
                               stdout=subprocess.PIPE)
    while not kaon.read_text():
        time.sleep(0.05)
    time.sleep(0.3)
    process.send_signal(signal.SIGUSR1)
    assert process.wait(timeout=30) == 75


@pytest.mark.parametrize("arguments, variables, message", [
    ([], {}, "usage: run.sh"), (["evaluate", "c"], {}, "usage: run.sh"), (["sweep", "x", "f", "pretrain", "c"], {},
                                                                       "usage: run.sh"),
    (["sweep", "0", "nowhere", "pretrain", "c"], {}, "nowhere is not a readable file"),
    (["pretrain", "c"], {"KAON_CPUS": "2", "KAON_RANKS": "3"}, "ranks=3 is more than the 2 cores"),
    (["pretrain", "c"], {"KAON_CPUS": "many"}, "must be whole numbers of at least 1"),
    (["pretrain", "c"], {"KAON": "/nowhere/kaon"}, "/nowhere/kaon not found"),
    (["pretrain", "c", "run.resume=never"], {}, "run.resume=never: every start of the job would use it again"),
])
def test_condor_refuses_wrong_arguments(kaon, tmp_path, arguments, variables, message):
    status, _, err = condor(tmp_path, *arguments, **variables)
    assert status == 2 and message in err and err.count("\n") == 1
    assert kaon.read_text() == ""


def test_slurm_jobs_always_continue_from_the_latest_checkpoint(kaon):
    command = "source slurm/env.sh; kaon_run pretrain c.yaml run.resume=old.h5 run.resume=auto"
    ended = subprocess.run(["bash", "-c", command], cwd=ROOT, capture_output=True, text=True, timeout=60)
    assert ended.returncode == 2 and kaon.read_text() == ""
    assert ended.stderr.startswith("run.resume=old.h5: every start of the job would use it again")


def test_condor_refuses_lines_that_do_not_exist(kaon, tmp_path):
    lines = sweep_file(tmp_path, "run.directory=r0")
    status, _, err = condor(tmp_path, "sweep", 1, lines, "pretrain", "c.yaml")
    assert status == 2 and "has no line 2" in err
    broken = sweep_file(tmp_path, "run.directory='r0")
    status, _, err = condor(tmp_path, "sweep", 0, broken, "pretrain", "c.yaml")
    assert status == 2 and "unmatched quote" in err


def test_condor_uses_the_libraries_of_setup(kaon, tmp_path):
    """Like Slurm's jobs, those of HTCondor read the paths that setup.sh has found."""
    for folder in ["condor", "scripts"]:
        shutil.copytree(ROOT / folder, tmp_path / folder)
    (tmp_path / ".build").mkdir()
    (tmp_path / ".build/environment.sh").write_text('echo "libraries found"\n')
    ended = subprocess.run(["bash", tmp_path / "condor/run.sh", "pretrain", "c.yaml"], capture_output=True, text=True,
                           timeout=60)
    assert ended.returncode == 0 and ended.stdout.startswith("libraries found\n")


@pytest.mark.parametrize("name", ["pretrain", "finetune", "sweep"])
def test_submit_files_name_what_exists(name):
    """The files are valid submit descriptions as far as that can be seen without HTCondor."""
    settings, queue = {}, []
    for line in (ROOT / f"condor/{name}.sub").read_text().splitlines():
        if line.startswith("queue"):
            queue.append(line)
        elif line and not line.startswith("#"):
            key, equals, value = line.partition(" =")
            assert equals and key.replace("_", "").isalpha(), line
            settings[key] = value.strip()
    assert len(queue) == 1
    text = " ".join([*settings.values(), *queue])
    used = {part.split(")")[0] for part in text.split("$(")[1:]}
    assert used <= {*settings, "Cluster", "Process"}
    assert (ROOT / settings["executable"]).exists() and os.access(ROOT / settings["executable"], os.X_OK)
    assert settings["on_exit_remove"] == "ExitBySignal == true || ExitCode != 75"
    assert settings["kill_sig"] == "SIGUSR1"
