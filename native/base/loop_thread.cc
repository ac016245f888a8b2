#include "base/loop_thread.h"

#include <signal.h>

#if defined(__FreeBSD__) || defined(__OpenBSD__) || defined(__DragonFly__)
#include <pthread_np.h>
#endif

namespace evenkeel::base {

namespace {

void name_this_thread(const std::string& name) {
#if defined(__APPLE__)
  pthread_setname_np(name.c_str());
#elif defined(__linux__)
  // A longer name is refused, not cut.
  pthread_setname_np(pthread_self(), name.substr(0, 15).c_str());
#elif defined(__NetBSD__)
  pthread_setname_np(pthread_self(), "%s", const_cast<char*>(name.c_str()));
#else
  pthread_set_name_np(pthread_self(), name.c_str());
#endif
}

}  // namespace

std::unique_ptr<LoopThread> LoopThread::start(const std::string& name, Status* status) {
  std::unique_ptr<LoopThread> loop(new LoopThread());
  loop->base_ = EventBase::create(status);
  if (!loop->base_) return nullptr;
  loop->name_ = name;
  *status = loop->launch();
  if (!status->is_ok()) return nullptr;
  return loop;
}

LoopThread::~LoopThread() { stop(); }

void LoopThread::stop() {
  if (!joinable_) return;
  base_->post([this] { stopping_ = true; });
  pthread_join(thread_, nullptr);
  joinable_ = false;
}

Status LoopThread::launch() {
  sigset_t blocked;
  sigfillset(&blocked);
  // A fault that is blocked kills the process without its crash handler.
  for (const int fault : {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGTRAP, SIGSYS}) sigdelset(&blocked, fault);
  // The thread inherits the mask, so no signal can reach it before it could have blocked them itself.
  sigset_t previous;
  pthread_sigmask(SIG_SETMASK, &blocked, &previous);
  const auto body = [](void* self) -> void* {
    static_cast<LoopThread*>(self)->run();
    return nullptr;
  };
  const int error = pthread_create(&thread_, nullptr, body, this);
  pthread_sigmask(SIG_SETMASK, &previous, nullptr);
  joinable_ = error == 0;
  return Status::from_errno(error);
}

void LoopThread::run() {
  name_this_thread(name_);
  while (!stopping_) base_->poll(-1);
}

}  // namespace evenkeel::base
