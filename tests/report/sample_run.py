"""Writes a run directory as salf train leaves it, made up but consistent: many steps, hostile texts."""
import json
import math
import os
import random

HOSTILE = "<script>document.title='owned'</script>\"'&<img src=x onerror=alert(1)>\u0001\u001b[31m\u202eevil\u2028"
BLOCKS = 30


def deviation(measure, start, end, seed):
    source = random.Random(seed)
    values = [end + (start - end) / (1 + math.exp((space - 20) / 2.5)) + source.uniform(-0.004, 0.004) for space in range(BLOCKS + 1)]
    return {"measure": measure, "documents": 64, "positions": 13759, "deviation": values,
            "standard_error": [0.004 + 0.0002 * space for space in range(BLOCKS + 1)],
            "gain": [values[i] - values[i + 1] for i in range(BLOCKS)], "gain_error": [0.003] * BLOCKS,
            "replicates": [values] * 5}


def shape():
    blocks = [3540096] * BLOCKS
    return {"blocks": BLOCKS, "hidden": 576, "vocabulary": 49152, "tied": True, "parameters": 134515008,
            "embedding_parameters": 28311552, "head_parameters": 0, "final_parameters": 576, "block_parameters": blocks,
            "block_matrix_parameters": [3538944] * BLOCKS}


def provenance(text):
    return {"model": text, "model_hash": "ab" * 32, "data": "rows " + text, "data_hash": "cd" * 32, "tokenizer_hash": "ef" * 32,
            "salf_version": "0.1.0", "torch_version": "2.11.0", "machine": text, "threads": 2, "created": "2026-11-24T22:31:36Z"}


def plan(eof, steps, text):
    candidates = [{"eof": e, "trained_parameters": 134515008 - e * 3540096, "steps": int(steps * (1 + e / 30)),
                   "step_seconds": 5.2 - 0.14 * e, "step_flops": 8e11 - 2e10 * e, "seconds": 300 + e, "flops": 9e15, "fits": e > 3}
                  for e in range(BLOCKS)]
    choices = [{"rule": rule, "measure": "cosine", "eof": cut, "stability": stability, "low": max(0, cut - 1), "high": cut + 1}
               for rule, cut, stability in (("max-gain", 21, 0.743589), ("min-deviation", 24, 1.0), ("threshold", 28, 0.91),
                                            ("budget", eof, 0.743589))]
    parts = {"prefix": 7.1, "cache": 0.2, "suffix_forward": 12.9, "head": 10.6, "backward": 25.0, "optimizer": 0.9, "evaluation": 4.4,
             "fixed": 21.4}
    return {"provenance": provenance(text), "shape": shape(),
            "cost": {"timed_batches": 5}, "data": {"documents": 500, "real_tokens": 90000, "padded_tokens": 95000, "dev_documents": 43},
            "rule": "budget", "eof": eof, "reason": "because " + text, "choices": choices,
            "budget": {"amount": 1800.0, "unit": "seconds"}, "batch_tokens": 1024, "steps": steps, "epochs": 3.0, "tokens": 1000 * steps,
            "learning_rate": 3.0118688612600146e-4, "evaluations": 5, "predicted_seconds": parts,
            "predicted_flops": {"prefix": 1e12, "backward": 8e12}, "full_step_seconds": 5.263540912580291,
            "full_step_flops": 791303856872.7268, "candidates": candidates}


def evaluation(step, loss):
    return {"step": step, "loss": loss, "standard_error": 0.0212345, "seconds": 0.9253}


def losses(mean, seed):
    source = random.Random(seed)
    difficulty = random.Random(7)
    tokens = [float(difficulty.randint(20, 90)) for _ in range(43)]
    levels = [difficulty.uniform(-0.4, 0.4) for _ in tokens]
    return {"documents": ["%016x" % i for i in range(43)], "tokens": tokens,
            "loss": [count * (mean + level + source.gauss(0, 0.05)) for count, level in zip(tokens, levels)], "correct": [math.floor(0.6 * count) for count in tokens]}


def run_record(eof, steps, text, best):
    parts = {"prefix": 7.59, "cache": 0.003, "suffix_forward": 12.45, "head": 10.12, "backward": 24.7, "optimizer": 0.82,
             "evaluation": 1.48, "fixed": 24.04}
    the_plan = plan(eof, steps, text)
    return {"schema": "salf.run/1", "provenance": provenance(text),
            "options": {"model": text, "data": "rows.jsonl", "seed": 1, "eof": None, "no_cache": False, "keep_cache": True, "beta1": 0.9},
            "seed": 1, "plan": the_plan, "status": "finished", "exit_signal": 0, "steps": steps, "epochs": 2.63, "tokens": 990 * steps,
            "supervised_tokens": 985 * steps, "learning_rate": 3.0118688612600146e-4, "cooldown_start_step": int(steps * 0.8),
            "evaluations": [evaluation(0, 2.0745557648838635), evaluation(steps, best)], "before": evaluation(0, 2.0745557648838635),
            "after": evaluation(steps, best), "best": evaluation(steps, best), "predicted_seconds": the_plan["predicted_seconds"],
            "measured_seconds": parts, "predicted_flops": 9e12, "flops": 8623963275264.0, "tokens_per_second": 295.95296782189234,
            "peak_resident_bytes": 2265067520, "peak_anonymous_bytes": 1723355136, "frozen_bytes_mapped": 212405760,
            "cache": {"dtype": "f32", "bytes": 24431616, "rows": 43, "complete": True, "flops_avoided": 707899392000.0}}


def token_map(text):
    tokens = ["What", " is", " a", " kluge", "?", " A", " clumsy", " solution", text]
    deviations = [[-1.0 if i < 4 else max(0.0, 1.05 - 0.03 * space - 0.02 * i) for i in range(len(tokens))] for space in range(BLOCKS + 1)]
    nearest = [[text if (space + i) % 9 == 0 else "word" for i in range(len(tokens))] for space in range(BLOCKS + 1)]
    return {"line": 17, "tokens": tokens, "labels": ["", "", "", "", " A", " clumsy", " solution", text, "."], "deviation": deviations,
            "nearest": nearest}


def write(folder, steps=10000, eof=15, text="model", best=1.6782255854051162, seed=1):
    os.makedirs(folder, exist_ok=True)

    def save(name, value):
        with open(os.path.join(folder, name), "w", encoding="utf-8") as file:
            json.dump(value, file)

    save("run.json", run_record(eof, steps, text, best))
    cosine = deviation("cosine", 0.98, 0.42, seed)
    save("profile.json", {"schema": "salf.profile/1", "provenance": provenance(text), "shape": shape(), "tokens": 23456, "basis_ridge": 0.0,
                          "seconds": 9.21, "forward_seconds": 8.7, "seed": 1, "deviations": [cosine, deviation("loss", 10.9, 2.1, seed)],
                          "scaling_laws": [{"measure": "cosine", "found": True, "a": 0.61, "b": 0.42, "c": 0.33, "b_low": 0.4,
                                            "b_high": 0.45, "r_squared": 0.97, "share": [0.1] * (BLOCKS + 1)}],
                          "token_maps": [token_map(text)]})
    save("dev_losses.json", {"schema": "salf.dev-losses/1", "before_step": 0, "best_step": steps, "before": losses(2.07, 3), "best": losses(best, 4)})
    source = random.Random(seed)
    with open(os.path.join(folder, "metrics.jsonl"), "w", encoding="utf-8") as file:
        for step in range(1, steps + 1):
            loss = 1.7 + 0.45 * math.exp(-3 * step / steps) + source.gauss(0, 0.08)
            rate = 3e-4 * min(1, step / (0.02 * steps + 1)) * (1 if step < 0.8 * steps else (steps - step) / (0.2 * steps))
            file.write(json.dumps({"step": step, "epoch": 0, "tokens": 990 * step, "supervised_tokens": 985 * step,
                                   "seconds": 3.4 + source.uniform(-0.2, 0.3), "loss": loss, "lr": rate, "budget_spent": step / steps}) + "\n")
            if step % (steps // 4) == 0:
                file.write(json.dumps({"step": step, "dev_loss": 1.68 + 0.4 * math.exp(-3 * step / steps), "seconds": 0.5}) + "\n")
