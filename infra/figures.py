"""Numbers, bytes and seconds as people read them."""


def counted(number: int, noun: str) -> str:
    """The number with its noun."""
    return f"{number} {noun}{'' if number == 1 else 's'}"


def gigabytes(count: int) -> str:
    """Bytes as a number of GB (10^9)."""
    return f"{count / 1e9:,.1f}"


def duration(seconds: tuple[float, float]) -> str:
    """From the fast to the slow end, in minutes from two minutes on."""
    unit, size = ("min", 60) if seconds[1] >= 120 else ("s", 1)
    low, high = (_two_digits(each / size) for each in seconds)
    return f"{low} {unit}" if low == high else f"{low} to {high} {unit}"


def _two_digits(number: float) -> str:
    return f"{number:,.0f}" if number >= 10 else f"{number:,.2g}"
