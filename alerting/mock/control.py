"""How the mock is told to misbehave: PUT /control."""

from dataclasses import dataclass
from typing import Any, Self


@dataclass(slots=True)
class Control:
    """What is to go wrong, until told otherwise.

    `fail`: how many requests still fail with `status`, -1 for all. `after`: fail only after the message was taken in, as
    when an answer is lost. `stall`: seconds that every answer waits. `refuse_next`: how many new contents still are to
    be refused for good; `refuse`: one to be refused by its id.
    """

    fail: int = 0
    status: int = 503
    after: bool = False
    stall: float = 0.0
    refuse_next: int = 0
    refuse: str = ""

    @classmethod
    def of(cls, document: Any) -> Self:
        """Return the control of {"fail": 3 | true, "status": 503, "after": false, "stall": 0, "refuse": "ID",
        "refuse_next": 1}; what is left out is as at the start. Raises ValueError or TypeError naming what is wrong.
        """
        if not isinstance(document, dict):
            raise TypeError("want a JSON object")
        if unknown := document.keys() - set(cls.__slots__):
            raise ValueError(f"unknown: {', '.join(sorted(unknown))}; there are {', '.join(cls.__slots__)}")
        given = dict(document)
        if isinstance(given.get("fail"), bool):
            given["fail"] = -1 if given["fail"] else 0
        control = cls(**given)
        control._check()
        return control

    def _check(self) -> None:
        if type(self.fail) is not int or type(self.refuse_next) is not int or type(self.after) is not bool:
            raise ValueError("fail and refuse_next are integers, after is true or false")
        if type(self.status) is not int or not 400 <= self.status <= 599:  # noqa: PLR2004 - RFC 9110: 4xx and 5xx
            raise ValueError("status is 400 to 599")
        if not isinstance(self.stall, int | float) or not 0 <= self.stall <= 3600:  # noqa: PLR2004 - an hour
            raise ValueError("stall is 0 to 3600 seconds")
        if not isinstance(self.refuse, str):
            raise ValueError("refuse is a content's id")  # noqa: TRY004 - a wrong document, not a wrong call

    def fails(self) -> bool:
        """Tell whether this request fails, and count it."""
        if self.fail > 0:
            self.fail -= 1
            return True
        return self.fail < 0
