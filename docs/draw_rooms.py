"""Draw the rooms of the code from its imports: docs/pictures/rooms.svg. `make rooms` calls it.

A box is a room, with the number of its modules; it stands above all that it imports from. An arrow is drawn to
a room that is imported directly and is not reached by way of another one.
"""

from __future__ import annotations

from collections import defaultdict
from html import escape
from pathlib import Path

import grimp

ROOT = Path(__file__).resolve().parent.parent
PICTURE = ROOT / "docs" / "pictures" / "rooms.svg"
PACKAGES = ("cli", "blueprints", "jobs", "desk", "models", "wire", "mail")
GROUPED = ("blueprints", "desk")  # their rooms stand in layers and are drawn one by one
WIDTH, HEIGHT, GAP_X, GAP_Y, MARGIN = 168, 46, 22, 44, 24  # pixels
STYLE = """
  text { font: 13px system-ui, sans-serif; fill: #1c2430; text-anchor: middle }
  .count { font-size: 11px; fill: #5b6675 }
  rect { fill: #ffffff; stroke: #9aa6b5; rx: 8 }
  .desk { fill: #eef4ff } .mail { fill: #fff6e5 } .blueprints { fill: #eefaf1 }
  path { fill: none; stroke: #9aa6b5; marker-end: url(#tip) }
"""


def room_of(module: str) -> str:
    """`desk.tickets.search` is in desk/tickets, `desk.office` in desk, `wire.imap` in wire."""
    package, _, rest = module.partition(".")
    inner = rest.split(".")[0]
    is_room = package in GROUPED and (ROOT / package / inner / "__init__.py").exists()
    return f"{package}/{inner}" if inner and is_room else package


def rooms() -> tuple[dict[str, int], dict[str, set[str]]]:
    """How many modules each room has, and which rooms it imports from."""
    graph = grimp.build_graph(PACKAGES[0], *PACKAGES[1:])
    sizes: defaultdict[str, int] = defaultdict(int)
    arrows: defaultdict[str, set[str]] = defaultdict(set)
    for module in graph.modules:
        sizes[room_of(module)] += 1
        for imported in graph.find_modules_directly_imported_by(module):
            if room_of(imported) != room_of(module):
                arrows[room_of(module)].add(room_of(imported))
    return dict(sizes), dict(arrows)


def floor_of(room: str, arrows: dict[str, set[str]], on_the_way: tuple[str, ...] = ()) -> int:
    """0 for a room that imports from none; each other stands one above the highest that it imports from.

    Raises ValueError for a circle of rooms.
    """
    if room in on_the_way:
        raise ValueError(" -> ".join((*on_the_way, room)))
    below = (floor_of(other, arrows, (*on_the_way, room)) for other in arrows.get(room, ()))
    return 1 + max(below, default=-1)


def direct(room: str, arrows: dict[str, set[str]]) -> set[str]:
    """The rooms below that no other room below leads to."""
    below = arrows.get(room, set())
    return {one for one in below if not any(one in _reached(other, arrows) for other in below - {one})}


def _reached(room: str, arrows: dict[str, set[str]]) -> set[str]:
    return set().union(*({one} | _reached(one, arrows) for one in arrows.get(room, ())))


def draw(sizes: dict[str, int], arrows: dict[str, set[str]]) -> str:
    floors: defaultdict[int, list[str]] = defaultdict(list)
    for room in sorted(sizes, key=lambda name: (PACKAGES.index(name.split("/")[0]), name)):
        floors[floor_of(room, arrows)].append(room)
    widest, top = max(map(len, floors.values())), max(floors)
    width = MARGIN * 2 + widest * (WIDTH + GAP_X) - GAP_X
    place = {
        room: (
            (width - len(floors[floor]) * (WIDTH + GAP_X) + GAP_X) / 2 + number * (WIDTH + GAP_X),
            MARGIN + (top - floor) * (HEIGHT + GAP_Y),
        )
        for floor in floors
        for number, room in enumerate(floors[floor])
    }
    height = MARGIN * 2 + (top + 1) * (HEIGHT + GAP_Y) - GAP_Y
    lines = [_arrow(place[room], place[other]) for room in place for other in sorted(direct(room, arrows))]
    boxes = [_box(room, sizes[room], *place[room]) for room in place]
    tip = (
        '<marker id="tip" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="7" markerHeight="7" orient="auto">'
    )
    tip += '<path d="M0 0 8 4 0 8z" style="fill:#9aa6b5;stroke:none"/></marker>'
    head = f'<svg xmlns="http://www.w3.org/2000/svg" width="{width:.0f}" height="{height:.0f}">'
    ground = '<rect width="100%" height="100%" style="fill:#f7f9fb;stroke:none;rx:0"/>'
    return "\n".join([head, f"<style>{STYLE}</style><defs>{tip}</defs>{ground}", *lines, *boxes, "</svg>\n"])


def _box(room: str, size: int, x: float, y: float) -> str:
    kind = room.split("/")[0]
    middle = x + WIDTH / 2
    return (
        f'<rect class="{kind}" x="{x:.0f}" y="{y:.0f}" width="{WIDTH}" height="{HEIGHT}"/>'
        f'<text x="{middle:.0f}" y="{y + 20:.0f}">{escape(room)}/</text>'
        f'<text class="count" x="{middle:.0f}" y="{y + 36:.0f}">{size} modules</text>'
    )


def _arrow(start: tuple[float, float], end: tuple[float, float]) -> str:
    x, y, to_x, to_y = start[0] + WIDTH / 2, start[1] + HEIGHT, end[0] + WIDTH / 2, end[1]
    bend = min(60, (to_y - y) / 2)
    return f'<path d="M{x:.0f} {y:.0f}C{x:.0f} {y + bend:.0f} {to_x:.0f} {to_y - bend:.0f} {to_x:.0f} {to_y:.0f}"/>'


if __name__ == "__main__":
    sizes, arrows = rooms()
    PICTURE.write_text(draw(sizes, arrows), encoding="utf-8")
    print(f"{PICTURE.relative_to(ROOT)} shows {len(sizes)} rooms.")
