#include "pool.h"

#include <algorithm>
#include <cstdio>

#if defined(__linux__)
#include <sched.h>
#endif

namespace {

// cgroup v2 (cpu.max: "quota period" or "max period") and v1; 0 where there is no quota.
size_t quota_of_cgroup() {
  long long quota = 0, period = 0;
  if (FILE* file = std::fopen("/sys/fs/cgroup/cpu.max", "r")) {
    if (std::fscanf(file, "%lld %lld", &quota, &period) != 2) quota = 0;
    std::fclose(file);
  } else {
    FILE* quota_file = std::fopen("/sys/fs/cgroup/cpu/cpu.cfs_quota_us", "r");
    FILE* period_file = std::fopen("/sys/fs/cgroup/cpu/cpu.cfs_period_us", "r");
    if (quota_file && std::fscanf(quota_file, "%lld", &quota) != 1) quota = 0;
    if (period_file && std::fscanf(period_file, "%lld", &period) != 1) period = 0;
    if (quota_file) std::fclose(quota_file);
    if (period_file) std::fclose(period_file);
  }
  return quota > 0 && period > 0 ? size_t((quota + period - 1) / period) : 0;
}

size_t threads_available() {
  size_t count = std::thread::hardware_concurrency();
#if defined(__linux__)
  cpu_set_t set;
  if (sched_getaffinity(0, sizeof set, &set) == 0) count = size_t(CPU_COUNT(&set));
  if (const size_t quota = quota_of_cgroup()) count = std::min(count, quota);
#endif
  return std::max<size_t>(count, 1);
}

}  // namespace

Pool& Pool::instance() {
  static Pool* pool = new Pool;  // never destroyed: see leave()
  return *pool;
}

Pool::Pool() : available(threads_available()) {}

void Pool::enter() {
  std::lock_guard<std::mutex> lock(mutex);
  environments++;
}

void Pool::leave() {
  std::vector<std::thread> joining;
  {
    std::lock_guard<std::mutex> lock(mutex);
    if (--environments > 0) return;
    stopping = true;
    joining.swap(workers);
    wake.notify_all();
  }
  for (std::thread& thread : joining) thread.join();
  std::lock_guard<std::mutex> lock(mutex);
  stopping = false;
}

void Pool::start_workers(size_t count) {
  while (workers.size() < std::min(count, available)) workers.emplace_back([this] { work(); });
}

bool Pool::take(Job& job, size_t& block) {
  if (job.next >= job.blocks || job.running >= job.limit) return false;
  block = job.next++;
  return true;
}

void Pool::step(std::unique_lock<std::mutex>& lock, const std::shared_ptr<Job>& job, size_t block) {
  job->running++;
  lock.unlock();
  if (!job->cancelled.load(std::memory_order_relaxed)) job->run(block);
  lock.lock();
  job->running--;
  if (job->running == 0 && job->next == job->blocks) open_stage(lock, job);
}

// Called by the one thread that ended a stage; nobody else can take a block of this job meanwhile.
void Pool::open_stage(std::unique_lock<std::mutex>& lock, const std::shared_ptr<Job>& job) {
  lock.unlock();
  const size_t blocks = job->cancelled.load(std::memory_order_relaxed) ? 0 : job->next_stage();
  if (blocks == 0) job->finished();
  lock.lock();
  job->blocks = blocks, job->next = 0;
  if (blocks > 0) {
    wake.notify_all();
  } else {
    job->done = true;
    queue.erase(std::find(queue.begin(), queue.end(), job));
  }
  ended.notify_all();
}

void Pool::work() {
  std::unique_lock<std::mutex> lock(mutex);
  for (;;) {
    bool worked = false;
    for (size_t i = 0; i < queue.size() && !worked; i++) {
      const std::shared_ptr<Job> job = queue[i];
      size_t block;
      if (!take(*job, block)) continue;
      // Whoever looks next sees the other jobs first: each gets its turn.
      queue.erase(queue.begin() + long(i));
      queue.push_back(job);
      step(lock, job, block);
      worked = true;
    }
    if (worked) continue;
    if (stopping) return;
    wake.wait(lock);
  }
}

void Pool::run(Job& job, size_t limit) {
  const std::shared_ptr<Job> borrowed(&job, [](Job*) {});  // the queue forgets it before this returns
  std::unique_lock<std::mutex> lock(mutex);
  job.limit = std::min(limit, available);
  queue.push_front(borrowed);
  start_workers(job.limit - 1);
  open_stage(lock, borrowed);
  while (!job.done) {
    size_t block;
    if (take(job, block)) {
      step(lock, borrowed, block);
    } else {
      ended.wait(lock);
    }
  }
}

void Pool::submit(std::shared_ptr<Job> job, size_t limit) {
  std::unique_lock<std::mutex> lock(mutex);
  job->limit = std::min(limit, available);
  start_workers(job->limit);
  queue.push_back(job);
  open_stage(lock, job);
}

void Pool::wait(Job& job) {
  std::unique_lock<std::mutex> lock(mutex);
  ended.wait(lock, [&] { return job.done; });
}
