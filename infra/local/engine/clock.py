"""Modelled time: as real time, faster, or without any waiting."""

import asyncio

SPEED = "INFRA_SIMULATED_SPEED"


class Clock:
    """
    Seconds of the modelled engine since it was started.

    At a speed it follows the real clock; without one it stands still but for what is modelled.
    """

    def __init__(self, speed: float | None) -> None:
        self._speed = speed
        self._start = asyncio.get_running_loop().time()
        self._modelled = 0.0

    @property
    def speed(self) -> str:
        """As `read_speed` takes it."""
        return _text(self._speed)

    def now(self) -> float:
        """The modelled time."""
        if self._speed is None:
            return self._modelled
        return (asyncio.get_running_loop().time() - self._start) * self._speed

    async def sleep(self, seconds: float) -> None:
        """Wait beside the modelled engine, which does not notice."""
        await asyncio.sleep(0.0 if self._speed is None else seconds / self._speed)

    async def until(self, time: float) -> None:
        """Wait for a modelled time; let others run in any case."""
        self._modelled = max(self._modelled, time)
        late = 0.0 if self._speed is None else (time - self.now()) / self._speed
        await asyncio.sleep(max(late, 0.0))


def speed_text(word: str) -> str:
    """What a word in the environment asks for, in our spelling."""
    return _text(read_speed(word))


def _text(speed: float | None) -> str:
    return "off" if speed is None else f"{speed:g}"


def read_speed(word: str) -> float | None:
    """The factor in the environment: 1 by default, None without waiting."""
    if word in ("off", "0"):
        return None
    try:
        speed = float(word or 1)
    except ValueError:
        speed = 0.0
    if not 0 < speed < float("inf"):
        raise ValueError(
            f"{SPEED}: it is {word!r}; a factor above 0, such as 10, or 'off' is allowed"
        )
    return speed
