#include "base/resources.h"

#include <pthread.h>
#include <sys/mman.h>

#include <vector>

namespace evenkeel::base {

bool can_map(uint64_t bytes) {
  if (bytes == 0) return true;
  // As the map of a file, it counts for no more than its addresses.
  void* memory = mmap(nullptr, bytes, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (memory == MAP_FAILED) return false;
  munmap(memory, bytes);
  return true;
}

bool can_start_threads(unsigned count, uint64_t stack_bytes) {
  pthread_mutex_t gate = PTHREAD_MUTEX_INITIALIZER;
  pthread_attr_t attributes;
  pthread_attr_init(&attributes);
  pthread_attr_setstacksize(&attributes, stack_bytes);
  const auto wait = [](void* at) -> void* {
    pthread_mutex_lock(static_cast<pthread_mutex_t*>(at));
    pthread_mutex_unlock(static_cast<pthread_mutex_t*>(at));
    return nullptr;
  };
  // All of them at once: none ends before the last was started.
  pthread_mutex_lock(&gate);
  std::vector<pthread_t> threads;
  for (pthread_t thread; threads.size() < count; threads.push_back(thread))
    if (pthread_create(&thread, &attributes, wait, &gate) != 0) break;
  pthread_mutex_unlock(&gate);
  for (const pthread_t thread : threads) pthread_join(thread, nullptr);
  pthread_attr_destroy(&attributes);
  pthread_mutex_destroy(&gate);
  return threads.size() == count;
}

}  // namespace evenkeel::base
