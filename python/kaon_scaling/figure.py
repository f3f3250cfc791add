"""The figure of strong and weak scaling."""

from kaon_plots.style import COLORS, drawing


def plot_scaling(tables, path):
    """Draws jets a second and parallel efficiency against the nodes, one curve for each table.

    Args:
        tables: {name: rows}; the first is drawn solid with its ideal, the other dashed.
        path: the figure.
    """
    with drawing(path, columns=2) as (_, axes):
        rates, efficiencies = axes[0]
        for color, (name, rows) in zip(COLORS, tables.items()):
            nodes = [row.job.nodes for row in rows]
            first = rows[0]
            rates.plot(nodes, [row.jets_per_second for row in rows], "o-", color=color, label=name)
            rates.plot(nodes, [first.jets_per_second * count / first.job.nodes for count in nodes], ":", color=color)
            efficiencies.plot(nodes, [row.efficiency for row in rows], "o-", color=color, label=name)
        for axis in (rates, efficiencies):
            axis.set_xscale("log", base=2)
            axis.set_xticks(nodes, [f"{count}" for count in nodes])
            axis.minorticks_off()
            axis.set_xlabel("nodes")
            axis.legend()
        rates.set_yscale("log")
        rates.set_ylabel("jets per second (predicted)")
        efficiencies.set_ylim(0, 1.1)
        efficiencies.set_ylabel("parallel efficiency (predicted)")
