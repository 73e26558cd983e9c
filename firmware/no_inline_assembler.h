// MicroPython's ports/qemu as firmware without inline assembler has it, which ESP32-C3's is.
#include <mpconfigport.h>

#undef MICROPY_EMIT_INLINE_RV32
#define MICROPY_EMIT_INLINE_RV32 (0)

#undef MICROPY_HW_BOARD_NAME
#define MICROPY_HW_BOARD_NAME "virt without inline assembler"
