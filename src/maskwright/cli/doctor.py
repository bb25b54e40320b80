"""maskwright doctor: what this computer has, and whether all is well."""

from __future__ import annotations

import click

from maskwright.cli import options
from maskwright.cli.console import FAILED, Console


@click.command(options_metavar="[options]")
@options.console
def command(console: Console) -> int:
    """What this computer has, whether all is well, and what to run where it is not.

    Ends with exit code 1 when there is a problem. Nothing is installed or changed.

    \b
      maskwright doctor
      maskwright doctor --json
    """
    from maskwright.api.doctor import doctor
    from maskwright.cli.listing import listing

    findings = doctor()
    count = {state: sum(finding.state == state for finding in findings) for state in ("ok", "note", "problem")}

    def tell() -> None:
        rows = [
            [finding.state, finding.about, finding.found + (f"\n-> {finding.fix}" if finding.fix else "")]
            for finding in findings
        ]
        listing(console, ["", "what", "found"], rows)
        console.show()
        if count["problem"]:
            console.show(f"{_many(count['problem'], 'problem')}: do what stands behind the arrow.")
        else:
            console.show("All is well." if not count["note"] else f"All is well; {_many(count['note'], 'note')}.")

    console.result({"well": not count["problem"], "count": count, "findings": findings}, tell)
    return FAILED if count["problem"] else 0


def _many(count: int, noun: str) -> str:
    return f"{count} {noun}{'' if count == 1 else 's'}"
