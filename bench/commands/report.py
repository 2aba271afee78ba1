"""`report`: run directories as documents."""

from __future__ import annotations

import argparse
import os
from pathlib import Path

from bench.commands.console import names, open_console
from bench.errors import UserError
from bench.files import writable
from bench.gap.frame import load_frame
from bench.gap.make import SEED, gap_document
from bench.gap.twins import twin_section
from bench.publish import formats, publish, published
from bench.report.terminal import print_report
from bench.store.run import open_runs
from bench.suggest import did_you_mean


def report(arguments: argparse.Namespace) -> int:
    """`report`: merge runs, write gap.json and the formats asked for."""
    wanted, known = names(arguments.formats), formats()
    unknown = [name for name in wanted if name not in known]
    if unknown:
        raise UserError(f"--formats: expected some of {', '.join(known)}, found {unknown[0]!r}{did_you_mean(unknown[0], known)}")
    folders = [Path(name) for name in arguments.runs]
    first = os.path.realpath(folders[0])  # which does not mind a loop of links: it is told of below
    out = Path(arguments.out) if arguments.out else Path("reports") / Path(first).name
    if out.exists() and not out.is_dir():
        raise UserError(f"{out} is a file: name another --out")
    if arguments.out and out.exists() and any(out.iterdir()) and not arguments.force:
        raise UserError(f"{out} exists and is not empty: name another --out, or add --force")
    kept = writable(out) or arguments.out is not None or "terminal" not in wanted
    if not kept:
        wanted = ()
    runs = open_runs(folders)
    options = {"baseline": arguments.baseline, "text_base": arguments.text_base, "sensitivity": arguments.sensitivity}
    data_dir = Path(arguments.data_dir) if arguments.data_dir else None
    if arguments.twin:
        document = gap_document(runs, **options)
        document["twins"] = twin_section(load_frame(runs), load_frame(open_runs(arguments.twin)), seed=SEED)
        if kept:
            publish(document, runs, out, wanted, data_dir=data_dir)
    else:
        document = published(runs, out, wanted, data_dir=data_dir, **options)
    console = open_console()
    if "terminal" in wanted or not kept:
        print_report(document, console)
    console.print(f"\nreport {out if kept else f'not written ({out} cannot be)'}", highlight=False, markup=False, soft_wrap=True)
    return 0
