"""Manual pages: salf(1) and one for each command."""


def roff(text):
    text = text.replace("\\", "\\e").replace("-", "\\-")
    return "\n".join("\\&" + line if line[:1] in (".", "'") else line for line in text.split("\n"))


def title(name):
    return "salf" if name is None else "salf-" + name.replace(" ", "-")


def head(name, summary, version):
    return [f'.TH {title(name).upper()} 1 "" "salf {version}" "salf"', ".SH NAME", roff(f"{title(name)} - {summary}")]


def option_entry(option):
    flags = ", ".join(([option["short"]] if "short" in option else []) + [option["flag"]])
    takes = option.get("takes")
    default = f" Default: {option['default']}." if "default" in option else ""
    limit = f" ({option['range']})" if "range" in option else ""
    value = f" \\fI{roff(takes)}\\fR" if takes else ""
    return [".TP", f"\\fB{roff(flags)}\\fR{value}", roff(option["help"] + limit + "." + default)]


def command_page(command, version):
    words = "".join(f" [{o['flag'][2:].upper()}]" for o in command["options"] if o.get("positional"))
    lines = head(command["name"], command["summary"], version)
    lines += [".SH SYNOPSIS", roff(f"salf {command['name']}{words} [OPTIONS]")]
    group = None
    for option in command["options"]:
        if option["group"] != group:
            group = option["group"]
            lines.append(f'.SH "{roff(group.upper())}"')
        lines += option_entry(option)
    lines += [".SH CONFIGURATION", roff("--config FILE reads options from a JSON file. Keys are the options' names with underscores. "
                                        "Options on the command line win over the file.")]
    if command["examples"]:
        lines += [".SH EXAMPLES", ".nf", roff(command["examples"].strip()), ".fi"]
    return "\n".join(lines + [".SH SEE ALSO", ".BR salf (1)"]) + "\n"


def main_page(description):
    lines = head(None, "fine-tune the layers of a language model that need it, within a budget", description["version"])
    lines += [".SH SYNOPSIS", roff("salf COMMAND [OPTIONS]"), ".SH COMMANDS"]
    for command in description["commands"]:
        lines += [".TP", f"\\fB{roff(title(command['name']))}\\fR(1)", roff(command["summary"] + ".")]
    lines += [".SH EXIT STATUS"]
    for entry in description["exit_codes"]:
        lines += [".TP", f"\\fB{roff(entry['code'])}\\fR", roff(entry["meaning"] + ".")]
    return "\n".join(lines) + "\n"


def pages(description):
    """{path below share/: text}"""
    result = {"man/man1/salf.1": main_page(description)}
    for command in description["commands"]:
        result[f"man/man1/{title(command['name'])}.1"] = command_page(command, description["version"])
    return result
