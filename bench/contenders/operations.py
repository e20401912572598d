"""PyTorch and scikit-learn for ../python.mjs: a line of JSON for every request, and one for every reply. One thread."""

import json
import sys
import time

import numpy
import sklearn
import sklearn.metrics
import torch
import torch.nn.functional as F

torch.set_num_threads(1)
torch.set_grad_enabled(False)

TEMPERATURE, TOP_K, TOP_P = 0.8, 50, 0.95


def filtered(logits):
    """Top-k and top-p by one sort of every row: the usual filter of servers in PyTorch."""
    ascending, order = (logits / TEMPERATURE).sort(dim=-1)
    least = ascending[:, -TOP_K].unsqueeze(1)
    ascending.masked_fill_(ascending < least, -float("inf"))
    removed = ascending.softmax(-1).cumsum(-1) <= 1 - TOP_P
    removed[:, -1] = False
    ascending.masked_fill_(removed, -float("inf"))
    return logits.new_empty(logits.shape).scatter_(1, order, ascending)


def by_top_k(logits):
    """The same without sorting the vocabulary: topk first, and top-p over what it gives."""
    best, order = (logits / TEMPERATURE).topk(TOP_K)
    p = best.softmax(-1)
    p[p.cumsum(-1) - p >= TOP_P] = 0
    return order.gather(1, torch.multinomial(p, 1))


class Case:
    """What is called, with what it needs ready, and an answer that can be compared."""

    def __init__(self, name, shape, folder):
        self.logits = torch.from_numpy(numpy.fromfile(f"{folder}/x", dtype="float32").reshape(shape))
        self.run = getattr(self, name)
        # Without one of its own, an answer is the beginning of what is returned.
        self.answer = getattr(self, f"{name}_answer", lambda: self.run().reshape(-1)[:1000].tolist())
        targets = numpy.fromfile(f"{folder}/targets", dtype="int32")
        self.classes = torch.from_numpy(targets.astype("int64"))
        if name == "evaluate":
            self.targets = targets
            # scikit-learn takes probabilities: they are ready, and not counted.
            self.p = self.logits.softmax(-1).numpy()
            self.labels = numpy.arange(shape[-1])
        self.out = torch.empty_like(self.logits)

    def sorted(self):
        return torch.multinomial(filtered(self.logits).softmax(-1), 1)

    def sorted_answer(self):
        kept = filtered(self.logits) > -float("inf")
        return [row.nonzero().reshape(-1).tolist() for row in kept]

    def top(self):
        return by_top_k(self.logits)

    top_answer = sorted_answer

    def sigmoid(self):
        return torch.sigmoid(self.logits, out=self.out)

    def logSigmoid(self):
        return F.logsigmoid(self.logits)

    def softmax(self):
        return torch.softmax(self.logits, -1, out=self.out)

    def logSoftmax(self):
        return F.log_softmax(self.logits, -1)

    def logSumExp(self):
        return torch.logsumexp(self.logits, -1)

    def top1(self):
        return self.logits.topk(1).indices

    def top5(self):
        return self.logits.topk(min(5, self.logits.shape[-1])).indices

    def sample(self):
        return torch.multinomial(torch.softmax(self.logits, -1, out=self.out), 1)

    def crossEntropy(self):
        return F.cross_entropy(self.logits, self.classes)

    def gradient(self):
        with torch.enable_grad():
            logits = self.logits.requires_grad_(True)
            logits.grad = None
            F.cross_entropy(logits, self.classes).backward()
        return logits.grad

    def evaluate(self):
        return self.evaluation_of(self.p)

    def evaluation_of(self, p):
        metrics, targets = sklearn.metrics, self.targets
        return [
            metrics.log_loss(targets, p, labels=self.labels),
            metrics.accuracy_score(targets, p.argmax(-1)),
            metrics.top_k_accuracy_score(targets, p, k=5, labels=self.labels),
        ]

    def evaluate_answer(self):
        """In float64, where log_loss counts no probability of these logits as a larger one."""
        return [float(value) for value in self.evaluation_of(self.logits.double().softmax(-1).numpy())]


case = None
versions = {"Python": sys.version.split()[0], "PyTorch": torch.__version__, "scikit-learn": sklearn.__version__, "NumPy": numpy.__version__}
print(json.dumps(versions), flush=True)
for line in sys.stdin:
    request = json.loads(line)
    if request["do"] == "prepare":
        case = Case(request["name"], request["shape"], request["folder"])
        reply = {"answer": case.answer()}
    else:
        start = time.perf_counter()
        case.run()
        reply = {"ms": (time.perf_counter() - start) * 1e3}
    print(json.dumps(reply), flush=True)
