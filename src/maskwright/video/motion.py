"""Where a tracked object will be: a Kalman filter of constant velocity over its box, in true time.

The state is center, aspect ratio and height of the box with their velocities, as in SORT and ByteTrack; noise grows
with the height. Time is counted in units of the nominal interval between frames, so that a variable frame rate and
dropped frames move objects as far as they went.
"""

from __future__ import annotations

import numpy as np

POSITION_NOISE, VELOCITY_NOISE = 1 / 20, 1 / 160  # of the height, per unit of time (ByteTrack's)


class BoxMotion:
    """The motion of one box, x1 y1 x2 y2 in pixels."""

    def __init__(self, box: np.ndarray) -> None:
        measured = _measured(box)
        self.state = np.concatenate([measured, np.zeros(4)])
        height = measured[3]
        position, velocity = 2 * POSITION_NOISE * height, 10 * VELOCITY_NOISE * height
        spread = [position, position, 1e-2, position, velocity, velocity, 1e-5, velocity]
        self.covariance = np.diag(np.square(spread))

    @property
    def box(self) -> np.ndarray:
        """4 float64 x1 y1 x2 y2, where the object is expected at the time of the last `advance` or `correct`."""
        x, y, aspect, height = self.state[:4]
        width = max(aspect, 1e-3) * max(height, 1.0)
        return np.array([x - width / 2, y - height / 2, x + width / 2, y + height / 2])

    def advance(self, intervals: float, seen: bool = True) -> None:
        """Move on by so many nominal intervals; the height of an object out of sight keeps its size."""
        if not seen:
            self.state[7] = 0.0
        step = np.eye(8)
        step[:4, 4:] = intervals * np.eye(4)
        height = max(self.state[3], 1.0)
        position, velocity = POSITION_NOISE * height, VELOCITY_NOISE * height
        noise = np.array([position, position, 1e-2, position, velocity, velocity, 1e-5, velocity])
        self.state = step @ self.state
        self.covariance = step @ self.covariance @ step.T + np.diag(np.square(noise)) * intervals

    def correct(self, box: np.ndarray) -> None:
        """Take in where the object was seen."""
        height = max(self.state[3], 1.0)
        noise = np.diag(np.square([POSITION_NOISE * height, POSITION_NOISE * height, 1e-1, POSITION_NOISE * height]))
        gain = np.linalg.solve(self.covariance[:4, :4] + noise, self.covariance[:4]).T
        self.state = self.state + gain @ (_measured(box) - self.state[:4])
        self.covariance = self.covariance - gain @ self.covariance[:4]


def _measured(box: np.ndarray) -> np.ndarray:
    """Center, aspect ratio (width / height) and height."""
    x1, y1, x2, y2 = np.asarray(box, np.float64)
    height = max(y2 - y1, 1.0)
    return np.array([(x1 + x2) / 2, (y1 + y2) / 2, max(x2 - x1, 1e-3) / height, height])
