"""One frozen Settings, read once: defaults, then a TOML file, then SOC_* variables (SOC_BUS__URL is bus.url).

Unknown and wrong keys are refused by name. docs/settings.md is generated from the descriptions in the sections.
"""

from soc.settings.base import Address
from soc.settings.correlate import CorrelateSettings, OnlySettings, WithoutSettings
from soc.settings.read import FILE_VARIABLE, PREFIX, Settings, load
from soc.settings.receivers import MailReceiver, Receiver, WebhookReceiver
from soc.settings.sections import (
    AlertSettings,
    BusSettings,
    CollectSettings,
    ConsoleSettings,
    HealthSettings,
    NationalSettings,
    StoreSettings,
    User,
)

__all__ = [
    "FILE_VARIABLE",
    "PREFIX",
    "Address",
    "AlertSettings",
    "BusSettings",
    "CollectSettings",
    "ConsoleSettings",
    "CorrelateSettings",
    "HealthSettings",
    "MailReceiver",
    "NationalSettings",
    "OnlySettings",
    "Receiver",
    "Settings",
    "StoreSettings",
    "User",
    "WebhookReceiver",
    "WithoutSettings",
    "load",
]
