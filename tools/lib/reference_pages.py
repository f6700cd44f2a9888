"""The pages of docs/reference: commands with their options, files with their fields, exit codes."""
import re

import header_comments

MARK = "<!-- Made by tools/reference from the program itself; change the option or the field, then run it again. -->"

# schema -> (title, who writes it)
FILES = {
    "profile": ("profile.json", "`salf analyze`, `salf train`"),
    "plan": ("plan.json", "`salf plan`, `salf train`"),
    "run": ("run.json", "`salf train`"),
    "dev-losses": ("dev_losses.json", "`salf train`"),
    "eval": ("eval.json", "`salf eval --output`"),
    "generate": ("the result of salf generate", "`salf generate --json`"),
    "answers": ("answers.json", "`salf train`"),
    "trials": ("trials.json", "`salf trial`, `salf train`"),
    "bench": ("bench.json", "`salf bench`"),
    "losses": ("losses/KEY.json", "`salf bench`"),
    "comparison": ("the result of salf compare", "`salf compare --json`"),
    "export": ("export.json", "`salf export`"),
    "model": ("salf.json", "`salf import`, `salf train`"),
    "doctor": ("the result of salf doctor", "`salf doctor --json`"),
    "prior": ("prior.json", "`tools/fit-prior`; read by `--prior`"),
    "hardware": ("hardware.json", "you; read by `--hardware-table`"),
    "prices": ("prices.json", "you; read by `--price-table`"),
    "grid": ("grid.json", "you; read by `--grid-table`"),
}

UNITS = [
    (r"tokens_per_second$", "tokens/s"), (r"flops_per_second$", "FLOP/s"), (r"(^|_)seconds(_|$)", "s"),
    (r"(^|_)bytes(_|$)", "bytes"), (r"(^|_)tflops", "TFLOP/s"), (r"(^|_)flops(_|$)", "FLOPs"), (r"joules", "J"),
    (r"gco2_per_kwh", "g/kWh"), (r"gco2$", "g"), (r"watts(_per_thread)?$", "W"), (r"price_per_hour", "currency/h"),
    (r"price_per_kwh", "currency/kWh"), (r"^money$", "currency"),
    (r"(^|_)tokens$", "tokens"), (r"(^|_)steps?$", "steps"), (r"^epochs?$", "epochs"), (r"(^|_)documents$", "documents"),
    (r"(^|_)positions$", "positions"), (r"parameters$", "elements"), (r"^(eof|full_eof|knee)$", "blocks"),
    (r"^(stability|stability_goal|share|share_of_step|fraction|accuracy)$", "share, 0 to 1"),
]
# Units by the type that has the field: the same word is another quantity elsewhere.
LOSSES = {"types::Trial", "types::TriedRate", "types::LossBefore", "types::DevEvaluation", "app::BenchRow"}


# Meanings of words that are the same wherever they stand.
WORDS = {
    "seed": "every random choice follows from it",
    "eof": "the cut: the number of frozen blocks",
    "seconds": "how long it took",
    "steps": "optimizer steps",
    "epochs": "passes over the documents of the train split",
    "documents": "how many",
    "positions": "how many were measured",
    "supervised_tokens": "tokens that carry loss",
    "real_tokens": "tokens without padding",
    "padded_tokens": "tokens with padding",
    "notes": "what else a reader has to know",
    "warnings": "what was shown as a warning",
    "split": "the documents that were scored: all, train, dev or test",
    "rule": "what chose the cut",
    "measure": "which deviation",
    "status": "how the run ended",
    "flops": "floating-point operations, 2 for a multiply-add",
    "predicted_flops": "of the whole run",
    "flops_per_second": "of the training steps",
    "full_step_flops": "of a step of full fine-tuning",
    "step_flops": "of one step",
    "step_seconds": "of one step",
    "dtype": "number type",
    "tokens": "how many",
    "parameters": "elements, each tensor once",
    "trained_parameters": "elements that are trained",
    "source": "where it comes from",
    "date": "of the source",
    "output": "what was written",
    "format": "what was written",
    "tensors": "how many",
    "name": "its name",
    "reason": "one sentence",
    "verdict": "what the check says",
    "unit": "what the amount counts",
    "loss": "mean over supervised tokens",
    "low": "lower end of the interval",
    "high": "upper end of the interval",
    "gain": "of each block",
    "deviation": "of each space",
    "budget_seconds": "the seconds that a budget in energy or money pays for",
    "rows": "one for each run",
    "value": "the figure",
    "shape": "the model's sizes",
    "learning_rate": "at the schedule's height",
    "energy_joules": "of the whole run",
    "gco2": "of the whole run",
    "money": "of the whole run",
    "gco2_per_kwh": "grams of CO2 of a kilowatt-hour",
    "price_per_kwh": "of electricity",
    "loss_before": "of the untouched model",
    "standard_error": "of the figure",
    "memory_bytes": "in all",
    "gpus": "one for each GPU",
    "choice": "what was decided",
    "currency": "ISO 4217 code",
    "currency_basis": "where it comes from",
    "free_bytes": "free now",
    "arm": "whole blocks or LoRA",
    "energy_basis": "where the figure comes from",
    "gco2_basis": "where the figure comes from",
    "money_basis": "where the figure comes from",
    "price_basis": "where the figure comes from",
    "watts_basis": "where the figure comes from",
    "watts_source": "whether the figure was measured",
    "first": "the first block",
    "last": "the last block",
    "path": "where it lies",
    "version": "its version",
}
OWN = {
    ("types::CostBreakdown", "prefix"): "forward pass of the frozen part",
    ("types::CostBreakdown", "suffix_forward"): "forward pass of the trained part",
    ("types::CostBreakdown", "head"): "logits and loss",
    ("types::CostBreakdown", "backward"): "backward pass",
    ("types::CostBreakdown", "optimizer"): "clipping and AdamW",
    ("types::CostBreakdown", "evaluation"): "evaluations on the dev split",
    ("types::RunRecord", "predicted_seconds"): "of the plan",
    ("types::RunRecord", "measured_seconds"): "of the run",
    ("types::FreezePlan", "predicted_seconds"): "of the whole run",
    ("types::FreezePlan", "predicted_flops"): "of the whole run",
    ("types::DevLosses", "before_step"): "step of the first evaluation",
    ("types::DevLosses", "best_step"): "step of the weights that were kept",
    ("report::Comparison", "base"): "path of the first",
    ("report::Comparison", "new"): "path of the second",
    ("report::Comparison", "regression"): "whether one check is a regression",
    ("report::Check", "base"): "the figure of BASE",
    ("report::Check", "new"): "the figure of NEW",
    ("report::Check", "worse_by"): "how much worse NEW is; below 0: better",
    ("types::ChoiceEvaluation", "rows"): "questions",
    ("types::ChoiceEvaluation", "correct"): "right answers",
    ("types::EvaluationRecord", "tokens"): "figures over tokens",
    ("app::DocumentLosses", "document"): "number of the document in the data",
    ("types::TrialTable", "dev_documents"): "on which the arms were scored",
    ("types::TrialTable", "arms"): "the tried arms",
    ("policy::Prior", "data_sets"): "names of the data sets it was fitted to",
    ("policy::Prior", "runs"): "how many it was fitted to",
    ("policy::LawFit", "name"): "of the law",
    ("types::FreezePlan", "candidates"): "every other choice, with its cost and predicted loss",
    ("cost::HardwareTable", "watts_per_thread_source"): "where that figure comes from",
    ("cost::HardwareTable", "devices"): "processors and GPUs",
    ("cost::PriceTable", "per_kwh"): "electricity",
    ("cost::PriceTable", "per_hour"): "rented machines",
    ("cost::GridTable", "factors"): "one a country",
    ("types::DomainVocabulary", "source"): "`data`, or the file as given",
    ("types::Candidate", "predicted_seconds"): "of the whole run",
    ("types::Candidate", "predicted_flops"): "of the whole run",
    ("types::RunRecord", "plan"): "the plan that the run followed",
    ("app::MachineReport", "processor"): "processor and threads",
    ("app::MachineReport", "torch"): "the LibTorch that runs",
    ("app::MachineReport", "cuda"): "driver, GPUs and salf's library of kernels",
    ("app::MachineReport", "folders"): "folders that salf writes to",
    ("app::CudaFacts", "gpus"): "as CUDA lists them",
    ("app::FolderFacts", "writable"): "whether files can be made there",
    ("app::ProcessorFacts", "threads_reason"): "why so many",
    ("app::MemoryFacts", "group_limit_bytes"): "what the control group allows",
    ("app::Gpu", "memory_bytes"): "of the GPU",
    ("app::GpuFacts", "memory_bytes"): "of the GPU",
    ("types::DataShape", "dev_padded_tokens"): "of one evaluation",
    ("types::DataShape", "dev_supervised_tokens"): "of one evaluation",
    ("types::Gate", "metric"): "the figure that is limited",
    ("types::Gate", "comparison"): "how it is compared",
    ("types::Gate", "limit"): "in the figure's unit",
    ("types::Gate", "at_end"): "checked at the end alone",
    ("types::Gate", "passed"): "the result",
    ("policy::LawFit", "covariate"): "what the law's x is",
    ("types::PilotRecord", "all_documents"): "in the whole data",
    ("types::PilotRecord", "full_steps"): "of the plan for everything",
    ("types::PilotRecord", "full_flops"): "of the plan for everything",
    ("types::Provenance", "data"): "path as given",
    ("types::Provenance", "data_hash"): "SHA-256 of the data",
    ("types::Provenance", "tokenizer_hash"): "SHA-256 of the tokenizer",
    ("types::Provenance", "salf_version"): "version of salf",
    ("types::Provenance", "torch_version"): "version of LibTorch",
    ("types::Reason", "code"): "which reason; `reason` beside it is the sentence",
    ("types::ScalingLaw", "a"): "factor",
    ("types::ScalingLaw", "b"): "exponent",
    ("types::ScalingLaw", "c"): "limit for many blocks",
    ("types::ScalingLaw", "r_squared"): "share of the variance that the law explains",
    ("types::StageRecord", "choice"): "what was decided at the stage's end",
    ("model::TensorDtype", "tensor"): "its name",
    ("types::RankForecast", "ranks"): "how many",
    ("types::RankForecast", "tokens_per_second"): "of all ranks, predicted",
    ("types::AimChoice", "aim"): "which aim",
    ("types::FreezePlan", "aim"): "what the plan optimises",
    ("types::AimChoice", "memory_bytes"): "predicted, at the run's height",
    ("types::LayerProfile", "stability_goal"): "what was asked for",
    ("types::Provenance", "threads"): "of one operator",
    ("types::RuleChoice", "stability"): "share of the bootstrap replicates with the same choice",
    ("types::FreezePlan", "pack"): "tokens of a block of joined documents; 0: rows stay documents",
    ("types::FreezePlan", "max_loss_increase"): "what was asked for",
    ("types::FreezePlan", "knee_arm"): "the arm of that candidate",
    ("types::MeasuredCost", "timed_batches"): "how many batches were timed",
    ("types::LoraSettings", "rank"): "inner size of a branch",
    ("types::LoraSettings", "alpha"): "scale of a branch, times the rank",
    ("types::Reason", "before"): "the figure before",
    ("types::Budget", "amount"): "in the unit beside it",
    ("types::PilotRecord", "full_seconds_at_pace"): "predicted at the pace of the pilot's steps",
    ("types::StageDecision", "loss_staying"): "predicted at the end, at this cut",
    ("types::StageDecision", "loss_next"): "predicted at the end, at the next cut",
    ("app::BenchRow", "test_loss"): "on the test split",
    ("app::BenchRow", "test_se"): "standard error over documents",
    ("policy::LevelFit", "at_one"): "R at an agreement of 1",
    ("policy::LevelFit", "power"): "exponent",
    ("cost::Device", "peak_tflops"): "stated by the maker",
}


def meaning_of(type_name, field, structs):
    """What the field means, from the most particular source to the most general."""
    found = (field.get("help") or OWN.get((type_name, field["name"])) or structs.meaning(type_name, field["name"]))
    if not found and "type" in field:
        found = re.split(r"(?<=[a-z0-9)])\. ", structs.comment(field["type"]))[0].rstrip(".")
    return found or WORDS.get(field["name"], "")


def unit(type_name, field):
    if field["name"].endswith(("_source", "_basis")) or field.get("type") or field.get("takes") in ("text", "true or false"):
        return ""
    if type_name in LOSSES and re.search(r"loss|gain|delta|error|_se$", field["name"]) or field["name"] in (
            "loss_before", "max_loss_increase", "dev_loss", "test_loss"):
        return "nats a token"
    if type_name == "types::CostBreakdown":
        return "s or FLOPs"
    if type_name == "types::MeasuredCost" and "bytes" not in field["name"] and field.get("takes") == "X":
        return "s"
    for pattern, name in UNITS:
        if re.search(pattern, field["name"]):
            return name
    return ""


def cell(text):
    return text.replace("|", "\\|").replace("\n", " ")


def anchor(title):
    return re.sub(r"[^\w\- ]", "", title.lower()).strip().replace(" ", "-")


def choices(takes):
    names = [f"`{name}`" for name in takes.split("|")]
    return ", ".join(names[:-1]) + " or " + names[-1] if len(names) > 1 else names[0]


def first_upper(text):
    return text[:1].upper() + text[1:]


def option_cell(option):
    value = option.get("takes", "")
    value = f" {'VALUE' if '|' in value else value}" if value else ""
    names = [f"`{option['short']}`"] if "short" in option else []
    names.append(f"`{option['flag']}{value}`")
    if option.get("positional"):
        names.append("or without the flag")
    if "former" in option:
        names.append(f"earlier: `{option['former']}`")
    return ", ".join(names)


def meaning_cell(option):
    text = option["help"]
    notes = [choices(option["takes"])] if "|" in option.get("takes", "") else []
    notes += [option["range"]] if "range" in option else []
    notes += ["may be given several times"] if option.get("repeats") else []
    return cell(text + "".join(f" ({note})" for note in notes))


def command_page(command):
    name, words = command["name"], "".join(f" {o['flag'][2:].upper().replace('-', '_')}"
                                           for o in command["options"] if o.get("positional"))
    lines = [MARK, "", f"# salf {name}", "", command["summary"] + ".", "", "```text", f"salf {name}{words} [OPTIONS]", "```", ""]
    lines += ["```text", command["examples"].strip(), "```", ""] if command["examples"] else []
    lines += ["Every option may also stand in the file that `--config` names: see [configuration](configuration.md).",
              "Options in bold are those that `--help` shows where a command has many; `--help-all` shows all."]
    group = None
    for option in command["options"]:
        if option["group"] != group:
            group = option["group"]
            lines += ["", f"## {group}", "", "| option | meaning | default |", "|---|---|---|"]
        names = option_cell(option)
        names = f"**{names}**" if option.get("common") else names
        default = f"`{option['default']}`" if "default" in option else ""
        lines.append(f"| {cell(names)} | {meaning_cell(option)} | {cell(default)} |")
    return "\n".join(lines) + "\n"


def page_name(command):
    return "salf-" + command["name"].replace(" ", "-") + ".md"


def index_page(description):
    lines = [MARK, "", "# Reference", "", "These pages are made from the option and field lists of the program.", "",
             "| command | what it does |", "|---|---|"]
    for command in description["commands"]:
        lines.append(f"| [`salf {command['name']}`]({page_name(command)}) | {cell(command['summary'])} |")
    lines += ["", "- [Configuration files](configuration.md)", "- [Files that the commands write](files.md)",
              "- [Exit codes](exit-codes.md)", "",
              "`salf --version` prints the version, the commit and LibTorch's version. `salf --describe` prints all commands,",
              "options and file formats as JSON, for other programs."]
    return "\n".join(lines) + "\n"


def type_cell(field, titles):
    lists = ["", "list of ", "list of lists of "][field.get("lists", 0)]
    if "type" in field:
        title = titles.get(field["type"], field["type"].split("::")[-1])
        return f"{lists}[{title}](#{anchor(title)})"
    takes = {"N": "whole number", "X": "number"}.get(field["takes"], field["takes"])
    return lists + (choices(takes) if "|" in takes else takes)


def fields_table(type_name, fields, structs, titles):
    lines = ["| field | value | unit | meaning |", "|---|---|---|---|"]
    for field in fields:
        meaning = meaning_of(type_name, field, structs).strip().rstrip(".")
        notes = []
        if field.get("optional"):
            notes.append("may be missing")
        large = re.search(r"e\+?\d", field.get("range", ""))
        if "range" in field and not large and field["range"] not in ("from 0 to 100000",):
            notes.append(field["range"])
        meaning += "".join(f" ({note})" for note in notes)
        lines.append(f"| `{field['name']}` | {cell(type_cell(field, titles))} | {unit(type_name, field)} | {cell(meaning.strip())} |")
    return lines


def files_page(description, structs):
    types = description["types"]
    titles = {document["type"]: FILES[document["schema"].split(".")[1].split("/")[0]][0] for document in description["documents"]}
    lines = [MARK, "", "# Files", "",
             "Each JSON file has a `schema` with a name and a version. [Configuration](configuration.md#schema-versions) says which",
             "versions are read. A field that is missing has its default. Unknown fields are errors.", "",
             "| file | schema | written by |", "|---|---|---|"]
    for document in description["documents"]:
        title, by = FILES[document["schema"].split(".")[1].split("/")[0]]
        lines.append(f"| [{title}](#{anchor(title)}) | `{document['schema']}` | {by} |")
    for document in description["documents"]:
        title, by = FILES[document["schema"].split(".")[1].split("/")[0]]
        lines += ["", f"## {title}", "", f"Schema `{document['schema']}`. Written by {by}.", ""]
        lines += fields_table(document["type"], types[document["type"]], structs, titles)
    lines += ["", "## metrics.jsonl", "", "Written by `salf train`, a JSON object a line. A step has `step`, `epoch`, `tokens`, `supervised_tokens`,",
              "`seconds`, `loss` (nats a token), `lr` and `budget_spent` (a share). An evaluation has `step`, `dev_loss` and `seconds`.",
              "", "## Structures within files", ""]
    for type_name in sorted((name for name in types if name not in titles), key=lambda name: name.split("::")[-1]):
        comment = structs.comment(type_name)
        lines += [f"### {type_name.split('::')[-1]}", ""] + ([first_upper(comment), ""] if comment else [])
        lines += fields_table(type_name, types[type_name], structs, titles) + [""]
    return "\n".join(lines).rstrip("\n") + "\n"


def exit_codes_page(description):
    lines = [MARK, "", "# Exit codes", "", "| code | meaning |", "|---|---|"]
    lines += [f"| {entry['code']} | {entry['meaning']} |" for entry in description["exit_codes"]]
    lines += ["", "A message on stderr says what is wrong, where, what was expected and what to do next."]
    return "\n".join(lines) + "\n"


def without_meaning(description, root):
    """The fields of files that have no comment: "types::RunRecord.steps"."""
    structs = header_comments.Structs(root)
    return [f"{name}.{field['name']}" for name, fields in description["types"].items() for field in fields
            if not meaning_of(name, field, structs)]


def pages(description, root):
    """{file name in docs/reference: text}"""
    structs = header_comments.Structs(root)
    result = {page_name(command): command_page(command) for command in description["commands"]}
    result["index.md"] = index_page(description)
    result["files.md"] = files_page(description, structs)
    result["exit-codes.md"] = exit_codes_page(description)
    return result
