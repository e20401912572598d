// The binding: unpacks a problem, checks what protects memory, calls, returns. Nothing numeric lives here, and
// nothing that runs on another thread is given an `env`.
//
// A call's numbers travel in a header, a Float64Array that lib/backends/native/header.ts pins once per environment; its
// typed arrays travel as arguments, as many as the problem has. call.h says what lies where.
#include <napi.h>

#include <algorithm>
#include <atomic>
#include <limits>
#include <memory>
#include <thread>
#include <unordered_map>

#include "batch.h"
#include "call.h"
#include "classes.h"
#include "dispatch.h"
#include "pool.h"
#include "tally.h"

namespace {

class AsyncBatch;

// What the addon keeps per environment (the main thread's, or a worker's).
struct Environment {
  // At hand: asking for them again would take a small call 1 ns.
  const std::vector<const Kernels*>& kernels = supported_kernels();
  const double* header = nullptr;
  Problem small{};                 // of solveScratch(): x and out are scratch memory, where JS copies small rows
  size_t scratch_bytes = 0;        // of either
  size_t scratch_classes = 0;      // of class indices beside them
  std::vector<Call> prepared;      // by handle
  std::vector<uint32_t> released;  // handles to give out again; their calls have no kernels
  std::unordered_map<uint32_t, std::shared_ptr<AsyncBatch>> flying;
  std::vector<napi_ref> pinned;
  uint32_t last_handle = 0;
  napi_threadsafe_function landed = nullptr;
  std::atomic<size_t> landing{0};  // threads that are calling it
};

// A batch in flight. It tells the environment's thread when it has landed; only that thread touches `callback` and
// `memory`.
class AsyncBatch : public Batch {
 public:
  AsyncBatch(const Call& call, uint32_t handle, Environment& environment)
      : Batch(*call.kernels, call.problem, call.threads), handle(handle), environment(environment) {}

  const uint32_t handle;
  napi_ref callback = nullptr;
  std::vector<napi_ref> memory;

 protected:
  void finished() override {
    // The environment may let go of this batch, and go away, before the call returns; drain() waits for that.
    Environment& calling = environment;
    calling.landing++;
    napi_call_threadsafe_function(calling.landed, reinterpret_cast<void*>(uintptr_t(handle)),
                                  napi_tsfn_nonblocking);
    calling.landing--;
  }

 private:
  Environment& environment;
};

napi_value undefined(napi_env env) {
  napi_value value;
  napi_get_undefined(env, &value);
  return value;
}

napi_value refuse(napi_env env, const char* what) {
  napi_throw_range_error(env, "ERR_OUT_OF_BOUNDS", what);
  return nullptr;
}

Environment& environment_of(napi_env env) {
  void* data = nullptr;
  napi_get_instance_data(env, &data);
  return *static_cast<Environment*>(data);
}

// The memory of a typed array, read from the view itself: a detached one has a null pointer and length 0.
bool bytes_of(napi_env env, napi_value value, Bytes& bytes) {
  napi_typedarray_type type;
  size_t length;
  if (napi_get_typedarray_info(env, value, &type, &length, &bytes.data, nullptr, nullptr) != napi_ok) return false;
  static constexpr size_t sizes[] = {1, 1, 1, 2, 2, 4, 4, 4, 8, 8, 8, 2};
  bytes.length = length * (size_t(type) < sizeof sizes / sizeof *sizes ? sizes[type] : 1);
  return true;
}

// Reads the arrays among `values` (undefined where a problem lacks one).
bool read_arrays(napi_env env, const napi_value* values, size_t count, Bytes* arrays) {
  for (size_t i = 0; i < count; i++) {
    if (bytes_of(env, values[i], arrays[i])) continue;
    napi_valuetype type;
    if (napi_typeof(env, values[i], &type) != napi_ok || type != napi_undefined) return false;
  }
  return true;
}

// solve(x, out, ...): the problem in the header, solved before this returns.
napi_value solve(napi_env env, napi_callback_info info) {
  size_t count = most_arrays;
  napi_value values[most_arrays];
  void* data;
  napi_get_cb_info(env, info, &count, values, nullptr, &data);
  const Environment& environment = *static_cast<Environment*>(data);
  Bytes arrays[most_arrays];
  if (!read_arrays(env, values, std::min<size_t>(count, most_arrays), arrays)) {
    return refuse(env, "an operand is not a typed array");
  }
  Call call;
  if (const char* what = read_call(environment.header, arrays, call)) return refuse(env, what);
  solve_batch(*call.kernels, call.problem, call.threads);
  return nullptr;
}

// Of topK, sample and crossEntropy: what one row takes besides, from the integers behind the sizes. False where it is out
// of bounds.
bool read_lone(Problem& p, const uint32_t* own, size_t rows, size_t most) {
  if (rows != 1 || p.length > most) return false;
  switch (p.op) {
    case Op::topK: return (p.k = own[0]) <= p.length;
    case Op::sample: p.seed[0] = own[0], p.seed[1] = own[1]; return true;
    case Op::crossEntropy: return size_t(*p.targets) < p.length;
    default: return false;
  }
}

// solveScratch(): a few contiguous rows of float32 or float64, from one piece of scratch memory to the other: softmax,
// logSoftmax and logSumExp of any number of rows, topK, sample and crossEntropy of one. Nothing is looked up, so that it
// costs a third of solve().
//
// (Nor is the stack watched, for 1 ns of 43: it holds nothing that a caller wrote.)
__attribute__((no_stack_protector)) napi_value solve_scratch(napi_env env, napi_callback_info info) {
  void* data;
  napi_get_cb_info(env, info, nullptr, nullptr, nullptr, &data);
  Environment& environment = *static_cast<Environment*>(data);
  Problem& p = environment.small;
  const auto* small = reinterpret_cast<const uint32_t*>(environment.header + number::all);
  const Kernels& kernels = *environment.kernels[std::min<size_t>(small[0], environment.kernels.size() - 1)];
  const Op op = Op(std::min<uint32_t>(small[1], uint32_t(Op::crossEntropy)));
  const Type type = small[2] == uint32_t(Type::float64) ? Type::float64 : Type::float32;
  const size_t rows = small[3], classes = small[4];
  const double temperature = environment.header[number::temperature];
  if (classes == 0 || rows > environment.scratch_bytes / size_of(type) / classes)
    return refuse(env, "x exceeds the scratch");
  if (rows == 1 && op == Op::softmax && type == Type::float32 &&
      kernels.solve_lone(static_cast<const float*>(p.x), classes, temperature, static_cast<float*>(p.out)))
    return nullptr;
  p.op = op;
  p.type = p.outType = type;
  p.outer = rows, p.length = classes, p.elements = rows * classes;
  p.temperature = temperature;
  if (op > Op::logSumExp && !read_lone(p, small + 5, rows, environment.scratch_classes))
    return refuse(env, "the row exceeds the scratch, or its arguments the row");
  kernels.solve(p, 0, rows);
  return nullptr;
}

// prepare(x, out, ...): a handle under which solvePrepared() solves the problem again and again. The arrays' memory
// is shared memory, which cannot move, and lib/backends/native/native.ts keeps it alive.
napi_value prepare(napi_env env, napi_callback_info info) {
  size_t count = most_arrays;
  napi_value values[most_arrays];
  void* data;
  napi_get_cb_info(env, info, &count, values, nullptr, &data);
  Environment& environment = *static_cast<Environment*>(data);
  Bytes arrays[most_arrays];
  if (!read_arrays(env, values, std::min<size_t>(count, most_arrays), arrays)) {
    return refuse(env, "an operand is not a typed array");
  }
  Call call;
  if (const char* what = read_call(environment.header, arrays, call)) return refuse(env, what);
  uint32_t handle;
  if (environment.released.empty()) {
    handle = uint32_t(environment.prepared.size());
    environment.prepared.push_back(call);
  } else {
    handle = environment.released.back();
    environment.released.pop_back();
    environment.prepared[handle] = call;
  }
  napi_value result;
  napi_create_uint32(env, handle, &result);
  return result;
}

// The call under the handle in the header, or null.
Call* prepared_call(Environment& environment) {
  const size_t handle = size_t(environment.header[number::handle]);
  if (handle >= environment.prepared.size() || !environment.prepared[handle].kernels) return nullptr;
  return &environment.prepared[handle];
}

napi_value solve_prepared(napi_env env, napi_callback_info info) {
  void* data;
  napi_get_cb_info(env, info, nullptr, nullptr, nullptr, &data);
  Environment& environment = *static_cast<Environment*>(data);
  const Call* call = prepared_call(environment);
  if (!call) return refuse(env, "the prepared call was released");
  solve_batch(*call->kernels, call->problem, call->threads);
  return nullptr;
}

napi_value release(napi_env env, napi_callback_info info) {
  void* data;
  napi_get_cb_info(env, info, nullptr, nullptr, nullptr, &data);
  Environment& environment = *static_cast<Environment*>(data);
  if (Call* call = prepared_call(environment)) {
    call->kernels = nullptr;
    environment.released.push_back(uint32_t(environment.header[number::handle]));
  }
  return nullptr;
}

// On the environment's thread: lets go of a landed batch and calls its callback. Without an env, the environment is
// gone and its references with it.
void land(napi_env env, napi_value, void*, void* data) {
  if (env == nullptr) return;
  Environment& environment = environment_of(env);
  const auto found = environment.flying.find(uint32_t(uintptr_t(data)));
  if (found == environment.flying.end()) return;
  const std::shared_ptr<AsyncBatch> batch = std::move(found->second);
  environment.flying.erase(found);
  if (environment.flying.empty()) napi_unref_threadsafe_function(env, environment.landed);
  napi_value callback, result;
  napi_get_reference_value(env, batch->callback, &callback);
  napi_delete_reference(env, batch->callback);
  for (napi_ref memory : batch->memory) napi_delete_reference(env, memory);
  napi_call_function(env, undefined(env), callback, 0, nullptr, &result);
}

// Runs while the environment goes away: no thread may touch its memory, or call it, from here on.
void drain(void* data) {
  Environment& environment = *static_cast<Environment*>(data);
  for (auto& flight : environment.flying) flight.second->cancel();
  for (auto& flight : environment.flying) Pool::instance().wait(*flight.second);
  // Those that have landed but just now: a few instructions away from leaving.
  while (environment.landing > 0) std::this_thread::yield();
}

bool open_landing(napi_env env, Environment& environment) {
  if (environment.landed) return true;
  napi_value name;
  if (napi_create_string_utf8(env, "simd-softmax", NAPI_AUTO_LENGTH, &name) != napi_ok) return false;
  if (napi_create_threadsafe_function(env, nullptr, nullptr, name, 0, 1, nullptr, nullptr, nullptr, land,
                                      &environment.landed) != napi_ok) {
    return false;
  }
  // Hooks run last in, first out: the batches are drained before the function they call is torn down.
  return napi_add_env_cleanup_hook(env, drain, &environment) == napi_ok;
}

// submit(callback, x, out, ...): solves the problem on other threads and then calls back. Its arrays must view shared
// memory, which can neither be detached nor shrunk. Returns a handle for cancel().
napi_value submit(napi_env env, napi_callback_info info) {
  size_t count = most_arrays + 1;
  napi_value values[most_arrays + 1];
  void* data;
  napi_get_cb_info(env, info, &count, values, nullptr, &data);
  Environment& environment = *static_cast<Environment*>(data);
  count = std::min<size_t>(count, most_arrays + 1);
  Bytes arrays[most_arrays];
  if (count < 1 || !read_arrays(env, values + 1, count - 1, arrays)) {
    return refuse(env, "an operand is not a typed array");
  }
  Call call;
  if (const char* what = read_call(environment.header, arrays, call)) return refuse(env, what);
  if (!open_landing(env, environment)) return refuse(env, "no more callbacks can be made");

  const uint32_t handle = ++environment.last_handle;
  const auto batch = std::make_shared<AsyncBatch>(call, handle, environment);
  napi_create_reference(env, values[0], 1, &batch->callback);
  for (size_t i = 1; i < count; i++) {
    if (!arrays[i - 1].data) continue;
    napi_ref memory;
    napi_create_reference(env, values[i], 1, &memory);
    batch->memory.push_back(memory);
  }
  if (environment.flying.empty()) napi_ref_threadsafe_function(env, environment.landed);
  environment.flying[handle] = batch;
  Pool::instance().submit(batch, batch->useful_threads());
  napi_value result;
  napi_create_uint32(env, handle, &result);
  return result;
}

// cancel(): the batch in the header's handle skips the blocks it has not begun; its callback is called all the same.
napi_value cancel(napi_env env, napi_callback_info info) {
  void* data;
  napi_get_cb_info(env, info, nullptr, nullptr, nullptr, &data);
  Environment& environment = *static_cast<Environment*>(data);
  const auto found = environment.flying.find(uint32_t(environment.header[number::handle]));
  if (found != environment.flying.end()) found->second->cancel();
  return nullptr;
}

// pin(header, logits, results, classes): what the calls above read and write, over buffers of their own, which nothing can move
// or detach.
napi_value pin(napi_env env, napi_callback_info info) {
  constexpr size_t all = 4;
  size_t count = all;
  napi_value values[all];
  void* data;
  napi_get_cb_info(env, info, &count, values, nullptr, &data);
  Environment& environment = *static_cast<Environment*>(data);
  Bytes memory[all];
  for (size_t i = 0; i < all; i++) {
    if (i >= count || !bytes_of(env, values[i], memory[i])) return refuse(env, "memory is missing");
  }
  const auto& [header, logits, results, classes] = memory;
  if (header.length / sizeof(double) < header_length) { return refuse(env, "the header is too short"); }
  for (napi_value value : values) {
    napi_ref keep;
    napi_create_reference(env, value, 1, &keep);
    environment.pinned.push_back(keep);
  }
  environment.header = static_cast<const double*>(header.data);
  environment.scratch_bytes = std::min(logits.length, results.length);
  environment.scratch_classes =
      std::min(classes.length / sizeof(uint32_t), environment.scratch_bytes / sizeof(double));
  Problem& small = environment.small;
  small.inner = 1;
  small.x = logits.data, small.out = results.data, small.losses = static_cast<double*>(results.data);
  small.indices = static_cast<uint32_t*>(classes.data), small.targets = static_cast<int32_t*>(classes.data);
  small.ignoreIndex = -1;
  small.count = 1, small.topP = 1, small.minPDepth = std::numeric_limits<double>::infinity();
  return nullptr;
}

// areShares(array, type): see Kernels; false for what is no typed array.
napi_value are_shares(napi_env env, napi_callback_info info) {
  size_t count = 2;
  napi_value values[2], result;
  void* data;
  napi_get_cb_info(env, info, &count, values, nullptr, &data);
  Bytes bytes;
  double type = 0;
  const bool known = count == 2 && bytes_of(env, values[0], bytes) &&
                     napi_get_value_double(env, values[1], &type) == napi_ok && type >= 0 && type <= 3;
  const Kernels& kernels = *static_cast<Environment*>(data)->kernels[0];
  napi_get_boolean(env, known && kernels.are_shares(bytes.data, bytes.length, Type(int32_t(type))), &result);
  return result;
}

// longest(list, between): the largest of a Uint32Array, or of the rows between its offsets; -1 where these descend.
napi_value longest(napi_env env, napi_callback_info info) {
  size_t count = 2;
  napi_value values[2], result;
  napi_get_cb_info(env, info, &count, values, nullptr, nullptr);
  Bytes bytes;
  bool between = false;
  if (count != 2 || !bytes_of(env, values[0], bytes) || napi_get_value_bool(env, values[1], &between) != napi_ok)
    return refuse(env, "an operand is not a typed array");
  const auto* list = static_cast<const uint32_t*>(bytes.data);
  const size_t entries = bytes.length / sizeof(uint32_t);
  const uint64_t found = between ? longest_between(list, entries) : largest_of(list, entries);
  napi_create_double(env, found == descends ? -1 : double(found), &result);
  return result;
}

// A typed array of integers.
bool integers_of(napi_env env, napi_value value, Integers& list) {
  napi_typedarray_type type;
  void* data;
  if (napi_get_typedarray_info(env, value, &type, &list.length, &data, nullptr, nullptr) != napi_ok) return false;
  list.data = data;
  list.type = type == napi_uint32_array     ? Integers::Type::uint32
              : type == napi_bigint64_array ? Integers::Type::int64
                                            : Integers::Type::int32;
  return type == napi_int32_array || type == napi_uint32_array || type == napi_bigint64_array;
}

// An integer that a double holds; 0 for what is none.
int64_t integer_of(napi_env env, napi_value value) {
  double number;
  const bool known =
      napi_get_value_double(env, value, &number) == napi_ok && number >= -0x1p53 && number <= 0x1p53;
  return known ? int64_t(number) : 0;
}

// countClasses(list, last, ignoreIndex, to, offsets): see count_classes(); -1 also where an array is missing, or too short.
napi_value count_classes(napi_env env, napi_callback_info info) {
  constexpr size_t all = 5;
  size_t count = all;
  napi_value values[all], result;
  void* data;
  napi_get_cb_info(env, info, &count, values, nullptr, &data);
  Integers list;
  Bytes arrays[2];  // `to` and `offsets`
  double counted = -1;
  if (integers_of(env, values[0], list) && read_arrays(env, values + 3, 2, arrays)) {
    const auto fits = [](const Bytes& bytes, size_t entries) {
      return !bytes.data || bytes.length / sizeof(uint32_t) >= entries;
    };
    if (fits(arrays[0], list.length) && fits(arrays[1], list.length + 1)) {
      counted = count_classes(list, integer_of(env, values[1]), static_cast<const uint32_t*>(arrays[1].data),
                              int32_t(integer_of(env, values[2])), static_cast<int32_t*>(arrays[0].data),
                              *static_cast<Environment*>(data)->kernels[0]);
    }
  }
  napi_create_double(env, counted, &result);
  return result;
}

// weighClasses(list, ignoreIndex, weights, total): see weigh_classes().
napi_value weigh_classes(napi_env env, napi_callback_info info) {
  constexpr size_t all = 4;
  size_t count = all;
  napi_value values[all];
  void* data;
  napi_get_cb_info(env, info, &count, values, nullptr, &data);
  const Environment& environment = *static_cast<Environment*>(data);
  Integers list;
  Bytes arrays[2];  // `weights` and `total`
  if (!integers_of(env, values[0], list) || list.type != Integers::Type::int32 ||
      !read_arrays(env, values + 2, 2, arrays) || arrays[1].length / sizeof(double) < total_length)
    return refuse(env, "an operand is not a typed array, or too short");
  weigh_classes(static_cast<const int32_t*>(list.data), list.length, int32_t(integer_of(env, values[1])),
                static_cast<const double*>(arrays[0].data), arrays[0].length / sizeof(double),
                *environment.kernels[0], static_cast<double*>(arrays[1].data));
  return nullptr;
}

// tally(k, bins, rows, classes, targets, targetRanks, likeliest, confidences, losses, briers, entropies, counts, binConfidences,
// means, totals, confusion): see tally.h. Without `confusion`, `classes` is 0.
napi_value tally_rows(napi_env env, napi_callback_info info) {
  constexpr size_t numbers = 4, all = numbers + 12;
  size_t count = all;
  napi_value values[all];
  napi_get_cb_info(env, info, &count, values, nullptr, nullptr);
  double number[numbers];
  Bytes arrays[all - numbers];
  for (size_t i = 0; i < numbers; i++) number[i] = double(integer_of(env, values[i]));
  const auto [k, bins, rows, classes] = number;
  if (!read_arrays(env, values + numbers, all - numbers, arrays) || !(k >= 0 && k <= 0x7fffffff) ||
      !(bins >= 1 && bins <= 0x1p16) || !(rows >= 0) || !(classes >= 0 && classes <= 0x1p15))
    return refuse(env, "an operand is not what it should be");
  const double needed[] = {4 * rows,
                           4 * rows,
                           4 * rows,
                           8 * rows,
                           8 * rows,
                           8 * rows,
                           8 * rows,
                           16 * bins,
                           16 * bins,
                           16 * double(tally_means),
                           8 * double(tally_totals),
                           4 * classes * classes};
  for (size_t i = 0; i < all - numbers; i++) {
    const size_t unit = i < 3 || i == 11 ? 4 : 8;
    if (double(arrays[i].length) < needed[i] || uintptr_t(arrays[i].data) % unit != 0)
      return refuse(env, "an operand is too short, or lies across its elements");
  }
  const auto doubles = [&](size_t i) { return static_cast<double*>(arrays[i].data); };
  const auto integers = [&](size_t i) { return static_cast<uint32_t*>(arrays[i].data); };
  const Verdicts said{static_cast<int32_t*>(arrays[0].data),
                      integers(1),
                      integers(2),
                      doubles(3),
                      doubles(4),
                      doubles(5),
                      doubles(6)};
  const TallyRoom room{uint32_t(k),
                       size_t(bins),
                       doubles(7),
                       doubles(8),
                       doubles(9),
                       doubles(10),
                       classes > 0 ? integers(11) : nullptr,
                       size_t(classes)};
  tally(said, size_t(rows), room);
  return nullptr;
}

Napi::Array list_of(Napi::Env env, const std::vector<const char*>& names) {
  Napi::Array list = Napi::Array::New(env);
  for (const char* name : names) list[list.Length()] = name;
  return list;
}

// What lib/backends/native/header.ts builds its places from.
Napi::Object names_of_call(Napi::Env env) {
  const CallNames names = call_names();
  Napi::Object call = Napi::Object::New(env);
  call["numbers"] = list_of(env, names.numbers);
  call["types"] = list_of(env, names.types);
  Napi::Array operations = Napi::Array::New(env);
  for (const OperationNames& operation : names.operations) {
    Napi::Object line = Napi::Object::New(env);
    line["name"] = operation.name;
    line["numbers"] = list_of(env, operation.numbers);
    line["arrays"] = list_of(env, operation.arrays);
    operations[operations.Length()] = line;
  }
  call["operations"] = operations;
  return call;
}

Napi::Object init(Napi::Env env, Napi::Object exports) {
  static constexpr double nothing[header_length] = {};
  auto* environment = new Environment;
  environment->header = nothing;  // until pin(): a problem without rows
  napi_set_instance_data(
      env, environment, [](napi_env, void* data, void*) { delete static_cast<Environment*>(data); }, nullptr);
  Pool::instance().enter();
  napi_add_env_cleanup_hook(
      env, [](void*) { Pool::instance().leave(); }, environment);

  Napi::Array isas = Napi::Array::New(env);
  for (const Kernels* kernels : supported_kernels()) isas[isas.Length()] = kernels->name;
  exports["call"] = names_of_call(env);
  exports["isas"] = isas;
  exports["threads"] = double(Pool::instance().threads());
  const auto add = [&](const char* name, napi_callback callback) {
    napi_value function;
    napi_create_function(env, name, NAPI_AUTO_LENGTH, callback, environment, &function);
    exports[name] = Napi::Value(env, function);
  };
  add("pin", pin);
  add("solve", solve);
  add("solveScratch", solve_scratch);
  add("prepare", prepare);
  add("solvePrepared", solve_prepared);
  add("release", release);
  add("submit", submit);
  add("cancel", cancel);
  add("areShares", are_shares);
  add("longest", longest);
  add("countClasses", count_classes);
  add("weighClasses", weigh_classes);
  add("tally", tally_rows);
  return exports;
}

}  // namespace

NODE_API_MODULE(simd_softmax, init)
