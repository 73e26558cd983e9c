"""WebAssembly modules: decoding and validation (WebAssembly 2.0 without SIMD)."""
