"""Line charts as SVG, readable on light and dark pages, drawn with the standard library."""
import html, math

WIDTH, HEIGHT, LEFT, RIGHT, TOP, BOTTOM = 720, 400, 80, 190, 48, 56
COLOURS = [("#0969da", "#58a6ff"), ("#bc4c00", "#f0883e"), ("#1a7f37", "#3fb950"), ("#8250df", "#bc8cff"), ("#57606a", "#8b949e")]


def nice(most):
    """The next of 1, 2, 2.5, 5 × 10ⁿ at or above a quarter of the greatest value: the distance of the grid's lines."""
    step = max(most, 1e-9) / 4
    power = 10 ** math.floor(math.log10(step))
    return next(f * power for f in (1, 2, 2.5, 5, 10) if f * power >= step)


def style():
    rules = lambda mode: "".join(f".s{n}{{stroke:{c[mode]}}}.t{n}{{fill:{c[mode]}}}" for n, c in enumerate(COLOURS))
    light = "text{font:13px system-ui,sans-serif;fill:#1f2328}.grid{stroke:#d0d7de}.line{fill:none;stroke-width:2.5}" + rules(0)
    return f"<style>{light}@media (prefers-color-scheme:dark){{text{{fill:#e6edf3}}.grid{{stroke:#3d444d}}{rules(1)}}}</style>"


def text(x, y, words, anchor="start", extra=""):
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" {extra}>{html.escape(words)}</text>'


def lines(title, x_title, y_title, series, log_x=False):
    """`series` is {name: [(x, y), …]}; a name stands at the end of its line, moved where it would cover another."""
    points = [p for line in series.values() for p in line]
    scale = math.log10 if log_x else float
    low, high = (scale(f(x for x, _ in points)) for f in (min, max))
    low = low if log_x else 0.0
    step = nice(max(y for _, y in points))
    top = math.ceil(max(y for _, y in points) / step - 1e-9) * step
    px = lambda x: LEFT + (scale(x) - low) / ((high - low) or 1) * (WIDTH - LEFT - RIGHT)
    py = lambda y: HEIGHT - BOTTOM - y / top * (HEIGHT - TOP - BOTTOM)
    out = [f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="{html.escape(title, quote=True)}">', style(),
           text(LEFT, 22, title, extra='font-weight="600"')]
    for n in range(round(top / step) + 1):
        y = py(n * step)
        out += [f'<line class="grid" x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{y:.1f}" y2="{y:.1f}"/>', text(LEFT - 8, y + 4, f"{n * step:,g}", "end")]
    x_step = nice(high)
    for x in sorted({x for x, _ in points}) if log_x else [n * x_step for n in range(int(high / x_step) + 1)]:
        out.append(text(px(x), HEIGHT - BOTTOM + 20, f"{x:,g}" if x < 1e6 else f"{x / 1e6:g} M", "middle"))
    out += [text((LEFT + WIDTH - RIGHT) / 2, HEIGHT - 12, x_title, "middle"),
            text(0, 0, y_title, "middle", f'transform="translate(16 {(TOP + HEIGHT - BOTTOM) / 2:.0f}) rotate(-90)"')]
    taken = -math.inf
    ends = sorted(series.items(), key=lambda s: py(s[1][-1][1]))
    colour = {name: n % len(COLOURS) for n, name in enumerate(series)}
    for name, line in ends:
        n, taken = colour[name], max(py(line[-1][1]) + 4, taken + 16)
        out += [f'<polyline class="line s{n}" points="{" ".join(f"{px(x):.1f},{py(y):.1f}" for x, y in line)}"/>',
                *(f'<circle class="t{n}" cx="{px(x):.1f}" cy="{py(y):.1f}" r="3"/>' for x, y in line),
                text(max(px(line[-1][0]) + 8, LEFT), taken, name, extra=f'class="t{n}"')]
    return "\n".join([*out, "</svg>", ""])
