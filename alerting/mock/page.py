"""The mock's page for people: what was received, escaped, plain, refreshed every few seconds."""

from collections.abc import Iterable, Sequence
from html import escape
from typing import Any, Final

from alerting.mock.ledger import Ledger, StreamState

SHOWN: Final = 50
REFRESH_SECONDS: Final = 5

STYLE: Final = """
:root { color-scheme: light dark; --line: #d6dae1; --soft: #f4f6f9; --text: #1c2430; --dim: #5c6675; --bad: #b3261e;
  --good: #1b6e3c; --accent: #1f4e8c; --paper: #fff }
@media (prefers-color-scheme: dark) { :root { --line: #343b47; --soft: #1d222b; --text: #e3e7ee; --dim: #97a1b1;
  --bad: #ff8a80; --good: #7bd49a; --accent: #8ab8f5; --paper: #14181f } }
* { box-sizing: border-box }
body { margin: 0; font: 15px/1.5 system-ui, "Noto Sans", sans-serif; color: var(--text); background: var(--paper) }
header { padding: 18px 28px; border-bottom: 1px solid var(--line); display: flex; gap: 16px; align-items: baseline;
  flex-wrap: wrap }
h1 { font-size: 20px; margin: 0 } h2 { font-size: 16px; margin: 28px 0 8px }
main { padding: 4px 28px 40px; max-width: 1280px }
.dim { color: var(--dim) } .bad { color: var(--bad); font-weight: 600 } .good { color: var(--good); font-weight: 600 }
.cards { display: flex; flex-wrap: wrap; gap: 12px; margin-top: 20px }
.card { border: 1px solid var(--line); border-radius: 8px; background: var(--soft); padding: 10px 16px; min-width: 120px }
.card b { display: block; font-size: 22px; font-variant-numeric: tabular-nums }
.scroll { overflow-x: auto; border: 1px solid var(--line); border-radius: 8px }
table { border-collapse: collapse; width: 100% } th, td { padding: 7px 12px; text-align: left; vertical-align: top }
th { background: var(--soft); font-weight: 600; font-size: 13px; color: var(--dim); white-space: nowrap }
tr + tr td { border-top: 1px solid var(--line) } td.n { font-variant-numeric: tabular-nums } td.when { white-space: nowrap }
td.what { overflow-wrap: anywhere; min-width: 240px } code { font: 13px ui-monospace, monospace; overflow-wrap: anywhere }
.tag { border: 1px solid var(--line); border-radius: 99px; padding: 1px 9px; font-size: 13px; white-space: nowrap }
.urgent { color: var(--bad); border-color: var(--bad) } .summary { color: var(--accent); border-color: var(--accent) }
"""


def render(ledger: Ledger, control: dict[str, Any]) -> str:
    """Return the page. Everything that was received is escaped: it may hold what an attacker wrote into a log."""
    streams = ledger.streams()
    sections = [
        _cards(streams, ledger.counters()),
        _control(control),
        "<h2>Streams</h2>",
        _table(
            ("Stream", "Epoch", "Received", "Contiguous to", "Highest", "Gaps", "Tombstones"), map(_stream, streams)
        ),
        "<h2>Heartbeats</h2>",
        _table(("Province", "Last", "Number", "Acknowledged, it says", "Ahead of us"), map(_beat, ledger.heartbeats())),
        f"<h2>Messages <span class=dim>the last {SHOWN}, newest first</span></h2>",
        _table(("No.", "Received", "Kind", "Stream", "Seq", "Province", "What"), map(_message, ledger.latest(SHOWN))),
    ]
    return (
        f'<!doctype html><html lang="en"><head><meta charset="utf-8"><title>National SOC mock</title>'
        f'<meta name="viewport" content="width=device-width, initial-scale=1">'
        f'<meta http-equiv="refresh" content="{REFRESH_SECONDS}"><style>{STYLE}</style></head><body>'
        f"<header><h1>National SOC <span class=dim>mock</span></h1>"
        f"<span class=dim>what provinces have sent; refreshed every {REFRESH_SECONDS} seconds</span></header>"
        f"<main>{''.join(sections)}</main></body></html>"
    )


def _cards(streams: Sequence[StreamState], counters: dict[str, int]) -> str:
    received = sum(each.received for each in streams)
    gaps = sum(len(each.gaps) for each in streams)
    figures = [("received", received, ""), ("gaps", gaps, "bad" if gaps else "good")]
    figures += [
        (name, number, "bad" if number and name in {"conflicts", "invalid"} else "")
        for name, number in counters.items()
    ]
    cards = (f"<div class=card><b class='{look}'>{number}</b>{name}</div>" for name, number, look in figures)
    return f"<div class=cards>{''.join(cards)}</div>"


def _control(control: dict[str, Any]) -> str:
    said = [f"{name} = {value}" for name, value in control.items() if value and name != "status"]
    return f"<p class=bad>Told to misbehave: {escape(', '.join(said))}</p>" if said else ""


def _table(heads: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    body = "".join(f"<tr>{''.join(cells)}</tr>" for cells in rows)
    if not body:
        return "<p class=dim>Nothing yet.</p>"
    head = "".join(f"<th>{escape(each)}</th>" for each in heads)
    return f"<div class=scroll><table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>"


def _cell(text: object, look: str = "") -> str:
    return f"<td class='{look}'>{escape(_visible(str(text)))}</td>"


def _visible(text: str) -> str:
    """Return the text with control and direction characters shown, at most 600 characters."""
    cut = text if len(text) <= 600 else text[:599] + "…"  # noqa: PLR2004 - a few lines of a cell
    return "".join(char if char.isprintable() else f"\\u{ord(char):04x}" for char in cut)


def _stream(state: StreamState) -> Sequence[str]:
    gaps = ", ".join(f"{first}-{last}" if last > first else str(first) for first, last in state.gaps[:20])
    numbers = (state.received, state.contiguous, state.highest)
    return (
        f"<td><span class='tag {escape(state.stream)}'>{escape(state.stream)}</span></td>",
        f"<td><code>{escape(_visible(state.epoch))}</code></td>",
        *(_cell(number, "n") for number in numbers),
        _cell(gaps or "none", "bad" if gaps else "good"),
        _cell(state.tombstones, "n"),
    )


def _beat(beat: dict[str, Any]) -> Sequence[str]:
    last = ", ".join(f"{each['stream']} {each['seq']}" for each in beat["last"])
    return (
        _cell(beat["province"]),
        _cell(beat["at"], "when"),
        _cell(beat["number"], "n"),
        _cell(last),
        _cell(beat["ahead"], "bad" if beat["ahead"] else "n"),
    )


def _message(entry: dict[str, Any]) -> Sequence[str]:
    message = entry["message"]
    return (
        _cell(entry["n"], "n"),
        _cell(entry["at"], "when"),
        f"<td><span class='tag {escape(message['type'])}'>{escape(message['type'])}</span></td>",
        _cell(message["stream"]),
        _cell(message["seq"], "n"),
        _cell(message["province"], "when"),
        _cell(_what(message), "what"),
    )


def _what(message: dict[str, Any]) -> str:
    if message["type"] == "urgent":
        alert = message["alert"]
        return (
            f"{alert['kind']} {alert['level']}: {alert['title']} · {alert['host']} ({alert['site']}) · {alert['time']}"
        )
    if message["type"] == "summary":
        interval = message["interval"]
        return (
            f"{interval['start']} to {interval['end']}: "
            f"{message['alerts']['total']} alerts opened, {message['matches']['total']} matches"
        )
    return f"replaces {message['replaces']}"
