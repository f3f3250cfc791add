"""The program, command and machine of runs."""

_NAMES = ["kaon", "commit", "command", "host", "processor", "libraries", "seed", "started"]


def provenance_text(runs):
    """A paragraph for each run: its folder, and a line for each part."""
    parts = []
    for run in runs:
        lines = [f"  {name.ljust(9)}  {value}" for name, value in run.provenance.items()]
        parts.append("\n".join([str(run.folder), *(lines or ["  unknown: written by an earlier version of kaon"])]))
    return "\n\n".join(parts) + "\n"


def provenance_table(runs):
    """A table for each objective with a row for each run, in the form that `kaon_results.table` formats."""
    return [
        (objective, ["run", *_NAMES], [
            [str(run.folder), *(run.provenance.get(name) for name in _NAMES)]
            for run in runs if run.objective == objective])
        for objective in dict.fromkeys(run.objective for run in runs)]
