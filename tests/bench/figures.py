"""One figure of a benchmark, and the target that it is held to."""

from dataclasses import dataclass
from typing import Any, Literal


@dataclass(frozen=True)
class Figure:
    """`value` in `unit`, which is to be at least or at most `target`; None: told without a target."""

    name: str
    value: float
    unit: str
    target: float | None = None
    bound: Literal["least", "most"] = "least"

    @property
    def ok(self) -> bool:
        """Tell whether the target is met."""
        if self.target is None:
            return True
        return self.value >= self.target if self.bound == "least" else self.value <= self.target

    @property
    def wanted(self) -> str:
        """The target in words."""
        return "-" if self.target is None else f"at {self.bound} {self.target:,g}"

    @property
    def verdict(self) -> str:
        """Met or missed."""
        return "" if self.target is None else ("ok" if self.ok else "MISSED")

    def to_document(self) -> dict[str, Any]:
        """Return the JSON-ready form."""
        return {"name": self.name, "value": self.value, "unit": self.unit, "target": self.target, "ok": self.ok}
