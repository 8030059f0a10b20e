"""What is wrong with a configuration, all of it at once."""

from dataclasses import dataclass

__all__ = ["ConfigError", "Problem"]


@dataclass(frozen=True, slots=True)
class Problem:
    """One error: where it was written, which key, why it is refused, and the nearest valid key."""

    origin: str
    """`file:line`, or the name of an environment variable."""
    key: str
    """Dotted name of the setting, empty for a whole file."""
    reason: str
    hint: str | None = None

    def __str__(self) -> str:
        """Write it as one line."""
        parts = [part for part in (self.origin, self.key, self.reason) if part]
        suffix = f' (did you mean "{self.hint}"?)' if self.hint else ""
        return ": ".join(parts) + suffix


class ConfigError(Exception):
    """The configuration cannot be used; `problems` holds every reason, its text one line for each."""

    def __init__(self, problems: list[Problem]) -> None:
        """Keep the problems in the order of their files, each once."""
        self.problems = tuple(dict.fromkeys(problems))
        super().__init__("\n".join(str(problem) for problem in self.problems))
