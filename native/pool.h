// The thread pool: one per process, shared by every environment (main thread and workers) that loaded the addon.
// Its own, since libuv's four threads belong to fs and dns. Knows nothing of softmax or of JavaScript.
#pragma once
#include <atomic>
#include <condition_variable>
#include <cstddef>
#include <deque>
#include <memory>
#include <mutex>
#include <thread>
#include <vector>

// Work in blocks that any thread may take, in stages: all blocks of a stage are done before the next opens.
class Job {
 public:
  virtual ~Job() = default;

  std::atomic<bool> cancelled{false};  // blocks and stages not yet begun are then skipped

 protected:
  // Opens the next stage (the first one at first): how many blocks it has; 0 when there is none left.
  virtual size_t next_stage() = 0;
  virtual void run(size_t block) = 0;
  virtual void finished() {}  // on whichever thread ends it

 private:
  friend class Pool;
  // Guarded by the pool's mutex.
  size_t blocks = 0, next = 0, running = 0, limit = 1;
  bool done = false;
};

class Pool {
 public:
  static Pool& instance();

  // Environments that use the pool are counted: the last one to leave stops and joins the threads, since the addon
  // may be unloaded after it (when it was loaded in a worker only). Never left to static destructors.
  void enter();
  void leave();

  // Threads this process may use: its CPU affinity and cgroup quota, not the machine's cores.
  size_t threads() const { return available; }

  // Runs a job on the calling thread and up to `limit - 1` workers; returns when it is done.
  void run(Job& job, size_t limit);

  // Queues a job for up to `limit` workers. Jobs in flight take turns, block by block.
  void submit(std::shared_ptr<Job> job, size_t limit);

  // Waits until a submitted job is done; for environments that go away.
  void wait(Job& job);

 private:
  Pool();
  void work();
  bool take(Job& job, size_t& block);
  void step(std::unique_lock<std::mutex>& lock, const std::shared_ptr<Job>& job, size_t block);
  void open_stage(std::unique_lock<std::mutex>& lock, const std::shared_ptr<Job>& job);
  void start_workers(size_t count);

  const size_t available;
  std::mutex mutex;
  std::condition_variable wake, ended;
  std::deque<std::shared_ptr<Job>> queue;
  std::vector<std::thread> workers;
  size_t environments = 0;
  bool stopping = false;
};
