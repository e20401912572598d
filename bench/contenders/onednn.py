"""oneDNN 2 by its C interface (dnnl.h), from Debian's libdnnl2 or any other installation."""

import ctypes

# dnnl_types.h
CPU, IN_ORDER, FLOAT32, FORWARD_INFERENCE, SOURCE, TARGET = 1, 1, 3, 96, 1, 17
Dims = ctypes.c_int64 * 12


class Argument(ctypes.Structure):
    _fields_ = [("index", ctypes.c_int), ("memory", ctypes.c_void_p)]


class Version(ctypes.Structure):
    _fields_ = [("major", ctypes.c_int), ("minor", ctypes.c_int), ("patch", ctypes.c_int)]


def load():
    return ctypes.CDLL("libdnnl.so.2")


def version():
    get = load().dnnl_version
    get.restype = ctypes.POINTER(Version)
    found = get().contents
    return f"{found.major}.{found.minor}.{found.patch}"


def softmax(logits, axis, out):
    """A primitive made once, as a function that runs it."""
    library = load()

    def call(name, *arguments):
        status = getattr(library, name)(*arguments)
        if status != 0:
            raise RuntimeError(f"{name} returned {status}")

    def make(name, *arguments):
        made = ctypes.c_void_p()
        call(name, ctypes.byref(made), *arguments)
        return made

    engine = make("dnnl_engine_create", CPU, ctypes.c_size_t(0))
    stream = make("dnnl_stream_create", engine, IN_ORDER)
    # Descriptors are structures, of less than a kilobyte in any version 2.
    memory, operation = ctypes.create_string_buffer(4096), ctypes.create_string_buffer(8192)
    strides = [stride // logits.itemsize for stride in logits.strides]
    call("dnnl_memory_desc_init_by_strides", memory, logits.ndim, Dims(*logits.shape), FLOAT32, Dims(*strides))
    call("dnnl_softmax_forward_desc_init", operation, FORWARD_INFERENCE, memory, axis)
    described = make("dnnl_primitive_desc_create", operation, None, engine, None)
    primitive = make("dnnl_primitive_create", described)
    arguments = (Argument * 2)(
        *(
            Argument(index, make("dnnl_memory_create", memory, engine, ctypes.c_void_p(array.ctypes.data)))
            for index, array in ((SOURCE, logits), (TARGET, out))
        )
    )

    def run():
        call("dnnl_primitive_execute", primitive, stream, 2, arguments)
        call("dnnl_stream_wait", stream)
        return out

    run.arrays = logits, out  # which oneDNN knows by their addresses alone
    return run
