"""NumPy, SciPy, PyTorch and oneDNN over the protocol of child.ts: a line of JSON for every request, and one for every reply."""

import json
import statistics
import sys
import time

import numpy

library = json.loads(sys.argv[1])["library"]


def numpy_softmax(logits, axis, out):
    """The usual composition, in place where NumPy can."""
    numpy.subtract(logits, logits.max(axis=axis, keepdims=True), out=out)
    numpy.exp(out, out=out)
    numpy.divide(out, out.sum(axis=axis, keepdims=True), out=out)
    return out


def call(logits, axis):
    """The call to be measured, as a function without arguments that returns an array."""
    if library == "numpy":
        out = numpy.empty_like(logits)
        return lambda: numpy_softmax(logits, axis, out)
    if library == "scipy":
        from scipy.special import softmax

        return lambda: softmax(logits, axis=axis)
    if library == "onednn":
        import onednn

        return onednn.softmax(logits, axis, numpy.empty_like(logits))
    import torch

    torch.set_num_threads(1)
    tensor = torch.from_numpy(logits)
    out = torch.empty_like(tensor)
    return lambda: torch.softmax(tensor, axis, out=out).numpy()


def version():
    module = __import__(library)
    return module.version() if library == "onednn" else module.__version__


class Stopwatch:
    """As in stopwatch.ts."""

    def __init__(self, run, first_ms, warm_ms, patience_ms):
        self.run, self.batch = run, 1
        start, call_ms = time.perf_counter(), first_ms
        while (elapsed := (time.perf_counter() - start) * 1e3) < warm_ms and elapsed + call_ms < patience_ms:
            call_ms = self.per_call()
            self.batch = max(1, round(1 / call_ms))

    def measure(self, ms):
        samples, start = [], time.perf_counter()
        while not samples or (time.perf_counter() - start) * 1e3 < ms:
            samples.append(self.per_call())
        return statistics.median(samples) * 1e6

    def per_call(self):
        run = self.run
        start = time.perf_counter()
        for _ in range(self.batch):
            run()
        return (time.perf_counter() - start) * 1e3 / self.batch


def prepare(request):
    """The answer, the call that gave it, and how long it took (ms)."""
    case = request["case"]
    if case["op"] != "softmax":
        return {"cannot": "measured for softmax only"}, None, 0
    if library == "onednn" and case["dtype"] != "float32":
        return {"cannot": "has float32 only"}, None, 0
    logits = numpy.fromfile(request["input"], dtype=case["dtype"]).reshape(case["shape"])
    run = call(logits, case["axis"])
    start = time.perf_counter()
    answer = run()
    first_ms = (time.perf_counter() - start) * 1e3
    answer.tofile(request["output"])
    return {"answer": {"values": "in file", "type": case["dtype"], "indices": []}}, run, first_ms


def main():
    run = watch = None
    print(json.dumps({"version": version()}), flush=True)
    for line in sys.stdin:
        request = json.loads(line)
        try:
            if request["do"] == "prepare":
                run = watch = None
                reply, run, first_ms = prepare(request)
            elif request["do"] == "warm":
                watch = Stopwatch(run, first_ms, request["warmMs"], request["patienceMs"])
                reply = {"ns": 0}
            else:
                reply = {"ns": watch.measure(request["ms"])}
        except Exception as error:  # Told to the other side, which goes on.
            reply = {"failed": repr(error)}
        print(json.dumps(reply), flush=True)


main()
