"""Microsoft Defender's field names: Windows writes them with spaces, rules without or with underscores."""

from collections.abc import Iterator, Mapping
from typing import Final

FIELDS: Final = (
    # what was scanned: 1000 to 1005
    *("Product Name", "Product Version", "Scan ID", "Scan Parameters", "Scan Resources", "Scan Type"),
    # what was found and done: 1006 to 1015, 1116 to 1119
    *("Action ID", "Action Name", "Additional Actions ID", "Additional Actions String", "Category ID", "Category Name"),
    *("Detection ID", "Detection Time", "Detection User", "Engine Version", "Error Code", "Error Description"),
    *("Execution ID", "Execution Name", "Origin ID", "Origin Name", "Post Clean Status", "Pre Execution Status"),
    *("Process Name", "Remediation User", "Security intelligence Version", "Severity ID", "Severity Name"),
    *("Signature Version", "Source ID", "Source Name", "Status Code", "Status Description", "Threat ID", "Threat Name"),
    *("Type ID", "Type Name"),
    # attack surface reduction and controlled folders: 1121 to 1133
    *("Inhertiance Flags", "Involved File", "Parent Commandline", "Target Commandline"),
    # protection and configuration: 2000 to 5013
    *("Changed Type", "Current Engine Version", "Current Signature Version", "Failure Type", "Feature ID"),
    *("Feature Name", "New Value", "Old Value", "Previous Engine Version", "Previous Signature Version"),
    *("Signature Type", "Update Source", "Update Type"),
)
"""The names with spaces of the events that rules look at, as Windows spells them ("Inhertiance")."""


def aliases() -> Mapping[str, str]:
    """Return each way to write such a name without spaces, and the name."""
    return {alias: name for name in FIELDS for alias in _without_spaces(name)}


def _without_spaces(name: str) -> Iterator[str]:
    words = name.split()
    capitals = [word[0].upper() + word[1:] for word in words]
    for join in ("", "_"):
        yield join.join(words)
        yield join.join(capitals)
