#include "pool.h"

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <string>
#include <system_error>

#if defined(__linux__)
#include <sched.h>
#endif

namespace {

using Clock = std::chrono::steady_clock;

#if defined(__linux__)
// The CPUs that one control group may use: "quota period" or "max period" in v2, a file for each in v1. 0 where
// there is no limit.
size_t quota_in(const std::string& folder) {
  long long quota = 0, period = 0;
  const auto read = [&folder](const char* name, const char* format, auto*... numbers) {
    FILE* file = std::fopen((folder + name).c_str(), "r");
    if (!file) return false;
    const bool all = std::fscanf(file, format, numbers...) == int(sizeof...(numbers));
    std::fclose(file);
    return all;
  };
  const bool found = read("/cpu.max", "%lld %lld", &quota, &period) ||
                     (read("/cpu.cfs_quota_us", "%lld", &quota) && read("/cpu.cfs_period_us", "%lld", &period));
  return found && quota > 0 && period > 0 ? size_t((quota + period - 1) / period) : 0;
}

// The tightest quota of this process's group and those it lies in. A container often sees its own group as the
// root, but is told the path that it has on the host: a folder that is not there limits nothing.
size_t quota_of_cgroups() {
  size_t least = 0;
  FILE* list = std::fopen("/proc/self/cgroup", "r");
  if (!list) return 0;
  char line[4096];
  while (std::fgets(line, sizeof line, list)) {  // "0::/path", or in v1 "4:cpu,cpuacct:/path"
    const std::string entry(line);
    const size_t first = entry.find(':'), second = entry.find(':', first + 1);
    if (second == std::string::npos) continue;
    const std::string controllers = entry.substr(first + 1, second - first - 1);
    if (!controllers.empty() && ("," + controllers + ",").find(",cpu,") == std::string::npos) continue;
    const std::string root = controllers.empty() ? "/sys/fs/cgroup" : "/sys/fs/cgroup/cpu";
    std::string path = entry.substr(second + 1, entry.find('\n') - second - 1);
    for (;; path.resize(path.rfind('/'))) {
      if (path == "/") path.clear();
      const size_t quota = quota_in(root + path);
      if (quota > 0 && (least == 0 || quota < least)) least = quota;
      if (path.find('/') == std::string::npos) break;
    }
  }
  std::fclose(list);
  return least;
}
#endif

size_t threads_available() {
  size_t count = std::thread::hardware_concurrency();
#if defined(__linux__)
  cpu_set_t set;
  if (sched_getaffinity(0, sizeof set, &set) == 0) count = size_t(CPU_COUNT(&set));
  if (const size_t quota = quota_of_cgroups()) count = std::min(count, quota);
#endif
  return std::max<size_t>(count, 1);
}

// Called between blocks by the threads of the pool: after a millisecond of them, lets whoever waits for this core have
// it. Else the scheduler would let the event loop wait for its next tick, up to 4 milliseconds.
void give_way() {
  thread_local Clock::time_point since;
  if (Clock::now() - since < std::chrono::milliseconds(1)) return;
  std::this_thread::yield();
  since = Clock::now();
}

// Waits, awake, for what comes soon or not at all: at most about as long as falling asleep and being woken again takes,
// lest whoever brings it wait for this core.
template <class Awaited>
void wait_briefly(const Awaited& awaited) {
  const auto end = Clock::now() + std::chrono::microseconds(30);
  while (!awaited() && Clock::now() < end) {
#if defined(__x86_64__)
    __builtin_ia32_pause();
#endif
  }
}

}  // namespace

Pool& Pool::instance() {
  static Pool* pool = new Pool(threads_available());  // never destroyed: see leave()
  return *pool;
}

void Pool::enter() {
  std::lock_guard<std::mutex> passing(gate);
  environments++;
}

void Pool::leave() {
  // Who enters meanwhile waits: threads started now would stop at once.
  std::lock_guard<std::mutex> passing(gate);
  if (--environments > 0) return;
  {
    std::lock_guard<std::mutex> lock(mutex);
    stopping = true;
    wake.notify_all();
  }
  // No environment is left that could add to them, nor to the queue.
  for (std::thread& thread : workers) thread.join();
  workers.clear();
  stopping = false;
}

// A process may be out of threads: fewer do as well, and so do none, as run() has its caller.
void Pool::start_workers(size_t count) {
  try {
    while (workers.size() < std::min(count, available)) workers.emplace_back([this] { work(); });
  } catch (const std::system_error&) {}
}

// The first job in the queue that has blocks left and room for a helper. Whoever looks next sees the other jobs
// first: each gets its turn.
std::shared_ptr<Job> Pool::join() {
  const auto open = [](const std::shared_ptr<Job>& job) {
    return job->next.load(std::memory_order_relaxed) < job->blocks && job->helpers < job->limit;
  };
  const auto found = std::find_if(queue.begin(), queue.end(), open);
  if (found == queue.end()) return nullptr;
  const std::shared_ptr<Job> job = *found;
  queue.erase(found);
  queue.push_back(job);
  job->helpers++;
  return job;
}

void Pool::take_blocks(Job& job, bool with_others) {
  for (size_t block; (block = job.next.fetch_add(1, std::memory_order_relaxed)) < job.blocks;) {
    if (job.is_cancelled()) {
      job.next.store(job.blocks, std::memory_order_relaxed);
    } else {
      job.run(block);
    }
    if (!with_others) continue;
    give_way();
    if (crowded.load(std::memory_order_relaxed)) return;
  }
}

void Pool::help(Lock& lock, const std::shared_ptr<Job>& job) {
  lock.unlock();
  take_blocks(*job, true);
  lock.lock();
  // A caller may see this without the mutex, but does not let go of the job before it had the mutex.
  if (--job->helpers > 0 || job->next.load(std::memory_order_relaxed) < job->blocks) return;
  job->has_caller ? ended.notify_all() : (void)open_stage(lock, job);
}

// Called by one thread, when all blocks of the last stage are done: so nobody can join meanwhile. False when that was
// the last stage.
bool Pool::open_stage(Lock& lock, const std::shared_ptr<Job>& job) {
  lock.unlock();
  const size_t blocks = job->is_cancelled() ? 0 : job->next_stage();
  if (blocks == 0) job->finished();
  lock.lock();
  job->blocks = blocks;
  job->next.store(0, std::memory_order_relaxed);
  if (blocks == 0) {
    job->done = true;
    queue.erase(std::find(queue.begin(), queue.end(), job));
    crowded = queue.size() > 1;
    ended.notify_all();
  }
  if (blocks > 0) stages_opened++;
  for (size_t i = job->has_caller ? 1 : 0; i < std::min(blocks, job->limit + job->has_caller); i++)
    wake.notify_one();
  return blocks > 0;
}

void Pool::work() {
  Lock lock(mutex);
  for (bool awake = false;;) {
    if (const std::shared_ptr<Job> job = join()) {
      help(lock, job);
      awake = true;
    } else if (stopping) {
      return;
    } else if (awake) {
      // The next stage, or the next call of a loop of them, is near.
      const size_t seen = stages_opened.load(std::memory_order_relaxed);
      lock.unlock();
      wait_briefly([&] { return stages_opened.load(std::memory_order_relaxed) != seen; });
      lock.lock();
      awake = false;
    } else {
      wake.wait(lock);
      awake = true;
    }
  }
}

void Pool::run(Job& job, size_t limit) {
  const std::shared_ptr<Job> borrowed(&job, [](Job*) {});  // the queue forgets it before this returns
  Lock lock(mutex);
  job.has_caller = true;
  job.limit = std::min(limit, available) - 1;
  start_workers(job.limit);
  queue.push_front(borrowed);
  crowded = queue.size() > 1;
  while (open_stage(lock, borrowed)) {
    lock.unlock();
    take_blocks(job, false);
    wait_briefly([&job] { return job.helpers.load(std::memory_order_relaxed) == 0; });
    lock.lock();
    ended.wait(lock, [&job] { return job.helpers == 0; });
  }
}

void Pool::submit(const std::shared_ptr<Job>& job, size_t limit) {
  Lock lock(mutex);
  start_workers(limit);
  if (workers.empty()) {
    lock.unlock();
    return run(*job, 1);
  }
  job->limit = std::min(limit, available);
  queue.push_back(job);
  crowded = queue.size() > 1;
  open_stage(lock, job);
}

void Pool::wait(Job& job) {
  Lock lock(mutex);
  ended.wait(lock, [&job] { return job.done; });
}
