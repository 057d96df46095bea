# SPDX-License-Identifier: BSD-2-Clause
"""How rates and instructions a frame move with the ring's size, the batch, the frame's size and the number of NICs, each
varied alone from the scenario of `make bench`."""

import figures
from subjects import HEADERS, SEGMENT, Floor, Netbsp, Scenario, has_tap

RANGES = {
    "ring": (16, 32, 64, 128, 256, 512, 1024),
    "batch": (1, 2, 4, 8, 16, 32, 64, 128),
    "size": (60, 128, 256, 512, 1024, 1514),
    "nics": (1, 2, 4, 8),
}
TITLES = {"ring": "descriptors of each queue", "batch": "frames sent at once", "size": "bytes of a frame", "nics": "NICs"}
SUPER_FRAMES = (1, 2, 4, 8, 16, 32, 45)  # segments; 45 are the most that one IP packet holds
PATHS = (("tx", "null"), ("rx", "stream"))
FORMATS = ("split", "packed")


def changes(parameter, value):
    """A ring holds two batches, so that one is sent while the other is made."""
    return {"ring": value, "batch": min(128, value // 2)} if parameter == "ring" else {parameter: value}


def scenario(parameter, value, mode, backend, ring_format):
    return Scenario(mode=mode, backend=backend, ring_format=ring_format, **changes(parameter, value))


def plan():
    """Each point once, though all ranges share one. Instructions are counted apart, in machines that have time for that."""
    subjects = [Floor(), Netbsp()]
    found = {}
    for parameter, values in RANGES.items():
        for value in values:
            for mode, backend in PATHS:
                if parameter == "batch" and mode == "rx":
                    continue  # whoever receives takes what there is
                for ring_format in FORMATS:
                    counted = [Netbsp(count_instructions=True)] if mode == "tx" else []
                    found[scenario(parameter, value, mode, backend, ring_format)] = subjects + counted
    if has_tap():
        for segments in SUPER_FRAMES:
            for ring_format in FORMATS:
                found[super_frame(segments, ring_format)] = [Netbsp()]
    else:
        print("# no tap device in a network namespace here: super-frames are left out")
    return list(found.items())


def super_frame(segments, ring_format):
    return Scenario(mode="tx", backend="tap", size=HEADERS + segments * SEGMENT, ring_format=ring_format)


def points(rows, parameter, mode, backend, ring_format, subject, measure):
    """{value: {round: number}}"""
    found = {}
    for value in RANGES[parameter]:
        name = scenario(parameter, value, mode, backend, ring_format).name
        numbers = figures.by_round(rows, measure, scenario=name, subject=subject)
        if numbers:
            found[value] = numbers
    return found


def curve(*arguments):
    return {value: figures.median(numbers.values()) for value, numbers in points(*arguments).items()}


def report(rows):
    return "\n".join([*(table(rows, parameter) for parameter in RANGES), super_frame_table(rows)])


def super_frame_rate(rows, segments, ring_format):
    name = super_frame(segments, ring_format).name
    return figures.median(figures.by_round(rows, "frames_per_second", scenario=name, subject="netbsp").values())


def super_frame_table(rows):
    lines = []
    for segments in SUPER_FRAMES:
        line = [f"{HEADERS + segments * SEGMENT:,}", str(segments)]
        for ring_format in FORMATS:
            rate = super_frame_rate(rows, segments, ring_format)
            payload = rate and rate * segments * SEGMENT / 1e6
            line += [figures.quantity(rate), figures.quantity(rate and rate * segments), figures.quantity(payload)]
        if line[2] != "-" or line[5] != "-":
            lines.append(line)
    heads = ["bytes of a TCP packet", "segments"]
    for ring_format in FORMATS:
        heads += [f"tap, {ring_format}, packets/s", "segments/s", "payload, MB/s"]
    return figures.table(heads, lines) if lines else ""


def table(rows, parameter):
    """A line a value: netbsp's rate and its ratio to the floor, for each path and format, then instructions a frame."""
    paths = [(mode, backend, ring_format) for mode, backend in PATHS for ring_format in FORMATS]
    if parameter == "batch":
        paths = [path for path in paths if path[0] == "tx"]
    heads = [TITLES[parameter]]
    columns = []
    for path in paths:
        mine, floor = (points(rows, parameter, *path, of, "frames_per_second") for of in ("netbsp", "floor"))
        heads += [f"{path[0]} {path[2]}, frames/s", "÷ floor"]
        columns.append({value: figures.quantity(figures.median(of.values())) for value, of in mine.items()})
        columns.append({value: str(figures.Ratio(of, floor.get(value, {}))) for value, of in mine.items()})
    for ring_format in FORMATS:
        counted = curve(rows, parameter, "tx", "null", ring_format, "netbsp-icount", "instructions_per_frame")
        heads.append(f"tx {ring_format}, instructions/frame")
        columns.append({value: f"{count:.1f}" for value, count in counted.items()})
    lines = [[str(value), *(column.get(value, "-") for column in columns)] for value in RANGES[parameter]]
    return figures.table(heads, [line for line in lines if any(cell != "-" for cell in line[1:])])


def plot(rows, path):
    panels = []
    for parameter in RANGES:
        for mode, backend in PATHS:
            if parameter == "batch" and mode == "rx":
                continue
            curves = {}
            for subject in ("floor", "netbsp"):
                for ring_format in FORMATS:
                    curves[f"{subject} {ring_format}"] = curve(
                        rows, parameter, mode, backend, ring_format, subject, "frames_per_second"
                    )
            panels.append((f"{mode} {backend} over {TITLES[parameter]}", "frames/s", curves))
    curves = {}
    for ring_format in FORMATS:
        rates = {segments: super_frame_rate(rows, segments, ring_format) for segments in SUPER_FRAMES}
        curves[f"netbsp {ring_format}"] = {segments: rate * segments for segments, rate in rates.items() if rate}
    panels.append(("tx tap over segments of a TCP packet", "segments/s", curves))
    figures.plot_growth(path, panels)
