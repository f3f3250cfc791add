#!/usr/bin/env python3
"""Prints the man page kaon(1) from the help of a kaon program.

    python3 scripts/man-page.py .build/release/kaon > kaon.1
    man ./kaon.1
"""

import argparse
import json
import os
import re
import subprocess
import sys
import textwrap
import time

EXIT_STATUS = [
    ("0", "The command succeeded; a run has made all its steps."),
    ("1", "An error, named in one sentence on standard error."),
    ("64", "A wrong command line."),
    ("75", "A run was stopped by a signal or its time limit and has written a checkpoint; the same command continues "
           "it."),
]

ENVIRONMENT = [
    ("OPENBLAS_CORETYPE", "The kernels of OpenBLAS. If it is not set, kaon selects those of the processor."),
    ("KAON_BF16_PRODUCTS", "vectors or tiles: forces one of the two kinds of bfloat16 products."),
    ("SLURM_JOB_END_TIME", "The end of the Slurm job, before which a run stops with a checkpoint."),
    ("NO_COLOR", "If set, the output has no colour."),
]


def escaped(text: str) -> str:
    """Text with the characters that roff interprets escaped."""
    text = text.replace("\\", "\\e").replace("-", "\\-").replace("'", "\\(aq").replace("`", "\\(ga")
    text = text.replace("~", "\\(ti").replace("^", "\\(ha").replace('"', "\\(dq").replace("…", "...")
    return re.sub(r"^\.", r"\\&.", text, flags=re.MULTILINE)


def paragraphs(text: str) -> list[str]:
    """Lines of roff for the paragraphs of a help text. Lines that begin with two spaces are printed as they are."""
    lines = []
    for block in re.split(r"\n\s*\n", text.strip("\n")):
        rows = block.split("\n")
        verbatim = [row.startswith("  ") for row in rows]
        lines.append(".PP")
        for index, row in enumerate(rows):
            if verbatim[index] and (index == 0 or not verbatim[index - 1]):
                lines += [".RS 4", ".nf"]
            lines.append(escaped(row[2:] if verbatim[index] else row.strip()))
            if verbatim[index] and (index + 1 == len(rows) or not verbatim[index + 1]):
                lines += [".fi", ".RE"]
    return lines


def spelling(name: dict) -> str:
    return ("-" if name["kind"] == "short" else "--") + name["name"]


def usage(command: str, arguments: list[dict]) -> list[str]:
    """The synopsis of a command: positional arguments first, then options."""
    line = [".B " + escaped(command)]
    for argument in arguments:
        if argument["kind"] == "positional":
            text = f"\\fI{escaped(argument['valueName'])}\\fR" + (" ..." if argument["isRepeating"] else "")
        elif "help" in argument["valueName"] or "version" == argument["valueName"]:
            continue
        else:
            text = f"\\fB{escaped(spelling(argument['preferredName']))}\\fR"
            if argument["kind"] == "option":
                text += f" \\fI{escaped(argument['valueName'])}\\fR"
        line.append(f"[{text}]" if argument["isOptional"] else text)
    return line


def description(argument: dict) -> list[str]:
    """The entry of an argument: its names, its description, its values and its default."""
    value = f"\\fI{escaped(argument['valueName'])}\\fR"
    if argument["kind"] == "positional":
        tag = value
    else:
        # A flag with an inversion has two long names, such as --plots and --no-plots.
        tag = ", ".join(f"\\fB{escaped(spelling(name))}\\fR" for name in argument["names"])
        if argument["kind"] == "option":
            tag += " " + value
    text = [argument["abstract"]] if argument.get("abstract") else []
    if argument.get("discussion"):
        text.append(argument["discussion"])
    if argument.get("allValues"):
        text.append("Values: " + ", ".join(argument["allValues"]) + ".")
    if argument.get("defaultValue") and argument["kind"] != "flag":
        text.append(f"Default: {argument['defaultValue']}.")
    return [".TP", tag] + [escaped(" ".join(text).replace("\n", " "))]


def shown(arguments: list[dict]) -> list[dict]:
    return [argument for argument in arguments if argument["shouldDisplay"]]


def page(command: dict, version: str) -> str:
    name = command["commandName"]
    commands = [each for each in command["subcommands"] if each["shouldDisplay"]]
    lines = [f'.TH {name.upper()} 1 "{date()}" "{name} {version}" "User Commands"']
    lines += [".SH NAME", f"{name} \\- {escaped(command['abstract'].rstrip('.'))}"]
    lines += [".SH SYNOPSIS", f".B {name}", "\\fIcommand\\fR [\\fIargument\\fR ...]"]
    lines += [".SH DESCRIPTION"] + paragraphs(command["discussion"])[1:]
    lines += [".SH OPTIONS"]
    for argument in shown(command["arguments"]):
        lines += description(argument)
    lines += [".SH COMMANDS"]
    for each in commands:
        lines += [f".SS {escaped(name)} {escaped(each['commandName'])}", escaped(each["abstract"])]
        arguments = shown(each.get("arguments", []))
        lines += [".PP"] + usage(f"{name} {each['commandName']}", arguments)
        lines += paragraphs(each["discussion"]) if each.get("discussion") else []
        for argument in arguments:
            if argument["valueName"] not in ("help", "version"):
                lines += description(argument)
    lines += [".SH EXIT STATUS"]
    for code, text in EXIT_STATUS:
        lines += [".TP", code, escaped(text)]
    lines += [".SH ENVIRONMENT"]
    for variable, text in ENVIRONMENT:
        lines += [".TP", f"\\fB{escaped(variable)}\\fR", escaped(text)]
    lines += [".SH SEE ALSO", "\\fBmpirun\\fR(1), \\fBsrun\\fR(1)", ".PP", "The folder docs of kaon: README.md lists"
              " the pages; configuration.md has every key."]
    return "\n".join(wrapped(lines)) + "\n"


def date() -> str:
    """Today, or the day of SOURCE_DATE_EPOCH for reproducible builds."""
    return time.strftime("%Y-%m-%d", time.gmtime(int(os.environ.get("SOURCE_DATE_EPOCH", time.time()))))


def wrapped(lines: list[str]) -> list[str]:
    """Lines of roff with those of running text divided at spaces."""
    result, is_filled = [], True
    for previous, line in zip(["", *lines], lines):
        is_filled = line == ".fi" or is_filled and line != ".nf"
        # The line after .TP is a tag, which is one line.
        if is_filled and previous != ".TP" and not line.startswith("."):
            # Behind a division a dot would begin a request.
            result += [f"\\&{part}" if part.startswith(".") else part
                       for part in textwrap.wrap(line, 78, break_long_words=False, break_on_hyphens=False)]
        else:
            result.append(line)
    return result


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("program", help="the kaon program")
    program = parser.parse_args().program
    try:
        answer = [subprocess.run([program, option], check=True, capture_output=True, text=True).stdout
                  for option in ("--experimental-dump-help", "--version")]
    except (OSError, subprocess.CalledProcessError) as error:
        sys.exit(f"man-page: {program} does not run: {error}")
    sys.stdout.write(page(json.loads(answer[0])["command"], re.search(r"\d[\w.+-]*", answer[1]).group()))


if __name__ == "__main__":
    main()
