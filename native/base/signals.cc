#include "base/signals.h"

#include <pthread.h>
#include <sched.h>
#include <signal.h>

#include <array>
#include <bit>
#include <cerrno>
#include <type_traits>

namespace evenkeel::base {

namespace {

using PlainHandler = void (*)(int);
using InfoHandler = void (*)(int, siginfo_t*, void*);

struct Disposition {
  int watchers = 0;
  struct sigaction previous {};
  // What to chain to, once more: the handler reads it without the lock. At most one is set.
  std::atomic<PlainHandler> previous_plain{nullptr};
  std::atomic<InfoHandler> previous_info{nullptr};
};

bool is_fault(int signo) {
  return signo == SIGSEGV || signo == SIGBUS || signo == SIGFPE || signo == SIGILL || signo == SIGTRAP ||
         signo == SIGSYS;
}

class Lock {
 public:
  explicit Lock(pthread_mutex_t* mutex) : mutex_(mutex) { pthread_mutex_lock(mutex_); }
  ~Lock() { pthread_mutex_unlock(mutex_); }
  Lock(const Lock&) = delete;
  Lock& operator=(const Lock&) = delete;

 private:
  pthread_mutex_t* mutex_;
};

static_assert(std::atomic<uint64_t>::is_always_lock_free && std::atomic<PlainHandler>::is_always_lock_free,
              "the signal handler must not take locks");

}  // namespace

struct SignalTable {
  // Not std::mutex: its destructor would run at exit in some libraries, while threads still come here.
  pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
  std::array<Disposition, SignalSink::kMaxSignal + 1> dispositions{};
  std::atomic<SignalSink*> sinks{nullptr};
  // Handlers that may hold a pointer to a sink. With the sequentially consistent accesses to `sinks` it lets
  // a sink that has left the list know when the last of them is through.
  std::atomic<int> handlers_inside{0};

  void deliver(int signo, siginfo_t* info, void* context);
  Status install(int signo);
  void restore(int signo);
  void link(SignalSink* sink);
  void unlink(SignalSink* sink);
};

namespace {

constinit SignalTable table;
static_assert(std::is_trivially_destructible_v<SignalTable>);

void handle_signal(int signo, siginfo_t* info, void* context) { table.deliver(signo, info, context); }

bool is_ours(const struct sigaction& action) {
  return (action.sa_flags & SA_SIGINFO) != 0 && action.sa_sigaction == handle_signal;
}

}  // namespace

void SignalTable::deliver(int signo, siginfo_t* info, void* context) {
  const int saved_errno = errno;
  handlers_inside.fetch_add(1);
  const uint64_t bit = SignalSink::bit(signo);
  for (SignalSink* sink = sinks.load(); sink != nullptr; sink = sink->next_.load()) {
    if ((sink->watched_.load(std::memory_order_relaxed) & bit) == 0) continue;
    sink->pending_.fetch_or(bit, std::memory_order_release);
    sink->poller_->wake();
  }
  const Disposition& disposition = dispositions[static_cast<size_t>(signo)];
  const PlainHandler plain = disposition.previous_plain.load();
  const InfoHandler with_info = disposition.previous_info.load();
  handlers_inside.fetch_sub(1);
  errno = saved_errno;
  // Last, and outside: it may take its time or never return.
  if (with_info != nullptr) {
    with_info(signo, info, context);
  } else if (plain != nullptr) {
    plain(signo);
  }
}

Status SignalTable::install(int signo) {
  Disposition& disposition = dispositions[static_cast<size_t>(signo)];
  struct sigaction& previous = disposition.previous;
  if (sigaction(signo, nullptr, &previous) != 0) return Status::last_error();

  // Known before the handler is in place, since it may run at once.
  // A handler for one time only, such as Node's for SIGINT and SIGTERM, raises the signal again to die of it:
  // with ours still in place that would never end. It stands for the default disposition and is treated as
  // one.
  const bool chains = (previous.sa_flags & SA_RESETHAND) == 0;
  const bool has_info = chains && (previous.sa_flags & SA_SIGINFO) != 0;
  const bool has_plain =
      chains && !has_info && previous.sa_handler != SIG_DFL && previous.sa_handler != SIG_IGN;
  disposition.previous_info.store(has_info ? previous.sa_sigaction : nullptr);
  disposition.previous_plain.store(has_plain ? previous.sa_handler : nullptr);

  struct sigaction action {};
  action.sa_sigaction = handle_signal;
  // SA_ONSTACK because the previous handler may count on it; without an alternate stack it means nothing.
  // What was chosen about SIGCHLD stays.
  action.sa_flags =
      SA_SIGINFO | SA_RESTART | SA_ONSTACK | (previous.sa_flags & (SA_NOCLDSTOP | SA_NOCLDWAIT));
  sigfillset(&action.sa_mask);
  return sigaction(signo, &action, nullptr) == 0 ? Status::ok() : Status::last_error();
}

void SignalTable::restore(int signo) {
  struct sigaction current {};
  if (sigaction(signo, nullptr, &current) != 0 || !is_ours(current)) return;
  sigaction(signo, &dispositions[static_cast<size_t>(signo)].previous, nullptr);
}

void SignalTable::link(SignalSink* sink) {
  sink->next_.store(sinks.load());
  sinks.store(sink);
}

void SignalTable::unlink(SignalSink* sink) {
  std::atomic<SignalSink*>* from = &sinks;
  while (from->load() != sink) from = &from->load()->next_;
  from->store(sink->next_.load());
  while (handlers_inside.load() != 0) sched_yield();
}

SignalSink::SignalSink(Poller* poller) : poller_(poller) {
  const Lock lock(&table.mutex);
  table.link(this);
}

SignalSink::~SignalSink() {
  for (uint64_t left = watched_.load(); left != 0; left &= left - 1) unwatch(std::countr_zero(left) + 1);
  const Lock lock(&table.mutex);
  table.unlink(this);
}

Status SignalSink::watch(int signo) {
  if (signo < 1 || signo > kMaxSignal || is_fault(signo)) return Status::from_errno(EINVAL);
  const Lock lock(&table.mutex);
  if ((watched_.load() & bit(signo)) != 0) return Status::ok();
  int& watchers = table.dispositions[static_cast<size_t>(signo)].watchers;
  // Before the handler is in place, so that the first signal after it is not lost.
  watched_.fetch_or(bit(signo));
  if (watchers == 0) {
    if (const Status status = table.install(signo); !status.is_ok()) {
      watched_.fetch_and(~bit(signo));
      return status;
    }
  }
  ++watchers;
  return Status::ok();
}

void SignalSink::unwatch(int signo) {
  if (signo < 1 || signo > kMaxSignal) return;
  const Lock lock(&table.mutex);
  if ((watched_.load() & bit(signo)) == 0) return;
  if (--table.dispositions[static_cast<size_t>(signo)].watchers == 0) table.restore(signo);
  watched_.fetch_and(~bit(signo));
}

}  // namespace evenkeel::base
