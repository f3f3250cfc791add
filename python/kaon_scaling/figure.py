"""The figure of strong and weak scaling."""

from kaon_plots.style import COLORS, GUIDE, LINES, drawing, legend_outside


def plot_scaling(tables, path):
    """Draws jets per second, with the ideal, and parallel efficiency against the nodes, one curve for each table.

    Args:
        tables: {name: rows}.
        path: the figure.
    """
    with drawing(path, columns=2) as (figure, axes):
        rates, efficiencies = axes[0]
        curves = []
        for color, line, rows in zip(COLORS, LINES, tables.values()):
            nodes, first = [row.job.nodes for row in rows], rows[0]
            style = {"color": color, "linestyle": line, "marker": "o"}
            curves += rates.plot(nodes, [row.jets_per_second for row in rows], **style)
            ideal, = rates.plot(nodes, [first.jets_per_second * count / first.job.nodes for count in nodes], **GUIDE)
            efficiencies.plot(nodes, [row.efficiency for row in rows], **style)
        for axis in (rates, efficiencies):
            axis.set_xscale("log", base=2)
            axis.set_xticks(nodes, [f"{count}" for count in nodes])
            axis.tick_params(axis="x", which="minor", bottom=False, top=False)
            axis.set_xlabel("nodes")
        rates.set_yscale("log")
        rates.set_ylabel("jets per second (predicted)")
        efficiencies.axhline(1, **GUIDE)
        efficiencies.set_ylim(0, 1.1)
        efficiencies.set_ylabel("parallel efficiency (predicted)")
        legend_outside(figure, [*curves, ideal], [*tables, "ideal"])
