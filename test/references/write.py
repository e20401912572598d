"""
Runs what others ship on small fixed cases, and writes their answers as tables: torch.ts, evaluation.ts, samplers.ts.

  pip install torch scikit-learn scipy torchmetrics transformers, then: python write.py

Two more are run where they are at hand, and their tables kept as they are where not:
  LLAMA=…/libllama.so    llama.cpp's library, with its neighbours beside it (the npm package @node-llama-cpp/linux-x64 has it)
  VLLM=…                 vLLM's sources: the functions named below are taken out of their files, since all of vLLM wants a GPU

Not run by the tests. All logits are multiples of 1/64, which float32 holds. Everything is computed in float64, but for
llama.cpp, which has float32 alone.
"""

import ast
import ctypes
import json
import os
import random
import re
import subprocess
import types
import warnings

import numpy
import scipy
import scipy.optimize
import scipy.special
import scipy.stats
import sklearn
import sklearn.metrics
import torch
import torch.nn.functional as F
import torchmetrics
import transformers

warnings.filterwarnings("ignore")
torch.set_default_dtype(torch.float64)
FOLDER = os.path.dirname(os.path.abspath(__file__))


def values(count, salt, unit=64, step=1009):
    """Numbers from integers alone."""
    return [(((i * 7919 + 131 * salt) % step) - step // 2) / unit for i in range(count)]


def flat(tensor):
    return torch.as_tensor(tensor).detach().reshape(-1).tolist()


# -- PyTorch -----------------------------------------------------------------------------------------------------------

torch_cases = []


def case(call, of, expected, **ours):
    torch_cases.append({"call": call, "of": of, **ours, "expected": flat(expected)})


def with_gradient(x, loss):
    """The loss that the function gives of `x`, and its gradient."""
    leaf = torch.tensor(x, requires_grad=True)
    total = loss(leaf)
    total.backward()
    return total, flat(leaf.grad)


def cross_entropies():
    rows, classes = 5, 4
    x = values(rows * classes, 1)
    shape = [rows, classes]
    targets = [2, 0, 3, 1, 0]
    weights = [0.5, 2.0, 0.25, 1.5]
    soft = F.softmax(torch.tensor(values(rows * classes, 2)).reshape(shape) / 4, -1)
    soft = (soft * 64).round() / 64  # what float32 holds; it need not add up to 1

    def one(name, to, target, shape, kwargs, **ours):
        for reduction in ["none", "sum", "mean"]:
            loss = lambda leaf: F.cross_entropy(leaf.reshape(shape), target, reduction=reduction, **kwargs)
            options = {"shape": shape, "targets": to, "reduction": reduction, **ours}
            if reduction == "none":
                case(f"F.cross_entropy, none: {name}", "crossEntropy", loss(torch.tensor(x)), x=x, options=options)
            else:
                total, gradient = with_gradient(x, loss)
                case(f"F.cross_entropy, {reduction}: {name}", "crossEntropy", total, x=x, options=options, gradient=gradient)

    w = torch.tensor(weights)
    hard = torch.tensor(targets)
    ignoring = torch.tensor([2, -100, 3, 1, -100])
    one("classes", targets, hard, shape, {})
    one("weights", targets, hard, shape, {"weight": w}, weights=weights)
    one("label smoothing", targets, hard, shape, {"label_smoothing": 0.125}, labelSmoothing=0.125)
    one("weights and label smoothing", targets, hard, shape, {"weight": w, "label_smoothing": 0.25}, weights=weights, labelSmoothing=0.25)
    one("ignored rows", ignoring.tolist(), ignoring, shape, {})
    one("ignored rows, weights, label smoothing", ignoring.tolist(), ignoring, shape, {"weight": w, "label_smoothing": 0.25}, weights=weights, labelSmoothing=0.25)
    one("ignore_index 0", targets, hard, shape, {"ignore_index": 0}, ignoreIndex=0)
    one("all rows ignored", [-100] * rows, torch.full([rows], -100), shape, {})
    one("distributions", flat(soft), soft, shape, {})
    one("distributions, weights", flat(soft), soft, shape, {"weight": w}, weights=weights)
    one("distributions, weights, label smoothing", flat(soft), soft, shape, {"weight": w, "label_smoothing": 0.25}, weights=weights, labelSmoothing=0.25)
    deep = torch.tensor([[0, 1], [3, 2]])  # [N, d] for logits [N, C, d]: the classes are axis 1
    x = values(16, 3)
    one("classes along axis 1", flat(deep), deep, [2, 4, 2], {"weight": w}, weights=weights, axis=1)


def binary_cross_entropies():
    x = [0.0, 1.0, -1.0, 0.5, -40.0, 40.0, 2.75, -3.5, 30.0, -0.015625, 100.0, -100.0]
    y = [1.0, 0.0, 0.25, 0.75, 0.0, 1.0, 0.5, 1.0, 0.0, 0.125, 1.0, 1.0]
    shape = [4, 3]
    element_weights = [1.0, 0.5, 2.0, 0.25, 1.5, 3.0, 0.0, 1.0, 0.75, 4.0, 1.0, 0.5]
    nested_weights = numpy.reshape(element_weights, shape).tolist()
    target = torch.tensor(y).reshape(shape)
    for name, kwargs, ours in [
        ("plain", {}, {}),
        ("weight", {"weight": torch.tensor(element_weights).reshape(shape)}, {"weights": nested_weights}),
        ("pos_weight", {"pos_weight": torch.tensor([2.0, 0.5, 3.0])}, {"posWeight": [2.0, 0.5, 3.0]}),
        (
            "weight and pos_weight",
            {"weight": torch.tensor(element_weights).reshape(shape), "pos_weight": torch.tensor([2.0, 0.5, 3.0])},
            {"weights": nested_weights, "posWeight": [2.0, 0.5, 3.0]},
        ),
        ("a weight for each column", {"weight": torch.tensor([0.5, 2.0, 1.25])}, {"weights": [0.5, 2.0, 1.25]}),
    ]:
        for reduction in ["none", "sum", "mean"]:
            loss = lambda leaf: F.binary_cross_entropy_with_logits(leaf.reshape(shape), target, reduction=reduction, **kwargs)
            options = {"shape": shape, "targets": y, "reduction": reduction, **ours}
            call = f"F.binary_cross_entropy_with_logits, {reduction}: {name}"
            if reduction == "none":
                case(call, "binaryCrossEntropy", loss(torch.tensor(x)), x=x, options=options)
            else:
                total, gradient = with_gradient(x, loss)
                case(call, "binaryCrossEntropy", total, x=x, options=options, gradient=gradient)


def distributions():
    shape = [4, 6]
    x, y = values(24, 5), values(24, 6, 128, 997)
    p, q = torch.tensor(x).reshape(shape), torch.tensor(y).reshape(shape)
    options = {"shape": shape}
    log_q = F.log_softmax(q, -1)
    # The input of F.kl_div is log q, its target p.
    case("F.kl_div(log q, p), none, added up by row", "klDivergence", F.kl_div(log_q, F.softmax(p, -1), reduction="none").sum(-1), x=x, y=y, options=options)
    case("F.kl_div(log q, log p, log_target=True), none, added up by row", "klDivergence", F.kl_div(log_q, F.log_softmax(p, -1), reduction="none", log_target=True).sum(-1), x=x, y=y, options=options)
    case("F.kl_div(log q, p), batchmean", "meanKlDivergence", F.kl_div(log_q, F.softmax(p, -1), reduction="batchmean"), x=x, y=y, options=options)
    case("scipy.special.rel_entr(p, q), added up by row", "klDivergence", scipy.special.rel_entr(scipy.special.softmax(p.numpy(), -1), scipy.special.softmax(q.numpy(), -1)).sum(-1), x=x, y=y, options=options)
    case("F.softmax", "softmax", F.softmax(p, -1), x=x, options=options)
    case("F.log_softmax", "logSoftmax", F.log_softmax(p, -1), x=x, options=options)
    case("F.log_softmax of x / 0.75, axis 0", "logSoftmax", F.log_softmax(p / 0.75, 0), x=x, options={**options, "axis": 0, "temperature": 0.75})
    case("torch.logsumexp", "logSumExp", torch.logsumexp(p, -1), x=x, options=options)
    case("scipy.special.logsumexp", "logSumExp", scipy.special.logsumexp(p.numpy(), axis=-1), x=x, options=options)
    case("torch.distributions.Categorical(logits=x).entropy()", "entropy", torch.distributions.Categorical(logits=p).entropy(), x=x, options=options)
    case("scipy.stats.entropy(softmax(x))", "entropy", scipy.stats.entropy(scipy.special.softmax(p.numpy(), -1), axis=-1), x=x, options=options)
    best = torch.topk(F.softmax(p, -1), 3)
    case("torch.topk(softmax(x), 3)", "topK", best.values, x=x, options=options, indices=flat(best.indices), k=3)
    best = torch.topk(F.log_softmax(p, -1), 3)
    case("torch.topk(log_softmax(x), 3)", "topK", best.values, x=x, options={**options, "log": True}, indices=flat(best.indices), k=3)
    classes = [[0, 3], [5, 5], [2, 1], [4, 0]]
    log_p = F.log_softmax(p, -1)
    case("log_softmax(x).gather(-1, classes)", "logProb", log_p.gather(-1, torch.tensor(classes)), x=x, options=options, classes=classes)
    logits = [0.0, 1.0, -1.0, 0.5, -36.0, 36.0, -100.0, 100.0, -700.0, 700.0, -0.015625, 2.25, -17.0, 17.0]
    case("torch.sigmoid", "sigmoid", torch.sigmoid(torch.tensor(logits)), x=logits, options={"shape": [len(logits)]})
    case("scipy.special.expit", "sigmoid", scipy.special.expit(logits), x=logits, options={"shape": [len(logits)]})
    case("F.logsigmoid", "logSigmoid", F.logsigmoid(torch.tensor(logits)), x=logits, options={"shape": [len(logits)]})


# -- Evaluation --------------------------------------------------------------------------------------------------------


def data(rows, classes, step, unit, wrong):
    """As evaluate-references.test.ts makes them."""
    x = numpy.array([(((i * 7919 + 13) % step) - step // 2) / unit for i in range(rows * classes)]).reshape(rows, classes)
    targets = numpy.array([(r * 31 + 7) % classes if r % wrong == 0 else int(numpy.argmax(x[r])) for r in range(rows)])
    return x, targets


def mean_loss(x, targets, temperature):
    return -scipy.special.log_softmax(x / temperature, -1)[numpy.arange(len(targets)), targets].mean()


def least(x, targets):
    found = scipy.optimize.minimize_scalar(
        lambda log: mean_loss(x, targets, numpy.exp(log)), bounds=(numpy.log(0.01), numpy.log(100)), method="bounded", options={"xatol": 1e-12}
    )
    return float(numpy.exp(found.x)), float(found.fun)


def usual_lbfgs(x, targets):
    """As the code beside Guo et al. 2017 calls it, and many after it: one step of LBFGS over the temperature, from 1.5."""
    temperature = torch.full([1], 1.5, requires_grad=True)
    optimizer = torch.optim.LBFGS([temperature], lr=0.01, max_iter=50)
    logits, labels = torch.tensor(x), torch.tensor(targets)

    def closure():
        optimizer.zero_grad()
        loss = F.cross_entropy(logits / temperature, labels)
        loss.backward()
        return loss

    optimizer.step(closure)
    return float(temperature)


def evaluations():
    found = {}
    for name, of, k in [
        ("500 rows of 10", dict(rows=500, classes=10, step=1009, unit=64, wrong=3), 5),
        ("60 rows of 300", dict(rows=60, classes=300, step=4099, unit=64, wrong=2), 5),
        ("200 rows of 4 with ties at the top", dict(rows=200, classes=4, step=3, unit=2, wrong=3), 2),
    ]:
        x, targets = data(**of)
        p = scipy.special.softmax(x, -1)
        classes = of["classes"]
        labels = list(range(classes))
        tp, tt = torch.tensor(p), torch.tensor(targets)
        calibration = lambda norm: float(torchmetrics.functional.classification.multiclass_calibration_error(tp, tt, classes, n_bins=15, norm=norm))
        accuracy = lambda top: float(torchmetrics.functional.classification.multiclass_accuracy(tp, tt, classes, average="micro", top_k=top))
        temperature, fitted = least(x, targets)
        found[name] = {
            "log_loss": sklearn.metrics.log_loss(targets, p, labels=labels),
            "accuracy_score": sklearn.metrics.accuracy_score(targets, p.argmax(-1)),
            "top_k_accuracy_score": sklearn.metrics.top_k_accuracy_score(targets, p, k=k, labels=labels),
            "brier_score_loss": sklearn.metrics.brier_score_loss(targets, p, labels=labels),
            "confusion_matrix": sklearn.metrics.confusion_matrix(targets, p.argmax(-1), labels=labels).reshape(-1).tolist() if classes <= 16 else None,
            "entropy": float(scipy.stats.entropy(p, axis=-1).mean()),
            "minimize_scalar": {"temperature": temperature, "fun": fitted},
            "torchmetrics": {"l1": calibration("l1"), "max": calibration("max"), "top1": accuracy(1), "topK": accuracy(k)},
        }
    return found


def differences():
    """Where they differ from us, or go wrong."""
    log_loss, top_k = sklearn.metrics.log_loss, sklearn.metrics.top_k_accuracy_score
    calibration = torchmetrics.functional.classification.multiclass_calibration_error
    accuracy = torchmetrics.functional.classification.multiclass_accuracy
    impossible = numpy.array([[0.0, -numpy.inf, 0.0], [0.0, 0.0, 0.0]])
    p = scipy.special.softmax(impossible, -1)
    p32 = p.astype("float32")
    tied = numpy.array([[1.0, 1.0, 0.0], [1.0, 1.0, 0.0], [0.0, 2.0, 2.0]])
    tied_targets = [0, 1, 1]
    halves = scipy.special.softmax(tied, -1)
    even = torch.tensor([[0.5, 0.5], [0.5, 0.5]])
    edge = scipy.special.softmax(numpy.array([[0.0, 0.0, -numpy.inf], [0.5, 0.0, 0.0], [1.0, 0.0, 0.0]]), -1)
    certain = scipy.special.softmax(numpy.array([[0.0, -numpy.inf, -numpy.inf], [2.5, 0.0, -numpy.inf]]), -1)
    bins_of_4 = lambda p, targets: [float(calibration(torch.tensor(p), torch.tensor(targets), 3, n_bins=4, norm=norm)) for norm in ["l1", "max"]]
    equal = torch.full([1, 5], 0.2)
    separable = numpy.array([[2.0, 0.0, 1.0], [0.0, 1.0, 0.0], [0.0, 0.5, 0.625]])
    wrong = numpy.array([[2.0, 0.0, 1.0], [0.0, 1.0, 0.0]])
    many = scipy.special.softmax(((numpy.arange(64 * 8) * 7919) % 5).reshape(64, 8).astype("float64"), -1)
    many_targets = (numpy.arange(64) * 5) % 8
    tm = torch.tensor(many)
    hard = torch.tensor(many_targets)
    ordinary, ordinary_targets = data(rows=30, classes=5, step=1009, unit=128, wrong=12)
    return {
        "impossible": {"log_loss": log_loss([1, 0], p, labels=[0, 1, 2]), "log_loss of float32": float(log_loss([1, 0], p32, labels=[0, 1, 2])), "F.cross_entropy": float(F.cross_entropy(torch.tensor(impossible), torch.tensor([1, 0]))), "entropy": float(scipy.stats.entropy(p, axis=-1).mean()), "brier_score_loss": sklearn.metrics.brier_score_loss([1, 0], p, labels=[0, 1, 2])},
        "tied": {"accuracy_score of argmax": sklearn.metrics.accuracy_score(tied_targets, halves.argmax(-1)), "top_k_accuracy_score, k 1": top_k(tied_targets, halves, k=1, labels=[0, 1, 2])},
        "top-k of 64 rows with ties": {"top_k_accuracy_score": [top_k(many_targets, many, k=k, labels=range(8)) for k in range(1, 8)], "multiclass_accuracy": [float(accuracy(tm, hard, 8, average="micro", top_k=k)) for k in range(1, 8)]},
        "equal logits": {"multiclass_accuracy": [float(accuracy(equal, torch.tensor([0]), 5, average="micro", top_k=k)) for k in [1, 2, 3]]},
        "on an edge": {"multiclass_calibration_error": bins_of_4(edge, [1, 0, 0])},
        "certain": {"multiclass_calibration_error": bins_of_4(certain, [1, 0])},
        "all ignored": {"calibration_error": float(calibration(even, torch.tensor([-100, -100]), 2, n_bins=15, ignore_index=-100)), "multiclass_accuracy": float(accuracy(even, torch.tensor([-100, -100]), 2, average="micro", ignore_index=-100)), "F.cross_entropy": float(F.cross_entropy(even, torch.tensor([-100, -100])))},
        "separable": {"minimize_scalar": least(separable, [0, 1, 2])[0], "LBFGS": usual_lbfgs(separable, [0, 1, 2])},
        "always wrong": {"minimize_scalar": least(wrong, [1, 0])[0], "LBFGS": usual_lbfgs(wrong, [1, 0])},
        "ordinary": {"x": ordinary.reshape(-1).tolist(), "targets": ordinary_targets.tolist(), "LBFGS": usual_lbfgs(ordinary, ordinary_targets), "minimize_scalar": least(ordinary, ordinary_targets)[0]},
    }


# -- Samplers ----------------------------------------------------------------------------------------------------------


def filters_of(salt):
    """A row without ties, and filters that leave no class with less than a hundredth."""
    for again in range(1000):
        random.seed(1000 * salt + again)
        classes = random.randint(4, 9)
        logits = [random.randint(-96, 96) / 64 for _ in range(classes)]
        filters = dict(
            temperature=random.choice([0.5, 1.0, 1.75]), topK=random.choice([0, 3, 4, 6]), topP=random.choice([0.5, 0.625, 0.8125, 0.90625, 1.0]), minP=random.choice([0.0, 0.125, 0.375])
        )
        if len(set(logits)) == classes and filters["topK"] <= classes:
            yield logits, filters


def by_transformers(logits, filters):
    scores = torch.tensor([logits])
    warpers = [transformers.TemperatureLogitsWarper(filters["temperature"])]
    if filters["topK"] > 0:
        warpers.append(transformers.TopKLogitsWarper(filters["topK"]))
    if filters["topP"] < 1:
        warpers.append(transformers.TopPLogitsWarper(filters["topP"]))
    if filters["minP"] > 0:
        warpers.append(transformers.MinPLogitsWarper(filters["minP"]))
    for warper in warpers:
        scores = warper(torch.tensor([[0]]), scores)
    return flat(F.softmax(scores, -1))


def vllm_functions():
    """The functions by name, out of files that cannot be imported without a GPU build."""
    root = os.environ.get("VLLM")
    if not root:
        return None
    space = {"torch": torch, "HAS_TRITON": False}
    for path in [
        "vllm/v1/sample/ops/topk_topp_sampler.py",
        "vllm/v1/sample/logits_processor/builtin.py",
        "vllm/_custom_ops.py",
        "vllm/model_executor/layers/utils.py",
    ]:
        for node in ast.parse(open(os.path.join(root, path)).read()).body:
            wanted = ("apply_top_k_top_p_pytorch", "apply_top_k_only", "apply_repetition_penalties_torch", "get_token_bin_counts_and_mask", "apply_penalties")
            if isinstance(node, ast.FunctionDef) and node.name in wanted:
                exec(compile(ast.Module([node], []), path, "exec"), space)
            if isinstance(node, ast.ClassDef) and node.name in ("MinPLogitsProcessor", "LogitBiasLogitsProcessor"):
                apply = [item for item in node.body if isinstance(item, ast.FunctionDef) and item.name == "apply"]
                exec(compile(ast.Module(apply, []), path, "exec"), space)
                space[node.name] = space.pop("apply")
    custom = types.ModuleType("vllm._custom_ops")
    custom.apply_repetition_penalties = space["apply_repetition_penalties_torch"]
    import sys

    sys.modules["vllm"], sys.modules["vllm._custom_ops"] = types.ModuleType("vllm"), custom
    return space


def by_vllm(space, logits, filters):
    """The order of v1/sample/sampler.py: temperature, the processors that leave the best as it is (min-p), top-k and top-p."""
    x = torch.tensor([logits]) / filters["temperature"]
    if filters["minP"] > 0:
        own = types.SimpleNamespace(min_p_count=1, min_p=torch.tensor([[filters["minP"]]]))
        x = space["MinPLogitsProcessor"](own, x)
    k = torch.tensor([filters["topK"]]) if filters["topK"] > 0 else None
    p = torch.tensor([filters["topP"]]) if filters["topP"] < 1 else None
    x = space["apply_top_k_top_p_pytorch"](x, k, p)
    return flat(F.softmax(x, -1))


class TokenData(ctypes.Structure):
    _fields_ = [("id", ctypes.c_int32), ("logit", ctypes.c_float), ("p", ctypes.c_float)]


class TokenDataArray(ctypes.Structure):
    _fields_ = [("data", ctypes.POINTER(TokenData)), ("size", ctypes.c_size_t), ("selected", ctypes.c_int64), ("sorted", ctypes.c_bool)]


class LogitBias(ctypes.Structure):
    _fields_ = [("token", ctypes.c_int32), ("bias", ctypes.c_float)]


class Llama:
    def __init__(self, path):
        self.library = ctypes.CDLL(path, mode=ctypes.RTLD_GLOBAL)
        number, count = ctypes.c_float, ctypes.c_size_t
        for name, arguments in {
            "top_k": [ctypes.c_int32],
            "top_p": [number, count],
            "min_p": [number, count],
            "temp": [number],
            "penalties": [ctypes.c_int32, ctypes.c_int32, number, number, number],
            "logit_bias": [ctypes.c_int32, ctypes.c_int32, ctypes.POINTER(LogitBias)],
        }.items():
            make = getattr(self.library, f"llama_sampler_init_{name}")
            make.argtypes, make.restype = arguments, ctypes.c_void_p
        for name, arguments in {"apply": [ctypes.c_void_p, ctypes.POINTER(TokenDataArray)], "accept": [ctypes.c_void_p, ctypes.c_int32], "free": [ctypes.c_void_p]}.items():
            getattr(self.library, f"llama_sampler_{name}").argtypes = arguments

    def run(self, logits, samplers, accepted=()):
        """The logits that the samplers leave; what they drop is -Infinity."""
        tokens = (TokenData * len(logits))(*[TokenData(i, logit, 0) for i, logit in enumerate(logits)])
        array = TokenDataArray(tokens, len(logits), -1, False)
        for name, *arguments in samplers:
            sampler = getattr(self.library, f"llama_sampler_init_{name}")(*arguments)
            for token in accepted:
                self.library.llama_sampler_accept(sampler, token)
            self.library.llama_sampler_apply(sampler, ctypes.byref(array))
            self.library.llama_sampler_free(sampler)
        left = [-numpy.inf] * len(logits)
        for i in range(array.size):
            left[array.data[i].id] = float(array.data[i].logit)
        return left


def by_llama(llama, logits, filters):
    """The chain of common/sampling.cpp, of the samplers that we have: top-k, top-p, min-p, temperature."""
    samplers = [("top_k", filters["topK"]), ("top_p", filters["topP"], 1), ("min_p", filters["minP"], 1), ("temp", filters["temperature"])]
    return flat(F.softmax(torch.tensor(llama.run(logits, samplers)), -1))


def samplers(versions):
    space = vllm_functions()
    llama = Llama(os.environ["LLAMA"]) if os.environ.get("LLAMA") else None
    systems = {"transformers": by_transformers}
    if space:
        systems["vllm"] = lambda logits, filters: by_vllm(space, logits, filters)
    if llama:
        systems["llama.cpp"] = lambda logits, filters: by_llama(llama, logits, filters)
    orders = []
    for salt in range(40):
        for logits, filters in filters_of(salt):
            expected = {order: solve(logits, filters) for order, solve in systems.items()}
            kept = {order: tuple(p > 0 for p in row) for order, row in expected.items()}
            differ = len(set(kept.values())) > 1
            if all(p == 0 or p > 0.01 for row in expected.values() for p in row) and (differ or salt % 2) and max(map(sum, kept.values())) > 2:
                orders.append({"logits": logits, "filters": filters, "expected": expected})
                break
    penalties = []
    x = [2.0, 1.0, -1.0, 0.5, -0.25, 0.0]
    for options in [
        {"history": [0, 2, 2], "repetitionPenalty": 2.0},
        {"history": [0, 5], "prompt": [2, 4, 0], "repetitionPenalty": 1.5},
        {"history": [0, 2, 2], "frequencyPenalty": 0.5},
        {"history": [0, 2, 2], "presencePenalty": 0.5},
        {"prompt": [0, 2, 2], "frequencyPenalty": 0.5, "presencePenalty": 1.0},
        {"history": [1, 1, 1], "frequencyPenalty": -0.5},
        {"history": [3, 3, 2], "prompt": [0, 3], "repetitionPenalty": 0.5, "frequencyPenalty": 0.25, "presencePenalty": 0.125},
        {"bias": {"classes": [4, 0], "values": [1.25, -3.0]}, "history": [4, 0], "repetitionPenalty": 2.0},
    ]:
        prompt, history = options.get("prompt", []), options.get("history", [])
        repetition, frequency, presence = (options.get(name, default) for name, default in [("repetitionPenalty", 1.0), ("frequencyPenalty", 0.0), ("presencePenalty", 0.0)])
        bias = options.get("bias", {"classes": [], "values": []})
        expected = {}
        if frequency == presence == 0 and not bias["classes"]:
            seen = torch.tensor([prompt + history])
            expected["transformers"] = flat(transformers.RepetitionPenaltyLogitsProcessor(repetition)(seen, torch.tensor([x])))
        if space:
            logits = torch.tensor([x])
            own = types.SimpleNamespace(biases=bias["classes"], logits_slice=(torch.zeros(len(bias["classes"]), dtype=torch.long), torch.tensor(bias["classes"], dtype=torch.long)), bias_tensor=torch.tensor(bias["values"]))
            logits = space["LogitBiasLogitsProcessor"](own, logits)
            tokens = lambda some: torch.tensor([some], dtype=torch.long).reshape(1, -1)
            one = lambda value: torch.tensor([value])
            expected["vllm"] = flat(space["apply_penalties"](logits, tokens(prompt), tokens(history), one(presence), one(frequency), one(repetition)))
        if llama and not prompt:
            steps = [("penalties", len(x), 64, repetition, frequency, presence)]
            if bias["classes"]:
                pairs = (LogitBias * 2)(*[LogitBias(c, v) for c, v in zip(bias["classes"], bias["values"])])
                steps.insert(0, ("logit_bias", len(x), 2, pairs))
            expected["llama.cpp"] = llama.run(x, steps, history)
        penalties.append({"options": options, "expected": expected})
    tied = {"logits": [1.0, 2.0, 1.0, 1.0], "topK": 2, "expected": {}}
    for order, solve in systems.items():
        tied["expected"][order] = solve(tied["logits"], dict(temperature=1.0, topK=2, topP=1.0, minP=0.0))
    versions["run"] = list(systems)
    return {"orders": orders, "penalties": {"logits": x, "cases": penalties}, "tied": tied}


# -- Tables ------------------------------------------------------------------------------------------------------------


def write(name, source, export, table):
    if isinstance(table, dict):
        body = json.dumps(table)
    else:
        body = "[\n" + ",\n".join(json.dumps(row) for row in table) + "\n]"
    body = re.sub(r'"(\w+)":', r"\1:", body)
    path = os.path.join(FOLDER, name)
    with open(path, "w") as file:
        file.write(f"/** Written by write.py; the answers of {source}. */\nexport const {export} = {body} as const;\n")
    subprocess.run(["npx", "biome", "check", "--write", path], check=True, cwd=os.path.join(FOLDER, "../.."), stdout=subprocess.DEVNULL)


cross_entropies()
binary_cross_entropies()
distributions()
write("torch.ts", f"PyTorch {torch.__version__} and, where a case names it, SciPy {scipy.__version__}, in float64", "torchCases", torch_cases)
source = f"scikit-learn {sklearn.__version__}, SciPy {scipy.__version__}, torchmetrics {torchmetrics.__version__} and PyTorch {torch.__version__}"
write("evaluation.ts", source, "others", {"data": evaluations(), "differences": differences()})
run = {}
table = samplers(run)
if run["run"] == ["transformers", "vllm", "llama.cpp"]:
    source = (
        f"transformers {transformers.__version__} with PyTorch {torch.__version__}, {os.environ['VLLM_VERSION']}, and {os.environ['LLAMA_VERSION']}"
    )
    write("samplers.ts", source, "samplers", table)
else:
    print(f"samplers.ts is left as it is: only {', '.join(run['run'])} at hand (LLAMA and VLLM name the others)")
