"""Renders a line chart of memory over time as SVG."""

WIDTH, HEIGHT, LEFT, BOTTOM, TOP, RIGHT = 640, 200, 48, 28, 24, 12


def ceiling(value):
    """Returns the next 1, 2, 5 or 10 times a power of ten that is not below the value."""
    step = 10 ** (len(str(int(value))) - 1)
    return next(step * factor for factor in (1, 2, 5, 10) if step * factor >= value)


def chart(name, unit, samples, quantity="memory, MB"):
    """Returns an SVG line chart of (time, value) samples."""
    top, last = ceiling(max(size for _, size in samples)), max(at for at, _ in samples) or 1
    x = lambda at: LEFT + at / last * (WIDTH - LEFT - RIGHT)
    y = lambda size: HEIGHT - BOTTOM - size / top * (HEIGHT - BOTTOM - TOP)
    # One point per pixel, the maximum of its samples, so that no peak is lost.
    step = max(1, len(samples) // (WIDTH - LEFT))
    peaks = [max(samples[at:at + step], key=lambda sample: sample[1]) for at in range(0, len(samples), step)]
    line = " ".join(f"{x(at):.1f},{y(size):.1f}" for at, size in peaks)
    text = lambda left, baseline, content, anchor: f'<text x="{left:.0f}" y="{baseline:.0f}" text-anchor="{anchor}">{content}</text>'
    grid = "".join(f'<path d="M{LEFT} {y(size):.1f}H{WIDTH - RIGHT}" stroke="#ddd"/>' for size in (0, top / 2, top))
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" font-family="sans-serif" font-size="11" fill="#444">'
        f'<rect width="{WIDTH}" height="{HEIGHT}" fill="#fff"/>{grid}'
        f'<polyline points="{line}" fill="none" stroke="#06c" stroke-width="1.5"/>'
        + text(LEFT, 14, f"{name}: {quantity}", "start")
        + "".join(text(LEFT - 6, y(size) + 4, f"{size:g}", "end") for size in (0, top / 2, top))
        + text(LEFT, HEIGHT - 10, "0", "middle")
        + text(WIDTH - RIGHT, HEIGHT - 10, f"{last:.0f} {unit}s", "end")
        + "</svg>\n"
    )
