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

  // Blocks and stages not yet begun are then skipped, and long ones may look at the flag.
  void cancel() { __atomic_store_n(&cancelled, true, __ATOMIC_RELAXED); }
  bool is_cancelled() const { return __atomic_load_n(&cancelled, __ATOMIC_RELAXED); }

 protected:
  bool cancelled = false;

  // Opens the next stage (the first one at first): how many blocks it has; 0 when there is none left. No block of
  // this job runs meanwhile.
  virtual size_t next_stage() = 0;
  virtual void run(size_t block) = 0;
  virtual void finished() {}  // on whichever thread ends it; what it calls may already let go of the job

 private:
  friend class Pool;
  // Blocks are taken without the pool's mutex, by the threads that joined under it. `blocks` is only written while
  // there are none.
  std::atomic<size_t> next{0};
  size_t blocks = 0;
  // Written under the mutex.
  std::atomic<size_t> helpers{0};  // workers that joined
  size_t limit = 0;                // at most so many
  bool has_caller = false;         // who takes part, and opens the stages
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
  void submit(const std::shared_ptr<Job>& job, size_t limit);

  // Waits until a submitted job is done, finished() included; for environments that go away.
  void wait(Job& job);

  // `threads` is for tests alone: everything else shares the one instance.
  explicit Pool(size_t threads) : available(threads) {}

 private:
  using Lock = std::unique_lock<std::mutex>;
  void work();
  std::shared_ptr<Job> join();
  void help(Lock& lock, const std::shared_ptr<Job>& job);
  void take_blocks(Job& job, bool with_others);
  bool open_stage(Lock& lock, const std::shared_ptr<Job>& job);
  void start_workers(size_t count);

  const size_t available;
  std::mutex gate;  // of enter() and leave(), which waits for threads
  std::mutex mutex;
  std::condition_variable wake, ended;
  std::deque<std::shared_ptr<Job>> queue;
  std::atomic<bool> crowded{false};  // more than one job is in the queue
  std::atomic<size_t> stages_opened{0};
  std::vector<std::thread> workers;
  size_t environments = 0;
  bool stopping = false;
};
