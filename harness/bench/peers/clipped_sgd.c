/* Clipped SGD by hand: one-dimensional quadratic, two-point noise, Philox4x32-10 with the engine's keys and counters.

   A peer for the benchmark, frozen: it shows what a compiler makes of loops that a person wrote for this one workload.
   It computes what the engine computes, with the same words: the mean gradient norm and the final gap of each run. */

#include <math.h>
#include <stdint.h>

#define LANES 128

static inline void philox(uint32_t words[4][LANES], uint32_t key0, uint32_t key1, uint32_t first, uint32_t block) {
  for (int i = 0; i < LANES; i++) {
    uint32_t c0 = first + (uint32_t)i, c1 = block, c2 = 0, c3 = 0, k0 = key0, k1 = key1;
    for (int r = 0; r < 10; r++) {
      uint64_t p0 = 0xD2511F53ull * c0, p1 = 0xCD9E8D57ull * c2;
      c0 = (uint32_t)(p1 >> 32) ^ c1 ^ k0;
      c1 = (uint32_t)p1;
      c2 = (uint32_t)(p0 >> 32) ^ c3 ^ k1;
      c3 = (uint32_t)p0;
      k0 += 0x9E3779B9u;
      k1 += 0xBB67AE85u;
    }
    words[0][i] = c0;
    words[1][i] = c1;
    words[2][i] = c2;
    words[3][i] = c3;
  }
}

/* Runs first, first + 1, ...: `replicas` of them, a multiple of LANES. */
#define KERNEL(NAME, REAL, FABS)                                                                                       \
  void NAME(uint32_t first, int64_t replicas, int64_t steps, uint32_t key0, uint32_t key1, REAL start, REAL curvature, \
            REAL step_size, REAL threshold, uint32_t count, REAL up, REAL down, double *average, double *gap) {        \
    for (int64_t block = 0; block < replicas; block += LANES) {                                                        \
      REAL x[LANES];                                                                                                   \
      double total[LANES];                                                                                             \
      uint32_t words[4][LANES];                                                                                        \
      for (int i = 0; i < LANES; i++) {                                                                                \
        x[i] = start;                                                                                                  \
        total[i] = 0;                                                                                                  \
      }                                                                                                                \
      for (int64_t t = 0; t < steps; t++) {                                                                            \
        if (t % 4 == 0) philox(words, key0, key1, first + (uint32_t)block, (uint32_t)(t / 4));                         \
        const uint32_t *w = words[t % 4];                                                                              \
        for (int i = 0; i < LANES; i++) {                                                                              \
          REAL g = curvature * x[i];                                                                                   \
          total[i] += (double)FABS(g);                                                                                 \
          g += w[i] < count ? up : down;                                                                               \
          REAL ratio = threshold / FABS(g);                                                                            \
          x[i] -= step_size * ((ratio < 1 ? ratio : (REAL)1) * g);                                                     \
        }                                                                                                              \
      }                                                                                                                \
      for (int i = 0; i < LANES; i++) {                                                                                \
        double last = (double)x[i];                                                                                    \
        average[block + i] = total[i] / (double)steps;                                                                 \
        gap[block + i] = (double)curvature * (last * last) / 2;                                                        \
      }                                                                                                                \
    }                                                                                                                  \
  }

KERNEL(clipped_sgd_float32, float, fabsf)
KERNEL(clipped_sgd_float64, double, fabs)
