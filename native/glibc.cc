// Keeps the addon loadable by every Linux since glibc 2.17 (2012), whatever glibc it is built on: the linker takes the
// newest version of each symbol, and the C++ runtime that is linked in statically asks for a few that are young.

#include <features.h>
#include <pthread.h>

#if defined(__x86_64__)
#define FIRST_GLIBC "GLIBC_2.2.5"
#elif defined(__aarch64__)
#define FIRST_GLIBC "GLIBC_2.17"
#else
#error "CMakeLists.txt asks for this file on x86-64 and arm64 alone"
#endif

extern "C" {

// 2.32: tells shared_ptr that it may do without atomics. False is always right.
__attribute__((visibility("hidden"))) char __libc_single_threaded = 0;

// 2.34 moved libpthread into libc, under new versions of the same functions; `--wrap` leads all callers here.
int first_pthread_create(pthread_t*, const pthread_attr_t*, void* (*)(void*), void*);
int first_pthread_join(pthread_t, void**);
__asm__(".symver first_pthread_create, pthread_create@" FIRST_GLIBC);
__asm__(".symver first_pthread_join, pthread_join@" FIRST_GLIBC);

int __wrap_pthread_create(pthread_t* thread, const pthread_attr_t* attributes, void* (*start)(void*), void* with) {
  return first_pthread_create(thread, attributes, start, with);
}

int __wrap_pthread_join(pthread_t thread, void** result) { return first_pthread_join(thread, result); }
}

#undef FIRST_GLIBC
