"""Completions of commands, options and their values for bash, zsh and fish."""

FILES = {"data", "output", "config", "profile", "plan", "prior", "trials", "tokenizer", "adapter", "resume", "replay", "model",
         "source", "file", "runs", "base", "new", "hardware-table", "price-table", "grid-table", "limits", "junit", "tensorboard"}
COMMON = [{"flag": "--config", "takes": "FILE", "help": "JSON file with options; flags win over it"},
          {"flag": "--help", "help": "Print the options that are often used"},
          {"flag": "--help-all", "help": "Print every option"}]


def options_of(command):
    return command["options"] + COMMON


def quoted(text):
    return "'" + text.replace("'", "'\\''") + "'"


def choices(option):
    takes = option.get("takes", "")
    return takes.split("|") if "|" in takes else []


def function(command):
    return command["name"].replace(" ", "_")


def bash(description):
    lines = ["# bash completion for salf; made from the program's options", "_salf() {",
             "  local current=${COMP_WORDS[COMP_CWORD]} previous=${COMP_WORDS[COMP_CWORD-1]}", "  COMPREPLY=()",
             "  if ((COMP_CWORD == 1)); then"]
    names = sorted({command["name"].split(" ")[0] for command in description["commands"]})
    lines += [f"    COMPREPLY=($(compgen -W '{' '.join(names)} --help --version --describe' -- \"$current\"))", "    return", "  fi",
              '  case ${COMP_WORDS[1]} in']
    for command in description["commands"]:
        lines += [f"    {command['name'].split(' ')[0]})", "      case $previous in"]
        for option in options_of(command):
            flags = "|".join([option["flag"]] + ([option["short"]] if "short" in option else []))
            if choices(option):
                lines.append(f"        {flags}) COMPREPLY=($(compgen -W '{' '.join(choices(option))}' -- \"$current\")); return ;;")
            elif option.get("takes") and option["flag"][2:] not in FILES:
                lines.append(f"        {flags}) return ;;")
        words = " ".join(option["flag"] for option in options_of(command))
        if " " in command["name"]:
            words = command["name"].split(" ")[1] + " " + words
        lines += ["      esac", f"      [[ $current == -* ]] && COMPREPLY=($(compgen -W '{words}' -- \"$current\")) && return",
                  f"      ((COMP_CWORD == 2)) && COMPREPLY=($(compgen -W '{command['name'].split(' ')[1]}' -- \"$current\"))"
                  if " " in command["name"] else "      :", "      ;;"]
    lines += ["  esac", '  ((${#COMPREPLY[@]})) || COMPREPLY=($(compgen -f -- "$current"))', "}",
              "complete -o filenames -F _salf salf"]
    return "\n".join(lines) + "\n"


def zsh_text(text):
    return text.replace("\\", "\\\\").replace("[", "\\[").replace("]", "\\]").replace(":", "\\:").replace("'", "'\\''")


def zsh(description):
    lines = ["#compdef salf", "# zsh completion for salf; made from the program's options", "", "_salf() {", "  local -a commands", "  commands=("]
    seen = set()
    for command in description["commands"]:
        first = command["name"].split(" ")[0]
        if first not in seen:
            lines.append(f"    '{first}:{zsh_text(command['summary'])}'")
        seen.add(first)
    lines += ["  )", "  if ((CURRENT == 2)); then _describe command commands; return; fi", "  local command=$words[2]",
              "  shift words; ((CURRENT--))", "  case $command in"]
    for command in description["commands"]:
        lines += [f"    {command['name'].split(' ')[0]})", "      _arguments \\"]
        for option in options_of(command):
            value = ""
            if option.get("takes"):
                action = f"({' '.join(choices(option))})" if choices(option) else "_files" if option["flag"][2:] in FILES else ""
                value = f":{zsh_text(option['takes'])}:{action}"
            star = "*" if option.get("repeats") else ""
            lines.append(f"        '{star}{option['flag']}[{zsh_text(option['help'])}]{value}' \\")
        lines += ["        '*:file:_files'", "      ;;"]
    return "\n".join(lines + ["  esac", "}", "", '_salf "$@"']) + "\n"


def fish(description):
    names = sorted({command["name"].split(" ")[0] for command in description["commands"]})
    lines = ["# fish completion for salf; made from the program's options"]
    for command in description["commands"]:
        first = command["name"].split(" ")[0]
        lines.append(f"complete -c salf -n __fish_use_subcommand -f -a {first} -d {quoted(command['summary'])}")
        for option in options_of(command):
            parts = [f"complete -c salf -n '__fish_seen_subcommand_from {first}' -l {option['flag'][2:]}"]
            parts += ["-s o"] if "short" in option else []
            if option.get("takes"):
                parts.append("-r" if option["flag"][2:] in FILES else "-x")
            if choices(option):
                parts.append("-a " + quoted(" ".join(choices(option))))
            lines.append(" ".join(parts + ["-d " + quoted(option["help"])]))
    return "\n".join(lines) + "\n" if names else ""


def files(description):
    """{path below share/: text}"""
    return {"bash-completion/completions/salf": bash(description), "zsh/site-functions/_salf": zsh(description),
            "fish/vendor_completions.d/salf.fish": fish(description)}
