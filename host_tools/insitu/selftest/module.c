// What `insitu selftest` runs on a board. Compiled to WebAssembly on the host, each time: one exported function for
// each instruction, called as the standard names it. Floats go in and out as their bits, so that no float of the
// firmware's Python, which may be narrower, is in between.
#include <stdint.h>

#define EXPORT(name) __attribute__((export_name(name)))
#define IMPORT(name) __attribute__((import_module("env"), import_name(name)))
#define BARRIER(x) __asm__ volatile("" : "+r"(x)) // clang sees no value through it, so a recursion stays one

IMPORT("tick") uint32_t tick(uint32_t n);
IMPORT("turn") uint32_t turn(uint32_t n);
IMPORT("collect") uint32_t collect(uint32_t n);

// --- integers ---

#define INTEGERS(type, U, S, mask, bits, suffix, rotate)                                                               \
  EXPORT(#type ".add") U type##_add(U a, U b) { return a + b; }                                                        \
  EXPORT(#type ".sub") U type##_sub(U a, U b) { return a - b; }                                                        \
  EXPORT(#type ".mul") U type##_mul(U a, U b) { return a * b; }                                                        \
  EXPORT(#type ".div_s") U type##_div_s(U a, U b) { return (U)((S)a / (S)b); }                                         \
  EXPORT(#type ".div_u") U type##_div_u(U a, U b) { return a / b; }                                                    \
  EXPORT(#type ".rem_s") U type##_rem_s(U a, U b) { return (U)((S)a % (S)b); }                                         \
  EXPORT(#type ".rem_u") U type##_rem_u(U a, U b) { return a % b; }                                                    \
  EXPORT(#type ".xor") U type##_xor(U a, U b) { return a ^ b; }                                                        \
  EXPORT(#type ".shl") U type##_shl(U a, U b) { return a << (b & mask); }                                              \
  EXPORT(#type ".shr_s") U type##_shr_s(U a, U b) { return (U)((S)a >> (b & mask)); }                                  \
  EXPORT(#type ".shr_u") U type##_shr_u(U a, U b) { return a >> (b & mask); }                                          \
  EXPORT(#type ".rotl") U type##_rotl(U a, U b) { return rotate(a, b); }                                               \
  EXPORT(#type ".lt_s") U type##_lt_s(U a, U b) { return (S)a < (S)b; }                                                \
  EXPORT(#type ".lt_u") U type##_lt_u(U a, U b) { return a < b; }                                                      \
  EXPORT(#type ".clz") U type##_clz(U a) { return a ? (U)__builtin_clz##suffix(a) : bits; }                            \
  EXPORT(#type ".ctz") U type##_ctz(U a) { return a ? (U)__builtin_ctz##suffix(a) : bits; }                            \
  EXPORT(#type ".popcnt") U type##_popcnt(U a) { return (U)__builtin_popcount##suffix(a); }

INTEGERS(i32, uint32_t, int32_t, 31, 32, , __builtin_rotateleft32)
INTEGERS(i64, uint64_t, int64_t, 63, 64, ll, __builtin_rotateleft64)

// --- floats ---

static float f32_of(uint32_t bits) { return __builtin_bit_cast(float, bits); }
static double f64_of(uint64_t bits) { return __builtin_bit_cast(double, bits); }
static uint32_t bits_of_f32(float x) { return __builtin_bit_cast(uint32_t, x); }
static uint64_t bits_of_f64(double x) { return __builtin_bit_cast(uint64_t, x); }

#define FLOATS(type, U, suffix)                                                                                        \
  EXPORT(#type ".add") U type##_add(U a, U b) { return bits_of_##type(type##_of(a) + type##_of(b)); }                  \
  EXPORT(#type ".sub") U type##_sub(U a, U b) { return bits_of_##type(type##_of(a) - type##_of(b)); }                  \
  EXPORT(#type ".mul") U type##_mul(U a, U b) { return bits_of_##type(type##_of(a) * type##_of(b)); }                  \
  EXPORT(#type ".div") U type##_div(U a, U b) { return bits_of_##type(type##_of(a) / type##_of(b)); }                  \
  EXPORT(#type ".min") U type##_min(U a, U b) { return bits_of_##type(__builtin_wasm_min_##type(type##_of(a), type##_of(b))); } \
  EXPORT(#type ".max") U type##_max(U a, U b) { return bits_of_##type(__builtin_wasm_max_##type(type##_of(a), type##_of(b))); } \
  EXPORT(#type ".lt") U type##_lt(U a, U b) { return type##_of(a) < type##_of(b); }                                    \
  EXPORT(#type ".eq") U type##_eq(U a, U b) { return type##_of(a) == type##_of(b); }                                   \
  EXPORT(#type ".sqrt") U type##_sqrt(U a) { return bits_of_##type(__builtin_elementwise_sqrt(type##_of(a))); }            \
  EXPORT(#type ".ceil") U type##_ceil(U a) { return bits_of_##type(__builtin_ceil##suffix(type##_of(a))); }            \
  EXPORT(#type ".floor") U type##_floor(U a) { return bits_of_##type(__builtin_floor##suffix(type##_of(a))); }         \
  EXPORT(#type ".trunc") U type##_trunc(U a) { return bits_of_##type(__builtin_trunc##suffix(type##_of(a))); }         \
  EXPORT(#type ".nearest") U type##_nearest(U a) { return bits_of_##type(__builtin_rint##suffix(type##_of(a))); }

FLOATS(f32, uint32_t, f)
FLOATS(f64, uint64_t, )

EXPORT("f32.demote_f64") uint32_t f32_demote_f64(uint64_t a) { return bits_of_f32((float)f64_of(a)); }
EXPORT("f64.promote_f32") uint64_t f64_promote_f32(uint32_t a) { return bits_of_f64((double)f32_of(a)); }
EXPORT("f32.convert_i32_s") uint32_t f32_convert_i32_s(uint32_t a) { return bits_of_f32((float)(int32_t)a); }
EXPORT("f64.convert_i64_u") uint64_t f64_convert_i64_u(uint64_t a) { return bits_of_f64((double)a); }
EXPORT("i32.trunc_f64_s") uint32_t i32_trunc_f64_s(uint64_t a) { return __builtin_wasm_trunc_s_i32_f64(f64_of(a)); }

// --- what traps ---

static uint64_t of_another_type(uint64_t a, uint64_t b) { return a + b; }

EXPORT("unreachable") void unreachable(void) { __builtin_trap(); }
EXPORT("load") uint32_t load(uint32_t address) { return *(volatile uint32_t *)address; }
EXPORT("store") void store(uint32_t address) { *(volatile uint32_t *)address = 1; }
EXPORT("indirect") uint32_t indirect(uint32_t index) { return ((uint32_t (*)(uint32_t))index)(7); }
EXPORT("wrong") uint32_t wrong(void) { return (uint32_t)&of_another_type; }
EXPORT("deep") uint32_t deep(uint32_t n) {
  if (n == 0)
    return 0;
  uint32_t below = deep(n - 1);
  BARRIER(below);
  return below + 1;
}

// --- loops ---

// Integers and doubles that depend on every round before; Python is called every so many rounds, never for 0.
EXPORT("spin") uint64_t spin(uint32_t rounds, uint32_t every) {
  uint32_t x = 12345;
  double sum = 0;
  for (uint32_t i = 1; i <= rounds; i++) {
    x = x * 1664525 + 1013904223;
    sum = sum * 0.5 + x;
    if (every && i % every == 0)
      x ^= turn(i);
  }
  return bits_of_f64(sum) ^ x;
}

static volatile uint32_t words[64];

// Linear memory is written, a garbage collection runs, and all of it is read.
EXPORT("churn") uint32_t churn(uint32_t rounds) {
  uint32_t sum = 0;
  for (uint32_t i = 1; i <= rounds; i++) {
    for (uint32_t j = 0; j < 64; j++)
      words[j] = i * 2654435761u + j;
    sum += collect(i);
    for (uint32_t j = 0; j < 64; j++)
      sum = sum * 31 + words[j];
  }
  return sum;
}

EXPORT("call tick") uint32_t call_tick(uint32_t times) {
  uint32_t sum = 0;
  for (uint32_t i = 0; i < times; i++)
    sum += tick(i);
  return sum;
}
