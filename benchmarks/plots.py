"""Draws the plots of the report. Run in an environment of its own, with the figures and the folder to draw into."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import matplotlib as mpl

mpl.use("svg")
from matplotlib import pyplot as plt

Rows = list[dict[str, Any]]
OWN, OTHERS = "#c0392b", "#7f8c8d"
CYCLE = ["#1f77b4", "#ff7f0e", "#2ca02c", "#9467bd", "#8c564b", "#e377c2", "#bcbd22", "#17becf"]  # none like OWN


def bars(title: str, panels: dict[str, dict[str, list[float]]], unit: str, path: Path, scale: str = "linear") -> None:
    """Draw panels of bars, a bar a client, with its quartiles; `symlog` is for what differs by powers of ten."""
    height = 0.9 + 0.24 * max(len(values) for values in panels.values())
    figure, axes = plt.subplots(1, len(panels), figsize=(3.1 * len(panels) + 0.6, height), squeeze=False)
    for axis, (name, values) in zip(axes[0], panels.items()):
        clients = list(values)[::-1]
        middle = [values[client][1] for client in clients]
        errors = [
            [max(0, values[client][1] - values[client][0]) for client in clients],
            [max(0, values[client][2] - values[client][1]) for client in clients],
        ]
        colors = [OWN if client == "layer" else OTHERS for client in clients]
        axis.barh(clients, middle, color=colors, xerr=errors, error_kw={"lw": 0.8, "ecolor": "#2c3e50"})
        axis.set_title(name, fontsize=9)
        axis.set_xlabel(unit, fontsize=8)
        axis.set_xscale(scale, **({"linthresh": 100} if scale == "symlog" else {}))
    finish(figure, title, path)


def lines(title: str, panels: dict[str, dict[str, list[tuple[float, float]]]], unit: str, path: Path) -> None:
    """Draw panels of lines, a line a client, both axes in powers of ten."""
    figure, axes = plt.subplots(1, len(panels), figsize=(2.9 * len(panels) + 1.4, 3.0), squeeze=False)
    for axis, (name, values) in zip(axes[0], panels.items()):
        for client, points in values.items():
            style = (
                {"color": OWN, "lw": 2, "zorder": 3}
                if client.startswith("layer") and client != "layer_published"
                else {}
            )
            axis.plot(*zip(*[(x, y) for x, y in points if y > 0]), marker="o", ms=3, label=client, **{"lw": 1, **style})
        axis.set(xscale="log", yscale="log")
        axis.set_title(name, fontsize=9)
        axis.set_ylabel(unit, fontsize=8)
    axes[0][-1].legend(fontsize=7, loc="center left", bbox_to_anchor=(1, 0.5), frameon=False)
    finish(figure, title, path)


def finish(figure: Any, title: str, path: Path) -> None:
    """Write it small, and the same for the same figures."""
    figure.suptitle(title, fontsize=10)
    for axis in figure.axes:
        axis.tick_params(which="both", labelsize=7)
        axis.spines[["top", "right"]].set_visible(False)
    figure.tight_layout()
    figure.savefig(path, metadata={"Date": None})
    plt.close(figure)


def by(rows: Rows, panel: str, name: str) -> dict[str, dict[str, list[float]]]:
    """Sort figures into panels by one property, and in each by client."""
    panels: dict[str, dict[str, list[float]]] = {}
    for row in rows:
        panels.setdefault(str(row[panel]), {})[row["client"]] = row[name]
    return panels


def calls(rows: Rows, folder: Path) -> None:
    """Draw what is added to the usual calls."""
    usual = list(dict.fromkeys(row["call"] for row in rows))[:4]
    some = [row for row in rows if row["call"] in usual and (row["recorded"] or row["client"] == "none")]
    bars("Processor added to a call, until flushed", by(some, "call", "cpu"), "microseconds", folder / "cpu.svg")
    bars("Time added to a call", by(some, "call", "wall"), "microseconds", folder / "wall.svg")


def growth(rows: Rows, folder: Path) -> None:
    """Draw how costs grow."""
    panels: dict[str, dict[str, list[tuple[float, float]]]] = {}
    for row in rows:
        if row["client"] != "none":
            level = float(str(row["level"]).split()[0])
            panels.setdefault(row["grows"], {}).setdefault(row["client"], []).append((level, row["cpu"]))
    lines("What is added to a call, as one thing grows", panels, "microseconds", folder / "growth.svg")


def waiting(rows: Rows, folder: Path) -> None:
    """Draw what recording costs as what waits grows."""
    found: dict[str, list[tuple[float, float]]] = {}
    for row in rows:
        if "waiting" in row:
            found.setdefault(f"layer, {row['waiting']}", []).append((row["level"], row["median"]))
    lines("Recording an action, by how many wait", {"": found}, "microseconds", folder / "waiting.svg")


def main() -> None:
    """Draw what there are figures of."""
    figures, folder = Path(sys.argv[1]), Path(sys.argv[2])
    mpl.rcParams.update({"svg.fonttype": "none", "svg.hashsalt": "layer", "font.family": "sans-serif"})
    mpl.rcParams["axes.prop_cycle"] = mpl.cycler(color=CYCLE)
    found: dict[str, Rows] = json.loads(figures.read_text("utf-8"))["found"]
    calls(found["openai_calls"], folder)
    started = {row["client"]: row["together cpu"] for row in found["startup"]}
    bars("Import, init and first call", {"processor": started}, "milliseconds", folder / "startup.svg")
    parts = {part: {row["client"]: row[part] for row in found["memory"]} for part in ("at rest", "peak", "after")}
    bars("Resident memory added", parts, "MiB", folder / "memory.svg")
    bars(
        "Time added to a call while the sink is away",
        by(found["outage"], "sink", "wall"),
        "microseconds",
        folder / "outage.svg",
        "symlog",
    )
    growth(found["growth"], folder)
    waiting(found["own"], folder)


if __name__ == "__main__":
    main()
