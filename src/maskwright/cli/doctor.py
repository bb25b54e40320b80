"""maskwright doctor: what this computer has, and whether all is well."""

from __future__ import annotations

import click

from maskwright.cli import options
from maskwright.cli.console import FAILED, Console
from maskwright.text import counted

STATES = {"info": "ok", "warning": "note", "error": "problem"}


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

    issues = doctor()
    console.issues.extend(issues)
    count = {severity: sum(issue.severity == severity for issue in issues) for severity in STATES}

    def tell() -> None:
        rows = [
            [STATES[issue.severity], issue.subject, issue.sentence + (f"\n-> {issue.fix}" if issue.fix else "")]
            for issue in issues
        ]
        listing(console, ["", "what", "found"], rows)
        console.show()
        if count["error"]:
            console.show(f"{counted(count['error'], 'problem')}: do what stands behind the arrow.")
        else:
            console.show(f"All is well; {counted(count['warning'], 'note')}." if count["warning"] else "All is well.")

    console.result({"well": not count["error"], "count": count}, tell)
    return FAILED if count["error"] else 0
