"""Balloon scenes: single balloons, bunches, heaps, on strings, held by people, distant in the sky."""

from __future__ import annotations

import numpy as np

from maskwright.synth.backdrops import Place, paint_backdrop
from maskwright.synth.camera import develop
from maskwright.synth.canvas import Canvas, any_color, ellipse, linear
from maskwright.synth.inflated import Balloon, paint_balloon
from maskwright.synth.party import Party
from maskwright.synth.people import person
from maskwright.synth.solids import limb
from maskwright.synth.things import pole, round_thing

__all__ = ["NAMES", "develop", "paint"]

NAMES = ("balloon",)


def paint(canvas: Canvas, chance: np.random.SeedSequence, pictures: list[np.ndarray], empty: bool) -> list[int]:
    """Paint a scene; returns the class of each balloon. Their pixels in `canvas.owner` are 0, 1, ...

    Background, objects, balloons and people in front have separate random generators, so that an empty scene is the
    same scene without balloons.
    """
    behind, things, inside, front = (np.random.default_rng(stream) for stream in chance.spawn(4))
    backdrop = paint_backdrop(canvas, behind, pictures)
    hands = _furnish(canvas, things, backdrop)
    balloons, strings = ([], []) if empty else _arrange(canvas, inside, backdrop, hands)
    tone = (
        linear(*([inside.uniform(0.6, 1)] * 3)) if inside.random() < 0.7 else any_color(inside, (0.3, 0.9), (0.4, 0.9))
    )
    thick = float(np.clip(np.mean([b.radius for b in balloons] or [0]) * 0.03, 0.5, 2.2))
    canvas.lines(strings, thick, tone, inside.uniform(0.35, 0.95))
    for row, balloon in enumerate(balloons):
        paint_balloon(canvas, balloon, backdrop.light, row)
    _occlude(canvas, front, backdrop, balloons)
    return [0] * len(balloons)


# --- people and objects --------------------------------------------------------------------------
def _furnish(canvas: Canvas, rng: np.random.Generator, backdrop: Place) -> list[tuple[float, float]]:
    """Paint round objects and people behind the balloons; returns the positions of hands."""
    height, width = canvas.size
    for _ in range(int(rng.integers(-1, backdrop.things + 1))):
        round_thing(canvas, rng, backdrop.light, backdrop.ground)
    if rng.random() < 0.35:
        return []
    near = height * np.exp(rng.uniform(np.log(0.2), np.log(1.3)))  # height of the nearest person
    hands = []
    sizes = np.sort(near * rng.uniform(0.55, 1.0, int(rng.integers(0, backdrop.people + 1))))
    for tall in sizes:  # distant people are smaller and painted first
        feet = (
            backdrop.ground
            + (height * 1.02 - backdrop.ground) * rng.uniform(0.2, 1)
            + max(0, tall - 0.8 * height) * rng.uniform(0.3, 1)
        )
        hands.append(person(canvas, rng, backdrop.light, rng.uniform(-0.05, 1.05) * width, feet, tall))
    return hands


def _occlude(canvas: Canvas, rng: np.random.Generator, backdrop: Place, balloons: list[Balloon]) -> None:
    """Sometimes paint something in front of the balloons: a person, a head, a post, a hand."""
    height, width = canvas.size
    if rng.random() < 0.18 and backdrop.people:
        tall = height * rng.uniform(0.5, 1.5)
        person(canvas, rng, backdrop.light, rng.uniform(0, width), height + max(0.0, tall - 0.75 * height), tall)
    if rng.random() < 0.1:
        pole(canvas, rng, backdrop.light)
    short = min(height, width)
    reachable = [
        balloon for balloon in balloons if 0.07 * short < balloon.radius < 0.3 * short and 0 < balloon.x < width
    ]
    if reachable and rng.random() < 0.15:  # fingers around one of them
        held = reachable[int(rng.integers(len(reachable)))]
        skin, at = linear(0.92, 0.7, 0.58) * rng.uniform(0.3, 1), rng.uniform(0.3, 2.8)
        for step in range(4):
            angle, thick = at + 0.17 * step, held.radius * 0.075
            outer = (held.x + 1.02 * held.radius * np.cos(angle), held.y + 1.02 * held.radius * np.sin(angle))
            inner = (
                held.x + 0.68 * held.radius * np.cos(angle + 0.1),
                held.y + 0.68 * held.radius * np.sin(angle + 0.1),
            )
            limb(canvas, outer, inner, thick * 1.1, thick, skin, backdrop.light, 0.03)
        far = 1.5 * max(height, width)  # the arm comes from outside the image
        elbow = (held.x + far * np.cos(at + 0.3), held.y + far * np.sin(at + 0.3))
        palm = (held.x + 1.12 * held.radius * np.cos(at + 0.25), held.y + 1.12 * held.radius * np.sin(at + 0.25))
        sleeve = any_color(rng, (0, 0.8), (0.1, 0.9)) if rng.random() < 0.6 else skin
        fraction = 0.9 * held.radius / far
        cuff = (palm[0] + fraction * (elbow[0] - palm[0]), palm[1] + fraction * (elbow[1] - palm[1]))
        limb(canvas, palm, cuff, held.radius * 0.2, held.radius * 0.16, skin, backdrop.light, 0.03)
        limb(canvas, cuff, elbow, held.radius * 0.2, held.radius * 0.3, sleeve, backdrop.light, 0.15)


# --- arrangement ---------------------------------------------------------------------------------
def _arrange(canvas: Canvas, rng: np.random.Generator, backdrop: Place, hands: list[tuple[float, float]]):
    """(balloons in painting order, distant ones first; paths of their strings)."""
    height, width = canvas.size
    short = min(height, width)
    party = Party.sample(rng)
    plan = rng.choice(
        ["one", "few", "bunch", "bunches", "heap", "chain", "far"], p=[0.29, 0.21, 0.22, 0.08, 0.09, 0.05, 0.06]
    )
    balloons: list[Balloon] = []
    strings: list[list[tuple[float, float]]] = []
    hand = hands[int(rng.integers(len(hands)))] if hands and rng.random() < 0.6 else None

    def radius(low: float, high: float) -> float:
        return short * float(np.exp(rng.uniform(np.log(low), np.log(high))))

    if plan in ("one", "few", "far"):
        count = {"one": 1, "few": int(rng.integers(2, 6)), "far": int(rng.integers(1, 9))}[plan]
        low, high = {"one": (0.07, 0.6), "few": (0.07, 0.36), "far": (0.016, 0.045)}[plan]
        typical = radius(low, high)
        for _ in range(count):
            r = max(4.0, typical * rng.uniform(0.75, 1.3))
            x, y = rng.uniform(0.02, 0.98) * width, rng.uniform(0.05, 0.95) * height
            lying = y > backdrop.ground - r and rng.random() < 0.7
            balloon = party.balloon(rng, x, y, r, rng.uniform(-3, 3) if lying else rng.normal(0, 0.22))
            if lying:
                _shadow(canvas, balloon, backdrop)
            elif hand is not None and len(balloons) == 0:
                balloon.x, balloon.y = hand[0] + rng.normal(0, 0.6) * r, hand[1] - r * rng.uniform(1.6, 4)
                strings.append(_string(rng, balloon.end(), hand))
            elif rng.random() < 0.6:
                strings.append(_string(rng, balloon.end(), (x + rng.normal(0, r), y + r * rng.uniform(2, 7))))
            balloons.append(balloon)
    elif plan in ("bunch", "bunches"):
        for _ in range(1 if plan == "bunch" else int(rng.integers(2, 4))):
            count = int(rng.integers(3, 13)) if plan == "bunches" or rng.random() < 0.8 else int(rng.integers(12, 27))
            r = max(4.0, radius(0.05, 0.3) / (1 + count / 18))
            middle = (rng.uniform(0.1, 0.9) * width, rng.uniform(0.1, 0.65) * height)
            knot = (
                hand
                if hand is not None and rng.random() < 0.8
                else (middle[0] + rng.normal(0, r), middle[1] + r * rng.uniform(3, 9))
            )
            if knot is hand and hand is not None:
                middle = (hand[0] + rng.normal(0, r), hand[1] - r * rng.uniform(2.5, 6))
            for balloon in _bunch(rng, party, middle, knot, r, count):
                strings.append(_string(rng, balloon.end(), knot))
                balloons.append(balloon)
    elif plan == "heap":
        r, floor = radius(0.06, 0.2), rng.uniform(0.35, 0.9) * height
        count = int(np.clip(0.9 * width * (height - floor + r) / (np.pi * r * r) * rng.uniform(0.4, 1.1), 4, 30))
        spots = np.stack([rng.uniform(0, width, count), floor + rng.uniform(0, 1, count) * (height - floor)], axis=1)
        for x, y in spots[np.argsort(spots[:, 1])]:
            balloons.append(
                party.balloon(rng, x, y, r * rng.uniform(0.8, 1.2) * (0.75 + 0.4 * y / height), rng.uniform(-3, 3))
            )
    else:  # a garland
        r, count = radius(0.03, 0.09), int(rng.integers(7, 26))
        start, end = (
            (rng.uniform(-0.1, 0.4) * width, rng.uniform(0.05, 0.9) * height),
            (rng.uniform(0.6, 1.1) * width, rng.uniform(0.05, 0.9) * height),
        )
        bow = rng.uniform(-0.5, 0.4) * height
        for fraction in rng.permutation(np.linspace(0, 1, count)):
            x = start[0] + fraction * (end[0] - start[0]) + rng.normal(0, 0.5) * r
            y = start[1] + fraction * (end[1] - start[1]) + 4 * bow * fraction * (1 - fraction) + rng.normal(0, 0.5) * r
            balloons.append(party.balloon(rng, x, y, max(4.0, r * rng.uniform(0.6, 1.25)), rng.uniform(-3, 3)))
    return balloons, strings


def _bunch(
    rng: np.random.Generator, party: Party, middle: tuple[float, float], knot: tuple[float, float], r: float, count: int
):
    """Balloons in a ball that push each other apart, nearest last; their knots point to where the strings meet."""
    spots = rng.normal(0, r * count ** (1 / 3), (count, 3))
    spacing = r * rng.uniform(1.5, 2.1)
    for _ in range(24):
        gap = spots[:, None] - spots[None]
        far = np.maximum(np.linalg.norm(gap, axis=-1), 1e-3) + 1e9 * np.eye(count)
        push = (np.maximum(spacing - far, 0) / far)[..., None] * gap
        spots += 0.5 * push.sum(1) - 0.03 * spots
    for x, y, z in spots[np.argsort(spots[:, 2])]:
        x, y = middle[0] + x, middle[1] + 0.9 * y
        tilt = np.arctan2(x - knot[0], max(knot[1] - y, r)) * rng.uniform(0.6, 1.0) + rng.normal(0, 0.1)
        yield party.balloon(rng, x, y, max(4.0, r * rng.uniform(0.85, 1.12) * (1 + 0.04 * z / r)), tilt)


def _string(
    rng: np.random.Generator, start: tuple[float, float], end: tuple[float, float]
) -> list[tuple[float, float]]:
    fraction = np.linspace(0, 1, 14)
    length = np.hypot(end[0] - start[0], end[1] - start[1])
    sag, curl = rng.normal(0, 0.08) * length, rng.uniform(0, 0.015) * length
    x = (
        start[0]
        + fraction * (end[0] - start[0])
        + 4 * sag * fraction * (1 - fraction)
        + curl * np.sin(fraction * rng.uniform(5, 25))
    )
    y = start[1] + fraction * (end[1] - start[1])
    return list(zip(x.tolist(), y.tolist(), strict=True))


def _shadow(canvas: Canvas, balloon: Balloon, backdrop: Place) -> None:
    """The shadow of a balloon on the ground."""
    r, (tx, _, _) = balloon.radius, backdrop.light.towards
    window = canvas.around(balloon.x - tx * r * 0.8, balloon.y + r, 2 * r)
    if window is None:
        return
    cover, _, _ = ellipse(
        window, balloon.x - tx * r * 0.8, balloon.y + r * 0.9, r * 1.1, r * 0.32, soft=max(3.0, r * 0.35)
    )
    canvas.darken(window, 0.55 * cover)
